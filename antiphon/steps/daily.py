"""The steps of runs in their order, and whole runs without a workflow engine."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from antiphon.clock import Clock
from antiphon.steps.decide import decide
from antiphon.steps.dispatch import dispatch
from antiphon.steps.intake import publish, pull, validate
from antiphon.steps.release import audit, release, render
from antiphon.steps.report import collect, report
from antiphon.steps.run import DAILY, TRIGGERS, StepFunction, running
from antiphon.steps.segment import segment
from antiphon.steps.triggering import next_pass

DECIDING: tuple[StepFunction, ...] = (pull, validate, publish, segment, decide)
SENDING: tuple[StepFunction, ...] = (audit, render, release, dispatch, collect)
REPORTING: tuple[StepFunction, ...] = (report,)


def steps_of(*, dry_run: bool) -> tuple[StepFunction, ...]:
    """A dry run decides and reports."""
    return (*DECIDING, *REPORTING) if dry_run else (*DECIDING, *SENDING, *REPORTING)


def run_daily(
    root: Path,
    clock: Clock,
    day: date | None = None,
    campaigns: Sequence[str] | None = None,
    *,
    dry_run: bool = False,
) -> str:
    """One daily run as flows/daily.py does it, in this process alone; the run's id."""
    with running(root, DAILY, day, campaigns, dry_run=dry_run, clock=clock) as run_id:
        for do in steps_of(dry_run=dry_run):
            do(root, run_id, clock)
    return run_id


def run_triggers(root: Path, clock: Clock) -> str | None:
    """One pass as flows/triggers.py does it; the run's id, None where there was nothing to do."""
    due = next_pass(root, clock)
    if due is None:
        return None
    asked = (root, TRIGGERS, due.business_day, due.campaigns)
    with running(*asked, dry_run=False, clock=clock) as run_id:
        for do in steps_of(dry_run=False):
            do(root, run_id, clock)
    return run_id
