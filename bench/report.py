"""The bench's figures as tables: printed, and kept in RESULTS.md."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.measuring import Measured

LIBRARIES = ("duckdb", "pyarrow", "pandas", "numpy", "great-expectations", "sqlalchemy")
TARGETS = {"1m": (20, 2048), "10m": (180, 8192)}
ABOUT = """Written by `python -m bench.daily SIZE --keep`, not by hand.

10 orders a customer over three years,
an event and two acts of consent each; on the steady day 1 % of the customers have news in every
entity. 100 campaigns whose audiences hold from 0.1 % to about 20 % of the customers: the
candidates of `decide` are their sum. Each campaign writes to one in 2,000 customers a day at most,
all together to about four in a hundred. Every step ran in a process of its own, without Prefect and
without dispatch; a run in one process pays the start once, so it is counted once. Byte code was
cached, as after any first run.
"""
AT_LEAST_PANDAS = 5
AT_MOST_FLOOR = 8


def line(one: Measured) -> str:
    """One piece of work on one line, for the terminal."""
    counts = ", ".join(f"{name} {count:,}" for name, count in one.counts.items())
    return (
        f"  {one.work:10} {one.seconds:8.2f} s {one.cpu_seconds:8.2f} s CPU "
        f"{one.peak_mib:7.0f} MiB  {counts}"
    )


def page(
    size: str,
    root: Path,
    runs: Mapping[str, Sequence[Measured]],
    beside: Mapping[str, Measured],
    agreed: tuple[int, int] | None,
    *,
    loads: tuple[tuple[float, float, float], tuple[float, float, float]],
    minutes: float,
) -> str:
    """The section of one size, in Markdown."""
    lines = [f"## {size}", "", *_machine(root, loads, minutes)]
    for name, steps in runs.items():
        lines += ["", f"### {name.capitalize()}", "", *_table(steps)]
    lines += ["", "### Beside", "", *_beside(beside, agreed)]
    lines += ["", "### Against the targets", "", *_verdicts(size, runs["steady day"], beside)]
    return "\n".join(lines) + "\n"


def keep(path: Path, size: str, section: str) -> None:
    """Put the section of one size into RESULTS.md, in place of the one before."""
    head = f"# Results of the bench\n\n{ABOUT}"
    text = path.read_text() if path.exists() else head
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    sections[size] = section.partition("\n")[2]
    body = [f"## {name}\n{sections[name].rstrip()}\n" for name in sorted(sections, key=_rank)]
    path.write_text("\n".join([head, *body]))


def _rank(size: str) -> int:
    return int(size.rstrip("mk")) * (1000 if size.endswith("m") else 1)


def _machine(
    root: Path,
    loads: tuple[tuple[float, float, float], tuple[float, float, float]],
    minutes: float,
) -> list[str]:
    info = Path("/proc/cpuinfo").read_text()
    model = next((row for row in info.splitlines() if row.startswith("model name")), ": unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    before, after = (", ".join(f"{value:.2f}" for value in load) for load in loads)
    lake = sum(file.stat().st_size for file in (root / "var" / "lake").rglob("*.parquet"))
    return [
        f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {os.cpu_count()} cores "
        f"({model.partition(':')[2].strip()}), {memory:.0f} GiB; {platform.system()} "
        f"{platform.release()}; Python {platform.python_version()}, {libraries}",
        f"- load average (1, 5, 15 minutes) before: {before}; after: {after}: where the first "
        "lies well above the bench's own two threads, others were using the machine, and CPU "
        "seconds tell more than seconds",
        f"- the lake at the end: {lake / 2**20:,.0f} MiB; the whole bench took {minutes:.1f} min",
    ]


def _table(steps: Sequence[Measured]) -> list[str]:
    rows = [
        "| step | seconds | CPU seconds | peak MiB | spill MiB | counts |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for one in steps:
        counts = ", ".join(f"{name} {count:,}" for name, count in one.counts.items())
        rows.append(
            f"| {one.work} | {one.seconds:.2f} | {one.cpu_seconds:.2f} | {one.peak_mib:,.0f} "
            f"| {one.spill_mib:,.0f} | {counts} |"
        )
    start = start_seconds(steps)
    total, cpu = (sum(getattr(s, name) for s in steps) for name in ("seconds", "cpu_seconds"))
    peak, spill = (max(getattr(s, name) for s in steps) for name in ("peak_mib", "spill_mib"))
    rows.append(f"| start of one process | {start:.2f} | | | | imports, check of 100 campaigns |")
    rows.append(
        f"| **whole** | **{total + start:.2f}** | {cpu:.2f} | {peak:,.0f} | {spill:,.0f} | |"
    )
    return rows


def start_seconds(steps: Sequence[Measured]) -> float:
    """What a run in one process pays once before its first step: the longest start seen."""
    return max(one.start_seconds for one in steps)


def _beside(beside: Mapping[str, Measured], agreed: tuple[int, int] | None) -> list[str]:
    ours = beside["features"]
    rows = [
        "| work | seconds | CPU seconds | peak MiB | times ours |",
        "|---|---:|---:|---:|---:|",
    ]
    words = {
        "features": "features and 100 audiences, ours",
        "floor": "floor: one group-by of the orders, three aggregates",
        "pandas": "features and 100 audiences, pandas",
    }
    for name, one in beside.items():
        rows.append(
            f"| {words[name]} | {one.seconds:.2f} | {one.cpu_seconds:.2f} | {one.peak_mib:,.0f} "
            f"| {one.seconds / ours.seconds:.2f} |"
        )
    if agreed:
        rows += ["", f"{agreed[1]} features of {agreed[0]:,} customers are equal in both."]
    return rows


def _verdicts(size: str, steady: Sequence[Measured], beside: Mapping[str, Measured]) -> list[str]:
    seconds = sum(one.seconds for one in steady) + start_seconds(steady)
    peak = max(one.peak_mib for one in steady)
    ours = beside["features"].seconds
    rows = ["| target | reached | |", "|---|---:|---|"]

    def row(target: str, reached: str, *, met: bool) -> None:
        rows.append(f"| {target} | {reached} | {'met' if met else '**missed**'} |")

    if size in TARGETS:
        most, memory = TARGETS[size]
        row(f"steady day in {most} s", f"{seconds:.2f} s", met=seconds <= most)
        row(f"peak memory {memory:,} MiB", f"{peak:,.0f} MiB", met=peak <= memory)
    if "pandas" in beside:
        times = beside["pandas"].seconds / ours
        target = f"features and audiences {AT_LEAST_PANDAS} times faster than pandas"
        row(target, f"{times:.2f} times", met=times >= AT_LEAST_PANDAS)
    times = ours / beside["floor"].seconds
    target = f"features and audiences at most {AT_MOST_FLOOR} times the floor"
    row(target, f"{times:.2f} times", met=times <= AT_MOST_FLOOR)
    return rows
