"""Opening a ledger: older ones are migrated, newer ones refused, secrets stay secret."""

import os
import subprocess
import sys
from pathlib import Path

import alembic.command
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from outbox_scene import DAY, NOW

import antiphon.ledger
from antiphon.errors import LedgerError
from antiphon.ledger import Ledger
from antiphon.ledger.engine import connect, parse_url
from antiphon.ledger.migrate import HEAD
from antiphon.ledger.schema import metadata

MIGRATIONS = Path(antiphon.ledger.__file__).parent / "migrations"
ROOT = Path(__file__).parents[2]


def at_version(url: str, version: str) -> sa.Engine:
    """A database brought to that version; its engine."""
    engine = connect(parse_url(url))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, version)
    return engine


def test_head_is_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_the_migrations_make_what_the_schema_says(empty_url: str) -> None:
    Ledger.open(empty_url).close()
    engine = connect(parse_url(empty_url))
    with engine.begin() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    assert differences == []


def test_an_older_ledger_is_migrated_with_what_it_holds(empty_url: str) -> None:
    engine = at_version(empty_url, "0001")
    with engine.begin() as connection:
        connection.execute(
            sa.text("INSERT INTO contents (hash, body) VALUES ('h', :body)"),
            {"body": b"x\x9c\xcbH\xcd\xc9\xc9\x07\x00\x06,\x02\x15"},
        )
    engine.dispose()
    with pytest.raises(LedgerError, match=r"version 0001, .* needs 0006: `antiphon run`"):
        Ledger.open(empty_url, migrate=False)
    with Ledger.open(empty_url) as ledger:
        assert ledger.contents.get("h") == b"hello"
        assert ledger.people.suppressed_now("email", ["k"]) == set()
    Ledger.open(empty_url, migrate=False).close()


def test_a_newer_ledger_is_refused_and_left_alone(empty_url: str) -> None:
    Ledger.open(empty_url).close()
    engine = connect(parse_url(empty_url))
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(LedgerError, match=r"version 9999, newer .* update Antiphon"):
        Ledger.open(empty_url)
    with engine.begin() as connection:
        version = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    engine.dispose()
    assert version == "9999"


def test_processes_opening_a_new_ledger_at_once_make_it_once(empty_url: str) -> None:
    code = "import sys; from antiphon.ledger import Ledger; Ledger.open(sys.argv[1]).close()"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, empty_url],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        for _ in range(3)
    ]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert errors == [""] * 3
    with Ledger.open(empty_url, migrate=False) as ledger:
        assert ledger.runs.begin("daily", DAY, NOW, NOW).ordinal == 1


def test_a_ledger_out_of_reach_is_said_without_the_password() -> None:
    with pytest.raises(LedgerError) as caught:
        Ledger.open("postgresql://me:hunter2@127.0.0.1:1/shop?application_name=x")
    assert "hunter2" not in str(caught.value)
    assert "me:***@127.0.0.1:1/shop" in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("mysql://me:hunter2@host/shop", "cannot live in mysql"),
        ("sqlite://", "needs a file"),
        ("://hunter2", "not a URL"),
        ("postgresql://me:hunter2@host:port/shop", "not a URL"),
    ],
)
def test_an_address_we_cannot_use_is_refused(address: str, said: str) -> None:
    with pytest.raises(LedgerError, match=said) as caught:
        Ledger.open(address)
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"JFIF" * 1000)
    with pytest.raises(LedgerError, match="not a database"):
        Ledger.open(str(path))
    with pytest.raises(LedgerError, match="no folder"):
        Ledger.open(str(path / "ledger.db"))


def test_an_sqlite_ledger_survives_power_cuts_and_keeps_references(tmp_path: Path) -> None:
    with Ledger.open(str(tmp_path / "new" / "ledger.db")) as ledger:
        with ledger._engine.connect() as connection:
            asked = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        with pytest.raises(LedgerError, match="FOREIGN KEY"):
            ledger.runs.begin_step("no such run", "pull", NOW)
    assert asked == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 60_000,
    }
