"""Alerts: what a person on duty is told, each once."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, delete, select, update

from antiphon.ledger.engine import reading, writing
from antiphon.ledger.inserting import count_inserted, insert_new
from antiphon.ledger.schema import alerts


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing to be told. `subject` tells it from others of its kind (a run's id, an account
    and the moment of its pause); `sent_at` is null until it was told."""

    alert_id: int
    kind: str
    subject: str
    detail: str
    raised_at: datetime
    sent_at: datetime | None


class Alerts:
    """The alerts of one ledger."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def raise_once(self, kind: str, subject: str, detail: str, now: datetime) -> bool:
        """Writes it down to be told; false when that kind was raised of that subject before."""
        row = {"kind": kind, "subject": subject, "detail": detail, "raised_at": now}
        with writing(self._engine) as connection:
            return count_inserted(connection, insert_new(connection, alerts), row) == 1

    def mark_sent(self, alert_id: int, now: datetime) -> bool:
        """It was told; false when it was told before, or is unknown."""
        mine = (alerts.c.alert_id == alert_id) & alerts.c.sent_at.is_(None)
        with writing(self._engine) as connection:
            return connection.execute(update(alerts).where(mine).values(sent_at=now)).rowcount == 1

    def open(self) -> list[Alert]:
        """Those nobody was told yet, oldest first."""
        query = select(alerts).where(alerts.c.sent_at.is_(None)).order_by(alerts.c.alert_id)
        with reading(self._engine) as connection:
            return [Alert(**row) for row in connection.execute(query).mappings()]

    def latest(self, limit: int = 50) -> list[Alert]:
        """The latest, newest first, told or not."""
        query = select(alerts).order_by(alerts.c.alert_id.desc()).limit(limit)
        with reading(self._engine) as connection:
            return [Alert(**row) for row in connection.execute(query).mappings()]

    def settle(self, kind: str, subject: str) -> bool:
        """It is over: should it come again, it is told again; false where none was raised."""
        mine = (alerts.c.kind == kind) & (alerts.c.subject == subject)
        with writing(self._engine) as connection:
            return connection.execute(delete(alerts).where(mine)).rowcount == 1
