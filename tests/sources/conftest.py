"""A project folder for each test of the sources."""

from pathlib import Path

import pytest
from source_project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)
