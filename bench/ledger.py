"""The outbox under load: `python -m bench.ledger [MESSAGES] [sqlite|postgres]`.

A million messages of three groups are planned, claimed a thousand at a time, and recorded
accepted; microseconds a message, wall and CPU of this process, at the beginning and at the end (a
ledger that slows down with what it holds would show). PostgreSQL: as its own defaults are, fsync
on; ANTIPHON_TEST_POSTGRES names a server, else one is started.
"""

import contextlib
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from antiphon.ledger import PLAN_SCHEMA, Ledger, Outcome
from antiphon.states import MessageState

NOW = datetime(2026, 5, 12, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
BATCH = 1_000
ARMS = ("discount", "gift", "plain")
VALUES = json.dumps(
    {
        "customer": {"first_name": "Änne", "last_name": "Öz", "points": 1204, "city": "Köln"},
        "offer": {"code": "SPRING-10", "discount": "10%", "until": "2026-06-01"},
    }
)


def main(arguments: list[str]) -> None:
    """Plan, claim, record; print."""
    many = int(arguments[0]) if arguments else 1_000_000
    with _url(arguments[1] if len(arguments) > 1 else "sqlite") as url, Ledger.open(url) as ledger:
        lease = ledger.leases.acquire("planner", "bench", HOUR, NOW)
        run = ledger.runs.begin("daily", date(2026, 5, 12), NOW, NOW, lease=lease)
        with told("plan", many):
            for start in range(0, many, 250_000):
                rows = messages(start, min(250_000, many - start))
                ledger.messages.plan(rows, run.run_id, lease, NOW)
        ledger.messages.release(run.run_id, lease, NOW)
        with told("due_groups", 1):
            groups = ledger.messages.due_groups("email", NOW)
        with told("expire, nothing stale", 1):
            ledger.messages.expire(NOW)
        with told("outbox", 1):
            ledger.messages.outbox(NOW)
        for place in ("first", "last"):
            group = groups[0 if place == "first" else -1]
            claimed = []
            some = min(50_000, many // len(ARMS))
            with told(f"claim, the {place} of the ledger", some):
                for _ in range(some // BATCH):
                    claimed.append(
                        ledger.messages.claim(group, "sandbox", BATCH, NOW, "bench/1/1", HOUR)
                    )
            with told(f"record, the {place} of the ledger", some):
                for batch in claimed:
                    accepted = [
                        Outcome(
                            one.message_id,
                            MessageState.ACCEPTED,
                            {"evidence": "202 Accepted"},
                            "sandbox",
                            "R2hlbGxvIQ" + batch[0].message_id[:12],
                        )
                        for one in batch
                    ]
                    done = ledger.messages.record(accepted, NOW + HOUR / 60, "bench/1/1")
                    assert done.moved == len(batch)
        with told("outbox", 1):
            ledger.messages.outbox(NOW)
        with told("recover, nobody died", 1):
            ledger.messages.recover(NOW)


def messages(start: int, many: int) -> pa.Table:
    """Rows to plan."""
    numbers = range(start, start + many)
    ids = [hashlib.md5(str(n).encode(), usedforsecurity=False).hexdigest() for n in numbers]
    each = {
        "attempt": 1,
        "campaign": "winback-lost-loyal",
        "step": "",
        "cell": "",
        "anchor": "once",
        "channel": "email",
        "category": "promo",
        "values_json": VALUES,
        "state": "planned",
        "not_before": NOW,
        "expires_at": NOW + 24 * HOUR,
        "planned_at": NOW,
        "cost_e4": 10,
        "template_hash": "0123456789abcdef0123456789abcdef",
        "language": "de",
    }
    columns: dict[str, pa.Array] = {
        name: pa.repeat(pa.scalar(value, PLAN_SCHEMA.field(name).type), many)
        for name, value in each.items()
    }
    customers = pc.binary_join_element_wise("C", pc.cast(pa.array(numbers), pa.string()), "")
    columns["message_id"] = pa.array(ids)
    columns["customer_id"] = columns["unit"] = customers
    columns["occurrence_key"] = pc.binary_join_element_wise(
        "winback-lost-loyal//", customers, "/once", ""
    )
    columns["arm"] = pa.array([ARMS[n * len(ARMS) // (start + many)] for n in numbers])
    columns["address"] = pc.binary_join_element_wise(customers, "@example.org", "")
    return pa.table({name: columns[name] for name in PLAN_SCHEMA.names}, schema=PLAN_SCHEMA)


@contextlib.contextmanager
def told(work: str, many: int) -> Iterator[None]:
    """Print what the body took: for each of `many` messages."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    unit, factor = ("µs a message", 1e6) if many > 1 else ("ms", 1e3)
    each, cpu = wall / many * factor, cpu / many * factor
    print(f"{work:32} {each:9.1f} {unit}, CPU {cpu:.1f}", flush=True)


@contextlib.contextmanager
def _url(kind: str) -> Iterator[str]:
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/ledger.db"
        return
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    import sqlalchemy as sa  # noqa: PLC0415
    from postgres_server import running_server  # type: ignore[import-not-found]  # noqa: PLC0415

    with running_server(durable=True) as server:
        if server is None:
            raise SystemExit("no PostgreSQL here: set ANTIPHON_TEST_POSTGRES")
        address = sa.make_url(server).set(drivername="postgresql+psycopg")
        engine = sa.create_engine(address, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("DROP DATABASE IF EXISTS bench_ledger")
            connection.exec_driver_sql("CREATE DATABASE bench_ledger")
        engine.dispose()
        yield address.set(drivername="postgresql", database="bench_ledger").render_as_string(
            hide_password=False
        )


if __name__ == "__main__":
    main(sys.argv[1:])
