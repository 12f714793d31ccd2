"""One small company, read once; every test has a ledger and a lake of its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from back_office import Clock, Office
from office_files import configuration_in
from postgres_server import database, running_server

from antiphon.campaigns.configuration import Configuration
from antiphon.ledger import Ledger
from antiphon.project import Project


@pytest.fixture(scope="session")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    return configuration_in(tmp_path_factory.mktemp("office"))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "template.db"
    Ledger.open(str(path)).close()
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[str | None]:
    with running_server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres: str | None) -> Iterator[str]:
    if postgres is None:
        pytest.skip("no PostgreSQL: set ANTIPHON_TEST_POSTGRES or install its binaries")
    with database(postgres) as url:
        Ledger.open(url).close()
        yield str(sa.make_url(url).database)


def _office(configuration: Configuration, root: Path, ledger: Ledger) -> Office:
    clock = Clock()
    project = Project(root, configuration, {}, clock)
    project.__dict__["ledger"] = ledger  # where a cached property keeps it
    return Office(project, clock)


@pytest.fixture
def office(configuration: Configuration, sqlite_template: Path, tmp_path: Path) -> Iterator[Office]:
    """On SQLite."""
    path = shutil.copy(sqlite_template, tmp_path / "ledger.db")
    with Ledger(f"sqlite:///{path}") as ledger:
        yield _office(configuration, tmp_path, ledger)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def either(
    request: pytest.FixtureRequest, configuration: Configuration, tmp_path: Path
) -> Iterator[Office]:
    """On either database."""
    if request.param == "sqlite":
        yield request.getfixturevalue("office")
        return
    template = request.getfixturevalue("postgres_template")
    with database(request.getfixturevalue("postgres"), template) as url, Ledger(url) as ledger:
        yield _office(configuration, tmp_path, ledger)
