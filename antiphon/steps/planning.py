"""The decisions of a day on the last published snapshot, kept nowhere: `antiphon plan`."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from antiphon.campaigns.touches import touches
from antiphon.clock import business_day
from antiphon.errors import UserFilesError
from antiphon.lake import Session
from antiphon.policy.moment import Moment
from antiphon.policy.rules import Rule
from antiphon.policy.summary import CampaignSummary
from antiphon.project import Project
from antiphon.steps.composing import Composer
from antiphon.steps.decide import write_decisions
from antiphon.steps.deciding import Day
from antiphon.steps.frames import Frames, build_frames
from antiphon.steps.intake import ledger_mark
from antiphon.steps.run import read_summaries, todays_campaigns


@dataclass(frozen=True)
class Plan:
    """What would be decided now: valid while its context is open."""

    day: Day
    frames: Frames
    summaries: list[CampaignSummary]
    composer: Composer
    folder: Path

    @property
    def session(self) -> Session:
        """Holds `chosen`, the would-be messages with their values."""
        return self.composer.session

    def missing(self) -> list[tuple[str, str, int]]:
        """Messages that would print a value which is not known: campaign, value, how many."""
        rows = self.session.rows(
            "SELECT campaign, counters::JSON ->> 'variable' AS name, count(*) FROM "  # noqa: S608
            f"read_parquet('{self.folder}/*.parquet', union_by_name = true) "
            f"WHERE rule = '{Rule.MISSING_VALUE}' GROUP BY ALL ORDER BY ALL"
        )
        return [(campaign, name, count) for campaign, name, count in rows]


def last_sending(project: Project) -> tuple[str | None, dict[str, int]]:
    """The last run that decided to send anything, and how much of each campaign.

    A repetition of a day decides nothing new: to compare with it would tell nothing.
    """
    for one in project.ledger.runs.latest("daily"):
        found = [] if one.dry_run else read_summaries(project.var / "runs" / one.run_id)
        if any(summary.sent for summary in found):
            return one.run_id, {summary.campaign: summary.sent for summary in found}
    return None, {}


@contextmanager
def planned(
    project: Project, day: date | None = None, only: Sequence[str] | None = None
) -> Iterator[Plan]:
    """Plan a day on the last published snapshot; everything made for it is removed at the end."""
    lake, zone = project.lake, project.configuration.settings.business.timezone
    snapshot, now = lake.current(), project.clock()
    if snapshot.id == 0:
        raise UserFilesError("there are no customers yet: `antiphon run` pulls them first.")
    moment = Moment(now, day or business_day(now, zone), zone)
    campaigns = todays_campaigns(project, moment.business_day, only)
    with lake.session(snapshot) as session, scratch(lake.path) as folder:
        frames = build_frames(project, snapshot, moment, touches(campaigns), folder / "frames")
        planning = Day(project, snapshot, moment, campaigns, frames, ledger_mark(snapshot), "plan")
        composer = Composer(project, moment, session)
        summaries = write_decisions(planning, composer, folder / "decisions")
        yield Plan(planning, frames, summaries, composer, folder / "decisions")


@contextmanager
def scratch(lake: Path) -> Iterator[Path]:
    """A folder within the lake that is removed at the end."""
    (lake / "tmp").mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="plan-", dir=lake / "tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class SegmentSize:
    """One segment: customers, their share of all (0–1), and those with a usable address."""

    segment: str
    customers: int
    share: float
    email: int
    sms: int


def segment_sizes(project: Project) -> list[SegmentSize]:
    """Every segment counted on the last published snapshot, as of now."""
    lake, zone = project.lake, project.configuration.settings.business.timezone
    snapshot, now = lake.current(), project.clock()
    moment = Moment(now, business_day(now, zone), zone)
    conditions = project.configuration.definitions.segments
    reachable = {
        "customers": "TRUE",
        "email": "frame.email_reachable AND NOT frame.suppressed_email",
        "sms": "frame.sms_reachable AND NOT frame.suppressed_sms",
    }
    counts = [
        f"count(CASE WHEN {condition.sql} AND {usable} THEN 1 END)"
        for condition in conditions.values()
        for usable in reachable.values()
    ]
    with lake.session(snapshot) as session, scratch(lake.path) as folder:
        frames = build_frames(project, snapshot, moment, (), folder)
        sql = f"SELECT {', '.join(['count(*)', *counts])} FROM {frames.relation()} AS frame"  # noqa: S608
        ((customers, *found),) = session.rows(sql)
    return [
        SegmentSize(name, size, size / customers if customers else 0.0, email, sms)
        for name, (size, email, sms) in zip(
            conditions, zip(*[iter(found)] * 3, strict=True), strict=True
        )
    ]
