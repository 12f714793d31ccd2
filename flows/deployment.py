"""What `antiphon deploy` sets up on a Prefect server, repeatably: pool, deployments, automation."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import httpx
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from antiphon.errors import AntiphonError, ExitCode, UserFilesError

POOL = "antiphon"
HEARTBEAT = "prefect.flow-run.heartbeat"
ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
SILENT = timedelta(seconds=90)  # three heartbeats
# Marks a run Crashed whose heartbeat stopped: killed by hand, or together with its worker.
KILLED = AutomationCore(
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


class NoServer(AntiphonError):
    """There is no server to deploy to."""

    exit_code = ExitCode.USAGE


def deploy(root: Path, zone: str) -> None:
    """Create or update everything on the server of PREFECT_API_URL.

    Raises UserFilesError where a schedule is in another time zone than the business's `zone`.
    """
    _check_zones(root, zone)
    url = get_current_settings().api.url
    if not url:
        raise NoServer(
            "no Prefect server is named.\n  Start one with `prefect server start`, and set "
            "PREFECT_API_URL=http://127.0.0.1:4200/api"
        )
    try:
        with get_client(sync_client=True) as client:
            _create_pool(client)
            command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
            if subprocess.run(command, cwd=root, check=False).returncode:  # noqa: S603
                raise AntiphonError("`prefect deploy --all` failed: it says why above.")
            _automate(client)
    except httpx.TransportError:
        raise NoServer(f"no Prefect server answers at {url}: is it running?") from None


def _check_zones(root: Path, zone: str) -> None:
    document = yaml.safe_load((root / "prefect.yaml").read_text(encoding="utf-8"))
    for deployment in document["deployments"]:
        for schedule in deployment.get("schedules", []):
            if "cron" in schedule and schedule.get("timezone", "UTC") != zone:
                raise UserFilesError(
                    f"prefect.yaml: the schedule of {deployment['name']} is in the time zone "
                    f"{schedule.get('timezone', 'UTC')}, the business in {zone}.\n  Write "
                    f"`timezone: {zone}`, or change business.timezone in config/settings.yaml."
                )


def _create_pool(client: SyncPrefectClient) -> None:
    try:
        client.read_work_pool(POOL)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))


def _automate(client: SyncPrefectClient) -> None:
    ours = client.read_automations_by_name(KILLED.name)
    if not ours:
        client.create_automation(KILLED)
    for one in ours[:1]:
        client.update_automation(one.id, KILLED)
    for one in ours[1:]:
        client.delete_automation(one.id)
