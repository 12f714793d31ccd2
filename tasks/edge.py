"""Where flows meet the machine: the project's folder, the clock, a schedule's business day."""

import logging
import os
import time
from datetime import date
from pathlib import Path
from typing import Any

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import State, TaskRun
from prefect.runtime import deployment, flow_run

from antiphon.clock import Clock, business_day, edge_clock
from antiphon.errors import AntiphonError
from antiphon.project import find_root, open_project
from antiphon.steps.run import Counts, StepFunction, read_summaries

EARLY_SECONDS = 60  # more is no early start but clocks that disagree
log = logging.getLogger("antiphon.run")


def root() -> Path:
    """The project: ANTIPHON_ROOT, else the folder we stand in or one above."""
    named = os.environ.get("ANTIPHON_ROOT", "")
    return find_root(Path(named) if named else None)


def clock() -> Clock:
    """The machine's clock, or that of a rehearsal (ANTIPHON_AT)."""
    return edge_clock(os.environ)


def resolved_day(asked: date | str | None) -> date:
    """The business day asked for, else the one a deployment was scheduled for, else today.

    A worker may start a run a little early; it waits, as the day may not have begun.
    """
    if asked:
        return date.fromisoformat(str(asked))
    zone = open_project(root(), clock()).configuration.settings.business.timezone
    if deployment.id is None or os.environ.get("ANTIPHON_AT"):
        return business_day(clock()(), zone)
    scheduled = flow_run.scheduled_start_time
    early = (scheduled - clock()()).total_seconds()
    if 0 < early < EARLY_SECONDS:
        time.sleep(early)
    return business_day(scheduled, zone)


async def _is_temporary(step: Task[..., Any], _: TaskRun, state: State[Any]) -> bool:
    """Only what may pass by itself is tried again: the user's files and our faults will not."""
    error = await state.aresult(raise_on_failure=False)
    if isinstance(error, AntiphonError):
        passing, reason = error.is_temporary, str(error)
    else:
        passing = isinstance(error, ConnectionError | TimeoutError)
        reason = type(error).__name__
    if passing:
        log.warning("%s: trying again soon: %s", step.name, reason)
    return passing


def step_task(name: str, work: StepFunction) -> Task[[str], Counts]:
    """A Prefect task of one step: the run's id in, its counts out.

    Its idempotency is ours (a step is on record and repeatable), never Prefect's cache.
    """

    @task(
        name=name,
        retries=3,
        retry_delay_seconds=[5, 20, 60],
        retry_condition_fn=_is_temporary,
        cache_policy=NO_CACHE,
    )
    def do(run_id: str) -> Counts:
        return work(root(), run_id, clock())

    return do


def day_table(run_id: str) -> list[dict[str, Any]]:
    """The table of the day for Prefect's artifact: counts and rules, no customer."""
    folder = root() / "var" / "runs" / run_id
    return [
        {
            "campaign": one.campaign,
            "audience": one.audience,
            "sent": one.sent,
            "control": one.control,
            "held back": ", ".join(f"{rule} {count:,}" for rule, count in one.held.items()),
        }
        for one in read_summaries(folder)
    ]
