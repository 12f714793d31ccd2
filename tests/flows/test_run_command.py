"""`antiphon run` from outside: quiet, offline, alone, and clear about how it ended."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from demo_project import AT, make_project
from prefect_server import clean_environment, processes_with, within

from antiphon.clock import system_clock
from antiphon.ledger import RunState
from antiphon.project import Project, open_project

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(600)]

# Every connection but to this machine fails, and is written down.
OFFLINE = """
import os, socket
_connect = socket.socket.connect
_lookup = socket.getaddrinfo
def _refuse(what):
    with open(os.environ["CALLS_OUT"], "a") as file:
        file.write(f"{what}\\n")
    raise OSError("offline")
def connect(self, address):
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1"):
        _refuse(address)
    return _connect(self, address)
def getaddrinfo(host, *rest, **named):
    if host not in ("127.0.0.1", "::1", "localhost", None):
        _refuse(host)
    return _lookup(host, *rest, **named)
socket.socket.connect = connect
socket.getaddrinfo = getaddrinfo
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("run") / "shop", 200)


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory, project: Path) -> dict[str, str]:
    """The environment of a machine without network; CALLS_OUT lists who tried."""
    folder = tmp_path_factory.mktemp("offline")
    (folder / "sitecustomize.py").write_text(OFFLINE)
    (folder / "calls").write_text("")
    return {
        **clean_environment(),
        "PYTHONPATH": str(folder),
        "CALLS_OUT": str(folder / "calls"),
        "ANTIPHON_ROOT": str(project),
        "HOME": str(folder),
    }


def _opened(project: Path) -> Project:
    return open_project(project, system_clock)


def _left(project: Path) -> list[int]:
    return processes_with(f"ANTIPHON_ROOT={project}")


def _start(project: Path, environment: dict[str, str], *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "antiphon.cli", "run", "--at", AT, *more],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_run_is_quiet_offline_and_leaves_no_process(
    project: Path, offline: dict[str, str]
) -> None:
    run = _start(project, offline)
    out, err = run.communicate()
    assert run.returncode == 0, err
    assert Path(offline["CALLS_OUT"]).read_text() == ""
    lines = err.splitlines()
    assert re.fullmatch(r"Starting the workflow engine .*\.* ready\.", lines[0])
    ours = re.compile(r"\d\d:\d\d:\d\d  ")
    assert [line for line in lines[1:] if not ours.match(line)] == []
    assert "accepted" in out
    page = project / "var" / "runs" / "2026-05-12-daily-1" / "report.html"
    assert str(page) in out
    assert "<h2>Lift over control</h2>" in page.read_text(encoding="utf-8")
    assert _left(project) == []
    assert (project / "var" / "prefect" / "server.log").read_text() == ""
    # The log of the run holds the same lines, and nobody's address.
    log = (project / "var" / "runs" / "2026-05-12-daily-1" / "run.log").read_text()
    told = {ours.sub("", line) for line in lines[1:]}
    logged = {line.split(": ", 1)[1] for line in log.splitlines()}
    assert {line for line in told if "ledger: from version" not in line} == logged
    assert "dispatch: accepted" in log
    assert "@" not in log


def test_a_killed_run_leaves_no_process_and_blocks_nobody(
    project: Path, offline: dict[str, str]
) -> None:
    run = _start(project, offline)
    within(180, lambda: _working(project), "the run to be at work")
    run.send_signal(signal.SIGKILL)
    run.communicate()
    within(60, lambda: not _left(project), "its server to go with it")
    (killed,) = _working(project)
    done = _start(project, offline)
    _, err = done.communicate()
    assert done.returncode == 0, err
    assert "is gone: taking over" in err
    assert f"resuming run {killed}" in err
    assert _working(project) == []


def _working(project: Path) -> list[str]:
    """Runs that have begun a step and not ended, as the ledger tells."""
    runs = _opened(project).ledger.runs
    return [
        one.run_id
        for one in runs.latest()
        if one.state is RunState.RUNNING and runs.steps(one.run_id)
    ]


def test_a_second_run_meanwhile_ends_with_a_clear_message(
    project: Path, offline: dict[str, str]
) -> None:
    first = _start(project, offline)
    within(180, lambda: _working(project), "the first run to be at work")
    first.send_signal(signal.SIGSTOP)  # it stays at work as long as we like
    try:
        second = _start(project, offline)
        out, err = second.communicate()
    finally:
        first.send_signal(signal.SIGCONT)
    assert second.returncode == 2, err
    assert "another run is at work, so this one did nothing" in err
    assert "Traceback" not in err
    assert out == ""
    _, err = first.communicate()
    assert first.returncode == 0, err


def test_the_users_fault_ends_with_its_message_and_exit_code_1(
    project: Path, offline: dict[str, str]
) -> None:
    orders = project / "var" / "demo" / "orders.csv"
    away = orders.with_name("away")
    orders.rename(away)
    try:
        run = _start(project, offline)
        _, err = run.communicate()
    finally:
        away.rename(orders)
    assert run.returncode == 1, err
    assert "orders" in err.splitlines()[-1] or "orders" in err.splitlines()[-2]
    assert "Traceback" not in err
    assert "leaked" not in err
    (failed, *_) = _opened(project).ledger.runs.latest()
    log = (project / "var" / "runs" / failed.run_id / "run.log").read_text()
    assert "ERROR antiphon.run: stopped: " in log


def test_our_fault_ends_with_exit_code_3(project: Path, offline: dict[str, str]) -> None:
    step = project / "tasks" / "segment.py"
    shipped = step.read_text()
    step.write_text(
        shipped + "\n\ndef _broken(*_: object) -> None:\n    raise KeyError('jane@example.com')\n"
        '\n\nsegment = step_task("segment", _broken)\n'
    )
    try:
        run = _start(project, offline)
        _, err = run.communicate()
    finally:
        step.write_text(shipped)
    assert run.returncode == 3, err
    assert "KeyError" in err
    assert "jane@" not in err
