"""One piece of work in a process of its own: `python -m bench.step ROOT WORK [RUN_ID]`.

Prints one line of JSON: seconds and CPU seconds of the work, seconds from the interpreter's start
until it began (imports, configuration), peak resident memory, and the work's counts. With
BENCH_PROFILE=FOLDER also a profile of its calls, FOLDER/WORK.prof, for `python -m pstats`.
"""

import cProfile
import json
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import duckdb

from antiphon.audience.frame import scan_sql
from antiphon.campaigns.touches import touches
from antiphon.clock import business_day, edge_clock
from antiphon.policy.moment import Moment
from antiphon.project import Project, open_project
from antiphon.steps.daily import steps_of
from antiphon.steps.frames import build_frames, touch_conditions
from antiphon.steps.run import TRIGGERS, running, todays_campaigns
from antiphon.steps.triggering import next_pass
from bench import loading
from bench.generate import FIRST_DAY, STEADY_DAY

EXPORTED = ("customers", "orders", "order_lines", "products", "events", "consents", "contacts")
Counts = dict[str, int]
STEPS = {do.__name__: do for do in steps_of(dry_run=False)}


def features(project: Project) -> Counts:
    """The customer frame and all audiences of the current snapshot, as segment and decide do."""
    zone = project.configuration.settings.business.timezone
    moment = Moment(project.clock(), business_day(project.clock(), zone), zone)
    spoken = touches(todays_campaigns(project, moment.business_day))
    snapshot = project.lake.current()
    folder = project.var / "beside" / "frames"
    frames = build_frames(project, snapshot, moment, spoken, folder)
    standing = [touch for touch in spoken if not touch.is_occasional]
    conditions = touch_conditions(project.configuration, standing)
    people = 0
    for bucket in range(snapshot.buckets):
        with project.lake.session(snapshot, bucket=bucket) as session:
            people += session.arrow(scan_sql(conditions, frames.relation(bucket))).num_rows
    return {
        "customers": frames.customers,
        "conditions": len(conditions),
        "calls": len({name for condition in conditions for name in condition.calls}),
        "cells": sum(len(frames.dimensions[name]) for name in frames.definitions.crosses),
        "in_an_audience": people,
    }


def load(project: Project) -> Counts:
    """The day's generated files into the lake, without pull and validation."""
    day = business_day(project.clock(), project.configuration.settings.business.timezone)
    number = [FIRST_DAY, STEADY_DAY].index(str(day))
    return loading.load(project.lake, project.root.parent / "data", number, day)


def triggers(project: Project) -> Counts:
    """A pass of the triggers as flows/triggers.py does it, without dispatch; also what each step
    took, in milliseconds."""
    began = time.perf_counter()
    due = next_pass(project.root, project.clock)
    assert due is not None, "events came"
    counts = {"next_pass_ms": _milliseconds(began)}
    run = (project.root, TRIGGERS, due.business_day, due.campaigns)
    with running(*run, dry_run=False, clock=project.clock) as run_id:
        for name, do in STEPS.items():
            if name != "dispatch":
                began = time.perf_counter()
                done = do(project.root, run_id, project.clock)
                counts[f"{name}_ms"] = _milliseconds(began)
                if name in ("segment", "decide"):
                    counts |= done
    return counts


def _milliseconds(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)


def floor(project: Project) -> Counts:
    """One bare group-by of the orders by customer with three aggregates, over the lake's files."""
    buckets = project.lake.current().manifest.of("orders")
    files = [str(project.lake.path / one.path) for bucket in buckets for one in bucket.data]
    with duckdb.connect(config={"threads": 2}) as engine:
        table = engine.sql(
            "SELECT customer_id, count(*), sum(amount), max(ordered_at) "
            "FROM read_parquet($files) GROUP BY customer_id",
            params={"files": files},
        ).to_arrow_table()
    return {"customers": table.num_rows}


def naive(project: Project) -> Counts:
    """One winner a customer by priority and chance, written as Parquet: no rule at all. In plain
    SQL over the last run's frames, as whoever has only a database would write it."""
    spoken = touches(todays_campaigns(project, business_day(project.clock(), "UTC")))
    conditions = touch_conditions(project.configuration, spoken)
    snapshot = project.lake.current()
    frames = sorted((project.lake.path / "frames").rglob("*.parquet"))
    listed = ", ".join(f"'{path}'" for path in frames)
    wanted = ", ".join(
        f"CASE WHEN {one.sql} THEN {{'campaign': {place}, 'priority': {t.campaign.priority}}} END"
        for place, (one, t) in enumerate(zip(conditions, spoken, strict=True))
    )
    target = project.var / "beside" / "naive.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    with project.lake.session(snapshot) as session:
        rows = session.write(
            f"""
            SELECT customer_id, one.campaign, row_number() OVER (
                PARTITION BY customer_id
                ORDER BY one.priority DESC, hash(customer_id, one.campaign)) = 1 AS won
            FROM (
                SELECT customer_id, unnest(list_filter([{wanted}], lambda x: x IS NOT NULL)) AS one
                FROM read_parquet([{listed}]) AS frame
            )
            """,
            target,
        )
    return {"candidates": rows}


def export(project: Project) -> Counts:
    """The lake's visible rows as one Parquet file an entity, for pandas."""
    folder = project.var / "beside" / "entities"
    shutil.rmtree(folder, ignore_errors=True)
    with project.lake.session() as session:
        return {
            name: session.write(f"SELECT * FROM {name}", folder / f"{name}.parquet")
            for name in EXPORTED
        }


def pandas(project: Project) -> Counts:
    """The same in pandas: features to Parquet, and a mask for each audience."""
    from bench import plain  # noqa: PLC0415 - imports pandas, which the other work does without

    zone = project.configuration.settings.business.timezone
    return plain.features_and_audiences(project.var / "beside", project.clock(), zone)


BESIDE: dict[str, Callable[[Project], Counts]] = {
    "load": load,
    "triggers": triggers,
    "features": features,
    "floor": floor,
    "naive": naive,
    "export": export,
    "pandas": pandas,
}


def _cpu() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _age() -> float:
    """Seconds since this process began."""
    ticks = float(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return uptime - ticks / os.sysconf("SC_CLK_TCK")


def _peak_mib() -> float:
    """Peak resident memory; unlike ru_maxrss it says nothing of the parent before exec."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main(root: str, work: str, run_id: str = "") -> None:
    """Do the work and print what it took."""
    clock = edge_clock(os.environ)
    project = open_project(Path(root), clock)
    start, began, cpu = _age(), time.perf_counter(), _cpu()
    profile = cProfile.Profile() if os.environ.get("BENCH_PROFILE") else nullcontext()
    with profile:
        counts = STEPS[work](Path(root), run_id, clock) if run_id else BESIDE[work](project)
    measured = {
        "start_seconds": start,
        "seconds": time.perf_counter() - began,
        "cpu_seconds": _cpu() - cpu,
        "peak_mib": _peak_mib(),
        "counts": counts,
    }
    if isinstance(profile, cProfile.Profile):
        profile.dump_stats(Path(os.environ["BENCH_PROFILE"]) / f"{work}.prof")
    print(json.dumps(measured))


if __name__ == "__main__":
    main(*sys.argv[1:])
