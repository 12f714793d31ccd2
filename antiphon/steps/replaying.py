"""A past day decided again from what its runs had pinned: the same, or what differs.

The snapshot and the files are the run's own; what it read of the ledger was kept with it. So
nothing that came later (responses, consents, other runs) can change what is found.
"""

import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import version
from pathlib import Path

from antiphon.campaigns.conversions import duration_text
from antiphon.campaigns.touches import touches
from antiphon.errors import ConfigError, LakeError, LedgerError, UserFilesError
from antiphon.lake import Snapshot
from antiphon.ledger import Run as Record
from antiphon.policy.moment import Moment
from antiphon.project import Project, with_files
from antiphon.steps.comparing import Comparison, compare
from antiphon.steps.differing import Diff, differ, write_customers
from antiphon.steps.history import Reads, reads_of
from antiphon.steps.planning import Plan, decided, with_policy
from antiphon.steps.run import DECIDE, todays_campaigns
from antiphon.steps.segment import printed


@dataclass(frozen=True)
class Replayed:
    """One run decided again. `engines`: name → version then and now, where these differ."""

    run_id: str
    comparison: Comparison
    engines: Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Otherwise:
    """One run decided again under another policy. `written`: customers in the file asked for."""

    run_id: str
    diff: Diff
    then: Project
    other: Project
    written: int = 0


@dataclass(frozen=True)
class _Past:
    """A run with all that it takes to decide it again."""

    record: Record
    project: Project
    snapshot: Snapshot
    reads: Reads
    stored: Sequence[Path]


def runs_of(project: Project, day: date, run_id: str | None = None) -> list[Record]:
    """The runs of that business day that decided, the first one first; UserFilesError for none."""
    ledger = project.ledger
    found = [one for one in ledger.runs.latest(limit=10_000) if one.business_day == day]
    if run_id is not None and run_id not in [one.run_id for one in found]:
        raise UserFilesError(f"there is no run {run_id} of {day}: `antiphon runs` lists them.")
    asked = [one for one in found if run_id in (None, one.run_id) and not one.dry_run]
    done = [one for one in asked if _has_decided(project, one)]
    if not done:
        raise UserFilesError(
            f"no run{f' {run_id}' if run_id else ''} of {day} decided anything that is kept: "
            "`antiphon runs` lists the runs; a dry run keeps no decisions."
        )
    return sorted(done, key=lambda one: (one.as_of, one.run_id))


def replay(project: Project, record: Record) -> Replayed:
    """Decide a past run again and compare every decision with what is stored."""
    past = _past(project, record)
    with _again(past, past.project) as plan:
        found = compare(plan.session, past.stored, plan.decisions, past.snapshot.buckets)
    return Replayed(record.run_id, found, engines_since(record))


def replay_otherwise(
    project: Project, record: Record, policy: Path, customers: Path | None = None
) -> Otherwise:
    """What a past run would have decided under another policy file, beside what it did.

    `customers`: a CSV file to write, of everybody whose messages differ.
    """
    past = _past(project, record)
    other = with_policy(past.project, policy)
    with _again(past, other) as plan:
        diff = differ(plan.session, past.stored, plan.decisions, known_only=True)
        written = write_customers(plan.session, customers) if customers else 0
    return Otherwise(record.run_id, diff, past.project, other, written)


def engines_since(record: Record) -> dict[str, tuple[str, str]]:
    """The engines that have another version now: then and now."""
    found = {}
    for name, then in (record.engine_versions or {}).items():
        now = platform.python_version() if name == "python" else version(name)
        if now != then:
            found[name] = (then, now)
    return found


def _has_decided(project: Project, record: Record) -> bool:
    steps = project.ledger.runs.steps(record.run_id)
    return any(one.step == DECIDE and one.finished_at for one in steps)


def _past(project: Project, record: Record) -> _Past:
    """All that a run had; UserFilesError where some of it is no longer kept."""
    current, retention = project.lake.current(), project.configuration.settings.lake.retention
    stored = current.files("decisions", record.run_id)
    if not stored or not all(path.exists() for path in stored):
        kept = duration_text(retention.decisions)
        raise _gone(record, "its decisions are", "decisions", kept)
    kept = duration_text(retention.snapshots)
    try:
        snapshot = project.lake.snapshot(record.snapshot_id or 0)
    except LakeError:
        what = f"the snapshot {record.snapshot_id}, on which it decided, is"
        raise _gone(record, what, "snapshots", kept) from None
    reads = reads_of(current, record.run_id)
    if reads is None:
        raise _gone(record, "what it read of the ledger is", "snapshots", kept)
    return _Past(record, _pinned(project, record), snapshot, reads, stored)


def _gone(record: Record, what: str, setting: str, kept: str) -> UserFilesError:
    return UserFilesError(
        f"run {record.run_id} cannot be replayed: {what} no longer kept.\n"
        f"  lake.retention.{setting} in config/settings.yaml is {kept}: a longer one keeps later "
        "days for longer."
    )


def _pinned(project: Project, record: Record) -> Project:
    """The project with the files of the run."""
    try:
        files = project.ledger.contents.files(record.files_hash or "")
    except LedgerError:
        raise UserFilesError(
            f"run {record.run_id} cannot be replayed: the ledger has lost its configuration.\n"
            "  The table `contents` keeps it; restore it from a backup."
        ) from None
    try:
        return with_files(project.root, files, project.clock)
    except ConfigError as error:
        raise ConfigError(
            [replace(one, path=f"{record.run_id}:{one.path}") for one in error.problems]
        ) from None


@contextmanager
def _again(past: _Past, project: Project) -> Iterator[Plan]:
    """Decide the run again with the configuration of `project`."""
    record = past.record
    zone = project.configuration.settings.business.timezone
    moment = Moment(record.as_of, record.business_day, zone)
    campaigns = todays_campaigns(project, record.business_day, record.parameters.get("campaigns"))
    needed = printed(project, touches(campaigns)) if past.reads.few else None
    with decided(
        project,
        past.snapshot,
        moment,
        campaigns,
        past.reads,
        run_id=record.run_id,
        needed=needed,
    ) as plan:
        yield plan
