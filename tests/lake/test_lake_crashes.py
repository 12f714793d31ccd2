"""Real processes: killed at any moment, reading while another publishes, changing at once."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from staged_rows import day, files, merge, query, stage

from antiphon.lake import Lake, LakeBusy, Limits

ROOT = Path(__file__).parents[2]
# Every batch rewrites all customers and adds orders, so that a snapshot is whole exactly when
# everything in it speaks of the same batch.
CHANGES = """
import sys
from pathlib import Path
from antiphon.lake import Lake, Limits
from staged_rows import stage, day
lake = Lake(sys.argv[1], memory="300MB", threads=1, buckets=2, limits=Limits(layers=2))
folder = Path(sys.argv[2])
for number in range(lake.current().id + 1, lake.current().id + 1 + int(sys.argv[3])):
    people = [{"customer_id": f"c{i}", "city": str(number)} for i in range(20)]
    orders = [{"order_id": f"o{number}-{i}", "customer_id": f"c{i}", "ordered_at": day(number)}
              for i in range(20)]
    customers = stage(folder / "customers.parquet", "customers", people)
    bought = stage(folder / "orders.parquet", "orders", orders)
    with lake.change("writer") as change:
        change.merge("customers", [customers])
        change.merge("orders", [bought])
        change.set_watermark("shop", number)
        change.publish()
    print("ready", flush=True)
"""
READS = """
import sys
from antiphon.lake import Lake
lake = Lake(sys.argv[1], memory="300MB", threads=1)
print("ready", flush=True)
seen = set()
while lake.current().id < int(sys.argv[2]):
    with lake.session() as session:
        number = session.snapshot.id
        cities = session.rows("SELECT DISTINCT city FROM customers")
        ((orders,),) = session.rows("SELECT count(*) FROM orders")
    assert cities == ([(str(number),)] if number else []), (number, cities)
    assert orders == 20 * number, (number, orders)
    seen.add(number)
print(len(seen))
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "lake")])
    process = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@dataclass(frozen=True)
class Keep:
    """Longer than the test lasts."""

    snapshots: timedelta = timedelta(days=20_000)
    decisions: timedelta = timedelta(days=20_000)
    quarantine: timedelta = timedelta(days=20_000)


def named(lake: Lake) -> set[str]:
    """The files that some snapshot needs."""
    snapshots = [lake.snapshot(number) for number in range(1, lake.current().id + 1)]
    return {path for snapshot in snapshots for path in snapshot.manifest.paths()}


def assert_whole(lake: Lake) -> None:
    snapshot = lake.current()
    expected = [(str(snapshot.id),)] if snapshot.id else []
    assert query(lake, "SELECT DISTINCT city FROM customers") == expected
    assert query(lake, "SELECT count(*) FROM orders") == [(20 * snapshot.id,)]
    assert snapshot.watermarks.get("shop", 0) == snapshot.id


def test_a_change_killed_at_any_moment_leaves_the_last_good_snapshot(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake", memory="300MB", threads=1, buckets=2)
    chance = random.Random(7)
    last = interrupted = 0
    for _ in range(22):
        process = start(CHANGES, lake.path, tmp_path, 1000)
        time.sleep(chance.uniform(0.0, 0.8))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert_whole(lake)
        assert lake.current().id > last
        last = lake.current().id
        interrupted += bool(files(lake) - named(lake))
        lake.clean(day(0), Keep())
        assert files(lake) == named(lake)
    assert interrupted > 3, "too few of the kills came in the middle of a change"
    assert start(CHANGES, lake.path, tmp_path, 1).wait() == 0, "the next change works"
    assert_whole(lake)
    assert lake.current().id == last + 1


def test_readers_see_the_old_or_the_new_snapshot_and_nothing_between(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake", memory="300MB", threads=1)
    readers = [start(READS, lake.path, 8) for _ in range(2)]
    writer = start(CHANGES, lake.path, tmp_path, 8)
    assert writer.wait() == 0
    for reader in readers:
        out, _ = reader.communicate()
        assert reader.returncode == 0
        assert int(out) >= 1


def test_a_second_change_is_refused_with_the_name_of_the_first(lake: Lake) -> None:
    with lake.change("daily run 7"):
        with pytest.raises(LakeBusy, match=r"daily run 7"), lake.change("another"):
            pass
        with pytest.raises(LakeBusy, match=r"Wait until it has ended"), lake.change("another"):
            pass
    with lake.change("another"):
        pass


def test_an_error_inside_a_change_leaves_the_lake_as_it_was(lake: Lake, tmp_path: Path) -> None:
    merge(lake, "customers", [{"customer_id": "a"}])
    before, on_disk = lake.current(), files(lake)
    staged = stage(tmp_path / "b.parquet", "customers", [{"customer_id": "b"}])
    with pytest.raises(ZeroDivisionError), lake.change("test") as change:  # noqa: PT012
        change.merge("customers", [staged])
        _ = 1 / 0
    assert lake.current() == before
    assert files(lake) == on_disk


def test_compaction_is_spread_and_keeps_every_row(tmp_path: Path) -> None:
    limits = Limits(layers=2, delta_share=100)
    lake = Lake(tmp_path / "lake", threads=1, buckets=8, limits=limits)
    people = [{"customer_id": f"c{i}"} for i in range(40)]
    most = 0
    for number in range(8):
        merge(lake, "customers", [{**row, "city": str(number)} for row in people])
        assert query(lake, "SELECT DISTINCT city FROM customers") == [(str(number),)]
        assert query(lake, "SELECT count(DISTINCT customer_id), count(*) FROM customers") == [
            (40, 40)
        ]
        most = max(most, *(len(b.data) for b in lake.current().manifest.of("customers")))
    assert 2 < most <= 5


def test_growing_splits_the_buckets_and_keeps_every_row(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake", threads=1, limits=Limits(customers=10, facts=1000))
    seen = []
    for number in range(6):
        rows = [
            {"customer_id": f"{number}-{i}", "email_address": f"{i}@x"} for i in range(8 * number)
        ]
        orders = [
            {
                "order_id": row["customer_id"],
                "customer_id": row["customer_id"],
                "ordered_at": day(0),
            }
            for row in rows
        ]
        merge(lake, "orders", orders)
        merge(lake, "customers", rows)
        seen.append(lake.current().buckets)
        assert lake.current().rows["customers"] == lake.current().rows["orders"]
    assert seen == [1, 1, 4, 8, 8, 16]
    assert query(lake, "SELECT count(*) FROM customers") == [(120,)]
    assert query(lake, "SELECT count(DISTINCT household_id), count(*) FROM households") == [
        (40, 120)
    ]
