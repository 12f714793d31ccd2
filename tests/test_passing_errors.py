"""Which failures of databases may pass by themselves; real drivers say so."""

import socket
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from antiphon.errors import LedgerError, SourceError
from antiphon.ledger.engine import translated
from antiphon.sources.database import fetch


def _failure(url: str, query: str, folder: Path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        fetch("shop", sa.make_url(url), query, None, zone="UTC", path=folder / "rows.parquet")
    return caught.value


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (id TEXT)")
    return path


def test_a_locked_database_may_pass_and_wrong_sql_may_not(database: Path, tmp_path: Path) -> None:
    with sqlite3.connect(database, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        busy = f"sqlite:///{database}?timeout=0"
        assert _failure(busy, "SELECT * FROM orders", tmp_path).is_temporary
        other.execute("ROLLBACK")
    assert not _failure(f"sqlite:///{database}", "SELECT colour FROM orders", tmp_path).is_temporary


def test_a_server_that_does_not_answer_may_pass(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"postgresql+psycopg://shop@127.0.0.1:{port}/shop"
    assert _failure(url, "SELECT 1", tmp_path).is_temporary


def test_a_locked_ledger_may_pass_and_a_broken_rule_may_not(database: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{database}?timeout=0")
    with sqlite3.connect(database, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LedgerError) as caught, translated(engine), engine.connect() as mine:
            mine.execute(sa.text("SELECT * FROM orders"))
        assert caught.value.is_temporary
        other.execute("ROLLBACK")
    with pytest.raises(LedgerError) as caught, translated(engine), engine.connect() as mine:
        mine.execute(sa.text("SELECT * FROM nowhere"))
    assert not caught.value.is_temporary
    engine.dispose()
