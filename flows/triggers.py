"""Every few minutes: who did something, or is hit by something, is written to."""

from typing import Any

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.client.schemas import State
from prefect.states import Cancelled

from antiphon.errors import RunBusy
from antiphon.steps.run import TRIGGERS, running
from antiphon.steps.triggering import next_pass
from flows.engine import settle_in_worker
from tasks.audit import audit
from tasks.collect import collect
from tasks.decide import decide
from tasks.dispatch import dispatch
from tasks.edge import clock, day_table, root
from tasks.publish import publish
from tasks.pull import pull
from tasks.release import release
from tasks.render import render
from tasks.report import report
from tasks.segment import segment
from tasks.validate import validate

settle_in_worker()


@flow(name="triggers", flow_run_name="triggers", retries=0)
def triggers() -> dict[str, Any] | State[Any]:
    """One pass over events and notices; without news it leaves no run of ours behind."""
    due = next_pass(root(), clock())
    if due is None:
        return {"run_id": None}
    asked = (root(), TRIGGERS, due.business_day, due.campaigns)
    try:
        with running(*asked, dry_run=False, clock=clock()) as run_id:
            pull(run_id)
            validate(run_id)
            publish(run_id)
            segment(run_id)
            decide(run_id)
            audit(run_id)
            render(run_id)
            release(run_id)
            dispatch(run_id)
            collect(run_id)
            report(run_id)
    except RunBusy as busy:
        return Cancelled(message=str(busy))
    create_table_artifact(day_table(run_id), key="triggers", description=f"Run {run_id}")
    return {"run_id": run_id}
