"""Staged files and a session around the engine, as the lake gives it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from antiphon.campaigns.models import Expectations
from antiphon.entities import ENTITIES, ColumnType
from antiphon.validation.batch import ARROW
from antiphon.validation.circumstances import Circumstances
from antiphon.validation.contract import Check, read

AS_OF = datetime(2026, 5, 12, 8, tzinfo=UTC)


class EngineSession:
    """lake.Session's interface on an empty lake, or one holding `tables`."""

    def __init__(self, tables: Mapping[str, pa.Table]) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")
        for name, entity in ENTITIES.items():
            schema = pa.schema([(column.name, ARROW[column.type]) for column in entity.columns])
            self.connection.register(name, tables.get(name, schema.empty_table()))

    def arrow(self, sql: str, parameters: Any = None) -> pa.Table:
        return self.connection.sql(sql, params=parameters).to_arrow_table()

    def rows(self, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, parameters).fetchall()

    def write(self, sql: str, path: Path, parameters: Any = None) -> int:
        self.connection.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet)", parameters)
        return pq.read_metadata(path).num_rows


def circumstances(**usual: int) -> Circumstances:
    rows = {entity: Decimal(count) for entity, count in usual.items()}
    return Circumstances("run-1", AS_OF, date(2026, 5, 12), rows)


def understood(entity: str, *rules: Mapping[str, Any], **attributes: ColumnType) -> list[Check]:
    """The checks of a list of expectations; fails the test when any is wrong."""
    model = Expectations.model_validate({"version": "1", "expectations": list(rules)})
    checks, problems = read(entity, model, attributes)
    assert not problems, problems
    return checks


def table(
    entity: str,
    columns: Mapping[str, Sequence[Any]],
    types: Mapping[str, pa.DataType] | None = None,
) -> pa.Table:
    """Rows of an entity with all its columns, absent ones null."""
    rows = len(next(iter(columns.values())))
    fields = {column.name: ARROW[column.type] for column in ENTITIES[entity].columns}
    fields |= types or {}
    arrays = [pa.array(columns.get(name, [None] * rows), type_) for name, type_ in fields.items()]
    return pa.table(arrays, names=list(fields))


@dataclass
class Staging:
    """Writes staged files as the pull does."""

    folder: Path

    def __call__(
        self,
        entity: str,
        columns: Mapping[str, Sequence[Any]],
        source: str = "shop",
        problems: Mapping[int, Sequence[str]] | None = None,
        types: Mapping[str, pa.DataType] | None = None,
    ) -> Path:
        rows = table(entity, columns, types)
        bad = problems or {}
        numbers = range(rows.num_rows)
        rows = rows.append_column("_source", pa.array([source] * rows.num_rows, pa.string()))
        rows = rows.append_column("_row", pa.array([n + 1 for n in numbers], pa.int64()))
        listed = pa.array([list(bad.get(n, ())) for n in numbers], pa.list_(pa.string()))
        raw = pa.array(['{"x": "?"}' if n in bad else None for n in numbers], pa.string())
        rows = rows.append_column("_problems", listed).append_column("_raw", raw)
        path = self.folder / entity / f"{source}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, path)
        return path
