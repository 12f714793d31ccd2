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
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from antiphon.clock import clock_from
from antiphon.steps.daily import steps_of
from antiphon.steps.run import running
from bench import report
from bench.agreement import compare
from bench.company import CHECKOUT, make_company
from bench.generate import FIRST_DAY, SIZES, STEADY_DAY, generate, generate_once
from bench.measuring import Measured, middle, step

STEPS = [do.__name__ for do in steps_of(dry_run=False) if do.__name__ != "dispatch"]
REPEATS = 3  # of what stands beside the run, at 1m and below
PANDAS_UP_TO = 1_000_000


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
        """A fresh project; generated data of this version is used again."""
        generate_once(generate, self.root / "data", self.customers)
        for name in ("config", "templates", "sql", "var"):
            shutil.rmtree(self.root / name, ignore_errors=True)
        make_company(self.root, self.customers)

    def arrive(self, day: int) -> None:
        """Bring the day's files to where the sources look."""
        incoming = self.root / "var" / "incoming"
        incoming.mkdir(parents=True, exist_ok=True)
        for path in (self.root / "data").glob(f"*-{day}.parquet"):
            os.link(path, incoming / path.name)

    def run(self, at: str) -> list[Measured]:
        """One daily run: its steps, each in its own process."""
        clock = clock_from(datetime.fromisoformat(at))
        done = []
        with running(self.root, "daily", None, dry_run=False, clock=clock) as run_id:
            for name in STEPS:
                done.append(self.work(name, clock(), run_id))
        return done

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


def main(size: str, *options: str) -> None:
    """Run the bench and write its results."""
    bench = Bench(size, CHECKOUT / "var" / "bench" / size)
    began = time.perf_counter()
    load_before = os.getloadavg()
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
    beside = {work: bench.beside(work, morning) for work in ("floor", "features")}
    agreed = None
    if bench.customers <= PANDAS_UP_TO:
        bench.beside("export", morning)
        beside["pandas"] = bench.beside("pandas", morning)
        agreed = compare(bench.root / "var" / "beside")
    text = report.page(
        bench.size,
        bench.root,
        {"first load": first, "steady day": steady},
        beside,
        agreed,
        loads=(load_before, os.getloadavg()),
        minutes=(time.perf_counter() - began) / 60,
    )
    (bench.root / "RESULTS.md").write_text(text)
    if "--keep" in options:
        report.keep(CHECKOUT / "bench" / "RESULTS.md", size, text)
    print(f"\n{text}")


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in SIZES:
        raise SystemExit(f"usage: python -m bench.daily {' | '.join(SIZES)} [--keep]")
    main(*sys.argv[1:])
