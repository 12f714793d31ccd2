"""Planning: decided messages enter the outbox, in bulk, each once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Engine, Row, column, select, table

from antiphon.errors import LedgerError
from antiphon.ledger.engine import listed, next_revision, writing
from antiphon.ledger.inserting import insert_new
from antiphon.ledger.issuing import Issuing, issue, take_back_unused
from antiphon.ledger.leases import Lease, guard
from antiphon.ledger.moving import write_log
from antiphon.ledger.schema import Instant, message_groups, messages, runs
from antiphon.states import MessageState

ROWS_A_TRANSACTION = 10_000
INSTANT = pa.timestamp("us", tz="UTC")
REQUIRED = {
    "message_id": pa.string(),
    "occurrence_key": pa.string(),
    "attempt": pa.int64(),
    "campaign": pa.string(),
    "step": pa.string(),
    "cell": pa.string(),
    "customer_id": pa.string(),
    "unit": pa.string(),
    "anchor": pa.string(),
    "arm": pa.string(),
    "channel": pa.string(),
    "category": pa.string(),
    "values_json": pa.string(),
    "state": pa.string(),
    "not_before": INSTANT,
    "expires_at": INSTANT,
    "planned_at": INSTANT,
    "cost_e4": pa.int64(),
}
OPTIONAL = {"address": pa.string(), "template_hash": pa.string(), "language": pa.string()}
PLAN_SCHEMA = pa.schema(
    [pa.field(name, kind, nullable=False) for name, kind in REQUIRED.items()]
    + [pa.field(name, kind) for name, kind in OPTIONAL.items()]
)
GROUP_KEY = ("channel", "campaign", "category", "template_hash", "arm", "language")
BIRTHS = {MessageState.PLANNED, MessageState.CONTROL}


@dataclass(frozen=True, slots=True)
class Planned:
    """What planning added, and what was there before (of this run or of another)."""

    inserted: int
    existing: int


def plan(  # noqa: PLR0917
    engine: Engine,
    rows: pa.Table,
    run_id: str,
    lease: Lease,
    now: datetime,
    issuing: Issuing | None = None,
) -> Planned:
    """Writes rows of PLAN_SCHEMA that the outbox has not got yet, by occurrence and attempt, with
    the codes that they promise (`issuing`).

    A row is born `planned`, or `control`, as its `state` says. May be repeated after a kill: each
    transaction of 10,000 rows stands by itself. A row that exists is counted, never changed.
    Raises LeaseLost when the lease does not hold, and LedgerError when the rows are not of the
    schema, the run is not running, or it is released and a row is new: that one had no audit.
    """
    checked = _checked(rows)
    inserted = 0
    for start in range(0, max(checked.num_rows, 1), ROWS_A_TRANSACTION):
        batch = checked.slice(start, ROWS_A_TRANSACTION)
        with writing(engine) as connection:
            guard(connection, lease)
            run = _planning_run(connection, run_id)
            added = _insert(connection, batch, run_id, now, issuing)
            if added and run.released_at is not None:
                raise LedgerError(
                    f"run {run_id} is released: {added} new messages cannot join it unaudited."
                )
        inserted += added
    return Planned(inserted, checked.num_rows - inserted)


def _checked(rows: pa.Table) -> pa.Table:
    """The rows in our columns and types, in the order in which they will be claimed.

    Neighbours in the table are then claimed and recorded together: far fewer pages to write.
    """
    missing = sorted(set(PLAN_SCHEMA.names) - set(rows.column_names))
    if missing:
        raise LedgerError(f"messages to plan lack the columns {', '.join(missing)}.")
    empty = [name for name in REQUIRED if rows[name].null_count]
    if empty:
        raise LedgerError(f"messages to plan have nulls in {', '.join(empty)}.")
    try:
        checked = rows.select(PLAN_SCHEMA.names).cast(PLAN_SCHEMA)
    except pa.ArrowException:
        kinds = ", ".join(f"{field.name} {field.type}" for field in rows.schema)
        raise LedgerError(f"messages to plan are not of PLAN_SCHEMA: {kinds}.") from None
    strange = set(pc.unique(checked["state"]).to_pylist()) - BIRTHS
    if strange:
        raise LedgerError(f"a message is not planned as {', '.join(sorted(strange))}.")
    order = (*GROUP_KEY, "not_before", "message_id")
    return checked.sort_by([(name, "ascending") for name in order])


def _planning_run(connection: Connection, run_id: str) -> Row[Any]:
    query = select(runs.c.state, runs.c.dry_run, runs.c.released_at).where(runs.c.run_id == run_id)
    run = connection.execute(query).one_or_none()
    if run is None or run.state != "running" or run.dry_run:
        state = "unknown" if run is None else "a dry run" if run.dry_run else run.state
        raise LedgerError(f"run {run_id} is {state}: it can plan no messages.")
    return run


def _insert(
    connection: Connection, batch: pa.Table, run_id: str, now: datetime, issuing: Issuing | None
) -> int:
    revision = next_revision(connection)
    common = {"run_id": run_id, "updated_at": _stored(now, connection), "revision": revision}
    if not batch.num_rows:
        return 0
    rows = _rows(batch, common, connection)
    groups = _groups(connection, {_group_of(row) for row in rows})
    for row in rows:
        row["group_id"] = groups[_group_of(row)]
    if issuing is not None:
        issue(connection, rows, issuing, now, revision)
    _write(connection, rows)
    added = write_log(connection, revision)
    if issuing is not None and added < len(rows):
        take_back_unused(connection, revision)
    return added


def _write(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """The values are already what the database stores: columns have no types here, and SQLite's
    driver binds them itself."""
    names = list(rows[0])
    if connection.dialect.name == "sqlite":
        columns, marks = ", ".join(names), ", ".join("?" * len(names))
        insertion = f"INSERT INTO messages ({columns}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608
        connection.exec_driver_sql(insertion, [tuple(row.values()) for row in rows])
        return
    plain = table(messages.name, *(column(name) for name in names))
    connection.execute(insert_new(connection, plain), rows)


def _group_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(row[name] or "" for name in GROUP_KEY)


def _groups(connection: Connection, keys: set[tuple[str, ...]]) -> dict[tuple[str, ...], int]:
    """The numbers of the groups, of which new ones are made."""
    new = [dict(zip(GROUP_KEY, key, strict=True)) for key in sorted(keys)]
    connection.execute(insert_new(connection, message_groups), new)
    campaigns = listed(connection, {row["campaign"] for row in new})
    query = select(message_groups).where(message_groups.c.campaign.in_(campaigns))
    found = connection.execute(query).mappings()
    return {tuple(row[name] for name in GROUP_KEY): row["group_id"] for row in found}


def _stored(moment: datetime, connection: Connection) -> Any:
    return Instant().process_bind_param(moment, connection.dialect)


def _rows(batch: pa.Table, common: dict[str, Any], connection: Connection) -> list[dict[str, Any]]:
    """Rows with instants as the database stores them (Instant), converted in Arrow."""
    if connection.dialect.name == "sqlite":
        kinds = [pa.int64() if field.type == INSTANT else field.type for field in PLAN_SCHEMA]
        fields = zip(PLAN_SCHEMA.names, kinds, strict=True)
        batch = batch.cast(pa.schema([pa.field(name, kind) for name, kind in fields]))
    columns = [values.to_pylist() for values in batch.columns]
    columns += [[value] * batch.num_rows for value in common.values()]
    names = (*batch.column_names, *common)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
