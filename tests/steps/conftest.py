"""Small projects for tests of whole runs: made once, copied for each test."""

import shutil
from pathlib import Path

import pytest
from demo_project import FEW, make_project
from run_processes import run

CUSTOMERS = 350


@pytest.fixture(scope="session")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped project with few customers and campaigns, never run: only to be copied."""
    return make_project(tmp_path_factory.mktemp("untouched"), CUSTOMERS, FEW)


@pytest.fixture(scope="session")
def undisturbed(untouched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy whose daily run nobody disturbed: only to be compared with, or copied."""
    root = tmp_path_factory.mktemp("undisturbed") / "project"
    shutil.copytree(untouched, root)
    assert run(root) == 0
    return root


@pytest.fixture
def project(untouched: Path, tmp_path: Path) -> Path:
    """A copy that was never run."""
    return shutil.copytree(untouched, tmp_path / "project")


@pytest.fixture
def ran(undisturbed: Path, tmp_path: Path) -> Path:
    """A copy whose daily run is done."""
    return shutil.copytree(undisturbed, tmp_path / "project")
