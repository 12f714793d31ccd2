"""Whom a pass of the triggers concerns: found from events and notices alone, before any frame.

An occasion is looked at by the first pass after it became due, and by every daily run within its
grace. So a pass that finds nothing new leaves no run behind, however often it comes.
"""

# ruff: noqa: S608  (names are ours and checked campaigns'; values are literals)

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa

from antiphon.audience.chains import chain_sql, hopeful_sql
from antiphon.audience.triggers import trigger_sql
from antiphon.audience.windows import Window, instant
from antiphon.campaigns.models import Campaign, Trigger
from antiphon.clock import Clock, business_day
from antiphon.entities import ENTITIES
from antiphon.lake import Session, Snapshot
from antiphon.ledger import UNFINISHED, RunState
from antiphon.policy.moment import Moment
from antiphon.project import Project, open_project
from antiphon.quoting import literal, quoted
from antiphon.steps.frames import build_frames, last_constants
from antiphon.steps.intake import (
    HAPPENINGS,
    ledger_mark,
    publisher,
    pull_happenings,
    recent_contacts,
)
from antiphon.steps.occasions import told_sql
from antiphon.steps.planning import scratch
from antiphon.steps.run import TRIGGERS, read_summaries, todays_campaigns


@dataclass(frozen=True)
class Pass:
    """What a pass has to do: the day (that of an unfinished one comes first) and its campaigns."""

    business_day: date
    campaigns: tuple[str, ...]


@dataclass(frozen=True)
class News:
    """What came since a run that looked at everything.

    `files`: staged rows by entity that it did not have. `seen`: campaign → until when that run
    looked at its occasions; those of other campaigns are all news.
    """

    files: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    seen: Mapping[str, datetime] = field(default_factory=dict)


def trigger_campaigns(project: Project, day: date) -> tuple[Campaign, ...]:
    """The day's campaigns that start from something that happened."""
    return tuple(
        one
        for one in todays_campaigns(project, day)
        if one.on or (one.chain and one.chain.start.event)
    )


def next_pass(root: Path, clock: Clock) -> Pass | None:
    """What a pass would do now; None where nothing concerns anybody. Nothing is written."""
    project = open_project(root, clock)
    zone = project.configuration.settings.business.timezone
    for run in project.ledger.runs.latest(TRIGGERS):
        if run.state in UNFINISHED and not run.dry_run:
            return Pass(run.business_day, _names(trigger_campaigns(project, run.business_day)))
    now, snapshot = project.clock(), project.lake.current()
    moment = Moment(now, business_day(now, zone), zone)
    campaigns = trigger_campaigns(project, moment.business_day)
    if not campaigns or snapshot.id == 0:
        return None
    with scratch(project.lake.path) as staging:
        pulled = pull_happenings(project, snapshot, staging, now)
        files = {
            entity: [path for one in pulled if one.entity == entity for path in one.files]
            for entity in HAPPENINGS
        }
        news = News(files, seen(project, publisher(snapshot)))
        recent = recent_contacts(project, ledger_mark(snapshot))
        found = concerned(project, snapshot, moment, campaigns, recent=recent, news=news)
    return Pass(moment.business_day, _names(campaigns)) if found.num_rows else None


def _names(campaigns: Sequence[Campaign]) -> tuple[str, ...]:
    return tuple(one.campaign for one in campaigns)


def seen(project: Project, run_id: str) -> dict[str, datetime]:
    """Campaign → the moment as of which that run decided on it; nothing of one not finished."""
    run = project.ledger.runs.get(run_id) if run_id else None
    if run is None or run.state is not RunState.FINISHED or run.dry_run:
        return {}
    return {one.campaign: run.as_of for one in read_summaries(project.var / "runs" / run_id)}


def concerned(
    project: Project,
    snapshot: Snapshot,
    moment: Moment,
    campaigns: Sequence[Campaign],
    *,
    recent: pa.Table,
    news: News,
) -> pa.Table:
    """The customers (one column, customer_id) with an occasion that is news and not used up, or
    who may enter a chain; conditions are not asked, so a touch may in the end be nobody's."""
    with ExitStack() as stack:
        session = stack.enter_context(project.lake.session(snapshot, tables={"recent": recent}))
        look = _Look(project, snapshot, moment, session, stack)
        look.add(news.files)
        session.execute(f"CREATE TEMP TABLE told AS {told_sql(_names(campaigns))}")
        parts = [
            part
            for campaign in campaigns
            if (part := look.concerned_sql(campaign, news.seen.get(campaign.campaign)))
        ]
        listed = " UNION ".join(["SELECT NULL::VARCHAR AS customer_id WHERE false", *parts])
        return session.arrow(
            f"SELECT customer_id FROM ({listed}) SEMI JOIN customers USING (customer_id)"
        )


@dataclass(frozen=True)
class _Look:
    """A look at what happened, in one session over all customers."""

    project: Project
    snapshot: Snapshot
    moment: Moment
    session: Session
    stack: ExitStack  # for what a look makes and nobody needs after it

    def add(self, files: Mapping[str, Sequence[Path]]) -> None:
        """Let the views hold staged rows too; the table `fresh` has their ids."""
        ids = ["SELECT NULL::VARCHAR AS id WHERE false"]
        for entity, paths in files.items():
            if not paths:
                continue
            key, listed = HAPPENINGS[entity], ", ".join(literal(str(path)) for path in paths)
            staged = f"read_parquet([{listed}], union_by_name = true)"
            ids.append(f"SELECT {key} FROM {staged}")
            names = ", ".join(quoted(column.name) for column in ENTITIES[entity].columns)
            gone = "NOT coalesce(is_deleted, false)" if entity == "notices" else "true"
            self.session.execute(f"ALTER VIEW {entity} RENAME TO known_{entity}")
            self.session.execute(
                f"CREATE VIEW {entity} AS SELECT {names} FROM known_{entity} k "
                f"ANTI JOIN {staged} s ON s.{key} = k.{key} "
                f"UNION ALL BY NAME SELECT * FROM {staged} WHERE {gone}"
            )
        self.session.execute(f"CREATE TEMP TABLE fresh AS {' UNION '.join(ids)}")

    def concerned_sql(self, campaign: Campaign, since: datetime | None) -> str:
        """SELECT customer_id; '' where nothing can have happened."""
        if campaign.chain:
            people = hopeful_sql(campaign.campaign, campaign.chain, self.moment)
            chain = chain_sql(
                campaign.campaign, campaign.chain, self.moment, people, everybody=False
            )
            return (
                f"SELECT customer_id FROM ({chain}) WHERE (is_due AND {_is_news('due_at', since)}) "
                f"OR (is_new AND {_is_news('entered_at', since)})"
            )
        assert campaign.on is not None
        source = self._holders(campaign.on)
        if campaign.on.same and not source:
            return ""
        return f"""
            SELECT customer_id FROM ({trigger_sql(campaign.on, self.moment, source)}) o
            ANTI JOIN (SELECT * FROM told WHERE campaign = {literal(campaign.campaign)}) t
                ON t.customer_id = o.customer_id AND t.anchor = o.anchor
            WHERE {_is_news("due_at", since)}
        """

    def _holders(self, trigger: Trigger) -> str:
        """A relation with everybody's column that a notice's value is compared with; '' where
        there is none of these notices, so that nothing is built for nothing."""
        if not trigger.same:
            return ""
        notices = self.session.rows(
            f"SELECT 1 FROM notices WHERE notice = {literal(trigger.notice or '')} AND "
            + Window(self.moment).may_concern("occurred_at", trigger.after + trigger.grace)
        )
        if not notices:
            return ""
        columns = {name for name, *_ in self.session.rows("DESCRIBE customers")}
        if trigger.same in columns:
            return "customers"
        folder = self.stack.enter_context(scratch(self.project.lake.path))
        return build_frames(
            self.project,
            self.snapshot,
            self.moment,
            (),
            folder,
            needed=[trigger.same],
            constants=last_constants(self.project),
        ).relation()


def _is_news(at: str, since: datetime | None) -> str:
    """Whether that instant has passed since the last look, or what happened had not come yet."""
    if since is None:
        return f"{at} IS NOT NULL"
    return f"({at} > {instant(since)} OR ({at} IS NOT NULL AND anchor IN (FROM fresh)))"
