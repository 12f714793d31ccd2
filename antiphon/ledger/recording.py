"""Recording what became of messages: forward only, in batches, each move in the log."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    Text,
    Update,
    bindparam,
    column,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from antiphon.ledger.engine import listed, next_revision, writing
from antiphon.ledger.moving import as_json, write_log
from antiphon.ledger.schema import AsStored, Instant, messages
from antiphon.states import NEXT, MessageState

OUTCOMES_A_TRANSACTION = 1_000
# out of `planned` only by claim, withdraw and expire
FORWARD = {state: after for state, after in NEXT.items() if state is not MessageState.PLANNED}
CERTAINLY_LEFT = frozenset({MessageState.ACCEPTED, MessageState.DELIVERED, MessageState.BOUNCED})
NEVER_LEFT = frozenset({MessageState.PLANNED, MessageState.WITHDRAWN, MessageState.REFUSED})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message. `planned` (certainly not sent: try later) needs `not_before`."""

    message_id: str
    state: MessageState
    evidence: Mapping[str, Any] | None = None
    provider: str | None = None
    provider_id: str | None = None
    not_before: datetime | None = None

    def __post_init__(self) -> None:
        """A new moment belongs to `planned`, and only to it."""
        if (self.state == MessageState.PLANNED) != (self.not_before is not None):
            raise ValueError("not_before goes with the outcome `planned`, and with no other")


@dataclass(frozen=True, slots=True)
class Recorded:
    """How many messages moved; and which outcomes changed nothing.

    These are of unknown messages, of states already passed, or of claims held by somebody else.
    """

    moved: int
    unmoved: tuple[str, ...]


def record(
    engine: Engine, outcomes: Sequence[Outcome], now: datetime, holder: str | None
) -> Recorded:
    """Moves messages as antiphon.states.NEXT allows; 1,000 outcomes a transaction, in order.

    Out of `sending` only the holder of the claim moves a message, or evidence that it left
    (accepted, delivered, bounced) brought without a holder: a provider's event may overtake the
    answer to our request. Out of `in_doubt` any evidence moves it.
    """
    unmoved: list[str] = []
    for start in range(0, len(outcomes), OUTCOMES_A_TRANSACTION):
        with writing(engine) as connection:
            for each_once in _rounds(outcomes[start : start + OUTCOMES_A_TRANSACTION]):
                unmoved += _record(connection, each_once, now, holder)
    return Recorded(len(outcomes) - len(unmoved), tuple(unmoved))


def _rounds(outcomes: Sequence[Outcome]) -> Iterator[list[Outcome]]:
    """The outcomes in rounds that hold each message once, in their order."""
    waiting = list(outcomes)
    while waiting:
        this_round = {}
        later = []
        for outcome in waiting:
            if outcome.message_id in this_round:
                later.append(outcome)
            else:
                this_round[outcome.message_id] = outcome
        yield list(this_round.values())
        waiting = later


def _record(
    connection: Connection, outcomes: list[Outcome], now: datetime, holder: str | None
) -> list[str]:
    """The ids that did not move."""
    ids = [outcome.message_id for outcome in outcomes]
    if connection.dialect.name == "postgresql":  # in one order, so that two writers never deadlock
        mine = select(messages.c.message_id).where(
            messages.c.message_id.in_(listed(connection, ids))
        )
        connection.execute(mine.order_by(messages.c.message_id).with_for_update())
    revision = next_revision(connection)
    by_state: dict[MessageState, list[Outcome]] = {}
    for outcome in outcomes:
        by_state.setdefault(outcome.state, []).append(outcome)
    for state, told in by_state.items():
        _move(connection, state, told, {"holder": holder, "now": now, "revision": revision})
    if write_log(connection, revision) == len(ids):
        return []
    query = select(messages.c.message_id).where(messages.c.revision == revision)
    moved = set(connection.execute(query).scalars())
    return [message_id for message_id in ids if message_id not in moved]


def _move(
    connection: Connection, state: MessageState, told: list[Outcome], common: dict[str, Any]
) -> None:
    """Writes down the outcomes of one state where they may follow the present one.

    PostgreSQL gets them as one table. SQLite executes one statement for all that were told alike,
    as those of a batch were; the driver itself binds it: SQLAlchemy would take longer to bind a
    thousand than SQLite to write them.
    """
    dialect = connection.dialect
    is_holders = common["holder"] is not None
    if not _before(state, is_holders=is_holders):
        return
    if dialect.name == "postgresql":
        columns = {name: [read(outcome) for outcome in told] for name, read in TOLD.items()}
        connection.execute(_change_of_table(state, is_holders=is_holders), {**common, **columns})
        return
    store = Instant().process_bind_param
    change = _compiled(state, dialect, is_holders=is_holders)
    fixed = {**change.params, **common, "now": store(common["now"], dialect)}
    rows = []
    for (evidence, provider, provider_id, not_before), ids in _alike(told).items():
        row = {
            **fixed,
            "told_ids": json.dumps(ids),
            "told_evidence": evidence,
            "told_provider": provider,
            "told_provider_id": provider_id,
            "told_not_before": store(not_before, dialect),
        }
        rows.append(tuple(row[name] for name in change.positiontup or ()))
    connection.exec_driver_sql(change.string, rows)


Told = tuple[str | None, str | None, str | None, datetime | None]


def _alike(told: Sequence[Outcome]) -> dict[Told, list[str]]:
    """What was told (evidence, provider, its id, not_before) → of which messages."""
    alike: dict[Told, list[str]] = {}
    for one in told:
        key = (as_json(one.evidence), one.provider, one.provider_id, one.not_before)
        alike.setdefault(key, []).append(one.message_id)
    return alike


TOLD: dict[str, Callable[[Outcome], Any]] = {
    "told_id": lambda one: one.message_id,
    "told_evidence": lambda one: as_json(one.evidence),
    "told_provider": lambda one: one.provider,
    "told_provider_id": lambda one: one.provider_id,
    "told_not_before": lambda one: one.not_before,
}


@lru_cache(maxsize=64)
def _compiled(state: MessageState, dialect: Dialect, *, is_holders: bool) -> SQLCompiler:
    told = {name: bindparam(name, type_=AsStored()) for name in TOLD}
    ids = func.json_each(bindparam("told_ids", type_=AsStored())).table_valued("value")
    mine = messages.c.message_id.in_(select(ids.c.value))
    change = _change(state, told, bindparam("now", type_=AsStored()), is_holders=is_holders)
    return change.where(mine).compile(dialect=dialect)


@cache
def _change_of_table(state: MessageState, *, is_holders: bool) -> Update:
    kinds: dict[str, TypeEngine[Any]] = {name: Text() for name in TOLD}
    kinds["told_not_before"] = Instant()
    columns = [bindparam(name, type_=ARRAY(kind)) for name, kind in kinds.items()]
    typed = [column(name, kind) for name, kind in kinds.items()]
    told = func.unnest(*columns).table_valued(*typed, name="told").render_derived()
    now = bindparam("now", type_=Instant())
    change = _change(state, dict(told.c.items()), now, is_holders=is_holders)
    return change.where(messages.c.message_id == told.c.told_id)


def _before(state: MessageState, *, is_holders: bool) -> list[MessageState]:
    """The states from which these outcomes may move a message to `state`."""
    before = {one for one, after in FORWARD.items() if state in after}
    if not is_holders and state not in CERTAINLY_LEFT:
        before -= {MessageState.SENDING}
    return sorted(before)


def _change(
    state: MessageState,
    told: Mapping[str, ColumnElement[Any]],
    now: ColumnElement[Any],
    *,
    is_holders: bool,
) -> Update:
    """The statement that moves messages to `state`, from where they may; which, is left open."""
    names: list[ColumnElement[str]] = [
        literal_column(f"'{one}'") for one in _before(state, is_holders=is_holders)
    ]
    may_move: ColumnElement[bool] = messages.c.state.in_(names)
    if is_holders:
        may_move &= or_(
            messages.c.state != literal_column("'sending'"),
            messages.c.claim_holder == bindparam("holder"),
        )
    values: dict[str, Any] = {
        "state": state.value,
        "evidence": told["told_evidence"],
        "provider": func.coalesce(told["told_provider"], messages.c.provider),
        "provider_id": func.coalesce(told["told_provider_id"], messages.c.provider_id),
        "claim_expires_at": None,
        "updated_at": now,
        "revision": bindparam("revision"),
    }
    if state is MessageState.PLANNED:
        values["not_before"] = told["told_not_before"]
    if state in NEVER_LEFT:
        values["left_at"] = None
    return update(messages).where(may_move).values(values)
