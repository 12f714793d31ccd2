"""The bench's figures as tables: printed, and kept in RESULTS.md."""

from __future__ import annotations

import os
import platform
import re
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.measuring import Measured

LIBRARIES = ("duckdb", "pyarrow", "pandas", "numpy", "great-expectations", "sqlalchemy")
HEAD = """# Results of the bench

Written by `python -m bench.daily SIZE --keep`, `python -m bench.audiences SIZE --keep` and
`python -m bench.policy SIZE --keep`, not by hand; the sections on dispatch, ledger, rendering and
sandbox are what `bench.dispatch`, `bench.ledger`, `bench.rendering` and `bench.sandbox` print.
Every piece of work ran in a process of its own. Byte code was cached, as after any first run.

**Daily.** 10 orders a customer over three years, an event and two acts of consent each; on the
steady day 1 % of the customers have news in every entity. 100 campaigns whose audiences hold from
0.1 % to about 20 % of the customers: the candidates of `decide` are their sum. Each campaign writes
to one in 2,000 customers a day at most, all together to about four in a hundred. Without Prefect
and without dispatch; a run in one process pays the start once, so it is counted once.

**Audiences.** The same customers and orders with 1.5 order lines an order, 2,400 products, two
events, five contacts and 1.5 answers each. 300 campaigns with a condition of their own, 60 of which
call functions (`bought`, `did`, `contacted`, `responded`, `runs_out_within`), three scores, four
dimensions and a cross of 2,080 cells, of which those with fewer than 50 customers are joined.
Pandas computes the features of the first bench and its 100 audiences.

**Policy.** The same customers with time zones and households, and a hundred campaigns that ask for
15 candidates a customer, under twenty rules of mixed kinds: one day decided, every decision
written, and audited. Beside it one winner a customer without any rule, in SQL.

**Dispatch.** Rendering (6 KB of HTML with a text part), claims, records and requests together, the
sandbox in a process of its own as the provider. Claims and records are synced to the disk.
"""


def line(one: Measured) -> str:
    """One piece of work on one line, for the terminal."""
    counts = ", ".join(f"{name} {count:,}" for name, count in one.counts.items())
    return (
        f"  {one.work:10} {one.seconds:8.2f} s {one.cpu_seconds:8.2f} s CPU "
        f"{one.peak_mib:7.0f} MiB  {counts}"
    )


@dataclass(frozen=True)
class Target:
    """What was aimed at, in words, and what was reached."""

    aim: str
    reached: str
    is_met: bool


def at_most(what: str, most: float, reached: float, unit: str) -> Target:
    """A target that is met at or below a figure."""
    return Target(f"{what} in {most:,} {unit}", f"{reached:,.2f} {unit}", reached <= most)


@dataclass(frozen=True)
class Conditions:
    """Under which a bench ran."""

    root: Path
    loads_before: tuple[float, float, float] = field(default_factory=os.getloadavg)
    began: float = field(default_factory=time.perf_counter)


def page(title: str, conditions: Conditions, parts: Mapping[str, Sequence[str]]) -> str:
    """A section of the results, in Markdown."""
    lines = [f"## {title}", "", *_machine(conditions)]
    for name, rows in parts.items():
        lines += ["", f"### {name}", "", *rows]
    return "\n".join(lines) + "\n"


def keep(path: Path, text: str) -> None:
    """Put a section into RESULTS.md, in place of the one of the same title."""
    before = path.read_text() if path.exists() else ""
    sections: dict[str, str] = {}
    for section in [*re.split(r"^(?=## )", before, flags=re.MULTILINE)[1:], text]:
        sections[section.partition("\n")[0]] = section.rstrip() + "\n"
    path.write_text("\n".join([HEAD, *(sections[title] for title in sorted(sections, key=_rank))]))


def _rank(title: str) -> tuple[int, str]:
    """By size, the daily bench first; what has no size comes after them."""
    if not (sized := re.match(r"## (\d+)([mk])\b ?(.*)", title)):
        return sys.maxsize, title
    return int(sized[1]) * (1000 if sized[2] == "m" else 1), sized[3]


def _machine(conditions: Conditions) -> list[str]:
    info = Path("/proc/cpuinfo").read_text()
    model = next((row for row in info.splitlines() if row.startswith("model name")), ": unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    loads = (conditions.loads_before, os.getloadavg())
    minutes = (time.perf_counter() - conditions.began) / 60
    before, after = (", ".join(f"{value:.2f}" for value in load) for load in loads)
    lake = sum(
        file.stat().st_size for file in (conditions.root / "var" / "lake").rglob("*.parquet")
    )
    return [
        f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {os.cpu_count()} cores "
        f"({model.partition(':')[2].strip()}), {memory:.0f} GiB; {platform.system()} "
        f"{platform.release()}; Python {platform.python_version()}, {libraries}",
        f"- load average (1, 5, 15 minutes) before: {before}; after: {after}: where the first "
        "lies well above the bench's own two threads, others were using the machine, and CPU "
        "seconds tell more than seconds",
        f"- the lake at the end: {lake / 2**20:,.0f} MiB; the whole bench took {minutes:.1f} min",
    ]


def works(measured: Iterable[Measured]) -> list[str]:
    """A table of pieces of work."""
    rows = [
        "| work | seconds | CPU seconds | peak MiB | spill MiB | counts |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for one in measured:
        counts = ", ".join(f"{name} {count:,}" for name, count in one.counts.items())
        rows.append(
            f"| {one.work} | {one.seconds:.2f} | {one.cpu_seconds:.2f} | {one.peak_mib:,.0f} "
            f"| {one.spill_mib:,.0f} | {counts} |"
        )
    return rows


def steps(measured: Sequence[Measured]) -> list[str]:
    """A table of a run's steps, and of the whole run."""
    start = start_seconds(measured)
    total, cpu = (sum(getattr(s, name) for s in measured) for name in ("seconds", "cpu_seconds"))
    peak, spill = (max(getattr(s, name) for s in measured) for name in ("peak_mib", "spill_mib"))
    return [
        *works(measured),
        f"| start of one process | {start:.2f} | | | | imports, check of all campaigns |",
        f"| **whole** | **{total + start:.2f}** | {cpu:.2f} | {peak:,.0f} | {spill:,.0f} | |",
    ]


def start_seconds(measured: Sequence[Measured]) -> float:
    """What a run in one process pays once before its first step: the longest start seen."""
    return max(one.start_seconds for one in measured)


def comparison(
    ours: str, beside: Mapping[str, Measured], agreed: tuple[int, int] | None
) -> list[str]:
    """A table of the same work by others, and how many features of how many customers agree."""
    rows = [
        "| work | seconds | CPU seconds | peak MiB | times ours |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, one in beside.items():
        times = one.seconds / beside[ours].seconds
        rows.append(
            f"| {name} | {one.seconds:.2f} | {one.cpu_seconds:.2f} | {one.peak_mib:,.0f} "
            f"| {times:.2f} |"
        )
    if agreed:
        rows += ["", f"{agreed[1]} features of {agreed[0]:,} customers are equal in both."]
    return rows


def verdicts(targets: Iterable[Target]) -> list[str]:
    """A table of targets."""
    rows = ["| target | reached | |", "|---|---:|---|"]
    for one in targets:
        rows.append(f"| {one.aim} | {one.reached} | {'met' if one.is_met else '**missed**'} |")
    return rows
