"""Every test has a company, and a ledger of its own."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from antiphon.ledger import Ledger

sys.path.insert(0, str(Path(__file__).parents[1]))  # for postgres_server

from postgres_server import database, running_server
from web_scene import Scene


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "template.db"
    Ledger.open(str(path)).close()
    return path


@pytest.fixture
def scene(tmp_path: Path, sqlite_template: Path) -> Iterator[Scene]:
    """On SQLite."""
    with Ledger.open(str(shutil.copy(sqlite_template, tmp_path / "ledger.db"))) as ledger:
        yield Scene.at(tmp_path, ledger)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def scene_on_both(
    request: pytest.FixtureRequest, tmp_path: Path, sqlite_template: Path
) -> Iterator[Scene]:
    """On SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        with Ledger.open(str(shutil.copy(sqlite_template, tmp_path / "ledger.db"))) as ledger:
            yield Scene.at(tmp_path, ledger)
        return
    with running_server() as server:
        if server is None:
            pytest.skip("no PostgreSQL: set ANTIPHON_TEST_POSTGRES or install its binaries")
        with database(server) as url, Ledger.open(url) as ledger:
            yield Scene.at(tmp_path, ledger)
