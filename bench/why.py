"""`antiphon why` on a day of ten million decisions: `python -m bench.why [MILLIONS]`.

A demo project gets a day's decisions over a million customers, laid out as `decide` leaves them
(held rows by bucket and touch, settled rows by customer), and answers for some customers, each in
a process of its own, its start included. Beside it stands the plain way: every row of the day's
files looked at for the customer, without the start of a process for either.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

import duckdb

from antiphon import keys
from antiphon.clock import clock_from
from antiphon.demo import AS_OF, write_demo
from antiphon.lake import Snapshot
from antiphon.project import Project, open_project
from antiphon.quoting import literal
from antiphon.steps.answers import why
from antiphon.steps.daily import run_daily
from antiphon.steps.run import todays_campaigns
from bench.company import CHECKOUT

FOLDERS = ("config", "templates", "sql", "flows", "tasks")
TOUCHES = 10  # candidates of a customer
REPEATED = 7
TARGET_SECONDS = 1.0


def make_day(root: Path, millions: int) -> tuple[Project, str]:
    """A demo project with so many decisions of one run; the run's id."""
    for name in FOLDERS:
        shutil.copytree(CHECKOUT / name, root / name)
    write_demo(root / "var" / "demo", customers=400)
    run_id = run_daily(root, clock_from(AS_OF))
    project = open_project(root, clock_from(AS_OF))
    customers = millions * 1_000_000 // TOUCHES
    _register(project, customers)
    names = [one.campaign for one in todays_campaigns(project, AS_OF.date()) if not one.chain]
    standing = [name for name in names if project.configuration.campaigns[name].audience]
    folder = project.lake.path / "decisions" / run_id
    shutil.rmtree(folder)
    folder.mkdir()
    snapshot = project.lake.current()
    for bucket in range(snapshot.buckets):
        _write(snapshot, folder, bucket, standing[:TOUCHES], run_id)
    contacts = _sent(project, folder)
    with project.lake.change("bench", day=AS_OF.date()) as change:
        change.add_files("decisions", run_id, sorted(folder.glob("*.parquet")))
        change.merge("contacts", [contacts])
        change.publish()
    contacts.unlink()
    return project, run_id


def _sent(project: Project, folder: Path) -> Path:
    """The messages chosen, as a run brings them into the lake at its end: all of them accepted."""
    path, salt = project.lake.path / "tmp" / "sent.parquet", project.configuration.settings.salt
    parts = (literal(salt), "occurrence_key", "attempt::VARCHAR")
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(
            f"COPY (SELECT {keys.digest_sql('message', *parts)} AS message_id, occurrence_key, "
            "customer_id, unit, campaign, step, cell, anchor, attempt::BIGINT AS attempt, arm, "
            "channel, 'promo' AS category, 'accepted' AS state, planned_at AS contact_at, run_id, "
            "'bench' AS _source, row_number() OVER () AS _row "
            f"FROM read_parquet('{folder}/settled.parquet')) TO '{path}' (FORMAT parquet)"
        )
    return path


def _register(project: Project, customers: int) -> None:
    """So many customers more in the lake."""
    path = project.lake.path / "tmp" / "more.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT 'K' || lpad(range::VARCHAR, 9, '0') AS customer_id, "
            "'Europe/Berlin' AS timezone, 'DE' AS country, 'bench' AS _source, range AS _row "
            f"FROM range({customers})) TO '{path}' (FORMAT parquet)"
        )
    with project.lake.change("bench", day=AS_OF.date()) as change:
        change.merge("customers", [path])
        change.publish()
    path.unlink()


def _write(
    snapshot: Snapshot, folder: Path, bucket: int, campaigns: list[str], run_id: str
) -> None:
    """The decisions of one bucket's customers; the last bucket also settles all."""
    files = [str(snapshot.root / f.path) for f in snapshot.manifest.of("customers")[bucket].data]
    listed = ", ".join(f"('{name}', {place})" for place, name in enumerate(campaigns))
    at = AS_OF.astimezone(UTC).isoformat()
    rows = f"""
        SELECT campaign, '' AS step, '' AS cell, customer_id, customer_id AS unit,
            place, hash(customer_id, campaign) % 10 AS luck, TIMESTAMPTZ '{at}' AS planned_at
        FROM read_parquet({files}) CROSS JOIN (VALUES {listed}) t(campaign, place)
    """
    held = f"""
        SELECT campaign, step, cell, customer_id, unit, NULL::VARCHAR AS arm, 'email' AS channel,
            planned_at, 'held' AS outcome,
            CASE WHEN luck < 5 THEN 'lost_to' WHEN luck < 7 THEN 'consent'
                ELSE 'cap:two-promos-a-week' END AS rule,
            CASE WHEN luck < 5 THEN 'may-letter' END AS lost_to,
            CASE WHEN luck BETWEEN 5 AND 6 THEN '{{"email":"objected"}}' WHEN luck > 6 THEN
                '{{"max":2,"per":604800,"contacts":["2026-05-0' || (luck - 6)::VARCHAR ||
                'T09:12:' || lpad((hash(customer_id) % 60)::VARCHAR, 2, '0') ||
                'Z","2026-05-09T10:00:00Z"],"next":"2026-05-14T09:12:00Z"}}' END AS counters,
            NULL::VARCHAR AS occurrence_key, NULL::VARCHAR AS anchor, NULL::INTEGER AS attempt,
            NULL::TIMESTAMPTZ AS due_at
        FROM ({rows}) WHERE luck < 9 ORDER BY place, customer_id
    """
    settled = f"""
        SELECT '{run_id}' AS run_id, campaign, step, cell, customer_id, unit, 'default' AS arm,
            'email' AS channel, planned_at, 'send' AS outcome, NULL::VARCHAR AS rule,
            NULL::VARCHAR AS lost_to, NULL::VARCHAR AS counters,
            campaign || '||once|' || customer_id AS occurrence_key, 'once' AS anchor,
            1 AS attempt, NULL::TIMESTAMPTZ AS due_at
        FROM ({rows}) WHERE luck = 9
    """
    form = "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 122880)"
    part = folder / f".settled-{bucket}"
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(f"COPY ({held}) TO '{folder}/held-b{bucket:03d}.parquet' {form}")
        connection.execute(f"COPY ({settled}) TO '{part}' (FORMAT parquet)")
        if bucket == snapshot.buckets - 1:
            connection.execute(
                f"COPY (FROM read_parquet('{folder}/.settled-*') ORDER BY customer_id, campaign) "
                f"TO '{folder}/settled.parquet' {form}"
            )
            for one in folder.glob(".settled-*"):
                one.unlink()


def _command(root: Path, *arguments: str) -> Callable[[], object]:
    """A command of the command line, its start included."""
    environment = {**os.environ, "ANTIPHON_AT": AS_OF.isoformat()}
    command = [sys.executable, "-m", "antiphon.cli", *arguments]
    return lambda: subprocess.run(
        command, cwd=root, env=environment, check=True, stdout=subprocess.DEVNULL
    )


def _scan(folder: Path, customer: str) -> None:
    """The plain way: every row of every file of the day is looked at."""
    with duckdb.connect(config={"threads": 2}) as connection:
        rows = connection.execute(
            "SELECT * FROM (SELECT *, customer_id || '' AS who FROM "
            f"read_parquet('{folder}/*.parquet', union_by_name = true)) WHERE who = $1",
            [customer],
        ).fetchall()
    assert len(rows) == TOUCHES


def _answer(project: Project, customer: str) -> None:
    _, answers = why(project, customer)
    assert sum(bool(one.outcome) for one in answers) == TOUCHES


def _cpu() -> float:
    """CPU seconds of this process and of those it waited for."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(who) for who in whose]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds and CPU seconds."""
    began, used = time.perf_counter(), _cpu()
    work()
    return time.perf_counter() - began, _cpu() - used


def main() -> None:
    """Build the day, ask, and print the table."""
    millions = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "shop"
        root.mkdir()
        project, run_id = make_day(root, millions)
        folder = project.lake.path / "decisions" / run_id
        size = sum(path.stat().st_size for path in folder.glob("*.parquet"))
        buckets, load = project.lake.current().buckets, os.getloadavg()[0]
        last = millions * 1_000_000 // TOUCHES
        people = [f"K{number * last // REPEATED:09d}" for number in range(REPEATED)]
        works: dict[str, list[Callable[[], object]]] = {
            "why, the whole command": [_command(root, "why", one) for one in people],
            "why --json, the whole command": [
                _command(root, "why", one, "--json") for one in people
            ],
            "the start of any command": [_command(root, "--version") for _ in people],
            "why, in a process at work": [partial(_answer, project, one) for one in people],
            "plain, in a process at work": [partial(_scan, folder, one) for one in people],
        }
        times = {name: [_timed(one) for one in several] for name, several in works.items()}
    ours = median(seconds for seconds, _ in times["why, in a process at work"])
    print(f"{millions},000,000 decisions in {size / 2**20:,.0f} MiB, {buckets} buckets")
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load average before: {load:.2f}\n")
    print("| work | median s | worst s | CPU s | times ours |\n|---|---:|---:|---:|---:|")
    for name, several in times.items():
        seconds, used = [one for one, _ in several], median(cpu for _, cpu in several)
        ratio = f"{median(seconds) / ours:.1f}" if "at work" in name else ""
        print(f"| {name} | {median(seconds):.2f} | {max(seconds):.2f} | {used:.2f} | {ratio} |")
    whole = median(seconds for seconds, _ in times["why, the whole command"])
    print(f"\nTarget: {TARGET_SECONDS:.0f} s; {'met' if whole <= TARGET_SECONDS else 'missed'}.")


if __name__ == "__main__":
    main()
