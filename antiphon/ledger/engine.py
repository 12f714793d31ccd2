"""Connections and transactions: SQLite in WAL mode or PostgreSQL, behind one way of writing."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Select,
    Text,
    bindparam,
    create_engine,
    event,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from antiphon.errors import LedgerError, may_pass
from antiphon.ledger.schema import revisions

BUSY_SECONDS = 60
BEGIN = "antiphon_begin"  # execution option: how SQLite begins
PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "cache_size = -65536",
    "wal_autocheckpoint = 16384",
)
WRITERS_LOCK = 0x616E7469_00000001  # PostgreSQL advisory locks; the first word spells "anti"
SCHEMA_LOCK = 0x616E7469_00000002
RUNS_LOCK = 0x616E7469_00000003
HOLDS_LOCK = 0x616E7469_00000004


def parse_url(text_url: str) -> URL:
    """The address of the ledger; a plain path means an SQLite file.

    Raises LedgerError, without any password, when it is neither SQLite nor PostgreSQL.
    """
    try:
        url = make_url(text_url if "://" in text_url else f"sqlite:///{text_url}")
    except (ArgumentError, ValueError):
        raise LedgerError(
            "the ledger's address is not a URL. Write sqlite:///path/to/ledger.db "
            "or postgresql://user@host/database."
        ) from None
    match url.get_backend_name():
        case "sqlite":
            if url.database in (None, "", ":memory:"):
                raise LedgerError("the ledger needs a file: write sqlite:///path/to/ledger.db.")
            return url.set(drivername="sqlite")
        case "postgresql":
            return url.set(drivername="postgresql+psycopg")
        case other:
            raise LedgerError(
                f"the ledger cannot live in {other}. Use sqlite:///path/to/ledger.db "
                "or postgresql://user@host/database."
            )


def connect(url: URL) -> Engine:
    """An engine with our rules set on every connection; nothing is opened yet."""
    if url.get_backend_name() == "postgresql":
        options: dict[str, Any] = {"connect_timeout": 10}
        return create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=options)
    folder = Path(str(url.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError(f"no folder for the ledger at {folder}: {error.strerror}.") from None
    # our own "begin" below: the driver must not begin by itself
    engine = create_engine(
        url,
        hide_parameters=True,
        connect_args={"isolation_level": None, "timeout": BUSY_SECONDS},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Write-ahead log, and synced at each commit: a claim lost with the power is a second send."""
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    """A transaction that reads first and writes later would fail under two writers."""
    how = connection.get_execution_options().get(BEGIN, "BEGIN IMMEDIATE")
    if how:
        connection.exec_driver_sql(how)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that may write; committed at the end, or rolled back by an exception."""
    with translated(engine), engine.begin() as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One transaction that only reads, and keeps no writer waiting."""
    with (
        translated(engine),
        engine.connect().execution_options(**{BEGIN: "BEGIN"}) as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Errors of database and driver as LedgerError, with neither password nor values in it."""
    try:
        yield
    except SQLAlchemyError as error:
        failure = LedgerError(f"the ledger at {place(engine.url)} failed: {_cause(error)}.")
        failure.is_temporary = may_pass(getattr(error, "orig", None))
        raise failure from None


def _cause(error: SQLAlchemyError) -> str:
    """The first line of what the driver said: later lines (DETAIL) show the row's values."""
    original = getattr(error, "orig", None) or error
    lines = str(original).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(original).__name__


def place(url: URL) -> str:
    """Where the ledger lives, fit to be printed: no password, no options."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(query={}).render_as_string(hide_password=True)


def next_revision(connection: Connection) -> int:
    """The number of this writing transaction; each transaction takes it before it writes rows.

    On SQLite writers come one after another, so numbers are committed in their order. On
    PostgreSQL they are not: so each writer holds a shared lock, which `mark` waits for.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock_shared(WRITERS_LOCK)))
    stamp = insert(revisions).values({}).returning(revisions.c.revision)
    return int(connection.execute(stamp).scalar_one())


def mark(engine: Engine) -> int:
    """The revision up to which everything is committed: what comes later has a greater number.

    On PostgreSQL it waits for the writers under way (they are short), and new ones wait for it,
    so no transaction can still commit a number at or below the mark.
    """
    if engine.dialect.name != "postgresql":
        with reading(engine) as connection:
            return _last_revision(connection)
    with writing(engine) as connection:
        connection.execute(text(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'"))
        connection.execute(select(func.pg_advisory_xact_lock(WRITERS_LOCK)))
        return _last_revision(connection)


def _last_revision(connection: Connection) -> int:
    last = connection.execute(select(func.max(revisions.c.revision))).scalar_one()
    return int(last or 0)


def lock(connection: Connection, number: int) -> None:
    """Until the end of the transaction nobody else gets past the same lock."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(number)))
    # an SQLite transaction that writes is alone anyway


def listed(connection: Connection, values: Collection[str]) -> Select[tuple[str]]:
    """The texts as a subquery: one parameter, however many they are."""
    if connection.dialect.name == "postgresql":
        rows = func.unnest(bindparam(None, list(values), ARRAY(Text))).table_valued("value")
        rows = rows.render_derived()
    else:
        rows = func.json_each(json.dumps(list(values))).table_valued("value")
    return select(rows.c.value)


def listed_numbers(connection: Connection, values: Collection[int]) -> Select[tuple[int]]:
    """As `listed`, of whole numbers."""
    if connection.dialect.name == "postgresql":
        rows = func.unnest(bindparam(None, list(values), ARRAY(BigInteger))).table_valued("value")
        rows = rows.render_derived()
    else:
        rows = func.json_each(json.dumps(list(values))).table_valued("value")
    return select(rows.c.value)
