"""The daily run's steps in their order, and the whole of it without a workflow engine."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from antiphon.clock import Clock
from antiphon.steps.decide import decide, segment
from antiphon.steps.dispatch import dispatch
from antiphon.steps.intake import publish, pull, validate
from antiphon.steps.release import audit, release, render
from antiphon.steps.report import collect, report
from antiphon.steps.run import StepFunction, running

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
    with running(root, "daily", day, campaigns, dry_run=dry_run, clock=clock) as run_id:
        for do in steps_of(dry_run=dry_run):
            do(root, run_id, clock)
    return run_id
