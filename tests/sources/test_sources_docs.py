"""The document for the person who connects data says what the code does."""

import re
from pathlib import Path

import yaml

from antiphon.campaigns.models import Source
from antiphon.entities import SOURCE_ENTITIES
from antiphon.sources.reference import entities_markdown, refreshed

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "sources.md"


def test_the_tables_of_entities_are_fresh() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == refreshed(text), "run: python -m antiphon.sources.reference"
    assert all(f"### {name}\n" in text for name in SOURCE_ENTITIES)
    assert "| `ordered_at` | instant | required | when |" in entities_markdown()


def test_every_example_is_a_valid_source() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 3
    for example in examples:
        read = yaml.load(example, Loader=yaml.BaseLoader)
        for source in read.get("sources", read).values():
            Source.model_validate(source)
