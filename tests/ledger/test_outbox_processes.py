"""Several real processes on one ledger, and processes killed at their work."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from outbox_scene import HOUR, MINUTE, NOW, Scene, claimed, rows, scene

from antiphon.errors import LeaseLost
from antiphon.ledger import Ledger
from antiphon.states import MessageState

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


class Worker:
    """A process of ledger_worker.py, waiting to be let go."""

    def __init__(self, task: str, url: str, name: str, number: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "ledger_worker.py"), task, url, name, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    def wait_open(self) -> None:
        assert self.says() == "open"

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def says(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def everything(self) -> list[Any]:
        output, _ = self.process.communicate(timeout=120)
        assert self.process.returncode == 0
        return [json.loads(line) for line in output.splitlines()]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@contextmanager
def workers(task: str, url: str, names: list[str], number: int) -> Iterator[list[Worker]]:
    """All open before one goes on; none outlives the test."""
    team = [Worker(task, url, name, number) for name in names]
    try:
        for worker in team:
            worker.wait_open()
        for worker in team:
            worker.go()
        yield team
    finally:
        for worker in team:
            worker.kill()


def prepared(url: str, count: int, *, released: bool = True) -> Scene:
    return scene(Ledger.open(url), rows(count), released=released)


def test_processes_claiming_at_once_never_get_the_same_message(url: str) -> None:
    day = prepared(url, 600)
    with workers("claim", url, ["a", "b", "c"], 23) as team:
        batches = [batch for worker in team for batch in worker.everything()]
    ids = [message_id for batch in batches for message_id in batch]
    assert len(ids) == len(set(ids)) == 600
    assert day.states() == {"sending": 600}
    day.ledger.close()


def test_dispatchers_at_once_send_everything_once(url: str) -> None:
    day = prepared(url, 300)
    with workers("dispatch", url, ["a", "b", "c"], 17) as team:
        shares = [worker.everything() for worker in team]
    assert sum(len(batch) for share in shares for batch in share) == 300
    assert day.states() == {"accepted": 300}
    for message in day.ledger.messages.of_run(day.run_id):
        states = [entry.state for entry in day.ledger.messages.log(message.message_id)]
        assert states == ["planned", "sending", "accepted"]
    day.ledger.close()


def test_messages_of_a_killed_sender_are_in_doubt_and_never_sent_again(url: str) -> None:
    day = prepared(url, 100)
    with workers("slow_claim", url, ["victim"], 30) as (victim,):
        taken = victim.says()
        victim.kill()
    assert len(taken) == 30
    outbox = day.ledger.messages
    assert len(claimed(day.ledger, 200, NOW, "heir", MINUTE)) == 70
    assert outbox.recover(NOW + HOUR) == 100
    assert claimed(day.ledger, 200, NOW + HOUR, "heir", MINUTE) == []
    assert all(outbox.log(one)[-1].state is MessageState.IN_DOUBT for one in taken)
    day.ledger.close()


@pytest.mark.parametrize("written", [0, 10_000])
def test_a_planner_killed_midway_is_repeated_without_loss_or_double(url: str, written: int) -> None:
    day = scene(Ledger.open(url), released=False)
    with workers("plan", url, [f"{day.run_id}/{day.lease.token}"], 40_000) as (planner,):
        assert planner.says() == "planning"
        while day.states().get("planned", 0) < written:
            time.sleep(0.01)
        planner.kill()
    there = day.states().get("planned", 0)
    assert there % 10_000 == 0
    assert written <= there < 40_000
    done = day.plan(rows(40_000))
    assert (done.inserted, done.existing) == (40_000 - there, there)
    with day.ledger.history.contacts_since(0) as reader:
        assert len(set(reader.read_all()["message_id"].to_pylist())) == 40_000
    day.ledger.close()


def test_a_claim_killed_at_any_moment_loses_nothing(url: str) -> None:
    day = prepared(url, 1_000)
    for turn in range(2):
        with workers("claim", url, [f"victim-{turn}"], 10) as (victim,):
            victim.says()
            time.sleep(0.02 * turn)
    with workers("claim", url, ["last"], 500) as (last,):
        last.everything()
    assert day.states() == {"sending": 1_000}
    assert day.ledger.messages.recover(NOW + HOUR) == 1_000
    assert day.states() == {"in_doubt": 1_000}
    day.ledger.close()


def test_a_planner_whose_lease_is_taken_midway_writes_no_more(url: str) -> None:
    day = scene(Ledger.open(url), released=False)
    day.ledger.leases.acquire("planner", "heir", HOUR, NOW + HOUR)
    before = day.ledger.history.mark()
    with pytest.raises(LeaseLost):
        day.plan(rows(100))
    assert day.ledger.history.mark() == before
    day.ledger.close()


def test_writers_at_once_never_find_the_database_locked(url: str) -> None:
    with Ledger.open(url) as ledger, workers("write", url, ["a", "b"], 40) as team:
        assert [worker.everything() for worker in team] == [["done"]] * 2
        assert ledger.people.consents_since(0).num_rows == 80


def test_runs_begun_at_once_have_different_names(url: str) -> None:
    with workers("begin", url, ["a", "b", "c"], 10) as team:
        names = {name for worker in team for batch in worker.everything() for name in batch}
    assert names == {f"2026-05-12-daily-{n}" for n in range(1, 31)}


def test_one_of_many_gets_the_lease(url: str) -> None:
    with workers("acquire", url, ["a", "b", "c"], 5) as team:
        assert sum(worker.everything()[0] for worker in team) == 1
