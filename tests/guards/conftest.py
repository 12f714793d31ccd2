"""Modules that are no tests are importable by their plain names; ledgers on both databases."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "steps")]

from postgres_server import database, running_server  # noqa: E402


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
    with database(server) as url:
        yield url
