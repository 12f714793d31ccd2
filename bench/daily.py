"""The bench: `python -m bench.daily 20k | 100k | 1m | 10m`.

A first load, then a steady day on which 1 % of the customers have news: the steps of a daily run
without Prefect, each in a process of its own, so that its time and peak memory are its own.
Dispatch is left out (messages stay planned). Beside it the same features and audiences in pandas
(up to 1m) and the floor, a bare group-by. Writes var/bench/<size>/RESULTS.md; at 1m and 10m run
with --keep to write bench/RESULTS.md as well.
"""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from antiphon.clock import clock_from
from antiphon.steps.daily import steps_of
from antiphon.steps.run import DAILY, running
from bench import report
from bench.agreement import compare
from bench.company import CHECKOUT, ENTITIES, make_company
from bench.generate import FIRST_DAY, SIZES, STEADY_DAY, generate
from bench.measuring import Measured, middle, step

REPEATS = 3  # of what stands beside the run, at 1m and below
PANDAS_UP_TO = 1_000_000
MOST = {"1m": (20, 2048), "10m": (180, 8192)}  # seconds and MiB of a steady day
AT_LEAST_PANDAS = 5
AT_MOST_FLOOR = 8
OURS = "features and 100 audiences, ours"
PANDAS = "features and 100 audiences, pandas"
FLOOR = "floor: one group-by of the orders, three aggregates"


@dataclass(frozen=True)
class Bench:
    """One size of the bench in its folder."""

    size: str
    root: Path

    @property
    def customers(self) -> int:
        """How many there are."""
        return SIZES[self.size]

    def prepare(self) -> None:
        """A fresh project; data that would be the same is used again."""
        generate(self.root / "data", self.customers)
        for name in ("config", "templates", "sql", "var"):
            shutil.rmtree(self.root / name, ignore_errors=True)
        make_company(self.root, self.customers)

    def arrive(self, day: int) -> None:
        """Bring the day's files to where the sources look."""
        incoming = self.root / "var" / "incoming"
        incoming.mkdir(parents=True, exist_ok=True)
        for name in ENTITIES:
            os.link(
                self.root / "data" / f"{name}-{day}.parquet", incoming / f"{name}-{day}.parquet"
            )

    def run(self, at: str) -> list[Measured]:
        """One daily run: its steps but dispatch, each in its own process."""
        clock = clock_from(datetime.fromisoformat(at))
        steps = [do.__name__ for do in steps_of(dry_run=False) if do.__name__ != "dispatch"]
        with running(self.root, DAILY, None, dry_run=False, clock=clock) as run_id:
            return [self.work(name, clock(), run_id) for name in steps]

    def beside(self, work: str, at: str) -> Measured:
        """Work on the current snapshot; of short work the run with the median time of several."""
        is_short = work in ("floor", "features") and self.customers <= PANDAS_UP_TO
        now = datetime.fromisoformat(at)
        return middle([self.work(work, now) for _ in range(REPEATS if is_short else 1)])

    def work(self, work: str, now: datetime, *run_id: str) -> Measured:
        """One piece of work, told when it is done."""
        measured = step(self.root, work, now, *run_id)
        print(report.line(measured), flush=True)
        return measured


def targets(
    size: str, steady: Sequence[Measured], beside: Mapping[str, Measured]
) -> Iterator[report.Target]:
    """What was aimed at and what was reached."""
    if size in MOST:
        seconds, memory = MOST[size]
        whole = sum(one.seconds for one in steady) + report.start_seconds(steady)
        yield report.at_most("steady day", seconds, whole, "s")
        yield report.at_most("steady day", memory, max(one.peak_mib for one in steady), "MiB")
    ours = beside[OURS].seconds
    if PANDAS in beside:
        times = beside[PANDAS].seconds / ours
        aim = f"features and audiences {AT_LEAST_PANDAS} times faster than pandas"
        yield report.Target(aim, f"{times:.2f} times", times >= AT_LEAST_PANDAS)
    times = ours / beside[FLOOR].seconds
    aim = f"features and audiences at most {AT_MOST_FLOOR} times the floor"
    yield report.Target(aim, f"{times:.2f} times", times <= AT_MOST_FLOOR)


def main(size: str, *options: str) -> None:
    """Run the bench and write its results."""
    bench = Bench(size, CHECKOUT / "var" / "bench" / size)
    conditions = report.Conditions(bench.root)
    print(f"{size}: {bench.customers:,} customers in {bench.root}", flush=True)
    bench.prepare()
    bench.arrive(0)
    print("\nfirst load", flush=True)
    first = bench.run(f"{FIRST_DAY}T10:00+02:00")
    bench.arrive(1)
    print("\nsteady day", flush=True)
    morning = f"{STEADY_DAY}T10:00+02:00"
    steady = bench.run(morning)
    print("\nbeside", flush=True)
    beside = {FLOOR: bench.beside("floor", morning), OURS: bench.beside("features", morning)}
    agreed = None
    if bench.customers <= PANDAS_UP_TO:
        bench.beside("export", morning)
        beside[PANDAS] = bench.beside("pandas", morning)
        agreed = compare(bench.root / "var" / "beside")
    parts = {
        "First load": report.steps(first),
        "Steady day": report.steps(steady),
        "Beside": report.comparison(OURS, beside, agreed),
        "Against the targets": report.verdicts(targets(size, steady, beside)),
    }
    text = report.page(size, conditions, parts)
    (bench.root / "RESULTS.md").write_text(text)
    if "--keep" in options:
        report.keep(CHECKOUT / "bench" / "RESULTS.md", text)
    print(f"\n{text}")


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in SIZES:
        raise SystemExit(f"usage: python -m bench.daily {' | '.join(SIZES)} [--keep]")
    main(*sys.argv[1:])
