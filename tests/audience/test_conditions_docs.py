"""Claims on docs/conditions.md: every example is a condition, every warning one that is given."""

import re
from pathlib import Path
from shutil import copytree

import pytest

from antiphon.audience import reference
from antiphon.audience.call_functions import CALL_FUNCTIONS
from antiphon.audience.conditions import CellValue, Condition, Vocabulary, parse
from antiphon.audience.dictionary import dictionary
from antiphon.audience.functions import FUNCTIONS
from antiphon.campaigns.configuration import draft
from antiphon.campaigns.models import Sources
from antiphon.entities import ColumnType
from antiphon.files import read_files

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / reference.DOCUMENT).read_text(encoding="utf-8")
EXAMPLES = [
    *(
        line
        for block in re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL)
        for line in block.split("\n")
    ),
    *re.findall(r"`(cell\.[^`…]+)`", TEXT),
    *(function.example for function in FUNCTIONS.values()),
]


@pytest.fixture(scope="module")
def words() -> Vocabulary:
    """The shipped columns, with the segments, campaigns and cells that the document names."""
    files = read_files(ROOT)
    sources = draft(files).get("config/sources.yaml", Sources)
    assert sources
    features, _ = dictionary(files, sources)
    anybody = Condition("true", "TRUE", frozenset())
    number = CellValue(ColumnType.INTEGER, "5", frozenset())
    text = CellValue(ColumnType.TEXT, "'loyal'", frozenset())
    return Vocabulary(
        features,
        segments={"vip": anybody, "active": anybody},
        campaigns=("birthday-wishes",),
        cell={"discount": number, "lifecycle": text},
    )


@pytest.mark.parametrize("text", [text for text in EXAMPLES if text])
def test_every_example_is_a_condition(words: Vocabulary, text: str) -> None:
    found = parse(text, words)
    assert isinstance(found, Condition), (text, found)


def test_the_warning_shown_is_the_one_that_is_given(words: Vocabulary) -> None:
    (text,) = re.findall(r"\d+ \|     where: (.*)", TEXT)
    found = parse(text, words)
    assert isinstance(found, Condition)
    (loss,) = found.losses
    assert f":12: warning: {loss.message}\n" in TEXT
    assert f"\n  {loss.hint}\n" in TEXT
    assert loss.column == 1  # `where: ` begins in column 5 of the file


def test_the_functions_are_those_of_the_tables(tmp_path: Path) -> None:
    copytree(ROOT / "docs", tmp_path / "docs")
    reference.write(tmp_path)
    fresh = (tmp_path / reference.DOCUMENT).read_text(encoding="utf-8")
    assert fresh == TEXT, "docs/conditions.md is stale: run `make docs`"
    assert all(f"\n### {name}\n" in TEXT for name in CALL_FUNCTIONS)
    assert all(f"| `{name}` |" in TEXT for name in FUNCTIONS)


def test_each_function_is_shown_where_it_is_called() -> None:
    assert all(f"{one.name}(" in one.example for one in FUNCTIONS.values())
