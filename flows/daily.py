"""The daily run: pull, validate, rebuild segments, decide, audit, proof, release, send, record."""

from datetime import date
from typing import Any

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.client.schemas import State
from prefect.runtime import flow_run
from prefect.states import Cancelled

from antiphon.errors import AntiphonError, RunBusy
from antiphon.steps.run import running
from flows.engine import settle_in_worker
from tasks.audit import audit
from tasks.collect import collect
from tasks.decide import decide
from tasks.dispatch import dispatch
from tasks.edge import clock, day_table, resolved_day, root
from tasks.page import page
from tasks.publish import publish
from tasks.pull import pull
from tasks.release import release
from tasks.render import render
from tasks.report import report
from tasks.segment import segment
from tasks.validate import validate

settle_in_worker()


def _name() -> str:
    try:
        return f"daily-{resolved_day(flow_run.parameters.get('business_day'))}"
    except AntiphonError:  # the flow itself will say what is wrong
        return "daily"


@flow(name="daily", flow_run_name=_name)
def daily(
    business_day: date | None = None,
    campaigns: list[str] | None = None,
    dry_run: bool = False,
) -> dict[str, Any] | State[Any]:
    """One day of Antiphon; repeated at any time it sends nothing twice and forgets nobody.

    Args:
        business_day: absent: the day the run was scheduled for, in the business time zone.
        campaigns: only these; absent: every campaign whose period includes the day.
        dry_run: decide and show, but write no message and send nothing.
    """
    day = resolved_day(business_day)
    try:
        with running(root(), "daily", day, campaigns, dry_run=dry_run, clock=clock()) as run_id:
            pull(run_id)
            validate(run_id)
            publish(run_id)
            segment(run_id)
            decide(run_id)
            if not dry_run:
                audit(run_id)
                render(run_id)
                release(run_id)
                dispatch(run_id)
                collect(run_id)
            report(run_id)
    except RunBusy as busy:
        return Cancelled(message=str(busy))
    page(run_id)
    create_table_artifact(day_table(run_id), key="day", description=f"Run {run_id}")
    return {"run_id": run_id}
