"""What every report reads: one session over the lake with what the ledger has learnt since."""

# ruff: noqa: S608  (names are ours)

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa

from antiphon.campaigns.models import Campaign
from antiphon.clock import business_day
from antiphon.lake import Session, Snapshot
from antiphon.ledger import Ledger
from antiphon.project import Project
from antiphon.quoting import literal
from antiphon.reports.views import OUTCOMES
from antiphon.response.answers import answers_sql
from antiphon.response.attribution import Counted, conversions_sql, occurrences_sql
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


@contextmanager
def report_session(project: Project, scope: Scope = EVERYTHING) -> Iterator[Session]:
    """A session with the entities and, made of them, the views of antiphon.reports.views:
    occurrences, answers, conversions and outcomes; quarantine too. Contacts and responses are the
    ledger's latest. The scope narrows occurrences and outcomes: who shares an order with them, or
    answered what else, does not depend on it."""
    snapshot = project.lake.current()
    with project.lake.session(snapshot, tables=_recent(project.ledger, snapshot)) as session:
        for entity, key in (("contacts", "message_id"), ("responses", "response_id")):
            _lay_over(session, entity, key)
        session.execute(f"CREATE TEMP VIEW quarantine AS {_quarantine_sql(snapshot)}")
        campaigns = project.configuration.campaigns
        session.register("goals", goals(campaigns))
        zone, now = project.configuration.settings.business.timezone, project.clock()
        narrowed = scope.condition(business_day(now, zone))
        views = {
            "every_occurrence": occurrences_sql(
                zone, has_attempts=_any(session, "contacts", _SEVERAL)
            ),
            "answers": answers_sql(now, has_unnamed=_any(session, "responses", _UNNAMED)),
            "conversions": conversions_sql(
                counted(campaigns), now, has_returns=_any(session, "orders", "amount < 0")
            ),
            "occurrences": f"SELECT * FROM every_occurrence WHERE {narrowed}",
            "outcomes": OUTCOMES,
        }
        for name, sql in views.items():
            session.execute(f"CREATE TEMP VIEW {name} AS {sql}")
        yield session


_SEVERAL = "attempt > 1"
_UNNAMED = "message_id IS NULL AND campaign IS NOT NULL"


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
    return {"recent_contacts": contacts, "recent_responses": responses}


def _lay_over(session: Session, entity: str, key: str) -> None:
    """The newer rows of an entity take the place of the lake's."""
    ((rows,),) = session.rows(f"SELECT count(*) FROM recent_{entity}")
    if not rows:
        return
    session.execute(f"CREATE TEMP VIEW lake_{entity} AS FROM memory.main.{entity}")
    session.execute(
        f"CREATE TEMP VIEW {entity} AS"
        f" SELECT * FROM lake_{entity} ANTI JOIN recent_{entity} USING ({key})"
        f" UNION ALL BY NAME SELECT * FROM recent_{entity}"
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
