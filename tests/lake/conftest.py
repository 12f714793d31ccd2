from pathlib import Path

import pytest

from antiphon.lake import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake", memory="500MB", threads=1)
