"""What all tests share: test modules that are no tests are importable by their plain names."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE.parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _restored() -> Iterator[None]:
    before = os.environ.get("ANTIPHON_AT")
    yield
    os.environ.pop("ANTIPHON_AT", None)
    if before is not None:
        os.environ["ANTIPHON_AT"] = before


@pytest.fixture(autouse=True, scope="module")
def _clock_of_the_module() -> Iterator[None]:
    """As below: what a fixture of a whole module asked with `--at` ends with the module."""
    yield from _restored()


@pytest.fixture(autouse=True)
def _clock_of_the_test(_clock_of_the_module: None) -> Iterator[None]:
    """`--at` of a command lasts as long as its process: here, as long as its test."""
    yield from _restored()
