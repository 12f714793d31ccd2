"""Every few minutes: what came back is read, and what follows from it is done."""

from prefect import flow

from antiphon.steps.responding import collect_responses
from antiphon.steps.run import Counts
from flows.engine import settle_in_worker
from tasks.edge import clock, root

settle_in_worker()


@flow(name="responses", flow_run_name="responses", retries=0)
def responses() -> Counts:
    """Poll where webhooks cannot reach, read the inbox; counts of what came and what followed."""
    return collect_responses(root(), clock())
