"""Sending what is due: the door to antiphon.dispatch for runs, flows and commands."""

import logging
from datetime import timedelta
from pathlib import Path

from antiphon.alerts.watching import files_are_wrong, look
from antiphon.clock import Clock
from antiphon.dispatch.dispatcher import send_due
from antiphon.dispatch.tally import Tally
from antiphon.errors import ConfigError
from antiphon.project import open_project
from antiphon.steps.run import Counts, Run, step

OF_A_RUN = timedelta(minutes=30)  # it holds the lease: what takes longer leaves with the next pass
log = logging.getLogger("antiphon.dispatch")


@step("dispatch")
def dispatch(run: Run) -> Counts:
    """Send what is due, of this run and of earlier ones."""
    tally = send_due(run.project, OF_A_RUN)
    run.warn(_warnings(tally))
    return tally.result()


def dispatch_due(root: Path, clock: Clock) -> Counts:
    """Send what has become due, whoever planned it: the dispatch flow.

    It comes by every few minutes, and so notices what a person on duty must hear of.
    """
    try:
        project = open_project(root, clock)
    except ConfigError as error:
        files_are_wrong(root, clock, error)
        raise
    try:
        tally = send_due(project)
    finally:
        look(project)
    for line in _warnings(tally):
        log.warning("%s", line)
    return tally.result()


def _warnings(tally: Tally) -> list[str]:
    lines = tally.remarks
    if expired := tally.counts["expired"]:
        lines.append(
            f"{expired:,} messages expired before anything sent them: they are decided anew. "
            "`antiphon dispatch` (or a Prefect worker) must run at the hours messages wait for."
        )
    return lines
