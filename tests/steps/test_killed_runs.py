"""Killed at any step and repeated: no second message, and nobody forgotten."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from demo_project import AT, antiphon
from run_processes import KILLED, Kill, run, start
from run_state import assert_same_end, state_of
from sqlalchemy import update

from antiphon.ledger import Group, Message
from antiphon.ledger.engine import listed, writing
from antiphon.ledger.messages import Messages
from antiphon.ledger.recording import Recorded
from antiphon.ledger.runs import Runs
from antiphon.ledger.schema import PLANNED, messages
from antiphon.states import MessageState
from antiphon.steps.daily import steps_of

STEPS = tuple(step.__name__ for step in steps_of(dry_run=False))
PUBLISH = "antiphon.lake.change:Change.publish"
WRITE = "antiphon.lake.session:Session.write"
PLAN = "antiphon.ledger.messages:Messages.plan"
CLAIM = "antiphon.ledger.messages:Messages.claim"
RECORD = "antiphon.ledger.messages:Messages.record"
FILE = "antiphon.providers.local:LocalOutbox._write"
BEGIN = "antiphon.ledger.runs:Runs.begin_step"
FINISH = "antiphon.ledger.runs:Runs.finish_step"
INSIDE = {
    "pull": [("antiphon.steps.intake:stage_own", "before", 1)],
    "validate": [(WRITE, "after", 1), (WRITE, "after", 4)],
    "publish": [
        ("antiphon.lake.change:Change.merge", "after", 3),
        (PUBLISH, "before", 1),
        ("antiphon.lake.change:publish", "before", 1),
        (PUBLISH, "after", 1),
        ("antiphon.lake.lake:Lake.pin", "after", 1),
    ],
    "segment": [(WRITE, "after", 1), (PUBLISH, "before", 1), (PUBLISH, "after", 1)],
    "decide": [
        (WRITE, "after", 1),
        (PUBLISH, "before", 1),
        (PUBLISH, "after", 1),
        (PLAN, "after", 1),
        (PLAN, "after", 2),
        (PLAN, "before", 3),
    ],
    "audit": [("antiphon.lake.session:Session.rows", "after", 5)],
    "render": [("antiphon.steps.reading:Reader.content", "after", 7)],
    "release": [("antiphon.ledger.messages:Messages.release", "after", 1)],
    "dispatch": [
        (CLAIM, "after", 1),
        (FILE, "before", 3),
        (FILE, "after", 5),
        (RECORD, "before", 2),
        (RECORD, "after", 2),
        (CLAIM, "after", 2),
    ],
    "collect": [("antiphon.lake.change:Change.merge", "after", 1), (PUBLISH, "after", 1)],
    "report": [("antiphon.lake.lake:Lake.unpin", "after", 1)],
}
MOMENTS = 20


def kills(step: str) -> list[Kill]:
    """As the step begins, within it, when its work is done, and when that is on record."""
    inside = [Kill(step, place, when, call) for place, when, call in INSIDE[step]]
    ends = [Kill(step, FINISH, "before"), Kill(step, FINISH, "after")]
    return [Kill(step, BEGIN, "after"), *inside, *ends]


def test_a_run_killed_within_and_between_all_its_steps_ends_as_if_undisturbed(
    project: Path, undisturbed: Path
) -> None:
    for step in STEPS:
        for kill in kills(step):
            assert run(project, kill) == KILLED, kill
            state_of(project).facts()  # readable all the time
    assert run(project) == 0
    assert_same_end(project, undisturbed)
    tried_again = [one for one in state_of(project).messages() if one.attempt == 2]
    assert tried_again, "no message was killed between claim and file"
    delivered = state_of(project).files()
    assert run(project) == 0, "a run after it is a new one"
    assert state_of(project).files() == delivered
    assert state_of(project).runs == ["finished", "finished"]


def test_runs_killed_at_random_moments_end_as_if_undisturbed(
    untouched: Path, undisturbed: Path, tmp_path: Path
) -> None:
    chance = random.Random(20260512)
    killed, number = 0, 0
    while killed < MOMENTS:
        number += 1
        root = shutil.copytree(untouched, tmp_path / f"project-{number}")
        for _ in range(6):
            process = start(root)
            process.join(chance.uniform(0.05, 2.0))
            if process.exitcode is not None:
                break
            process.kill()
            process.join()
            killed += 1
            if "finished" in state_of(root).runs:
                break  # it was on its way out: the next one would be a second run
        if "finished" not in state_of(root).runs:
            assert run(root) == 0
        assert_same_end(root, undisturbed)


def test_the_command_killed_while_it_sends_is_finished_by_repeating_it(
    project: Path, undisturbed: Path
) -> None:
    command = [sys.executable, "-m", "antiphon.cli", "run", "--at", AT]
    environment = {**os.environ, "ANTIPHON_ROOT": str(project)}
    with subprocess.Popen(
        command,
        cwd=project,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as first:
        while not list((project / "var" / "outbox").glob("*/*/*")):
            assert first.poll() is None, "it ended before it sent anything"
            time.sleep(0.002)
        os.killpg(first.pid, signal.SIGKILL)
    assert state_of(project).runs == ["running"]
    second = antiphon(project, "run", "--at", AT)
    assert second.returncode == 0, second.stderr
    state = state_of(project)
    assert state.runs == ["finished"]
    assert state.written_to() == state_of(undisturbed).written_to()
    assert set(state.states()) <= {"accepted", "control", "refused"}
    assert set(state.written_to().values()) == {1}


def test_a_sender_that_claims_only_after_sending_fails_these_claims(
    project: Path, undisturbed: Path
) -> None:
    assert run(project, Kill("dispatch", FILE, "after", 5), claim_after_sending) == KILLED
    assert run(project, setup=claim_after_sending) == 0
    assert max(state_of(project).journal().values()) > 1, "a message was handed over twice"
    with pytest.raises(AssertionError):
        assert_same_end(project, undisturbed)


def claim_after_sending() -> None:
    """Spoil the sender: what is due is read, sent, and only then marked."""
    record = Messages.record
    read_before: set[str] = set()

    def read(
        self: Messages,
        group: Group,
        account: str,
        limit: int,
        now: datetime,
        holder: str,
        ttl: timedelta,
    ) -> list[Message]:
        runs = [run.run_id for run in Runs(self._engine).latest()]
        mine = [
            one._replace(claim_expires_at=now + ttl)
            for run_id in runs
            for one in self.of_run(run_id)
            if one.state is MessageState.PLANNED
            and one.message_id not in read_before
            and (one.channel, one.campaign, one.template_hash or "", one.arm, one.language or "")
            == (group.channel, group.campaign, group.template_hash, group.arm, group.language)
        ]
        found = sorted(mine, key=lambda one: (one.not_before, one.message_id))[:limit]
        read_before.update(one.message_id for one in found)
        return found

    def mark(self: Messages, outcomes: Any, now: datetime, holder: str | None = None) -> Recorded:
        mine = [one.message_id for one in outcomes if one.message_id in read_before]
        with writing(self._engine) as connection:
            late = messages.c.message_id.in_(listed(connection, mine)) & PLANNED
            claim = {"state": MessageState.SENDING, "claim_holder": holder, "left_at": now}
            connection.execute(update(messages).where(late).values(**claim))
        return record(self, outcomes, now, holder)

    Messages.claim = read  # type: ignore[method-assign]
    Messages.record = mark  # type: ignore[method-assign]
