"""What every report reads: one session over the lake with what the ledger has learnt since."""

# ruff: noqa: S608  (names are ours)

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from antiphon.campaigns.models import Campaign
from antiphon.clock import business_day
from antiphon.keys import bucket_sql
from antiphon.lake import Session, Snapshot
from antiphon.ledger import Ledger
from antiphon.project import Project
from antiphon.quoting import literal
from antiphon.reports.views import OUTCOMES
from antiphon.response.answers import answers_sql
from antiphon.response.attribution import Counted, conversions_sql, occurrences_sql
from antiphon.steps.buckets import bucket_session, each_bucket
from antiphon.steps.intake import ledger_mark

GOALS = pa.schema(
    [
        pa.field("campaign", pa.string()),
        pa.field("event", pa.string()),
        pa.field("category", pa.string()),
        pa.field("within_us", pa.int64()),
    ]
)
MICROSECOND = timedelta(microseconds=1)
# The commands of a rehearsal each begin at its moment: a run's clock may be ahead of a report's.
APART = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which occurrences a report is of. `days`: of so many business days, the last one today."""

    campaign: str | None = None
    days: int | None = None

    def condition(self, today: date) -> str:
        """Over occurrences."""
        parts = ["true"]
        if self.campaign is not None:
            parts.append(f"campaign = {literal(self.campaign)}")
        if self.days is not None:
            parts.append(f"day > DATE '{today - timedelta(days=self.days)}'")
        return " AND ".join(parts)


EVERYTHING = Scope()


@dataclass(frozen=True)
class Reading:
    """What a report reads: a snapshot, and what the ledger has learnt since."""

    project: Project
    snapshot: Snapshot
    scope: Scope
    now: datetime
    recent: Mapping[str, pa.Table]

    @property
    def zone(self) -> str:
        """The business time zone."""
        return self.project.configuration.settings.business.timezone

    def prepare(self, session: Session, bucket: int | None = None) -> None:
        """The views of a session over the snapshot, or over one of its buckets."""
        for entity, key in (("contacts", "message_id"), ("responses", "response_id")):
            if self.recent[entity].num_rows:
                session.register(f"recent_{entity}", self.recent[entity])
                _lay_over(session, entity, key, self.snapshot.buckets, bucket)
        campaigns = self.project.configuration.campaigns
        session.register("goals", goals(campaigns))
        narrowed = self.scope.condition(business_day(self.now, self.zone))
        has_attempts = _any(session, "contacts", "attempt > 1")
        has_unnamed = _any(session, "responses", "message_id IS NULL AND campaign IS NOT NULL")
        has_returns = _any(session, "orders", "amount < 0")
        views = {
            "every_occurrence": occurrences_sql(
                self.zone,
                self.now,
                self.project.ledger.runs.begun_after(self.now + APART),
                has_attempts=has_attempts,
            ),
            "answers": answers_sql(self.now, has_unnamed=has_unnamed),
            "conversions": conversions_sql(counted(campaigns), self.now, has_returns=has_returns),
            "occurrences": f"SELECT * FROM every_occurrence WHERE {narrowed}",
            "outcomes": OUTCOMES,
        }
        for name, sql in views.items():
            session.execute(f"CREATE TEMP VIEW {name} AS {sql}")


@contextmanager
def report_session(project: Project, scope: Scope = EVERYTHING) -> Iterator[Session]:
    """A session with the entities and, made of them, the views of antiphon.reports.views:
    occurrences, answers, conversions and outcomes; quarantine too. Contacts and responses are the
    ledger's latest. The scope narrows occurrences and outcomes: who shares an order with them, or
    answered what else, does not depend on it."""
    with reading_session(project, scope) as (_, session):
        yield session


@contextmanager
def reading_session(project: Project, scope: Scope) -> Iterator[tuple[Reading, Session]]:
    """As `report_session`, with what it reads."""
    snapshot = project.lake.current()
    with project.lake.session(snapshot) as session:  # keeps the snapshot while it is open
        recent = _recent(project.ledger, snapshot)
        reading = Reading(project, snapshot, scope, project.clock(), recent)
        reading.prepare(session)
        session.execute(f"CREATE TEMP VIEW quarantine AS {_quarantine_sql(snapshot)}")
        yield reading, session


@contextmanager
def by_bucket(reading: Reading, session: Session, name: str, sql: str) -> Iterator[None]:
    """Makes the relation `name` of a query whose rows need only those of their own customer.

    Of many buckets each answers for itself, beside others, into a file: the session would hold
    all messages and all that answers them in memory at once.
    """
    if reading.snapshot.buckets == 1:
        session.execute(f"CREATE TEMP TABLE {name} AS {sql}")
        yield
        return
    spill = reading.project.lake.path / "tmp"
    spill.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=spill, prefix=f"{os.getpid()}-") as folder:

        def work(bucket: int) -> Path:
            path = Path(folder) / f"{bucket}.parquet"
            with bucket_session(reading.project, reading.snapshot, bucket) as one:
                one.execute("SET disabled_optimizers = ''")
                reading.prepare(one, bucket)
                one.write(sql, path)
            return path

        paths = each_bucket(reading.project, reading.snapshot, work)
        listed = ", ".join(literal(str(path)) for path in paths)
        session.execute(
            f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM read_parquet([{listed}])"
        )
        yield


def goals(campaigns: Mapping[str, Campaign]) -> pa.Table:
    """What each campaign counts, as declared now: a row per campaign with a goal."""
    rows = [
        (name, goal.event, goal.category or "", goal.within // MICROSECOND)
        for name, one in campaigns.items()
        if (goal := one.goal)
    ]
    columns = list(zip(*rows, strict=True)) or [()] * len(GOALS)
    return pa.table([list(column) for column in columns], schema=GOALS)


def counted(campaigns: Mapping[str, Campaign]) -> set[Counted]:
    """Everything that some goal counts."""
    goals_of = [one.goal for one in campaigns.values() if one.goal]
    return {Counted(goal.event, goal.category or "") for goal in goals_of}


def _recent(ledger: Ledger, snapshot: Snapshot) -> dict[str, pa.Table]:
    mark = ledger_mark(snapshot)
    with ledger.history.contacts_since(mark) as reader:
        contacts = reader.read_all()
    with ledger.responses.table_since(mark) as reader:
        responses = reader.read_all()
    return {"contacts": contacts, "responses": responses}


def _lay_over(session: Session, entity: str, key: str, buckets: int, bucket: int | None) -> None:
    """The newer rows of an entity (in the bucket) take the place of the lake's."""
    mine = "true" if bucket is None else f"{bucket_sql('customer_id', buckets)} = {bucket}"
    session.execute(f"CREATE TEMP VIEW lake_{entity} AS FROM memory.main.{entity}")
    session.execute(
        f"CREATE TEMP VIEW {entity} AS"
        f" SELECT * FROM lake_{entity} ANTI JOIN recent_{entity} USING ({key})"
        f" UNION ALL BY NAME SELECT * FROM recent_{entity} WHERE {mine}"
    )


def _any(session: Session, entity: str, condition: str) -> bool:
    return bool(session.rows(f"SELECT 1 FROM {entity} WHERE {condition} LIMIT 1"))


def _quarantine_sql(snapshot: Snapshot) -> str:
    """Every row taken out that is still kept: run_id, entity, source, row_number, reasons, row."""
    columns = "run_id, entity, source, row_number, reasons, row"
    if paths := snapshot.files("quarantine"):
        listed = ", ".join(literal(str(path)) for path in paths)
        return f"SELECT {columns} FROM read_parquet([{listed}], union_by_name = true)"
    return f"SELECT * FROM (VALUES ('', '', '', 0, [''], '')) AS nobody({columns}) WHERE false"
