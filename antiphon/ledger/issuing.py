"""Promo codes issued in the very transaction that plans their messages.

So no crash leaves a message without its code or gives one code to two: both stand, or neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import (
    ARRAY,
    Connection,
    Insert,
    bindparam,
    column,
    delete,
    func,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from antiphon.errors import LedgerError
from antiphon.keys import code_key
from antiphon.ledger.engine import listed
from antiphon.ledger.inserting import insert_into
from antiphon.ledger.response_schema import codes
from antiphon.ledger.schema import Instant, messages
from antiphon.message.codes import code_secret, made, written
from antiphon.states import MessageState

TRIALS = 20  # codes of 54 bits: one collision is rare, twenty in a row a fault
Row = dict[str, Any]
Touch = tuple[str, str]  # campaign and step
_NAMES = ("code", "campaign", "occurrence_key", "customer_id", "discount", "gift")
_INSTANTS = ("issued_at", "valid_until")
_FACTS = (*_NAMES, *_INSTANTS, "revision")


@dataclass(frozen=True)
class Issuing:
    """What the messages of a plan promise.

    `unique`: campaign and step → prefix, of messages that print a code of their own; `samples`:
    the same → the sample they were composed with. `shared`: those that print everybody's code.
    `zone`: in which the last day of a code ends. `key`: the secret of codes.
    """

    key: str = field(repr=False)
    zone: str
    unique: Mapping[Touch, str] = field(default_factory=dict)
    samples: Mapping[Touch, str] = field(default_factory=dict)
    shared: frozenset[Touch] = frozenset()

    def ends_at(self, day: str | None) -> datetime | None:
        """The instant at which a code's last day (ISO) is over; None without one."""
        return None if day is None else _midnight_after(day, self.zone)


@lru_cache(maxsize=4096)
def _midnight_after(day: str, zone: str) -> datetime:
    next_day = date.fromisoformat(day) + timedelta(days=1)
    return datetime.combine(next_day, time(), ZoneInfo(zone))


def issue(
    connection: Connection, rows: Sequence[Row], issuing: Issuing, now: datetime, revision: int
) -> None:
    """Puts the codes of messages to be written (`rows`) into their values, and writes the codes.

    An occurrence keeps the code it has: a second attempt shows the first one's.
    """
    planned = [row for row in rows if row["state"] == MessageState.PLANNED]
    own = [row for row in planned if (row["campaign"], row["step"]) in issuing.unique]
    if own:
        _issue_own(connection, own, issuing, now, revision)
    common = [row for row in planned if (row["campaign"], row["step"]) in issuing.shared]
    if common:
        _note_shared(connection, common, issuing, now, revision)


def take_back_unused(connection: Connection, revision: int) -> None:
    """Codes that this transaction issued for messages which were there already go again."""
    mine = select(messages.c.occurrence_key).where(messages.c.revision == revision)
    connection.execute(
        delete(codes).where(
            codes.c.revision == revision,
            codes.c.occurrence_key.is_not(None),
            codes.c.occurrence_key.not_in(mine),
        )
    )


def _issue_own(
    connection: Connection, rows: Sequence[Row], issuing: Issuing, now: datetime, revision: int
) -> None:
    secret, known = (
        code_secret(issuing.key),
        _known(connection, [r["occurrence_key"] for r in rows]),
    )
    facts: dict[str, tuple[Any, ...]] = {}
    waiting: dict[str, str] = {}
    for row in rows:
        key = row["occurrence_key"]
        if key not in known:
            offer = _offer(row)
            until = issuing.ends_at(offer["valid_until"])
            given = (offer["discount"], offer.get("gift"), now, until, revision)
            waiting[key] = issuing.unique[row["campaign"], row["step"]]
            facts[key] = (row["campaign"], key, row["customer_id"], *given)
    for trial in range(TRIALS):
        if not waiting:
            break
        drawn = {key: prefix + made(secret, key, trial) for key, prefix in waiting.items()}
        new = sorted((code, *facts[key]) for key, code in drawn.items())
        if _insert(connection, new) == len(new):
            known |= drawn
            break
        known |= _known(connection, list(drawn))
        waiting = {key: prefix for key, prefix in waiting.items() if key not in known}
    else:
        raise LedgerError(f"no free promo codes after {TRIALS} trials: use another prefix.")
    for row in rows:
        sample = issuing.samples[row["campaign"], row["step"]]
        code = written(known[row["occurrence_key"]])
        row["values_json"] = row["values_json"].replace(f'"code":"{sample}"', f'"code":"{code}"', 1)


def _offer(row: Row) -> dict[str, Any]:
    """What the message promises. Only the customer's own values come before it in the text."""
    values: str = row["values_json"]
    return _parsed(values[values.rindex('"offer":') :])


@lru_cache(maxsize=4096)
def _parsed(tail: str) -> dict[str, Any]:
    offer: dict[str, Any] = orjson.loads("{" + tail)["offer"]
    return offer


def _insert(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> int:
    """Codes that are free, of FACTS; how many. The driver binds them itself: SQLAlchemy would take
    longer to bind ten thousand than SQLite to write them."""
    columns = list(zip(*rows, strict=True))
    if connection.dialect.name == "postgresql":
        given = {name: list(values) for name, values in zip(_FACTS, columns, strict=True)}
        new = _insert_table().execution_options(preserve_rowcount=True)
        return connection.execute(new, given).rowcount
    store = Instant().process_bind_param
    for place, name in enumerate(_FACTS):
        if name in _INSTANTS:
            known = {one: store(one, connection.dialect) for one in set(columns[place])}
            columns[place] = tuple(known[one] for one in columns[place])
    marks = ", ".join("?" * len(_FACTS))
    statement = f"INSERT INTO codes ({', '.join(_FACTS)}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608
    options = {"preserve_rowcount": True}
    told = list(zip(*columns, strict=True))
    return connection.exec_driver_sql(statement, told, execution_options=options).rowcount


@cache
def _insert_table() -> Insert:
    kinds: dict[str, TypeEngine[Any]] = {name: codes.c[name].type for name in _FACTS}
    given = [bindparam(name, type_=ARRAY(kind)) for name, kind in kinds.items()]
    typed = [column(name, kind) for name, kind in kinds.items()]
    told = func.unnest(*given).table_valued(*typed, name="told").render_derived()
    new = postgresql.insert(codes).from_select(_FACTS, select(*(told.c[name] for name in _FACTS)))
    return new.on_conflict_do_nothing()


def _known(connection: Connection, occurrences: Sequence[str]) -> dict[str, str]:
    """Occurrence → the code it has."""
    mine = codes.c.occurrence_key.in_(listed(connection, occurrences))
    query = select(codes.c.occurrence_key, codes.c.code).where(mine)
    return dict(connection.execute(query).tuples().all())


def _note_shared(
    connection: Connection, rows: Sequence[Row], issuing: Issuing, now: datetime, revision: int
) -> None:
    """Writes down the codes that everybody gets, for the tills; the latest last day counts."""
    found: dict[str, Row] = {}
    for row in rows:
        offer = _offer(row)
        code = code_key(offer["code"] or "")
        if not code:
            continue
        until = issuing.ends_at(offer["valid_until"])
        before = found.get(code)
        if before and (before["valid_until"] is None or (until and until <= before["valid_until"])):
            continue
        found[code] = {
            "code": code,
            "campaign": row["campaign"],
            "discount": offer["discount"],
            "gift": offer.get("gift"),
            "issued_at": now,
            "valid_until": until,
            "revision": revision,
        }
    if not found:
        return
    new = insert_into(connection, codes)
    told = new.excluded.valid_until
    longer = or_(told.is_(None), told > codes.c.valid_until)
    upsert = new.on_conflict_do_update(
        index_elements=["code"],
        set_={"valid_until": told, "revision": revision},
        where=codes.c.occurrence_key.is_(None) & func.coalesce(longer, False),
    )
    for _, each in sorted(found.items()):
        connection.execute(upsert, each)
