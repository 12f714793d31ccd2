"""What cleaning removes, and what it never does."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from staged_rows import day, files, merge, query

from antiphon.errors import LakeError
from antiphon.lake import Cleaned, Lake, LakeBusy


@dataclass(frozen=True)
class Keep:
    snapshots: timedelta = timedelta(days=2)
    decisions: timedelta = timedelta(days=3)
    quarantine: timedelta = timedelta(days=5)


class Clock:
    def __init__(self) -> None:
        self.now = day(0)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dated(tmp_path: Path, clock: Clock) -> Lake:
    return Lake(tmp_path / "lake", threads=1, clock=clock)


def four_snapshots(lake: Lake, clock: Clock) -> None:
    for number in range(4):
        clock.now = day(number)
        merge(lake, "products", [{"product_id": "p", "name": str(number)}])


def names(lake: Lake, snapshot: int) -> list[tuple[str]]:
    return query(lake, "SELECT name FROM products", lake.snapshot(snapshot))


def test_old_snapshots_go_and_their_files(dated: Lake, clock: Clock) -> None:
    four_snapshots(dated, clock)
    cleaned = dated.clean(day(4), Keep())
    assert cleaned.snapshots == cleaned.files == 2
    assert names(dated, 3) == [("2",)]
    assert names(dated, 4) == [("3",)]
    with pytest.raises(LakeError, match=r"snapshot 2 is not kept. There are: 3, 4"):
        dated.snapshot(2)
    assert dated.clean(day(4), Keep()) == Cleaned()


def test_cleaning_spares_what_is_pinned_kept_or_being_read(dated: Lake, clock: Clock) -> None:
    four_snapshots(dated, clock)
    merge(dated, "products", [{"product_id": "p", "name": "last"}])
    dated.pin(1, "run 1")
    with dated.session(dated.snapshot(3)) as session:
        dated.clean(day(99), Keep(), keep={2})
        assert session.rows("SELECT name FROM products") == [("2",)]
        assert [names(dated, number) for number in (1, 2, 3)] == [[("0",)], [("1",)], [("2",)]]
        with pytest.raises(LakeError, match=r"snapshot 4"):
            dated.snapshot(4)
    dated.unpin("run 1")
    assert dated.clean(day(99), Keep()).snapshots == 3
    assert files(dated) == set(dated.current().manifest.paths())
    with pytest.raises(LakeError, match=r"not kept"):
        dated.pin(1, "run 1")


def test_cleaning_removes_what_a_killed_change_left(dated: Lake) -> None:
    merge(dated, "products", [{"product_id": "p"}])
    left = dated.path / "clean" / "products" / "b000" / "000099-delta.parquet"
    left.write_bytes(b"half a file")
    assert dated.clean(day(1), Keep()) == Cleaned(files=1, bytes=11)
    assert not left.exists()


def test_nothing_is_cleaned_during_a_change(dated: Lake) -> None:
    with dated.change("daily run"), pytest.raises(LakeBusy, match=r"daily run"):
        dated.clean(day(1), Keep())


def decisions(folder: Path, outcomes: list[str]) -> Path:
    path = folder / "decisions.parquet"
    columns = {"campaign": ["winback"] * len(outcomes), "outcome": outcomes}
    rules = ["consent" if outcome == "held" else "" for outcome in outcomes]
    pq.write_table(pa.table({**columns, "rule": rules, "customer_id": outcomes}), path)
    return path


def test_old_decisions_become_daily_counts_that_stay(
    dated: Lake, clock: Clock, tmp_path: Path
) -> None:
    for number, outcomes in enumerate([["send", "held", "held"], ["send", "send"]]):
        clock.now = day(number)
        with dated.change("test", day=day(number).date()) as change:
            change.add_files("decisions", f"run {number}", [decisions(tmp_path, outcomes)])
            change.publish()
    assert len(dated.current().files("decisions")) == 2
    count = "SELECT day, campaign, outcome, rule, decisions FROM decision_counts ORDER BY ALL"
    first = [
        (day(0).date(), "winback", "held", "consent", 2),
        (day(0).date(), "winback", "send", "", 1),
    ]
    assert dated.clean(day(4) - timedelta(hours=1), Keep()).entries == 1
    assert query(dated, count) == first
    assert dated.current().files("decisions", "run 0") == []
    assert len(dated.current().files("decisions", "run 1")) == 1
    assert dated.clean(day(9), Keep()).entries == 1
    assert query(dated, count) == [*first, (day(1).date(), "winback", "send", "", 2)]
    dated.clean(day(999), Keep())
    assert len(query(dated, count)) == 3


def test_a_store_keeps_a_runs_files_under_its_key(dated: Lake, tmp_path: Path) -> None:
    first = decisions(tmp_path, ["send"])
    for _ in range(2):  # a repeated run replaces what it left before
        with dated.change("test") as change:
            change.add_files("quarantine", "run", [first])
            change.publish()
    (kept,) = dated.current().files("quarantine", "run")
    assert pq.read_table(kept).num_rows == 1
    assert kept.is_relative_to(dated.path / "quarantine")
    assert dated.current().files("frames") == []


def test_files_of_one_name_are_all_kept(dated: Lake, tmp_path: Path) -> None:
    paths = []
    for entity, rows in (("customers", 1), ("orders", 2)):
        (tmp_path / entity).mkdir()
        paths.append(tmp_path / entity / "rows.parquet")
        pq.write_table(pa.table({"row": ["{}"] * rows}), paths[-1])
    with dated.change("test") as change:
        change.add_files("quarantine", "run", paths)
        change.publish()
    kept = dated.current().files("quarantine", "run")
    assert sorted(pq.read_table(path).num_rows for path in kept) == [1, 2]
