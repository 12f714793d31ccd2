"""What editors and people read says what the models say."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from antiphon.campaigns import schema
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Policy
from antiphon.entities import ENTITIES, SOURCE_ENTITIES

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "config").rglob("*.yaml"))


class _EditorLoader(yaml.SafeLoader):
    """Knows fewer kinds of scalars than YAML 1.1: days stay text, as does `no`."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as in the class above
        first: [rule for rule in rules if not rule[0].endswith(("timestamp", "bool"))]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _for_editors(path: Path) -> Any:
    """The file as an editor sees it."""
    text = path.read_text(encoding="utf-8")
    return yaml.load(text, Loader=_EditorLoader)


def test_the_written_schemas_and_the_reference_are_fresh(tmp_path: Path) -> None:
    for path in schema.write(tmp_path):
        name = path.relative_to(tmp_path)
        written = (ROOT / name).read_text(encoding="utf-8")
        assert path.read_text(encoding="utf-8") == written, f"{name} is stale: run `make docs`"


def test_no_schema_is_left_over() -> None:
    assert {path.name for path in (ROOT / "config/schema").iterdir()} == set(schema.schemas())


@pytest.mark.parametrize("name", schema.FILES)
def test_each_schema_is_a_valid_json_schema(name: str) -> None:
    Draft202012Validator.check_schema(json.loads(schema.schemas()[name]))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_each_shipped_file_names_its_schema_and_fulfils_it(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    target = (path.parent / first.partition("=")[2]).resolve()
    assert target.parent == ROOT / "config/schema"
    kind = schema.FILES[target.name][0]
    assert path.relative_to(ROOT).match(kind)
    errors = list(
        Draft202012Validator(json.loads(target.read_text("utf-8"))).iter_errors(_for_editors(path))
    )
    assert errors == []


def test_an_editor_refuses_what_we_refuse() -> None:
    validator = Draft202012Validator(json.loads(schema.schemas()["campaign.json"]))
    good = _for_editors(ROOT / "config/campaigns/winback-lost-loyal.yaml")
    wrongs: list[dict[str, object]] = [
        {"chanel": "x"},
        {"priority": 1001},
        {"category": "prom"},
        {"channels": []},
        {"repeat_after": "soon"},
        {"campaign": "No Name"},
    ]
    for wrong in wrongs:
        assert not validator.is_valid(good | wrong), wrong
    assert validator.is_valid(good)


def test_defaults_stand_in_the_schema_as_one_types_them() -> None:
    found = json.loads(schema.schemas()["campaign.json"])
    assert found["properties"]["expires_after"]["default"] == "1 day"
    assert found["$defs"]["Period"]["properties"]["days"]["default"] == "daily"


def test_every_key_of_every_model_has_its_line_in_the_reference() -> None:
    text = schema.reference()
    for model in (Campaign, Policy):
        section = text.partition(f"\n## config/{'campaigns/*' if model is Campaign else 'policy'}")[
            2
        ]
        for name, info in model.model_fields.items():
            assert f"| `{info.alias or name}` |" in section.partition("\n## ")[0]


def test_every_column_of_every_entity_has_its_line_in_the_reference() -> None:
    text = schema.reference()
    for name in SOURCE_ENTITIES:
        section = text.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
        for column in ENTITIES[name].columns:
            assert f"| `{column.name}` | {column.type.name.lower()} |" in section
