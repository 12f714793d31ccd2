"""A deployment on a real server: what a schedule starts, completes and delivers."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from demo_project import AT, antiphon, make_project
from prefect_server import Server, background, processes_with, within

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Iterator[Path]:
    """Deployed twice, with schedules of seconds, and a worker at work."""
    root = make_project(tmp_path_factory.mktemp("deployed") / "shop", 200)
    document = yaml.safe_load((root / "prefect.yaml").read_text(encoding="utf-8"))
    for deployment, seconds in zip(document["deployments"], (40, 60, 75, 90), strict=True):
        deployment["schedules"] = [{"interval": seconds, "slug": "test"}]
        deployment["work_pool"]["job_variables"]["env"]["ANTIPHON_AT"] = AT
    (root / "prefect.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    for _ in range(2):
        done = antiphon(root, "deploy", environment=dict(server.environment))
        assert done.returncode == 0, done.stdout + done.stderr
    worker = ["worker", "start", "--pool", "antiphon", "--type", "process", "--limit", "2"]
    with background(worker, server.environment, root / "var" / "worker" / "worker.log"):
        yield root


@pytest.fixture(scope="module")
def by_hand(server: Server, project: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The flow run of an `antiphon run` in another shop, killed at work: no worker sees it."""
    shop = make_project(tmp_path_factory.mktemp("by-hand") / "shop", 100)
    process = subprocess.Popen(
        [sys.executable, "-m", "antiphon.cli", "run", "--at", AT],
        cwd=shop,
        env={**server.environment, "ANTIPHON_ROOT": str(shop)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def at_work() -> str:
        for run in _runs(server, "daily", "RUNNING"):
            ours = {
                "flow_run_id": {"any_": [run["id"]]},
                "state": {"type": {"any_": ["COMPLETED"]}},
            }
            if not run["auto_scheduled"] and server.ask("task_runs/filter", task_runs=ours):
                return str(run["id"])
        return ""

    found = within(120, at_work, "a run by hand to be at work")
    process.kill()
    process.wait()
    return found


def _runs(server: Server, flow: str, *states: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.ask(
        "flow_runs/filter",
        flows={"name": {"any_": [flow]}},
        flow_runs={"state": {"type": {"any_": list(states)}}},
        sort="EXPECTED_START_TIME_ASC",
    )
    return found


def test_deploying_twice_leaves_one_of_each(server: Server, project: Path, by_hand: str) -> None:
    deployments = server.ask("deployments/filter")
    names = sorted(one["name"] for one in deployments)
    assert names == ["daily", "dispatch", "responses", "triggers"]
    assert [len(one["schedules"]) for one in deployments] == [1] * len(names)
    (pool,) = server.ask("work_pools/filter")
    assert (pool["name"], pool["type"]) == ("antiphon", "process")
    automations = [
        one for one in server.ask("automations/filter") if one["name"].startswith("antiphon")
    ]
    assert len(automations) == 1
    assert automations[0]["trigger"]["posture"] == "Proactive"
    assert automations[0]["trigger"]["within"] == 90


def test_a_run_of_the_schedule_completes_and_its_messages_are_delivered(
    server: Server, project: Path
) -> None:
    def ended() -> list[dict[str, Any]]:
        runs = _runs(server, "daily", "COMPLETED", "FAILED", "CRASHED")
        return [run for run in runs if run["auto_scheduled"]]

    (run, *_) = within(240, ended, "a scheduled run")
    assert run["state"]["type"] == "COMPLETED", run["state"]
    assert run["name"] == "daily-2026-05-12"
    assert list((project / "var" / "outbox" / "2026-05-12").rglob("*.eml"))

    def told() -> bool:
        logs = server.ask("logs/filter", logs={"flow_run_id": {"any_": [run["id"]]}}, limit=200)
        return any("dispatch: accepted" in line["message"] for line in logs)

    within(30, told, "the counts of its steps, which are sent in batches")
    artifacts = server.ask("artifacts/filter", artifacts={"flow_run_id": {"any_": [run["id"]]}})
    tables = [one for one in artifacts if one["key"] == "day"]
    assert "may-letter" in tables[0]["data"]
    (sender, *_) = within(
        120, lambda: _runs(server, "dispatch", "COMPLETED", "FAILED", "CRASHED"), "a dispatch"
    )
    assert sender["state"]["type"] == "COMPLETED", sender["state"]


def test_a_run_killed_under_the_worker_is_crashed_and_the_next_one_completes(
    server: Server, project: Path
) -> None:
    before = {run["id"] for run in _runs(server, "daily", "COMPLETED")}
    killed = within(180, lambda: _killed(server), "a run to kill")
    within(60, lambda: killed in _ids(server, "CRASHED"), "it to be marked crashed")
    # Its lease is taken over at once: the next run does not wait for it to run out.
    within(180, lambda: _ids(server, "COMPLETED") - before, "the next run")
    failed = [run for run in _runs(server, "daily", "FAILED") if run["deployment_id"]]
    assert [run["state"]["message"] for run in failed] == []
    # Flow processes that ended said nothing on their way out.
    assert "leaked" not in (project / "var" / "worker" / "worker.log").read_text()


def test_a_run_killed_by_hand_is_crashed_by_the_automation(server: Server, by_hand: str) -> None:
    within(150, lambda: by_hand in _ids(server, "CRASHED"), "the automation to notice")
    (run,) = [run for run in _runs(server, "daily", "CRASHED") if run["id"] == by_hand]
    assert run["state"]["message"] == "its heartbeat stopped"


def _ids(server: Server, state: str) -> set[str]:
    return {run["id"] for run in _runs(server, "daily", state)}


def _killed(server: Server) -> str:
    """The id of a daily run whose process we killed; '' while there is none to kill."""
    for run in _runs(server, "daily", "RUNNING"):
        for pid in processes_with(f"PREFECT__FLOW_RUN_ID={run['id']}"):
            os.kill(pid, signal.SIGKILL)
            return str(run["id"])
    return ""
