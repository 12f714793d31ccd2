"""A folder to stage rows in."""

from pathlib import Path

import pytest
from validation_data import Staging


@pytest.fixture
def staged(tmp_path: Path) -> Staging:
    return Staging(tmp_path / "staging")
