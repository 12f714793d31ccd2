"""Promo codes issued in the very transaction that plans their messages.

So no crash leaves a message without its code or gives one code to two: both stand, or neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import Connection, column, delete, func, or_, select, table

from antiphon.errors import LedgerError
from antiphon.keys import code_key
from antiphon.ledger.engine import listed
from antiphon.ledger.inserting import insert_into, insert_new
from antiphon.ledger.response_schema import codes
from antiphon.ledger.schema import Instant, messages
from antiphon.message.codes import code_secret, made, written
from antiphon.states import MessageState

TRIALS = 20  # codes of 54 bits: one collision is rare, twenty in a row a fault
Row = dict[str, Any]
Touch = tuple[str, str]  # campaign and step
_NAMES = ("code", "campaign", "occurrence_key", "customer_id", "discount", "gift")
_FACTS = (*_NAMES, "issued_at", "valid_until", "revision")


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
    secret, known = code_secret(issuing.key), _known(connection, rows)
    facts, waiting = {}, {}
    for row in rows:
        key, touch = row["occurrence_key"], (row["campaign"], row["step"])
        if key not in known:
            offer = orjson.loads(row["values_json"])["offer"]
            waiting[key] = issuing.unique[touch]
            facts[key] = (
                *(row["campaign"], key, row["customer_id"], offer["discount"], offer.get("gift")),
                _stored(now, connection),
                _stored(issuing.ends_at(offer["valid_until"]), connection),
                revision,
            )
    for trial in range(TRIALS):
        if not waiting:
            break
        drawn = {key: prefix + made(secret, key, trial) for key, prefix in waiting.items()}
        new = [dict(zip(_FACTS, (code, *facts[key]), strict=True)) for key, code in drawn.items()]
        plain = table(codes.name, *(column(name) for name in _FACTS))
        statement = insert_new(connection, plain).execution_options(preserve_rowcount=True)
        if connection.execute(statement, new).rowcount == len(new):
            known |= drawn
            break
        found = _known(connection, new)
        known |= found
        waiting = {key: prefix for key, prefix in waiting.items() if key not in found}
    else:
        raise LedgerError(f"no free promo codes after {TRIALS} trials: use another prefix.")
    for row in rows:
        sample = issuing.samples[row["campaign"], row["step"]]
        code = written(known[row["occurrence_key"]])
        row["values_json"] = row["values_json"].replace(f'"code":"{sample}"', f'"code":"{code}"', 1)


def _known(connection: Connection, rows: Sequence[Row]) -> dict[str, str]:
    """Occurrence → the code it has."""
    mine = codes.c.occurrence_key.in_(listed(connection, [row["occurrence_key"] for row in rows]))
    query = select(codes.c.occurrence_key, codes.c.code).where(mine)
    return dict(connection.execute(query).tuples().all())


def _note_shared(
    connection: Connection, rows: Sequence[Row], issuing: Issuing, now: datetime, revision: int
) -> None:
    """Writes down the codes that everybody gets, for the tills; the latest last day counts."""
    found: dict[str, Row] = {}
    for row in rows:
        offer = orjson.loads(row["values_json"])["offer"]
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


def _stored(moment: datetime | None, connection: Connection) -> Any:
    return Instant().process_bind_param(moment, connection.dialect)
