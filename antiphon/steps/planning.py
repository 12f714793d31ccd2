"""The decisions of a day on the last published snapshot, kept nowhere: `antiphon plan`."""

import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

from antiphon.campaigns.configuration import POLICY
from antiphon.campaigns.conversions import duration_text
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.touches import touches
from antiphon.clock import business_day
from antiphon.errors import ConfigError, UserFilesError
from antiphon.files import ProjectFiles
from antiphon.lake import Session, Snapshot
from antiphon.policy.moment import Moment
from antiphon.policy.rules import Rule
from antiphon.policy.words.summary import CampaignSummary, summarise
from antiphon.project import Project, with_files
from antiphon.steps.composing import Composer
from antiphon.steps.decide import write_decisions
from antiphon.steps.deciding import Day
from antiphon.steps.frames import Frames, build_frames
from antiphon.steps.history import Reads
from antiphon.steps.intake import ledger_mark, recent_contacts
from antiphon.steps.occasions import find_occasions
from antiphon.steps.run import read_summaries, todays_campaigns


@dataclass(frozen=True)
class Plan:
    """What would be decided now: valid while its context is open.

    `entering`: campaign → customers who would enter its chain.
    """

    day: Day
    frames: Frames
    entering: Mapping[str, int]
    summaries: list[CampaignSummary]
    composer: Composer
    folder: Path

    @property
    def decisions(self) -> list[Path]:
        """The files with every decision."""
        return sorted(self.folder.glob("*.parquet"))

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


def pulled(project: Project) -> Snapshot:
    """The last published snapshot; UserFilesError where there is none yet."""
    snapshot = project.lake.current()
    if snapshot.id == 0:
        raise UserFilesError("there are no customers yet: `antiphon run` pulls them first.")
    return snapshot


def with_policy(project: Project, policy: Path) -> Project:
    """The project with that file for its policy; ConfigError names the places in that file."""
    try:
        text = policy.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise UserFilesError(f"{policy} cannot be read: {why}.") from None
    files = project.configuration.files
    texts = {**files.texts, POLICY: text}
    try:
        return with_files(project.root, ProjectFiles(texts), project.clock)
    except ConfigError as error:
        raise ConfigError(
            [
                replace(one, path=str(policy)) if one.path == POLICY else one
                for one in error.problems
            ]
        ) from None


def decisions_of(project: Project, run_id: str) -> list[Path]:
    """The files of a run's decisions; UserFilesError where they are no longer kept."""
    files = project.lake.current().files("decisions", run_id)
    if not files:
        kept = duration_text(project.configuration.settings.lake.retention.decisions)
        raise UserFilesError(
            f"the decisions of run {run_id} are no longer kept.\n"
            f"  lake.retention.decisions in config/settings.yaml is {kept}."
        )
    return files


@contextmanager
def planned(
    project: Project,
    day: date | None = None,
    only: Sequence[str] | None = None,
    *,
    now: datetime | None = None,
) -> Iterator[Plan]:
    """Plan a day on the last published snapshot; everything made for it is removed at the end.

    `now`: absent, the project's clock says it.
    """
    zone = project.configuration.settings.business.timezone
    snapshot, now = pulled(project), now or project.clock()
    moment = Moment(now, day or business_day(now, zone), zone)
    recent = recent_contacts(project, ledger_mark(snapshot))
    reads = Reads(project.ledger.people.suppressions_table(now), recent, recent)
    campaigns = todays_campaigns(project, moment.business_day, only)
    with decided(project, snapshot, moment, campaigns, reads) as plan:
        yield plan


@contextmanager
def decided(
    project: Project,
    snapshot: Snapshot,
    moment: Moment,
    campaigns: Sequence[Campaign],
    reads: Reads,
    *,
    run_id: str = "plan",
    needed: Collection[str] | None = None,
) -> Iterator[Plan]:
    """Decide a day as a run does, from its frames on, into a folder that is removed at the end.

    `needed`: columns of the frame that are asked for, besides what conditions read; absent: all.
    """
    lake, spoken, few = project.lake, touches(campaigns), reads.few
    with lake.session(snapshot) as session, scratch(lake.path) as folder:
        frames = build_frames(
            project,
            snapshot,
            moment,
            spoken,
            folder / "frames",
            needed=needed,
            only=few.customers if few else None,
            constants=few.constants if few else None,
            suppressions=reads.suppressions,
        )
        occasions = find_occasions(
            project,
            snapshot,
            moment,
            frames,
            folder / "occasions",
            spoken=spoken,
            recent=reads.segmented,
            everybody=few is None,
        )
        day = Day(
            project=project,
            snapshot=snapshot,
            moment=moment,
            campaigns=tuple(campaigns),
            frames=frames,
            mark=ledger_mark(snapshot),
            run_id=run_id,
            occasions=occasions.paths,
            contacts=reads.decided,
        )
        composer = Composer(project, moment, session)
        counts = write_decisions(day, composer, folder / "decisions")
        summaries = summarise(counts, [campaign.campaign for campaign in campaigns])
        yield Plan(day, frames, occasions.entered, summaries, composer, folder / "decisions")


@contextmanager
def scratch(lake: Path) -> Iterator[Path]:
    """A folder within the lake that is removed at the end."""
    (lake / "tmp").mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="plan-", dir=lake / "tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
