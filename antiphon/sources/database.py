"""Any database SQLAlchemy reaches: the query's rows, streamed as text into a Parquet file.

Values become text without loss (ISO 8601, plain decimals), so that one set of conversions with
one set of problems serves every source.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError

from antiphon.errors import SourceError, may_pass
from antiphon.sources.csvfile import check_names

BATCH_ROWS = 20_000


def url_from(source: str, name: str, environment: Mapping[str, str]) -> sa.URL:
    """The URL in the environment variable `name`, or in the file that `name`_FILE names."""
    text = environment.get(name)
    if text is None and (file := environment.get(f"{name}_FILE")):
        try:
            text = Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SourceError(
                f"source {source}: the file named by {name}_FILE cannot be read: {error.strerror}"
            ) from None
    if not text:
        raise SourceError(
            f"source {source}: the environment variable {name} is not set.\n"
            f"  Set it to the database's SQLAlchemy URL, or {name}_FILE to a file that holds it."
        )
    try:
        return sa.make_url(text)
    except ArgumentError:
        raise SourceError(
            f"source {source}: what {name} holds is not a SQLAlchemy URL.\n"
            "  It looks like postgresql+psycopg://user:password@host/database."
        ) from None


def bind_value(mark: datetime | date | int, dialect: str, zone: str) -> datetime | date | int | str:
    """`:since` as the dialect compares it best: aware on PostgreSQL, else local in the zone."""
    if not isinstance(mark, datetime):
        return mark.isoformat() if isinstance(mark, date) and dialect == "sqlite" else mark
    if dialect == "postgresql":
        return mark.astimezone(UTC)
    local = mark.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    return local.isoformat(" ") if dialect == "sqlite" else local


def names_since(query: str) -> bool:
    """Whether the query filters by the watermark itself."""
    return "since" in sa.text(query)._bindparams


def fetch(
    source: str,
    url: sa.URL,
    query: str,
    since: datetime | date | int | None,
    *,
    zone: str,
    path: Path,
) -> int:
    """Write the rows of `query` to the Parquet file `path`, every column text; returns how many.

    The database streams (server-side cursor where it has one); a batch is held at a time.
    Raises SourceError, which names neither password nor values.
    """
    with _errors(source, url):
        _check_sqlite(source, url)
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        statement = sa.text(query)
        if names_since(query):
            if since is None:
                raise SourceError(
                    f"source {source}: the query names :since, but the source has no watermark.\n"
                    "  Write 'watermark: <our column>' in config/sources.yaml."
                )
            statement = statement.bindparams(since=bind_value(since, url.get_dialect().name, zone))
        with engine.connect() as connection:
            result = connection.execution_options(yield_per=BATCH_ROWS).execute(statement)
            check_names(list(result.keys()), f"source {source}: the query")
            return _write(result, path)


def _write(result: sa.CursorResult[Any], path: Path) -> int:
    schema = pa.schema([(name, pa.string()) for name in result.keys()])  # noqa: SIM118
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for partition in result.partitions(BATCH_ROWS):
            columns = zip(*partition, strict=True)
            arrays = [pa.array(list(map(as_text, column)), pa.string()) for column in columns]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            rows += len(partition)
    return rows


def as_text(value: object) -> str | None:
    """A value of a database as text that loses nothing."""
    if value is None or isinstance(value, str):
        return value
    return _TEXTS.get(type(value), _other_text)(value)


def _other_text(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _bytes_text(value: Any) -> str:
    return bytes(value).decode("utf-8", "backslashreplace")


_TEXTS: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "true" if value else "false",
    int: str,
    float: lambda value: format(Decimal(repr(value)), "f"),
    Decimal: lambda value: format(value, "f"),
    datetime: lambda value: value.isoformat(" "),
    date: lambda value: value.isoformat(),
    bytes: _bytes_text,
    memoryview: _bytes_text,
}


def _check_sqlite(source: str, url: sa.URL) -> None:
    """SQLite would create the database that is missing."""
    if url.get_dialect().name != "sqlite" or url.database in (None, "", ":memory:"):
        return
    if not Path(str(url.database)).is_file():
        raise SourceError(f"source {source}: there is no SQLite database at '{url.database}'")


@contextmanager
def _errors(source: str, url: sa.URL) -> Iterator[None]:
    """Errors of the database as SourceError.

    Only the first line of errors of connection and of SQL is told: others may quote values.
    """
    try:
        yield
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise SourceError(
            f"source {source}: no driver for '{url.drivername}' is installed ({error})"
        ) from None
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        why = type(cause).__name__
        if isinstance(error, OperationalError | sa.exc.ProgrammingError):
            why = f"{why}: {str(cause).strip().splitlines()[0]}" if str(cause).strip() else why
        if url.password:
            why = why.replace(str(url.password), "***")
        failure = SourceError(
            f"source {source}: the database could not be read ({why}).\n"
            "  Nothing of this source was taken; run again when the database answers."
        )
        failure.is_temporary = may_pass(cause)
        raise failure from None
