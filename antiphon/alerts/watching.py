"""What a person on duty should hear of, found by looking at the ledger: nothing has to report.

So a run that was killed, or never began, is noticed too, by whoever looks next.
"""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from antiphon.alerts.schedule import daily_hours
from antiphon.alerts.telling import has_listeners, tell
from antiphon.campaigns.configuration import SETTINGS, Configuration, draft
from antiphon.campaigns.settings import Settings
from antiphon.clock import Clock, business_day, system_clock
from antiphon.dispatch.accounts import HALF_OPEN
from antiphon.dispatch.refusals import BREAKER
from antiphon.errors import AntiphonError, ConfigError
from antiphon.files import read_files
from antiphon.guards import memory
from antiphon.ledger import Run, RunState
from antiphon.project import Project
from antiphon.steps.holder import is_dead
from antiphon.steps.run import DAILY, LEASE

MEND = "antiphon check shows each problem."
BACK = timedelta(days=2)  # older troubles are no news
log = logging.getLogger("antiphon.alerts")


class Kind(StrEnum):
    """What an alert is about."""

    FAILED = "run failed"
    NOT_RELEASED = "run not released"
    KILLED = "run killed"
    LATE = "run late"
    MISSING = "run missing"
    PAUSED = "account paused"
    STOPPED = "campaign stopped"
    REFUSED = "sending refused"
    FILES = "files wrong"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing to hear of. `subject` makes it one: it is told once."""

    kind: Kind
    subject: str
    detail: str


def look(project: Project) -> int:
    """Tell what nobody was told yet; how many alerts went out.

    Called at the end of every dispatch and run. Never raises: what watches must not break what it
    watches.
    """
    if not has_listeners(project.configuration.settings.alerts):
        return 0
    try:
        now = project.clock()
        for one in troubles(project):
            project.ledger.alerts.raise_once(one.kind, one.subject, one.detail, now)
        return tell(project)
    except Exception as error:
        reason = str(error) if isinstance(error, AntiphonError) else type(error).__name__
        log.warning("alerts could not be looked after: %s", reason)
        return 0


def stopped(project: Project, run_id: str) -> int:
    """As `look`, after a run that ended by an error; one given up for wrong files is told too.

    The ledger alone would not show it: a person who abandons a run leaves the same.
    """
    if not has_listeners(project.configuration.settings.alerts):
        return 0
    try:
        run = project.ledger.runs.get(run_id)
        if run is not None and run.state is RunState.ABANDONED and not run.dry_run:
            one = _failed(run)
            project.ledger.alerts.raise_once(one.kind, one.subject, one.detail, project.clock())
    except AntiphonError as error:
        log.warning("a run's end could not be told: %s", error)
    return look(project)


def files_are_wrong(root: Path, clock: Clock, error: ConfigError) -> int:
    """Tell that the configuration does not check, so that nothing runs and nothing leaves; how
    many alerts went out. It needs of config/settings.yaml only what can be read."""
    try:
        files = read_files(root)
        settings = draft(files).get(SETTINGS, Settings)
        if settings is None or not has_listeners(settings.alerts):
            return 0
        unread: Any = None  # only settings are asked for here
        known = Configuration(files, settings, unread, unread, unread, {}, {})
        project = Project(root, known, os.environ, clock)
        first, more = error.problems[0], len(error.problems) - 1
        place = f"{first.path}:{first.line}" if first.line else first.path
        subject = place + (f" and {more} more" if more else "")
        detail = f"{first.message}. Nothing runs and nothing is sent until it is mended: " + MEND
        project.ledger.alerts.raise_once(Kind.FILES, subject, detail, clock())
        return tell(project)
    except Exception as other:
        log.warning("wrong files could not be told of (%s)", type(other).__name__)
        return 0


def troubles(project: Project) -> list[Trouble]:
    """Everything that stands wrong now, told or not."""
    return [*_of_runs(project), *_of_the_day(project), *_of_sending(project)]


def _of_runs(project: Project) -> Iterator[Trouble]:
    """Runs of the last two days that ended badly, or not at all."""
    now = project.clock()
    for run in project.ledger.runs.latest():
        if run.dry_run or (run.finished_at or run.started_at) < now - BACK:
            continue
        if run.state is RunState.FAILED:
            yield _failed(run)
        elif run.state is RunState.HELD:
            hint = f"Nothing of it leaves. antiphon runs {run.run_id} shows how far it came."
            yield Trouble(Kind.NOT_RELEASED, _ended(run), f"{_reason(run)} {hint}")
        elif run.state is RunState.RUNNING and not _is_alive(project, run):
            hint = f"Repeat it (antiphon run), or antiphon abandon {run.run_id}."
            yield Trouble(Kind.KILLED, run.run_id, f"Its process is gone. {hint}")


def _failed(run: Run) -> Trouble:
    detail = f"{_reason(run)} Mend that and repeat: antiphon run."
    return Trouble(Kind.FAILED, _ended(run), detail)


def _ended(run: Run) -> str:
    """Each end of a run is news: it may have been repeated."""
    return f"{run.run_id} at {run.finished_at:%H:%M} UTC" if run.finished_at else run.run_id


def _reason(run: Run) -> str:
    return run.verdict.partition("\n")[0].rstrip(".") + "."


def _is_alive(project: Project, run: Run) -> bool:
    """Whether a process that may be alive holds the run's lease; on the machine's clock."""
    lease = project.ledger.leases.holder(LEASE, system_clock())
    return lease is not None and lease.token == run.lease_token and not is_dead(lease.holder)


def _of_the_day(project: Project) -> Iterator[Trouble]:
    """The daily run that should have ended by now; before the very first one nothing is missed."""
    settings, now = project.configuration.settings, project.clock()
    runs = [one for one in project.ledger.runs.latest(DAILY) if not one.dry_run]
    due = [at for at in daily_hours(project.root, now, BACK) if at + settings.alerts.late <= now]
    if not runs or not due or due[0] < min(one.started_at for one in runs):
        return
    zone = ZoneInfo(settings.business.timezone)
    day = business_day(due[0], zone.key)
    mine = [one for one in runs if one.business_day == day]
    if any(one.state is RunState.FINISHED for one in mine):
        return
    hour = f"{due[0].astimezone(zone):%H:%M}"
    if not mine:
        detail = f"The daily run of {hour} has not begun: is the worker, or cron, running?"
        yield Trouble(Kind.MISSING, str(day), f"{detail} By hand: antiphon run.")
    else:
        latest = max(mine, key=lambda one: one.ordinal)
        state = "is still at work" if latest.state is RunState.RUNNING else f"is {latest.state}"
        yield Trouble(Kind.LATE, str(day), f"The daily run of {hour}, {latest.run_id}, {state}.")


def _of_sending(project: Project) -> Iterator[Trouble]:
    ledger, now = project.ledger, project.clock()
    day = business_day(now, project.configuration.settings.business.timezone)
    for one in ledger.accounts.standing():
        if one.is_paused(now) and one.pause_kind in HALF_OPEN:
            until = one.paused_until or now
            detail = f"{one.pause_reason} It is tried again at {_clock(until)}; messages wait."
            yield Trouble(Kind.PAUSED, f"{one.name} on {day}", detail)
    for hold in ledger.holds.open().values():
        if hold.source == BREAKER:
            detail = f"{hold.reason} Its messages wait: antiphon resume {hold.campaign}."
            yield Trouble(Kind.STOPPED, f"{hold.campaign} at {hold.held_at:%Y-%m-%d %H:%M}", detail)
    if project.configuration.settings.environment == "live" and (why := memory.doubt(project)):
        yield Trouble(Kind.REFUSED, why, "Nothing is sent to real people: antiphon confirm.")


def _clock(at: datetime) -> str:
    return f"{at:%H:%M} UTC"
