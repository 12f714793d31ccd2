"""Reports over millions of messages: `python -m bench.reports [MILLIONS]`, absent: one.

A company with as many messages, three events of providers to each (opens, a third of them by mail
programs, clicks, replies, complaints and what else comes back), half as many orders as messages, of
which one in fifty is a return; five messages a customer, thirty campaigns with two variants and one
in ten held out, over a year. Each report is asked as `antiphon report` asks it, the start of Python
left out, in a process of its own.
"""

import resource
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from antiphon.campaigns.models import Campaign
from antiphon.clock import system_clock
from antiphon.entities import ENTITIES
from antiphon.files import read_files
from antiphon.project import Project, glance
from antiphon.reports.lifts import lifts
from antiphon.reports.rates import report_table
from bench.company import CHECKOUT

EVENTS_EACH = 3
MESSAGES_EACH = 5
CAMPAIGNS = 30
NOW = datetime(2026, 6, 1, 10, tzinfo=UTC)
TARGET_SECONDS, TARGET_MILLIONS = 20.0, 10

_CHANCE = (
    "CREATE MACRO chance(n, salt) AS "
    "md5_number_lower(n::VARCHAR || '-' || salt) / 18446744073709551616"
)
_START = "TIMESTAMPTZ '2025-05-20 08:00:00+00'"
_CONTACTS = f"""
SELECT md5('m' || n) AS message_id, 'k' || n AS occurrence_key,
    'C' || n % {{customers}} AS customer_id, 'C' || n % {{customers}} AS unit,
    'campaign-' || n % 7 * 4 + n % {CAMPAIGNS} % 4 AS campaign,
    '' AS step, 'cell-' || n % 40 AS cell, n::VARCHAR AS anchor, 1 AS attempt,
    CASE WHEN chance(n, 'c') < 0.1 THEN 'control' WHEN chance(n, 'v') < 0.5 THEN 'discount'
        ELSE 'gift' END AS arm,
    CASE WHEN n % 5 = 0 THEN 'sms' ELSE 'email' END AS channel, 'promo' AS category,
    CASE WHEN chance(n, 'c') < 0.1 THEN 'control' WHEN chance(n, 's') < 0.02 THEN 'bounced'
        ELSE 'delivered' END AS state,
    {_START} + to_seconds((chance(n, 't') * 31536000)::BIGINT) AS contact_at,
    'run-' || (chance(n, 't') * 365)::INTEGER AS run_id, 120 AS cost_e4
FROM (SELECT range AS n FROM range({{messages}}))
"""
_RESPONSES = f"""
SELECT md5('r' || n) AS response_id, 'C' || m % {{customers}} AS customer_id,
    ['open', 'open', 'open', 'open', 'click', 'click', 'reply', 'opt_out', 'complaint', 'bounce']
        [1 + (chance(n, 'k') * 9.999)::INTEGER % 10] AS kind,
    {_START} + to_seconds((chance(m, 't') * 31536000 + chance(n, 'd') * 86400)::BIGINT)
        AS occurred_at,
    'campaign-' || m % 7 * 4 + m % {CAMPAIGNS} % 4 AS campaign, 'email' AS channel,
    md5('m' || m) AS message_id, chance(n, 'm') < 0.3 AS is_machine
FROM (SELECT range AS n, range // {EVENTS_EACH} AS m FROM range({{messages}} * {EVENTS_EACH}))
"""
_ORDERS = f"""
SELECT 'O' || n AS order_id, 'C' || (chance(n, 'who') * {{customers}})::BIGINT AS customer_id,
    {_START} + to_seconds((chance(n, 'o') * 31536000)::BIGINT) AS ordered_at,
    ((1 + floor(chance(n, 'a') * 10000)) / 100 * CASE WHEN n % 50 = 0 THEN -1 ELSE 1 END)
        ::DECIMAL(18, 4) AS amount
FROM (SELECT range AS n FROM range({{messages}} // 2))
"""
MADE = {"orders": _ORDERS, "responses": _RESPONSES, "contacts": _CONTACTS}


def company(root: Path) -> Project:
    """The shipped configuration with thirty campaigns of the bench's, in a folder of its own."""
    shipped = glance(CHECKOUT, read_files(CHECKOUT), system_clock)
    campaigns = {
        f"campaign-{number}": Campaign.model_validate(
            {
                "campaign": f"campaign-{number}",
                "title": f"Campaign {number}",
                "category": "promo",
                "priority": "50",
                "runs": {"from": "2025-05-20"},
                "channels": ["email", "sms"],
                "message": "winback",
                "variants": {"discount": "50", "gift": "50"},
                "control": "10%",
                "goal": {"event": "order", "within": "14 days"},
            }
        )
        for number in range(CAMPAIGNS)
    }
    configuration = replace(shipped.configuration, campaigns=campaigns)
    return replace(shipped, root=root, configuration=configuration, clock=lambda: NOW)


def fill(project: Project, messages: int) -> None:
    """Bring everything into the lake."""
    customers = max(messages // MESSAGES_EACH, 1)
    folder = project.lake.staging("bench")
    with duckdb.connect(config={"temp_directory": str(folder / "spill")}) as engine:
        engine.execute("SET TimeZone = 'UTC'; SET memory_limit = '6GB'; SET threads = 2")
        engine.execute("SET preserve_insertion_order = false")
        engine.execute(_CHANCE)
        for entity, sql in MADE.items():
            names = {column.name: column.type.value for column in ENTITIES[entity].columns}
            query = sql.format(messages=messages, customers=customers)
            made = [row[0] for row in engine.execute(f"DESCRIBE {query}").fetchall()]
            columns = [
                f"{name if name in made else 'NULL'}::{kind} AS {name}"
                for name, kind in names.items()
            ]
            engine.execute(
                f"COPY (SELECT {', '.join(columns)}, 'bench' AS _source, 1::BIGINT AS _row "
                f"FROM ({query})) TO '{folder / entity}.parquet' (COMPRESSION zstd)"
            )
    with project.lake.change("bench") as change:
        for entity in MADE:
            change.merge(entity, [folder / f"{entity}.parquet"])
            (folder / f"{entity}.parquet").unlink()
        change.publish()


def main(millions: float, root: Path) -> None:
    """Make, ask, tell."""
    project = company(root)
    began = time.perf_counter()
    if not project.lake.current().id:
        fill(project, int(millions * 1_000_000))
    print(f"made in {time.perf_counter() - began:.0f} s, {project.lake.current().buckets} buckets")
    for name in sys.argv[3:] or ["campaigns", "variants", "cells", "days", "cohorts", "lift"]:
        began, worked = time.perf_counter(), time.process_time()
        rows = (
            len(lifts(project)) if name == "lift" else report_table(project, name).counts.num_rows
        )
        seconds, cpu = time.perf_counter() - began, time.process_time() - worked
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"  {name:10} {seconds:8.2f} s {cpu:8.2f} s CPU  {rows:4} rows  peak {peak:,.0f} MiB",
            flush=True,
        )


if __name__ == "__main__":
    size = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    if len(sys.argv) > 2:
        main(size, Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(size, Path(folder))
