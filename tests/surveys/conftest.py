"""A world of one's own for every test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from survey_world import World

from antiphon.ledger import Ledger


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with nothing in it, to be copied."""
    path = tmp_path_factory.mktemp("surveys") / "ledger.db"
    Ledger.open(str(path)).close()
    return path


@pytest.fixture
def world(tmp_path: Path, empty_ledger: Path) -> Iterator[World]:
    (tmp_path / "var").mkdir()
    shutil.copy(empty_ledger, tmp_path / "var" / "ledger.db")
    made = World(tmp_path)
    yield made
    made.ledger.close()
