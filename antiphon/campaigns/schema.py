"""What editors and people read about the configuration, generated from the models.

`python -m antiphon.campaigns.schema` writes config/schema/*.json and docs/configuration.md anew.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from antiphon.campaigns.complaints import fields, words
from antiphon.campaigns.models import Campaign, Expectations, Model, Segments, Sources
from antiphon.campaigns.rules import RULES, Pack, Policy, PolicyRule
from antiphon.campaigns.scalars import Kind
from antiphon.campaigns.settings import Settings
from antiphon.campaigns.surveys import Survey
from antiphon.entities import ENTITIES, SOURCE_ENTITIES, Entity

SCHEMA_FOLDER = "config/schema"
REFERENCE = "docs/configuration.md"
FILES: dict[str, tuple[str, type[Model]]] = {
    "settings.json": ("config/settings.yaml", Settings),
    "sources.json": ("config/sources.yaml", Sources),
    "segments.json": ("config/segments.yaml", Segments),
    "policy.json": ("config/policy.yaml", Policy),
    "pack.json": ("config/packs/*.yaml", Pack),
    "campaign.json": ("config/campaigns/*.yaml", Campaign),
    "survey.json": ("config/surveys/*.yaml", Survey),
    "expectations.json": ("config/expectations/*.yaml", Expectations),
}


def schemas() -> dict[str, str]:
    """File name → text of the JSON Schema of each kind of file."""
    return {name: _schema(place, model) for name, (place, model) in FILES.items()}


def write(root: Path) -> list[Path]:
    """Write the schemas and the reference below the project's root; returns what was written."""
    texts = {f"{SCHEMA_FOLDER}/{name}": text for name, text in schemas().items()}
    texts[REFERENCE] = reference()
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [root / name for name in texts]


# ------------------------------------------------------------ JSON Schema


def _schema(place: str, model: type[Model]) -> str:
    raw = model.model_json_schema()
    found = {known.__name__: known for known in _models(model)}
    definitions = {
        name: _object(found[name], schema) for name, schema in raw.pop("$defs", {}).items()
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": place,
        **_object(model, raw),
        **({"$defs": definitions} if definitions else {}),
    }
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def _object(model: type[Model], schema: dict[str, Any]) -> dict[str, Any]:
    """One model's schema: defaults as they are typed, bounds kept, absent instead of null."""
    properties = {
        name: _property(info, schema["properties"][name]) for name, info in _by_key(model).items()
    }
    schema = {key: value for key, value in schema.items() if key != "title"}
    return schema | {"description": _doc(model), "properties": properties}


def _property(info: FieldInfo, schema: dict[str, Any]) -> dict[str, Any]:
    schema = {key: value for key, value in schema.items() if key not in ("title", "default")}
    choices = [one for one in schema.pop("anyOf", []) if one != {"type": "null"}]
    if len(choices) == 1:
        schema = choices[0] | schema
    elif choices:
        schema = {"anyOf": choices} | schema
    for bound in info.metadata:
        if isinstance(bound, Ge) and schema.get("type") == "integer":
            schema["minimum"] = bound.ge
        elif isinstance(bound, Le) and schema.get("type") == "integer":
            schema["maximum"] = bound.le
    shown = _default(info)
    return schema | ({"default": shown} if shown else {})


def _default(info: FieldInfo) -> str:
    """The default as one would type it; '' where there is none to type."""
    default = None if info.is_required() else info.get_default(call_default_factory=True)
    if default in (None, "", (), {}) or isinstance(default, Model):
        return ""
    kind = next((one for one in info.metadata if isinstance(one, Kind)), None)
    return kind.show(default) if kind and kind.show else str(default)


def _by_key(model: type[Model]) -> dict[str, FieldInfo]:
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _models(model: type[Model]) -> Iterator[type[Model]]:
    """The model and all models below it, in the order of the file."""
    yield model
    for annotation in fields(model).values():
        for inner in _inner(annotation):
            yield from _models(inner)


def _inner(annotation: Any) -> Iterator[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
        return
    arguments = get_args(annotation)
    for argument in arguments[:1] if get_origin(annotation) is Annotated else arguments:
        yield from _inner(argument)


# ------------------------------------------------------------ the reference


_HEAD = """# The configuration, key by key

<!-- Generated by `make docs` from the models in antiphon/campaigns/: change it there. -->

Every file under `config/` is YAML: lines of `key: value`, indented with spaces. A value means what
was typed: `no` in a list of languages is Norwegian, `012` is the text 012 where text is wanted and
twelve where a number is. Anchors, aliases, tags and several documents in a file are not taken. An
unknown key is an error, so that a typing error never passes for a rule. `antiphon check` reports
everything that is wrong in all files at once.

Editors that know the YAML language server complete and check while you type: the first line of
each shipped file names its schema in `config/schema/`.

Secrets never stand in these files. Where one is needed, a key takes the name of an environment
variable; `NAME_FILE` may name a file that holds the value instead.
"""


_ENTITIES_HEAD = """## The entities and their columns

What `entity:` in sources.yaml may name. A source brings the required columns and any of the
others; those it does not bring are empty. Columns of your own are declared under `attributes:` and
are used like these. Derived columns are filled in by Antiphon and never mapped. Of several rows
with the same key, the latest counts.
"""


def reference() -> str:
    """docs/configuration.md."""
    parts = [_HEAD]
    told: set[type[Model]] = set()
    for place, model in FILES.values():
        parts.append(f"## {place}\n\n{_sentence(model)}\n")
        models = list(dict.fromkeys(_models(model)))
        if any(issubclass(known, PolicyRule) for known in models) and PolicyRule not in told:
            models.insert(1, PolicyRule)
        parts += [_section(known, model) for known in models if known not in told]
        told |= {known for known in models if issubclass(known, PolicyRule)}
    parts.append(_ENTITIES_HEAD)
    parts += [_entity(ENTITIES[name]) for name in SOURCE_ENTITIES]
    return "\n".join(parts)


def _entity(entity: Entity) -> str:
    lines = [f"### {entity.name}", "", f"{entity.grain}; key: {', '.join(entity.key)}.", ""]
    lines += ["| column | type | | meaning |", "|---|---|---|---|"]
    for column in entity.columns:
        duty = "**required**" if column.required else "derived" if column.derived else ""
        type_ = column.type.name.lower()
        lines.append(f"| `{column.name}` | {type_} | {duty} | {_cell(column.meaning)} |")
    return "\n".join(lines) + "\n"


def _sentence(model: type[Model]) -> str:
    """What the model's docstring says of the file after naming it."""
    text = _doc(model).partition(": ")[2]
    return text[:1].upper() + text[1:]


def _doc(model: type[Model]) -> str:
    """The first paragraph of its docstring; what follows is for us."""
    return " ".join((model.__doc__ or "").partition("\n\n")[0].split())


def _section(model: type[Model], top: type[Model]) -> str:
    lines = []
    keys = _by_key(model)
    if model is top:  # the sections of rules last
        keys = dict(sorted(keys.items(), key=lambda one: one[0] in RULES))
    if model is not top:
        lines += [f"### {_title(model, top)}", "", _doc(model), ""]
    if issubclass(model, PolicyRule) and model is not PolicyRule:
        keys = {key: info for key, info in keys.items() if key not in _by_key(PolicyRule)}
        if not keys:
            return "\n".join([*lines, "The keys of every rule, and no other."]) + "\n"
        lines += ["Besides the keys of every rule:", ""]
    lines += ["| key | takes | default | meaning |", "|---|---|---|---|"]
    annotations = fields(model)
    for key, info in keys.items():
        default = "**required**" if info.is_required() else _code(_default(info))
        takes = _cell(words(annotations[key]))
        lines.append(f"| `{key}` | {takes} | {default} | {_cell(info.description or '')} |")
    return "\n".join(lines) + "\n"


def _title(model: type[Model], top: type[Model]) -> str:
    """Where the model's keys stand: `runs:`, `sources: <name>:`, `caps: -`."""
    if model is PolicyRule:
        return "Keys of every rule that has a name"
    for outer in _models(top):
        for key, annotation in fields(outer).items():
            if model in _inner(annotation):
                each = {dict: ", below each name", tuple: ", in each item"}
                return f"Below `{key}:`{each.get(_container(annotation), '')}"
    raise AssertionError(f"{model} is not below {top}")


def _container(annotation: Any) -> Any:
    origin = get_origin(annotation)
    return _container(get_args(annotation)[0]) if origin is Annotated else origin


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    write(Path.cwd())
