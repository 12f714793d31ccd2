"""Staged files as sources and validation leave them, made by hand for tests of the lake."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from antiphon.entities import ENTITIES
from antiphon.lake import Lake, MergeCounts, Snapshot

ARROW = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "DECIMAL(18,4)": pa.decimal128(18, 4),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMPTZ": pa.timestamp("us", "UTC"),
}
DAY = datetime(2026, 5, 12, 8, tzinfo=UTC)
Rows = Sequence[Mapping[str, Any]]


def day(number: int) -> datetime:
    """An instant, `number` days after the first."""
    return DAY + timedelta(days=number)


def stage(
    path: Path,
    entity: str,
    rows: Rows,
    *,
    source: str = "shop",
    attributes: Mapping[str, str] | None = None,
) -> Path:
    """Write the rows as a staged file: absent columns null, `_row` counting from 1."""
    types = {column.name: column.type.value for column in ENTITIES[entity].columns}
    types |= attributes or {}
    schema = pa.schema(
        [(name, ARROW[type_]) for name, type_ in types.items()]
        + [("_source", pa.string()), ("_row", pa.int64())]
    )
    whole = [
        {**dict.fromkeys(types), **row, "_source": source, "_row": number}
        for number, row in enumerate(rows, start=1)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(whole, schema=schema), path)
    return path


def merge(lake: Lake, entity: str, rows: Rows, **options: Any) -> MergeCounts:
    """Stage, merge and publish one batch."""
    full = options.pop("full_source", None)
    path = stage(lake.path.parent / "staged.parquet", entity, rows, **options)
    with lake.change("test") as change:
        counts = change.merge(entity, [path], full_source=full)
        change.publish()
    return counts


def query(lake: Lake, sql: str, snapshot: Snapshot | None = None) -> list[tuple[Any, ...]]:
    """Rows of a query on a snapshot."""
    with lake.session(snapshot) as session:
        return session.rows(sql)


def files(lake: Lake) -> set[str]:
    """All data files on the disk, relative to the lake."""
    return {path.relative_to(lake.path).as_posix() for path in lake.path.rglob("*.parquet")}
