"""Every test that asks for `url` or `ledger` runs on SQLite and on PostgreSQL."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from antiphon.ledger import Ledger

sys.path.insert(0, str(Path(__file__).parents[1]))  # for postgres_server

from postgres_server import database, running_server

BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str | None]:
    with running_server() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with nothing in it, to be copied: making its tables takes longer than most tests."""
    path = tmp_path_factory.mktemp("ledger") / "template.db"
    Ledger.open(str(path)).close()
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: str | None) -> Iterator[str]:
    """As `sqlite_template`: the name of a database."""
    if postgres is None:
        pytest.skip("no PostgreSQL: set ANTIPHON_TEST_POSTGRES or install its binaries")
    with database(postgres) as url:
        Ledger.open(url).close()
        yield str(sa.make_url(url).database)


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a ledger with nothing in it."""
    if request.param == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        yield f"sqlite:///{shutil.copy(template, tmp_path / 'ledger.db')}"
        return
    template = request.getfixturevalue("postgres_template")
    with database(request.getfixturevalue("postgres"), template) as made:
        yield made


@pytest.fixture(params=BOTH)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    server = request.getfixturevalue("postgres")
    if server is None:
        pytest.skip("no PostgreSQL: set ANTIPHON_TEST_POSTGRES or install its binaries")
    with database(server) as made:
        yield made


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    with Ledger.open(url) as opened:
        yield opened
