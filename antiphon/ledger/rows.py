"""Messages as they are read: one row, one Message."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, select, type_coerce

from antiphon import keys
from antiphon.ledger.schema import AsStored, as_instant, messages
from antiphon.states import MessageState


class Message(NamedTuple):
    """One attempt of an occurrence on one channel, in its latest state.

    A tuple, as a million of them are read: a frozen dataclass of so many fields takes longer than
    its row. `left_at` is when it was claimed for sending, null while (or once again) it cannot have
    left.
    """

    message_id: str
    occurrence_key: str
    attempt: int
    run_id: str
    campaign: str
    step: str
    cell: str
    customer_id: str
    unit: str
    anchor: str
    arm: str
    channel: str
    category: str
    address: str | None
    values_json: str
    template_hash: str | None
    language: str | None
    state: MessageState
    not_before: datetime
    expires_at: datetime
    planned_at: datetime
    left_at: datetime | None
    updated_at: datetime
    claim_holder: str | None
    claim_expires_at: datetime | None
    provider: str | None
    provider_id: str | None
    evidence: str | None
    revision: int

    def next_id(self, salt: str) -> str:
        """The public id of the attempt after this one."""
        return keys.message_id(salt, self.occurrence_key, self.attempt + 1)


class Addressed(NamedTuple):
    """Whom a message was for, and by which campaign: as much as a response needs to know."""

    message_id: str
    customer_id: str
    campaign: str
    channel: str
    category: str
    address: str | None
    state: MessageState
    provider_id: str | None


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One change of one message: its state from `at` on, by whom, with what evidence (JSON)."""

    state: MessageState
    at: datetime
    holder: str | None
    evidence: str | None


FIELDS = Message._fields
STATE = FIELDS.index("state")
STATES = {state.value: state for state in MessageState}
INSTANTS = tuple(n for n, name in enumerate(FIELDS) if name.endswith(("_at", "_before")))


def message_query() -> Select[Any]:
    """Every column of Message, in its order; to be read by `read_messages`."""
    columns = [messages.c[name] for name in FIELDS]
    # instants are converted there: SQLAlchemy's way, value by value, takes four times as long
    return select(
        *(
            type_coerce(column, AsStored()).label(column.name) if n in INSTANTS else column
            for n, column in enumerate(columns)
        )
    )


def read_messages(connection: Connection, query: Select[Any]) -> list[Message]:
    """What a `message_query` finds."""
    found = []
    for row in connection.execute(query).all():
        values = list(row)
        values[STATE] = STATES[values[STATE]]
        for n in INSTANTS:
            if values[n] is not None:
                values[n] = as_instant(values[n])
        found.append(Message._make(values))
    return found
