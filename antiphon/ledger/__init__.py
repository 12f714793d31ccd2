"""The ledger: what must never be lost or repeated, in SQLite or PostgreSQL through SQLAlchemy."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from antiphon.ledger import copying
from antiphon.ledger.accounts import Accounts, AccountStanding, Reservation
from antiphon.ledger.alerts import Alert, Alerts
from antiphon.ledger.claiming import Group
from antiphon.ledger.codes import Code, Codes
from antiphon.ledger.contents import Contents
from antiphon.ledger.counting import Answers, Count, OutboxCount
from antiphon.ledger.engine import connect, parse_url, place
from antiphon.ledger.erasure import Erasure
from antiphon.ledger.facts import Fact, Facts
from antiphon.ledger.history import History
from antiphon.ledger.holdings import Holdings
from antiphon.ledger.holds import Hold, HoldKind, Holds
from antiphon.ledger.importing import Importing
from antiphon.ledger.inbox import Arrival, Inbox, Unparsed, Waiting
from antiphon.ledger.issuing import Issuing
from antiphon.ledger.leases import Lease, Leases
from antiphon.ledger.messages import Messages
from antiphon.ledger.migrate import bring_up_to_date
from antiphon.ledger.neighbours import Neighbour, Neighbours
from antiphon.ledger.people import Act, People, Suppression
from antiphon.ledger.planning import PLAN_SCHEMA, Planned
from antiphon.ledger.recording import Outcome, Recorded
from antiphon.ledger.redemptions import Redemption, Redemptions
from antiphon.ledger.responses import Match, Response, Responses
from antiphon.ledger.rows import Addressed, LogEntry, Message
from antiphon.ledger.runs import UNFINISHED, Run, Runs, RunState, Step
from antiphon.ledger.statements import Statement, Statements
from antiphon.ledger.surveys import Comment, StaffTask, Surveys
from antiphon.ledger.tallies import Tallies
from antiphon.ledger.tombstones import Tombstones

__all__ = [
    "PLAN_SCHEMA",
    "UNFINISHED",
    "AccountStanding",
    "Act",
    "Addressed",
    "Alert",
    "Answers",
    "Arrival",
    "Code",
    "Comment",
    "Count",
    "Fact",
    "Group",
    "Hold",
    "HoldKind",
    "Issuing",
    "Lease",
    "Ledger",
    "LogEntry",
    "Match",
    "Message",
    "Neighbour",
    "OutboxCount",
    "Outcome",
    "Planned",
    "Recorded",
    "Redemption",
    "Reservation",
    "Response",
    "Run",
    "RunState",
    "StaffTask",
    "Statement",
    "Step",
    "Suppression",
    "Unparsed",
    "Waiting",
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
        self.neighbours = Neighbours(self._engine)
        self.accounts = Accounts(self._engine)
        self.holds = Holds(self._engine)
        self.facts = Facts(self._engine)
        self.alerts = Alerts(self._engine)
        self.tallies = Tallies(self._engine)
        self.codes = Codes(self._engine)
        self.redemptions = Redemptions(self._engine)
        self.importing = Importing(self._engine)
        self.tombstones = Tombstones(self._engine)
        self.erasure = Erasure(self._engine)
        self.holdings = Holdings(self._engine)
        self.inbox = Inbox(self._engine)
        self.responses = Responses(self._engine)
        self.statements = Statements(self._engine)
        self.surveys = Surveys(self._engine)

    @property
    def database(self) -> Path | None:
        """The file of an SQLite ledger; None where a server keeps it."""
        is_file = self._engine.url.get_backend_name() == "sqlite"
        return Path(str(self._engine.url.database)) if is_file else None

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

    def copy_to(self, path: Path) -> dict[str, int]:
        """Writes all of it, as it is at this moment, into a new SQLite file; rows by table."""
        return copying.copy_to(self._engine, path)

    def restore(
        self,
        path: Path,
        accounts: Mapping[str, str],
        evidence: Mapping[str, str],
        now: datetime,
        *,
        seen: int = 0,
    ) -> int:
        """Puts such a copy in the place of everything it holds; how many messages are in doubt.

        These were planned or under way in the copy, and due by now: they may have left since, by
        the `accounts` (channel → account). Revisions go on after `seen`, which the lake has seen.
        """
        copying.replace_by(self._engine, path)
        copying.go_on_from(self._engine, seen)
        return copying.doubt_what_may_have_left(self._engine, accounts, evidence, now)

    def close(self) -> None:
        """Closes every connection."""
        self._engine.dispose()

    def __enter__(self) -> "Ledger":
        """For `with Ledger.open(url) as ledger`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes it."""
        self.close()
