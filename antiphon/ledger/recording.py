"""Recording what became of messages: forward only, in batches, each move in the log."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Subquery,
    Text,
    and_,
    case,
    column,
    func,
    literal,
    null,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from antiphon.ledger.engine import listed, next_revision, writing
from antiphon.ledger.moving import as_json, write_log
from antiphon.ledger.schema import Instant, messages
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
    told = _table(connection, outcomes)
    change = (
        update(messages)
        .where(messages.c.message_id == told.c.message_id, _may_move(told, holder))
        .values(
            state=told.c.state,
            evidence=told.c.evidence,
            provider=func.coalesce(told.c.provider, messages.c.provider),
            provider_id=func.coalesce(told.c.provider_id, messages.c.provider_id),
            not_before=func.coalesce(told.c.not_before, messages.c.not_before),
            left_at=case((told.c.state.in_(NEVER_LEFT), null()), else_=messages.c.left_at),
            claim_expires_at=None,
            updated_at=now,
            revision=revision,
        )
    )
    connection.execute(change)
    if write_log(connection, revision) == len(ids):
        return []
    query = select(messages.c.message_id).where(messages.c.revision == revision)
    moved = set(connection.execute(query).scalars())
    return [message_id for message_id in ids if message_id not in moved]


def _may_move(told: Subquery, holder: str | None) -> ColumnElement[bool]:
    """The condition on the message's present state and its claim."""
    forward = or_(
        *(
            and_(messages.c.state == state, told.c.state.in_(sorted(after)))
            for state, after in FORWARD.items()
            if after
        )
    )
    mine: ColumnElement[bool] = messages.c.claim_holder == holder
    if holder is None:
        mine = told.c.state.in_(sorted(CERTAINLY_LEFT))
    return and_(forward, or_(messages.c.state != MessageState.SENDING, mine))


def _table(connection: Connection, outcomes: list[Outcome]) -> Subquery:
    """The outcomes as a table, travelling as one JSON parameter."""
    stored = Instant()
    rows = [
        {
            "message_id": outcome.message_id,
            "state": outcome.state,
            "evidence": as_json(outcome.evidence),
            "provider": outcome.provider,
            "provider_id": outcome.provider_id,
            "not_before": stored.process_bind_param(outcome.not_before, connection.dialect),
        }
        for outcome in outcomes
    ]
    names = tuple(rows[0])
    kinds: list[TypeEngine[Any]] = [stored if name == "not_before" else Text() for name in names]
    fields = list(zip(names, kinds, strict=True))
    if connection.dialect.name == "postgresql":
        payload = sql_cast(literal(json.dumps(rows, default=datetime.isoformat), Text()), JSONB)
        typed = [column(name, kind) for name, kind in fields]
        told = func.jsonb_to_recordset(payload).table_valued(*typed)
        return select(told.render_derived(with_types=True)).subquery("told")
    value = func.json_each(json.dumps(rows)).table_valued("value").c.value
    return select(
        *(
            type_coerce(func.json_extract(value, f"$.{name}"), kind).label(name)
            for name, kind in fields
        )
    ).subquery("told")
