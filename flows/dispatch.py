"""Every few minutes: what has become due leaves, whoever planned it."""

from prefect import flow

from antiphon.steps.dispatch import dispatch_due
from antiphon.steps.run import Counts
from flows.engine import settle_in_worker
from tasks.edge import clock, root

settle_in_worker()


@flow(name="dispatch", flow_run_name="dispatch", retries=0)
def dispatch() -> Counts:
    """Send every due message of released runs; counts by what became of them."""
    return dispatch_due(root(), clock())
