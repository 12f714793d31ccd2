"""The ledger: what must never be lost or repeated, in SQLite or PostgreSQL through SQLAlchemy."""

from antiphon.ledger.contents import Contents
from antiphon.ledger.engine import connect, parse_url, place
from antiphon.ledger.history import History
from antiphon.ledger.leases import Lease, Leases
from antiphon.ledger.messages import Count, LogEntry, Message, Messages
from antiphon.ledger.migrate import bring_up_to_date
from antiphon.ledger.people import People
from antiphon.ledger.planning import PLAN_SCHEMA, Planned
from antiphon.ledger.recording import Outcome, Recorded
from antiphon.ledger.runs import UNFINISHED, Run, Runs, RunState, Step

__all__ = [
    "PLAN_SCHEMA",
    "UNFINISHED",
    "Count",
    "Lease",
    "Ledger",
    "LogEntry",
    "Message",
    "Outcome",
    "Planned",
    "Recorded",
    "Run",
    "RunState",
    "Step",
]


class Ledger:
    """One open ledger. Safe to use from several threads; each process opens its own."""

    def __init__(self, url: str) -> None:
        self._engine = connect(parse_url(url))
        self.place = place(self._engine.url)
        self.leases = Leases(self._engine)
        self.contents = Contents(self._engine)
        self.runs = Runs(self._engine)
        self.messages = Messages(self._engine)
        self.people = People(self._engine)
        self.history = History(self._engine)

    @classmethod
    def open(cls, url: str, migrate: bool = True) -> "Ledger":
        """The ledger at an SQLAlchemy URL (a plain path: SQLite), brought up to date.

        Raises LedgerError, with no password in it, when it cannot be reached, is newer than this
        program, or is older and `migrate` is false.
        """
        ledger = cls(url)
        try:
            bring_up_to_date(ledger._engine, migrate=migrate)
        except BaseException:
            ledger.close()
            raise
        return ledger

    def close(self) -> None:
        """Closes every connection."""
        self._engine.dispose()

    def __enter__(self) -> "Ledger":
        """For `with Ledger.open(url) as ledger`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes it."""
        self.close()
