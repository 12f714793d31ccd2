"""One small demo project after one daily run, for all tests of the command line."""

from pathlib import Path

import pytest
from demo_project import demo_clock, make_project

from antiphon.steps.daily import run_daily


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read it, do not change it: copy it first (the fixture `copied`)."""
    folder = make_project(tmp_path_factory.mktemp("shop"))
    run_daily(folder, demo_clock())
    return folder
