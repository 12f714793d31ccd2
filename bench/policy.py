"""The bench of the contact policy: `python -m bench.policy 20k | 100k | 1m | 10m`.

A hundred campaigns with 15 candidates a customer together, under twenty rules of mixed kinds and a
history of five contacts a customer: one day decided, every decision written, and audited. Beside it
what plain SQL takes for one winner a customer without any rule. Facts go into the lake at once, as
in bench.audiences. Writes var/bench/<size>/POLICY.md; with --keep its section of bench/RESULTS.md
as well.
"""

import shutil
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime

from bench import report
from bench.company import CHECKOUT
from bench.daily import Bench
from bench.generate import FIRST_DAY, SIZES, STEADY_DAY, generate
from bench.history import generate_history
from bench.measuring import Measured
from bench.policed import give_homes, make_policed_company

MORNING = f"{STEADY_DAY}T10:00+02:00"
NAIVE = "one winner a customer without any rule, SQL"
DECIDE = "decide, twenty rules"
AUDIT = "audit"
SECONDS = {"1m": 20, "10m": 240}
MEMORY = {"1m": 4_096, "10m": 12_288}


def targets(size: str, beside: Mapping[str, Measured]) -> Iterator[report.Target]:
    """What was aimed at and what was reached."""
    decide, audit = beside[DECIDE], beside[AUDIT]
    if size in SECONDS:
        yield report.at_most("a day decided", SECONDS[size], decide.seconds, "s")
        yield report.at_most("a day decided", MEMORY[size], decide.peak_mib, "MiB")
    aim = "audit at most as long as the decision"
    times = audit.seconds / decide.seconds
    yield report.Target(aim, f"{times:.2f} times", times <= 1)


def main(size: str, *options: str) -> None:
    """Run the bench and write its results."""
    bench = Bench(size, CHECKOUT / "var" / "bench" / size / "policy" / "project")
    conditions = report.Conditions(bench.root)
    print(f"{size}: {bench.customers:,} customers in {bench.root}", flush=True)
    data = CHECKOUT / "var" / "bench" / size / "data"
    generate(data, bench.customers)
    generate_history(data, bench.customers)
    shutil.rmtree(bench.root, ignore_errors=True)
    make_policed_company(bench.root, bench.customers)
    give_homes(data, bench.root.parent / "data")
    bench.work("load", datetime.fromisoformat(f"{FIRST_DAY}T10:00+02:00"))
    bench.work("load", datetime.fromisoformat(MORNING))
    print("\ndaily run", flush=True)
    run = bench.run(MORNING)
    by_name = {one.work: one for one in run}
    print("\nbeside", flush=True)
    beside = {
        DECIDE: by_name["decide"],
        AUDIT: by_name["audit"],
        NAIVE: bench.work("naive", datetime.fromisoformat(MORNING)),
    }
    parts = {
        "Daily run": report.steps(run),
        "Beside": report.comparison(DECIDE, beside, None),
        "Against the targets": report.verdicts(targets(size, beside)),
    }
    text = report.page(f"{size} policy", conditions, parts)
    (bench.root.parent / "POLICY.md").write_text(text)
    if "--keep" in options:
        report.keep(CHECKOUT / "bench" / "RESULTS.md", text)
    print(f"\n{text}")


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in SIZES:
        raise SystemExit(f"usage: python -m bench.policy {' | '.join(SIZES)} [--keep]")
    main(*sys.argv[1:])
