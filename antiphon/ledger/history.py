"""The ledger as a source of the lake: contacts, in bulk, from where the last pull ended."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from sqlalchemy import Engine, and_, case, func, or_, select

from antiphon.ledger.bulk import read_bulk
from antiphon.ledger.engine import mark, reading
from antiphon.ledger.schema import message_log, messages
from antiphon.states import MessageState

CONTROL_ARMS = ("control", "universal_control")
TAKEN_BACK = ("withdrawn", "expired")
NOT_LEFT = ("planned", "control", *TAKEN_BACK)

CONTACTS = pa.schema(
    [
        pa.field(name, pa.string(), nullable=False)
        for name in ("message_id", "occurrence_key", "customer_id", "unit", "campaign")
    ]
    + [pa.field(name, pa.string(), nullable=False) for name in ("step", "cell", "anchor")]
    + [pa.field("attempt", pa.int64(), nullable=False)]
    + [
        pa.field(name, pa.string(), nullable=False)
        for name in ("arm", "channel", "category", "state")
    ]
    + [pa.field("contact_at", pa.timestamp("us", tz="UTC"), nullable=False)]
    + [pa.field("run_id", pa.string(), nullable=False)]
    + [pa.field("cost_e4", pa.int64(), nullable=False)]
)

PLANNED = pa.schema(
    [*CONTACTS, pa.field("expires_at", pa.timestamp("us", tz="UTC"), nullable=False)]
)


class History:
    """Contacts of one ledger for the lake.

    A pull reads `mark()` first, then `contacts_since(the last mark)`: every change committed by
    the mark is in it, and later ones come (again) with the next pull, which merges by message_id.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def mark(self) -> int:
        """Where the next pull may begin: all changes up to it are committed, on any database."""
        return mark(self._engine)

    @contextmanager
    def contacts_since(self, since: int) -> Iterator[pa.RecordBatchReader]:
        """Messages changed after the mark `since` (0: all), with the columns of entities.CONTACTS.

        `contact_at` is when the message left, or may have left; else when it is planned to.
        Streamed: valid within the context, in bounded memory.
        """
        left = func.coalesce(messages.c.left_at, messages.c.not_before).label("contact_at")
        columns = [left if name == "contact_at" else messages.c[name] for name in CONTACTS.names]
        query = select(*columns).where(messages.c.revision > since)
        with read_bulk(self._engine, query, CONTACTS) as reader:
            yield reader

    def planned_by(self, run_id: str) -> pa.Table:
        """The messages of a run as they were planned: PLANNED.

        `contact_at` is the moment they were planned for, and `state` planned or control, whatever
        became of them.
        """
        was_control = or_(
            messages.c.state == MessageState.CONTROL,
            and_(messages.c.state.in_(TAKEN_BACK), messages.c.arm.in_(CONTROL_ARMS)),
        )
        names = MessageState.CONTROL.value, MessageState.PLANNED.value
        born = case((was_control, names[0]), else_=names[1]).label("state")
        at = messages.c.planned_at.label("contact_at")
        own = {"contact_at": at, "state": born}
        columns = [own[name] if name in own else messages.c[name] for name in PLANNED.names]
        query = select(*columns).where(messages.c.run_id == run_id)
        with read_bulk(self._engine, query, PLANNED) as reader:
            return reader.read_all()

    def contacts_before(self, run_id: str, since: int) -> pa.Table:
        """Messages of other runs that changed after the mark `since` and before the run planned
        its first: as they stood then (CONTACTS). Nothing where it planned none.

        `contact_at` is when a message had left by then, else when it was planned to.
        """
        log = message_log.c
        own = select(messages.c.message_id).where(messages.c.run_id == run_id)
        with reading(self._engine) as connection:
            first = connection.execute(
                select(func.min(log.revision)).where(log.message_id.in_(own))
            ).scalar()
        last = (
            select(log.message_id, func.max(log.revision).label("revision"))
            .where(log.revision > since, log.revision < (first or 0))
            .group_by(log.message_id)
            .subquery()
        )
        left = func.coalesce(messages.c.left_at, messages.c.not_before)
        there = {
            "state": log.state,
            "contact_at": case((log.state.in_(NOT_LEFT), messages.c.not_before), else_=left),
        }
        columns = [
            (there[name] if name in there else messages.c[name]).label(name)
            for name in CONTACTS.names
        ]
        query = (
            select(*columns)
            .join(last, last.c.message_id == messages.c.message_id)
            .join(
                message_log,
                and_(log.message_id == last.c.message_id, log.revision == last.c.revision),
            )
            .where(messages.c.run_id != run_id)
        )
        with read_bulk(self._engine, query, CONTACTS) as reader:
            return reader.read_all()
