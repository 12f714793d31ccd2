"""The database, the disk, the clock and the provider fail for a while: nothing lost, and told."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from chaos_databases import Databases

from antiphon.dispatch.dispatcher import send_due
from antiphon.sandbox import journal
from antiphon.sandbox.process import SandboxProcess, start
from bench.chaos import URL, Storm, compared, storm
from bench.dispatchers import LEDGER_URL, SETTINGS
from bench.outbox import NOW, make_outbox

pytestmark = pytest.mark.timeout(300)
SLOWLY = {"do": "wait", "seconds": 0.05}
OUT_SECONDS = 4


def at_work(one: Storm) -> None:
    """Until something was accepted, while much is still planned."""
    deadline = time.monotonic() + 60
    while not one.outbox.states().get("accepted"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.postgres
def test_a_database_that_is_down_for_a_while_is_waited_for(
    databases: Databases, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    if databases.folder is None:
        pytest.skip("the server is not ours to take away")
    with storm(tmp_path, databases.new(), "down", sandbox) as one:
        one.plan(1_500, 150)
        one.fail(SLOWLY)
        one.dispatchers.start()
        at_work(one)
        with databases.out_of_reach():
            time.sleep(OUT_SECONDS)
        one.calm()
        assert one.findings() == []
        assert one.outbox.states() == {"accepted": 1_650}
        assert "s for the ledger" in one.dispatchers.warnings()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a small disk here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> None:
    with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(65_536))


def test_a_full_disk_holds_messages_back_and_loses_none(
    small_disk: Path, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    with storm(tmp_path, f"sqlite:///{small_disk / 'ledger.db'}", "full", sandbox) as one:
        one.plan(1_500, 150)
        one.fail(SLOWLY)
        one.dispatchers.start()
        at_work(one)
        fill(small_disk)
        time.sleep(1.5)
        subprocess.run(["mount", "-o", "remount,size=100m", str(small_disk)], check=True)
        one.calm()
        told = one.dispatchers.errors()
        assert told or "s for the ledger" in one.dispatchers.warnings(), "it was never full"
        assert [line for line in one.findings() if line not in told] == []
        assert all("disk is full" in line or "disk I/O" in line for line in told), told


def test_a_clock_that_jumps_by_hours_sends_nothing_twice(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    with storm(tmp_path, "", "jump", sandbox) as one:
        one.plan(800, 100)
        one.fail(SLOWLY)
        one.dispatchers.start()
        one.dispatchers.start()
        at_work(one)
        for hours in (3, -3, -1, 7):
            one.clock.jump(timedelta(hours=hours))
            time.sleep(0.3)
        one.calm()
        assert one.findings() == []


class Standing:
    """A clock that stands until it is moved: dispatch then never waits itself."""

    now = NOW

    def __call__(self) -> datetime:
        return self.now


def test_a_provider_that_is_down_for_ten_minutes_delays_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = start(tmp_path / "sandbox")
    port = sandbox.url.rpartition(":")[2]
    clock = Standing()
    monkeypatch.setenv(URL, sandbox.url)
    monkeypatch.setenv(LEDGER_URL, f"sqlite:///{tmp_path / 'ledger.db'}")
    dispatch = {"failures": 5, "pause": "3 minutes"}
    outbox = make_outbox(
        tmp_path / "shop", clock, {**SETTINGS, "dispatch": dispatch}, environment=os.environ
    )
    planned = outbox.plan(300, campaign="mail") + outbox.plan(
        60, campaign="text", channel="sms", first=300
    )
    outbox.release()
    sandbox.process.terminate()
    sandbox.process.wait()
    warnings: list[str] = []
    for _ in range(10):
        warnings += send_due(outbox.project).warnings
        assert outbox.states() == {"planned": 360}
        clock.now += timedelta(minutes=1)
    assert any("in a row failed" in line for line in warnings), warnings
    assert any("wait for account sandbox" in line for line in warnings), warnings
    again = start(tmp_path / "sandbox", ["--port", port])
    try:
        for _ in range(40):
            if outbox.states() == {"accepted": 360}:
                break
            clock.now += timedelta(minutes=1)
            send_due(outbox.project)
    finally:
        again.process.terminate()
        again.process.wait()
    messages = outbox.project.ledger.messages.of_run(outbox.run_id)
    assert compared(messages, journal.accepted(tmp_path / "sandbox"), planned) == []
    assert outbox.states() == {"accepted": 360}
    outbox.project.ledger.close()
