"""The same day decided from the same pinned state: the same decisions, bit for bit."""

from pathlib import Path

import pytest
from run_processes import KILLED, Kill, run
from run_state import state_of

from antiphon.steps.planning import planned

PUBLISHED = Kill("publish", "antiphon.ledger.runs:Runs.finish_step", "after")
WRITTEN = Kill("decide", "antiphon.lake.change:Change.publish", "before")


def set_buckets(root: Path, buckets: int) -> None:
    settings = root / "config" / "settings.yaml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(
        text.replace("  threads: 2\n", f"  threads: 2\n  buckets: {buckets}\n"), encoding="utf-8"
    )


@pytest.mark.parametrize("buckets", [1, 4])
def test_a_day_decided_twice_gives_the_same_bytes_whatever_the_buckets(
    project: Path, undisturbed: Path, buckets: int
) -> None:
    set_buckets(project, buckets)
    assert run(project, WRITTEN) == KILLED
    folder = project / "var" / "lake" / "decisions"
    once = {path.name: path.read_bytes() for path in folder.rglob("*.parquet")}
    assert len(once) == buckets + 1
    assert run(project) == 0
    state = state_of(project)
    published = state.project.lake.current().files("decisions", state.last)
    again = {path.name: path.read_bytes() for path in published}
    assert again == once
    assert state.project.lake.current().buckets == buckets
    assert state.decisions() == state_of(undisturbed).decisions()
    assert state.written_to() == state_of(undisturbed).written_to()


def test_a_plan_is_what_the_run_then_decides(project: Path, undisturbed: Path) -> None:
    assert run(project, PUBLISHED) == KILLED
    state = state_of(project)
    with planned(state.project) as plan:
        rows = plan.session.arrow(
            "SELECT campaign, customer_id, outcome, rule FROM "
            f"read_parquet('{plan.folder}/*.parquet', union_by_name = true)"
        ).to_pylist()
    names = ("campaign", "customer_id", "outcome", "rule")
    decided = {(row[0], row[3], row[8], row[9]) for row in state_of(undisturbed).decisions()}
    assert {tuple(row[name] for name in names) for row in rows} == decided
