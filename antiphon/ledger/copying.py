"""Whole copies of a ledger: always an SQLite file, whichever database it lives in.

So a backup made on SQLite can be restored into PostgreSQL, and the other way round.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, select, text, update

from antiphon.errors import LedgerError
from antiphon.ledger.engine import BEGIN, connect, parse_url, translated, writing
from antiphon.ledger.migrate import bring_up_to_date
from antiphon.ledger.moving import as_json, move
from antiphon.ledger.schema import leases, messages, metadata, revisions, runs
from antiphon.states import MessageState

ROWS_AT_ONCE = 5_000
TOKENS_SINCE = 1_000_000  # more than any copy is old


def copy_to(engine: Engine, path: Path) -> dict[str, int]:
    """Write all of the ledger, as it is at this moment, into a new SQLite file; rows by table.

    Nobody has to stop: writers go on meanwhile, and what they write is not in it.
    """
    if engine.dialect.name == "sqlite":
        with _driver(engine) as source, closing(sqlite3.connect(path)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # one file
    else:
        with (
            _opened(path) as copy,
            translated(engine),
            _still(engine) as source_rows,
            writing(copy) as target_rows,
        ):
            _empty(target_rows)
            _copy_rows(source_rows, target_rows)
        with closing(sqlite3.connect(path)) as target:
            target.execute("PRAGMA journal_mode = DELETE")
    return counts_of(path)


def replace_by(engine: Engine, path: Path) -> None:
    """Put the copy in the place of everything the ledger holds, in one step.

    The copy is brought up to date first (it is changed). Raises LedgerError when it is newer than
    this program, or no ledger; the ledger is then as it was.
    """
    with _opened(path) as copy:
        if engine.dialect.name == "sqlite":
            with _driver(copy) as source, _driver(engine) as target:
                source.backup(target)
            return
        with translated(copy), copy.connect() as source_rows, writing(engine) as target_rows:
            _empty(target_rows)
            _copy_rows(source_rows, target_rows)
            _count_on(target_rows)


def counts_of(path: Path) -> dict[str, int]:
    """Rows of each table of a copy; raises LedgerError where it is no ledger."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as copy:
            there = {
                name
                for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            names = [table.name for table in metadata.sorted_tables if table.name in there]
            return {
                name: copy.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608
                for name in names
            }
    except sqlite3.Error:
        raise LedgerError(f"{path} is damaged, or no copy of a ledger.") from None


def go_on_from(engine: Engine, revision: int) -> None:
    """Let the next change have a greater number than `revision`: the lake has seen that many.

    A ledger put back would count again what it counted before, and the lake pass it over. For the
    same reason leases are free, with tokens that nobody was given after the copy.
    """
    with writing(engine) as connection:
        free = {"expires_at": leases.c.taken_at, "token": leases.c.token + TOKENS_SINCE}
        connection.execute(update(leases).values(**free))
        last = connection.execute(select(func.max(revisions.c.revision))).scalar() or 0
        if last < revision:
            connection.execute(insert(revisions).values(revision=revision))
            _count_on(connection)


def doubt_what_may_have_left(
    engine: Engine, accounts: Mapping[str, str], evidence: Mapping[str, Any], now: datetime
) -> int:
    """Messages that were planned or under way in the copy become `in_doubt`; how many.

    Those that were due by now: since the copy was made they may have left, by the channel's
    account. Those of abandoned runs have not.
    """
    given_up = select(runs.c.run_id).where(runs.c.state == "abandoned")
    moved = 0
    for channel, account in accounts.items():
        waiting = (
            (messages.c.state.in_([MessageState.PLANNED, MessageState.SENDING]))
            & (messages.c.channel == channel)
            & (messages.c.not_before <= now)
            & messages.c.run_id.not_in(given_up)
        )
        with writing(engine) as connection:
            of_nobody = messages.c.provider.is_(None) & waiting
            connection.execute(update(messages).where(of_nobody).values(provider=account))
            left = {"left_at": func.coalesce(messages.c.left_at, messages.c.not_before)}
            values = {"claim_holder": None, "claim_expires_at": None, "evidence": as_json(evidence)}
            planned = (messages.c.state == MessageState.PLANNED) & waiting
            picked = select(messages.c.message_id).where(planned)
            move(connection, picked, {"state": MessageState.SENDING, **values, **left}, now)
            picked = select(messages.c.message_id).where(waiting)
            done = move(connection, picked, {"state": MessageState.IN_DOUBT, **values}, now)
            moved += done.messages
    return moved


# ---------------------------------------------------------------- rows


@contextmanager
def _opened(path: Path) -> Iterator[Engine]:
    """A copy as a ledger, brought up to date."""
    engine = connect(parse_url(str(path)))
    try:
        bring_up_to_date(engine, migrate=True)
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _driver(engine: Engine) -> Iterator[sqlite3.Connection]:
    """SQLite's own connection, outside of any transaction."""
    with translated(engine), engine.connect().execution_options(**{BEGIN: ""}) as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        yield raw


@contextmanager
def _still(engine: Engine) -> Iterator[Connection]:
    """A connection that sees the database as it is now, whatever others commit."""
    options: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


def _empty(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        names = ", ".join(table.name for table in metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {names}"))
        return
    for table in reversed(metadata.sorted_tables):
        connection.execute(delete(table))


def _copy_rows(source: Connection, target: Connection) -> None:
    for table in metadata.sorted_tables:
        streamed = source.execution_options(yield_per=ROWS_AT_ONCE)
        rows = streamed.execute(select(table)).mappings()
        while some := [dict(row) for row in islice(rows, ROWS_AT_ONCE)]:
            target.execute(insert(table), some)


def _count_on(connection: Connection) -> None:
    """Numbers that PostgreSQL gives go on after those that are there; SQLite sees to it itself."""
    if connection.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is not None:
            sequence = func.pg_get_serial_sequence(table.name, column.name)
            last = select(func.max(column)).scalar_subquery()
            connection.execute(select(func.setval(sequence, func.coalesce(last, 1))))
