"""What `antiphon deploy` sets up on a Prefect server, repeatably: pool, deployments, automation."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

POOL = "antiphon"
HEARTBEAT = "prefect.flow-run.heartbeat"
ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
SILENT = timedelta(seconds=90)  # three heartbeats


def deploy(root: Path) -> None:
    """Create or update everything; needs PREFECT_API_URL."""
    with get_client(sync_client=True) as client:
        try:
            client.read_work_pool(POOL)
        except ObjectNotFound:
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
    subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"], cwd=root, check=True
    )
    _automate()


def _automate() -> None:
    """Mark a run Crashed whose heartbeat stopped: killed by hand, or with its worker."""
    ours = Automation(
        name="antiphon: a killed run is marked crashed",
        trigger=EventTrigger(
            after={HEARTBEAT},
            expect={HEARTBEAT, *ENDS},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENT,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="its heartbeat stopped")],
    )
    with get_client(sync_client=True) as client:
        for before in client.read_automations_by_name(ours.name):
            client.delete_automation(before.id)
        client.create_automation(ours)
