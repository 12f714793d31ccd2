"""What a run pinned is what it goes on with; one run at a time; a lost lease writes nothing."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from demo_project import AT, antiphon
from run_processes import KILLED, Kill, frozen, run, start
from run_state import State, assert_same_end, state_of

from antiphon.clock import system_clock
from antiphon.errors import LeaseLost, RunBusy
from antiphon.lake import Change
from antiphon.steps.daily import run_daily
from antiphon.steps.intake import publish, pull, validate
from antiphon.steps.run import LEASE, running
from antiphon.steps.segment import segment

AFTER_PUBLISH = Kill("publish", "antiphon.ledger.runs:Runs.finish_step", "after")
AFTER_PLAN = Kill("decide", "antiphon.ledger.runs:Runs.finish_step", "after")
MINUTE = timedelta(minutes=1)


def change_everything(root: Path) -> None:
    """Other audiences, another policy, and news in the sources."""
    for campaign in (root / "config" / "campaigns").glob("*.yaml"):
        text = campaign.read_text(encoding="utf-8")
        raised = re.sub(r"priority: (\d\d).*", r"priority: 9\1", text)
        campaign.write_text(raised, encoding="utf-8")
    policy = root / "config" / "policy.yaml"
    changed = policy.read_text(encoding="utf-8").replace("share: 2%", "share: 50%")
    changed = changed.replace("packs: [bulk-mail, eu-consent]", "packs: [bulk-mail]")
    policy.write_text(changed.replace("promo: opt_in", "promo: none"), encoding="utf-8")
    consents = root / "var" / "demo" / "consents.csv"
    lines = consents.read_text(encoding="utf-8").splitlines()
    consents.write_text("\n".join(lines[: len(lines) // 2]) + "\n", encoding="utf-8")


def test_a_resumed_run_decides_by_what_it_had_pinned_and_the_next_one_by_the_new(
    project: Path, undisturbed: Path
) -> None:
    assert run(project, AFTER_PUBLISH) == KILLED
    change_everything(project)
    assert run(project) == 0
    assert_same_end(project, undisturbed)
    assert run(project) == 0
    state = state_of(project)
    assert state.runs == ["finished", "finished"]
    second, first = state.project.ledger.runs.latest()
    assert first.files_hash != second.files_hash
    assert len(universal_control(state)) > 3 * len(universal_control(state_of(undisturbed)))


def universal_control(state: State) -> list[tuple[Any, ...]]:
    return [row for row in state.decisions() if "universal_control" in row]


def test_an_abandoned_run_withdraws_what_it_planned_and_the_next_one_writes_to_all(
    project: Path, undisturbed: Path
) -> None:
    assert run(project, AFTER_PLAN) == KILLED
    state = state_of(project)
    planned = state.states()["planned"]
    assert planned
    said = antiphon(project, "abandon", state.last, "--reason", "wrong prices", "--at", AT)
    assert said.returncode == 0, said.stderr
    assert f"{planned} messages were withdrawn" in said.stdout
    assert run(project) == 0
    assert state_of(project).runs == ["abandoned", "finished"]
    assert state_of(project).written_to() == state_of(undisturbed).written_to()
    assert state_of(project).states()["withdrawn"] == planned + state.states()["control"]


def test_of_two_runs_at_once_one_works_and_the_other_says_that_it_is_busy(
    project: Path, undisturbed: Path
) -> None:
    first = start(project)
    ledger = state_of(project).project.ledger
    while ledger.leases.holder(LEASE, frozen()) is None:
        first.join(0.01)
        assert first.exitcode is None
    with pytest.raises(RunBusy, match=f"/{first.pid}/"):
        run_daily(project, frozen)
    first.join()
    assert first.exitcode == 0
    assert_same_end(project, undisturbed)


def steal(root: Path) -> None:
    """Another process takes the lease over, as after a long sleep of this one's machine."""
    leases = state_of(root).project.ledger.leases
    leases.acquire(LEASE, "other-host/1/1", MINUTE, system_clock() + 2 * MINUTE)


def test_a_run_whose_lease_was_taken_over_writes_nothing_more(project: Path) -> None:
    with (  # noqa: PT012
        pytest.raises(LeaseLost),
        running(project, "daily", None, dry_run=False, clock=frozen) as run_id,
    ):
        for step in (pull, validate, publish):
            step(project, run_id, frozen)
        steal(project)
        before = state_of(project)
        snapshot, runs = before.project.lake.current().id, before.project.ledger.runs.latest()
        segment(project, run_id, frozen)
    after = state_of(project)
    assert after.project.lake.current().id == snapshot
    assert after.project.ledger.runs.latest() == runs, "it may not even say that it failed"
    assert after.messages() == []


def test_a_lease_lost_in_the_middle_of_a_step_keeps_its_work_out_of_the_lake(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_files = Change.add_files

    def stolen(self: Change, store: str, key: str, paths: list[Path]) -> None:
        add_files(self, store, key, paths)
        if store == "decisions":
            steal(project)

    monkeypatch.setattr(Change, "add_files", stolen)
    with pytest.raises(LeaseLost):
        run_daily(project, frozen)
    state = state_of(project)
    assert state.project.lake.current().files("decisions") == []
    assert state.messages() == []
    assert state.runs == ["running"]
