"""A shop of few people who have been written to for two days: made once, copied for each test."""

import shutil
from pathlib import Path

import pytest
from privacy_scene import NEXT, WHO, Shop, live, rows_of

from antiphon.privacy.forget import Forgotten, forget


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Only to be copied."""
    return live(tmp_path_factory.mktemp("lived") / "shop")


@pytest.fixture
def shop(lived: Path, tmp_path: Path) -> Shop:
    return Shop(shutil.copytree(lived, tmp_path / "shop"), rows_of(lived))


@pytest.fixture(scope="session")
def erased(lived: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, Forgotten]:
    """A copy in which the person was forgotten: only to be looked at."""
    shop = Shop(shutil.copytree(lived, tmp_path_factory.mktemp("erased") / "shop"))
    return shop, forget(shop.project(NEXT), WHO)
