"""Modules that are no tests are importable by their plain names; ledgers on both databases."""

import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "steps")]

from postgres_server import running_server  # noqa: E402


@pytest.fixture(scope="session")
def postgres() -> Iterator[str | None]:
    with running_server() as url:
        yield url


@pytest.fixture
def ledger_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """What settings.yaml says of the ledger: SQLite in var/, or an empty database."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield "sqlite:///var/ledger.db"
        return
    server = request.getfixturevalue("postgres")
    if server is None:
        pytest.skip("no PostgreSQL: set ANTIPHON_TEST_POSTGRES or install its binaries")
    name = f"antiphon_{uuid4().hex}"
    address = sa.make_url(server).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield address.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()
