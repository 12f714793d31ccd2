"""The rows of one entity that one pull staged: as a relation of the engine, and in chunks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from antiphon.entities import ColumnType
from antiphon.quoting import quoted
from antiphon.validation.arguments import Reference
from antiphon.validation.predicates import literal

CHUNK_ROWS = 250_000
ARROW: dict[ColumnType, pa.DataType] = {
    ColumnType.TEXT: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.MONEY: pa.decimal128(18, 4),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.DAY: pa.date32(),
    ColumnType.INSTANT: pa.timestamp("us", tz="UTC"),
}


class Session(Protocol):
    """What validation needs of lake.Session."""

    def arrow(self, sql: str, parameters: Any = None) -> pa.Table:
        """The rows of a query."""

    def rows(self, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """The rows of a small query."""

    def write(self, sql: str, path: Path, parameters: Any = None) -> int:
        """Write a query to a Parquet file; how many rows."""


@dataclass(frozen=True)
class Batch:
    """The staged files of one entity, and what else judging them needs.

    `types`: the columns that checks look at. `scratch`: a folder for what is needed on the way.
    `references`: SELECT of the keys there are.
    """

    entity: str
    files: Sequence[Path]
    types: Mapping[str, ColumnType]
    session: Session
    scratch: Path
    references: Mapping[Reference, str] = field(default_factory=dict)
    chunk_rows: int = CHUNK_ROWS

    @property
    def staged(self) -> str:
        """The staged rows as they are, as a relation; there must be files."""
        return parquet(self.files)

    @property
    def names(self) -> list[str]:
        """All columns that were staged, in their files' order."""
        return list(
            dict.fromkeys(name for file in self.files for name in pq.read_schema(file).names)
        )

    @property
    def rows(self) -> str:
        """The staged rows with every column of `types`, absent ones null."""
        there = self.names
        absent = [
            f"NULL::{type_.value} AS {quoted(name)}"
            for name, type_ in self.types.items()
            if name not in there
        ]
        if not absent:
            return self.staged
        return f"(SELECT *, {', '.join(absent)} FROM {self.staged})"  # noqa: S608 - quoted names

    def count(self) -> int:
        """How many rows were staged."""
        return sum(pq.read_metadata(file).num_rows for file in self.files)

    def chunks(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """All rows, `chunk_rows` a table (the last may be shorter): `columns`, _source, _row."""
        rows = self.chunk_rows
        waiting: list[pa.Table] = []
        held = 0
        for table in self._tables(columns, rows):
            waiting.append(table)
            held += table.num_rows
            while held >= rows:
                joined = pa.concat_tables(waiting)
                yield joined.slice(0, rows)
                waiting = [joined.slice(rows)]
                held -= rows
        if held:
            yield pa.concat_tables(waiting)

    def _tables(self, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        fields = [pa.field(name, ARROW[self.types[name]]) for name in columns]
        schema = pa.schema([*fields, ("_source", pa.string()), ("_row", pa.int64())])
        for path in self.files:
            with pq.ParquetFile(path) as file:
                there = [name for name in schema.names if name in file.schema_arrow.names]
                for batch in file.iter_batches(batch_size=rows, columns=there):
                    yield pa.table(
                        [
                            batch.column(field.name).cast(field.type)
                            if field.name in there
                            else pa.nulls(batch.num_rows, field.type)
                            for field in schema
                        ],
                        schema=schema,
                    )


def parquet(files: Sequence[Path]) -> str:
    """A relation of all rows of Parquet files, columns matched by name."""
    listed = ", ".join(literal(str(file)) for file in files)
    return f"read_parquet([{listed}], union_by_name = true)"
