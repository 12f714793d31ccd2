"""What else the people of a few messages were sent, or will be: as it stands at this moment."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from sqlalchemy import Engine, and_, func, or_, select

from antiphon.ledger.bulk import read_bulk
from antiphon.ledger.engine import listed, reading
from antiphon.ledger.history import PLANNED
from antiphon.ledger.schema import messages, runs
from antiphon.states import OCCURRENCE_STATES, MessageState


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A contact or control row of somebody. `contact_at`: when it left or may have left, else when
    it is to; `planned_at`: when it was meant to; `left_at` is null where it has not."""

    message_id: str
    run_id: str
    customer_id: str
    unit: str
    campaign: str
    step: str
    anchor: str
    channel: str
    category: str
    state: MessageState
    contact_at: datetime
    planned_at: datetime
    left_at: datetime | None


_AT = func.coalesce(messages.c.left_at, messages.c.not_before)
_COLUMNS = [
    messages.c[name]
    for name in ("message_id", "run_id", "customer_id", "unit", "campaign", "step", "anchor")
] + [messages.c.channel, messages.c.category, messages.c.state, _AT.label("contact_at")]
_COLUMNS += [messages.c.planned_at, messages.c.left_at]
_THERE = messages.c.state.in_(sorted(OCCURRENCE_STATES))


class Neighbours:
    """The messages of one ledger, asked by person."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def since(
        self,
        customer_ids: Collection[str],
        since: datetime,
        planned_after: datetime,
        but: Collection[int],
    ) -> list[Neighbour]:
        """What these people were or will be sent after `since`, of what was planned for a moment
        after `planned_after` (which keeps it quick); without what was last changed by one of the
        revisions `but`."""
        with reading(self._engine) as connection:
            query = select(*_COLUMNS).where(
                messages.c.customer_id.in_(listed(connection, customer_ids)),
                messages.c.planned_at > planned_after,
                messages.c.revision.not_in(but),
                _THERE,
                since < _AT,
            )
            return [_neighbour(row) for row in connection.execute(query)]

    def of(self, customer_ids: Collection[str], now: datetime) -> list[Neighbour]:
        """All that was said to these people and all that they will be sent by released runs,
        without what is overdue: that is judged when it leaves."""
        with reading(self._engine) as connection:
            is_to_come = and_(messages.c.not_before > now, runs.c.released_at.is_not(None))
            query = (
                select(*_COLUMNS)
                .join(runs, runs.c.run_id == messages.c.run_id)
                .where(
                    messages.c.customer_id.in_(listed(connection, customer_ids)),
                    _THERE,
                    or_(messages.c.state != MessageState.PLANNED, is_to_come),
                )
            )
            return [_neighbour(row) for row in connection.execute(query)]

    def waiting(self) -> pa.Table:
        """Every planned message, as the audit reads messages: `contact_at` is when it is to leave
        (history.PLANNED)."""
        at = messages.c.not_before.label("contact_at")
        columns = [at if name == "contact_at" else messages.c[name] for name in PLANNED.names]
        query = select(*columns).where(messages.c.state == MessageState.PLANNED)
        with read_bulk(self._engine, query, PLANNED) as reader:
            return reader.read_all()


def _neighbour(row: Sequence[object]) -> Neighbour:
    values = list(row)
    values[9] = MessageState(str(values[9]))
    return Neighbour(*values)  # type: ignore[arg-type]
