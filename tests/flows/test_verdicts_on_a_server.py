"""How runs end on a Prefect server, and what is tried again."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from demo_project import AT, ROOT, antiphon, make_project
from prefect_server import Server

from antiphon.clock import system_clock
from antiphon.project import open_project
from antiphon.steps.run import LEASE

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(600)]

ENDS = ["COMPLETED", "FAILED", "CANCELLED", "CRASHED"]

# A step that fails as told, the number of its attempts at the end.
ATTEMPTS = """
import json, sys
from prefect import flow
from antiphon.errors import LedgerError, SourceError
from tasks.edge import step_task
attempts = 0
def work(root, run_id, clock):
    global attempts
    attempts += 1
    if attempts <= 2:
        raise failures[sys.argv[1]]
    return {"attempts": attempts}
passing = LedgerError("the database restarts")
passing.is_temporary = True
failures = {"connection": ConnectionRefusedError("port"), "ours": passing,
            "files": SourceError("a column is missing"), "fault": KeyError("name")}
step = step_task("pull", work).with_options(retry_delay_seconds=0)
@flow
def attempt():
    return step("run")
state = attempt(return_state=True)
print(json.dumps([attempts, state.type.value]))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("verdicts") / "shop", 100)


def _latest(server: Server) -> dict[str, Any]:
    """The latest run started by hand: other tests left schedules on this server."""
    runs = server.ask(
        "flow_runs/filter",
        flows={"name": {"any_": ["daily"]}},
        flow_runs={"deployment_id": {"is_null_": True}, "state": {"type": {"any_": ENDS}}},
        sort="START_TIME_DESC",
    )
    found: dict[str, Any] = runs[0]
    return found


@pytest.mark.parametrize(
    ("failure", "attempts", "state"),
    [
        ("connection", 3, "COMPLETED"),
        ("ours", 3, "COMPLETED"),
        ("files", 1, "FAILED"),
        ("fault", 1, "FAILED"),
    ],
)
def test_only_what_may_pass_by_itself_is_tried_again(
    server: Server, project: Path, failure: str, attempts: int, state: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ATTEMPTS, failure],
        cwd=ROOT,
        env={**server.environment, "ANTIPHON_ROOT": str(project)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [attempts, state]
    assert ("trying again soon" in done.stderr) == (attempts > 1)


def test_a_run_that_finds_another_at_work_is_cancelled_with_its_message(
    server: Server, project: Path
) -> None:
    ledger = open_project(project, system_clock).ledger
    # Another machine that shares the ledger is at work.
    lease = ledger.leases.acquire(LEASE, "elsewhere/1/1", timedelta(days=1), system_clock())
    try:
        done = antiphon(project, "run", environment=server.environment)
    finally:
        ledger.leases.release(lease)
    assert done.returncode == 2, done.stderr
    assert "another run is at work" in done.stderr
    run = _latest(server)
    assert run["state"]["type"] == "CANCELLED"
    assert "another run is at work, so this one did nothing: elsewhere" in run["state"]["message"]


def test_wrong_files_give_a_failed_flow_with_our_message(server: Server, project: Path) -> None:
    orders = project / "var" / "demo" / "orders.csv"
    away = orders.with_name("away")
    orders.rename(away)
    try:
        done = antiphon(project, "run", "--at", AT, environment=server.environment)
    finally:
        away.rename(orders)
    assert done.returncode == 1, done.stderr
    run = _latest(server)
    assert run["state"]["type"] == "FAILED"
    assert "orders" in run["state"]["message"]
    tasks = server.ask("task_runs/filter", task_runs={"flow_run_id": {"any_": [run["id"]]}})
    states = {one["name"].rpartition("-")[0]: one["state_type"] for one in tasks}
    assert states.get("pull", "FAILED") == "FAILED"
    assert "validate" not in states
