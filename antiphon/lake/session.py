"""A session: one in-process engine over one snapshot, with a typed view for every entity."""

# Identifiers and paths are quoted by scans.quoted and scans.literal; values are parameters.
# ruff: noqa: S608

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from antiphon.entities import ENTITIES
from antiphon.lake.failures import explained
from antiphon.lake.manifest import Snapshot, sync
from antiphon.lake.scans import households_sql, read_files, scan_sql
from antiphon.quoting import literal, quoted

if TYPE_CHECKING:
    import pyarrow as pa

Parameters = Mapping[str, Any] | Sequence[Any] | None
# Measured on orders: zstd files are a quarter smaller than snappy ones and read as fast.
PARQUET = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 122880"


@contextmanager
def engine(folder: Path, memory: str, threads: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in memory that spills into `folder` and leaves nothing behind."""
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        spill = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=folder))
    try:
        with explained(folder):
            connection = duckdb.connect(
                ":memory:",
                config={
                    "memory_limit": memory,
                    "threads": threads,
                    "temp_directory": str(spill),
                    "autoload_known_extensions": False,
                    "autoinstall_known_extensions": False,
                },
            )
            connection.execute("SET TimeZone = 'UTC'")
        try:
            yield connection
        finally:
            connection.close()
    finally:
        shutil.rmtree(spill, ignore_errors=True)


class Session:
    """Runs SQL over one snapshot. Not to be shared between threads.

    Views: one per entity, `households` (customer_id, household_id, since_day) and
    `decision_counts` (day, campaign, outcome, rule, decisions: those older than the retention).
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._connection = connection

    def execute(self, sql: str, parameters: Parameters = None) -> None:
        """Run a statement that answers nothing (CREATE TEMP TABLE, CREATE MACRO, SET)."""
        with explained(self.snapshot.root):
            self._connection.execute(sql, parameters)

    def register(self, name: str, table: "pa.Table") -> None:
        """Give an Arrow table a name for the queries that follow; a second one replaces it."""
        with explained(self.snapshot.root):
            self._connection.register(name, table)

    def arrow(self, sql: str, parameters: Parameters = None) -> "pa.Table":
        """The result of a query as an Arrow table; instants are UTC."""
        with explained(self.snapshot.root):
            return self._connection.sql(sql, params=parameters).to_arrow_table()

    def only_reads(self, sql: str) -> bool:
        """Whether it is one query: no COPY, no CREATE, no second statement. False where it cannot
        be read at all."""
        try:
            found = self._connection.extract_statements(sql)
        except duckdb.Error:
            return False
        return [one.type for one in found] == [duckdb.StatementType.SELECT]

    def batches(
        self, sql: str, parameters: Parameters = None, *, rows: int = 100_000
    ) -> "Iterator[pa.RecordBatch]":
        """The result of a query piece by piece: for what may be larger than memory."""
        with explained(self.snapshot.root):
            query = self._connection.sql(sql, params=parameters)
            yield from query.to_arrow_reader(rows)

    def rows(self, sql: str, parameters: Parameters = None) -> list[tuple[Any, ...]]:
        """The result of a (small) query as Python tuples; instants are aware, in UTC."""
        with explained(self.snapshot.root):
            return self._connection.execute(sql, parameters).fetchall()

    def write(self, sql: str, path: Path, parameters: Parameters = None) -> int:
        """Write the result as one Parquet file, which appears whole or not at all; its rows."""
        fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                copy = f"COPY ({sql}) TO {literal(str(fresh))} ({PARQUET})"
                ((count,),) = self._connection.execute(copy, parameters).fetchall()
                sync(fresh)
                fresh.replace(path)
            finally:
                fresh.unlink(missing_ok=True)
        return int(count)


@contextmanager
def open_session(
    snapshot: Snapshot,
    memory: str,
    threads: int,
    bucket: int | None,
    tables: "Mapping[str, pa.Table]",
) -> Iterator[Session]:
    """A session over the snapshot, or over one of its buckets, with Arrow tables under names."""
    with engine(snapshot.root / "tmp", memory, threads) as connection:
        with explained(snapshot.root):
            _create_views(connection, snapshot, bucket)
            for name, table in tables.items():
                connection.register(name, table)
        yield Session(connection, snapshot)


def _create_views(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, bucket: int | None
) -> None:
    root, manifest = snapshot.root, snapshot.manifest
    chosen = None if bucket is None else [bucket]
    for name in ENTITIES:
        sql = scan_sql(root, manifest, name, buckets=chosen)
        connection.execute(f"CREATE VIEW {quoted(name)} AS {sql}")
    households = households_sql(root, manifest, bucket, "customers")
    connection.execute(f"CREATE VIEW households AS {households}")
    counts = (
        f"SELECT * FROM {read_files(root, [manifest.decision_counts])}"
        if manifest.decision_counts
        else "SELECT NULL::DATE AS day, NULL::VARCHAR AS campaign, NULL::VARCHAR AS outcome, "
        "NULL::VARCHAR AS rule, NULL::BIGINT AS decisions WHERE false"
    )
    connection.execute(f"CREATE VIEW decision_counts AS {counts}")
