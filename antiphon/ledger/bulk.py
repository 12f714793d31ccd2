"""Bulk reading through Arrow (ADBC), never through Python rows.

The drivers are imported when first asked: they bring pandas along, which takes a second or two.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy import Engine, Select

from antiphon.errors import LedgerError
from antiphon.ledger.engine import BEGIN, place, translated

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection

BATCH_ROWS = "20000"


@contextmanager
def read_bulk(
    engine: Engine, query: Select[Any], schema: pa.Schema
) -> Iterator[pa.RecordBatchReader]:
    """The rows of the query, cast to the schema, in batches that are read as they are asked for.

    No column may hold nulls: the SQLite driver guesses types from the first batch.
    """
    sql = str(query.compile(engine, compile_kwargs={"literal_binds": True}))
    if engine.dialect.name == "postgresql":
        from adbc_driver_postgresql import dbapi  # noqa: PLC0415

        url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with _rows(engine, lambda: dbapi.connect(url), sql, {}, schema) as reader:
            yield reader
    else:
        from adbc_driver_sqlite import dbapi as sqlite  # noqa: PLC0415

        options = {"adbc.sqlite.query.batch_rows": BATCH_ROWS}
        with tempfile.TemporaryDirectory(prefix="antiphon-") as folder:
            copy = str(Path(folder) / "copy.db")
            _copy(engine, sql, copy)
            sql = "SELECT * FROM rows"
            with _rows(engine, lambda: sqlite.connect(copy), sql, options, schema) as reader:
                yield reader


def _copy(engine: Engine, sql: str, path: str) -> None:
    """The rows of the query as the table `rows` of a new SQLite file.

    The ADBC driver brings its own SQLite, and two of them in one process must never open one
    file: as one closes it, the system drops the locks of the other, even of a transaction that
    is writing (https://sqlite.org/howtocorrupt.html, 2.2.1). A copy also frees the ledger early.
    """
    with (
        translated(engine),
        engine.connect().execution_options(**{BEGIN: ""}) as connection,
    ):
        connection.exec_driver_sql("ATTACH ? AS copy", (path,))
        try:
            connection.exec_driver_sql("PRAGMA copy.journal_mode = OFF")
            connection.exec_driver_sql(f"CREATE TABLE copy.rows AS {sql}")
        finally:
            connection.exec_driver_sql("DETACH copy")


@contextmanager
def _rows(
    engine: Engine,
    connect: "Callable[[], Connection]",
    sql: str,
    options: dict[str, str],
    schema: pa.Schema,
) -> Iterator[pa.RecordBatchReader]:
    from adbc_driver_manager import Error  # noqa: PLC0415

    where = place(engine.url)
    try:
        connection = connect()
    except Error as error:
        raise _failed(where, error) from None
    with closing(connection), connection.cursor() as cursor:
        try:
            cursor.adbc_statement.set_options(**options)
            cursor.execute(sql)
            reader = cursor.fetch_record_batch()
        except Error as error:
            raise _failed(where, error) from None
        yield pa.RecordBatchReader.from_batches(schema, _batches(where, reader, schema))


def _batches(
    where: str, reader: pa.RecordBatchReader, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    from adbc_driver_manager import Error  # noqa: PLC0415

    try:
        for batch in reader:
            yield batch.cast(schema)
    except (Error, pa.ArrowException, OSError) as error:
        raise _failed(where, error) from None


def _failed(where: str, error: Exception) -> LedgerError:
    return LedgerError(f"reading the ledger at {where} failed: {str(error).splitlines()[0]}.")
