"""The bench of audiences: `python -m bench.audiences 20k | 100k | 1m | 10m`.

Every feature, 300 conditions with 60 calls of functions, scores and a cross of 2,080 cells: built
on the first load, and again when 1 % of the customers have news. Then what people and schedules
wait for: a condition somebody is still thinking about, the minutes' triggers, a year of campaign
files. Beside it pandas (up to 1m) and the floor, a bare group-by. Facts go into the lake at once,
without pull and validation, which bench.daily measures. Writes var/bench/<size>/AUDIENCES.md; with
--keep its section of bench/RESULTS.md as well.
"""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

from bench import report
from bench.agreement import compare
from bench.catalogue import make_catalogue
from bench.company import CHECKOUT, make_big_company
from bench.daily import FLOOR, PANDAS_UP_TO, REPEATS, Bench
from bench.generate import FIRST_DAY, SIZES, STEADY_DAY, generate
from bench.history import generate_history
from bench.measuring import Measured, command, middle, step

MORNING = f"{STEADY_DAY}T09:40+02:00"
FIRST = "every feature and 300 conditions, first load"
AGAIN = "every feature and 300 conditions, 1 % changed"
PANDAS = "features of bench.daily and 100 audiences, pandas"
PASS = "pass of the triggers"
CHECK = "antiphon check of 2,500 campaigns"
DRAFTS = {
    "antiphon audience, two features": "days_since_order > 60 and favourite_category = 'vitamins'",
    "antiphon audience, a call": "order_count > 2 and not bought(brand => 'Brand 7')",
}
# At most so many seconds, by size; at any other only what does not depend on it.
SECONDS: dict[str, dict[str, float]] = {
    "1m": {FIRST: 30, AGAIN: 6, **dict.fromkeys(DRAFTS, 1.5), PASS: 5, CHECK: 10},
    "10m": {FIRST: 300, PASS: 5, CHECK: 10},
}
MEMORY = {"1m": 3_072, "10m": 12_288}  # MiB of frames and conditions


def prepare(bench: Bench) -> None:
    """A fresh project, and one with a year of campaign files; equal data is used again."""
    data = bench.root.parent / "data"
    generate(data, bench.customers)
    generate_history(data, bench.customers)
    shutil.rmtree(bench.root, ignore_errors=True)
    make_big_company(bench.root, bench.customers)
    make_catalogue(bench.root / "catalogue", date.fromisoformat(STEADY_DAY))


def waiting(bench: Bench) -> dict[str, Measured]:
    """Commands as a person waits for them, and a pass of the triggers; each the median of several,
    but the pass, whose events are new only once."""
    at = datetime.fromisoformat(MORNING) + timedelta(minutes=5)

    def waited(root: Path, work: str, *arguments: str) -> Measured:
        return middle([command(root, work, at, *arguments) for _ in range(REPEATS)])

    measured = {work: waited(bench.root, work, "audience", text) for work, text in DRAFTS.items()}
    measured[CHECK] = waited(bench.root / "catalogue", CHECK, "check")
    incoming = bench.root / "var" / "incoming"
    incoming.mkdir()
    os.link(bench.root.parent / "data" / "triggers-1.parquet", incoming / "events-1.parquet")
    later = datetime.fromisoformat(f"{STEADY_DAY}T10:05+02:00")
    measured[PASS] = replace(step(bench.root, "triggers", later), work=PASS)
    for one in measured.values():
        print(report.line(one), flush=True)
    return measured


def targets(size: str, measured: Mapping[str, Measured]) -> Iterator[report.Target]:
    """What was aimed at and what was reached, the start of a process included."""
    for work, most in SECONDS.get(size, {CHECK: 10}).items():
        one = measured[work]
        yield report.at_most(work, most, one.start_seconds + one.seconds, "s")
    if size in MEMORY:
        peak = max(measured[work].peak_mib for work in (FIRST, AGAIN))
        yield report.at_most("frames and conditions", MEMORY[size], peak, "MiB")


def main(size: str, *options: str) -> None:
    """Run the bench and write its results."""
    bench = Bench(size, CHECKOUT / "var" / "bench" / size / "audiences")
    conditions = report.Conditions(bench.root)
    print(f"{size}: {bench.customers:,} customers in {bench.root}", flush=True)
    prepare(bench)
    built = {}
    for name, at in ((FIRST, f"{FIRST_DAY}T10:00+02:00"), (AGAIN, MORNING)):
        print(f"\n{name}", flush=True)
        bench.work("load", datetime.fromisoformat(at))
        built[name] = replace(bench.beside("features", at), work=name)
    print("\nbeside", flush=True)
    beside = {FLOOR: bench.beside("floor", MORNING), AGAIN: built[AGAIN]}
    agreed = None
    if bench.customers <= PANDAS_UP_TO:
        bench.beside("export", MORNING)
        beside[PANDAS] = bench.beside("pandas", MORNING)
        agreed = compare(bench.root / "var" / "beside")
    print("\ndaily run", flush=True)
    run = bench.run(MORNING)
    print("\nwaiting", flush=True)
    waits = waiting(bench)
    parts = {
        "Frames and conditions": report.works(built.values()),
        "Daily run": report.steps(run),
        "What people and schedules wait for": report.works(waits.values()),
        "Beside": report.comparison(AGAIN, beside, agreed),
        "Against the targets": report.verdicts(targets(size, {**built, **waits})),
    }
    text = report.page(f"{size} audiences", conditions, parts)
    (bench.root.parent / "AUDIENCES.md").write_text(text)
    if "--keep" in options:
        report.keep(CHECKOUT / "bench" / "RESULTS.md", text)
    print(f"\n{text}")


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in SIZES:
        raise SystemExit(f"usage: python -m bench.audiences {' | '.join(SIZES)} [--keep]")
    main(*sys.argv[1:])
