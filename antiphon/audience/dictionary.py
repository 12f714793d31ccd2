"""The feature dictionary: every column of the customer frame, with its type and meaning.

A file in sql/features/ declares its columns in comment lines:

    -- feature days_since_order integer days nullable: whole business days since the last order
    -- feature order_count integer orders: orders so far
    -- reads: orders

that is `-- feature NAME TYPE UNIT [nullable]: MEANING` (UNIT `-` where there is none), and the
views its SELECT reads. A feature that is not nullable is 0, false or '' for a customer of whom the
file returns no row; days and instants have no such value and are always nullable. The SELECT
returns customer_id, unique and never null, and the declared columns; what can be known of it
without data is answered here (`queries`), the rest before a run (`steps.feature_checks`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

from antiphon.audience.queries import query_problems
from antiphon.campaigns.models import ColumnTypeName, Sources
from antiphon.entities import CUSTOMERS, ENTITIES, ColumnType
from antiphon.errors import Problem
from antiphon.files import ProjectFiles

FOLDER = "sql/features"
SOURCES_FILE = "config/sources.yaml"
VIEWS = (*ENTITIES, "suppressions", "households")
TYPES: dict[ColumnTypeName, ColumnType] = {
    "text": ColumnType.TEXT,
    "integer": ColumnType.INTEGER,
    "number": ColumnType.NUMBER,
    "money": ColumnType.MONEY,
    "boolean": ColumnType.BOOLEAN,
    "day": ColumnType.DAY,
    "instant": ColumnType.INSTANT,
}
# What the policy must find in every frame, and where it is never null.
POLICY_FEATURES: dict[str, bool] = {
    "email_reachable": False,
    "sms_reachable": False,
    "suppressed_email": False,
    "suppressed_sms": False,
    **{
        f"consent_{channel}_{category}": True
        for channel in ("email", "sms")
        for category in ("promo", "lifecycle", "service")
    },
}
RESERVED = frozenset({"unit"})

_FORM = "Write: -- feature NAME TYPE UNIT [nullable]: MEANING"
_DECLARATION = re.compile(
    r"--\s*feature\s+(?P<name>\S+)\s+(?P<type>\S+)\s+(?P<unit>\S+?)(?P<nullable>\s+nullable)?"
    r"\s*:\s*(?P<meaning>\S.*)"
)
_HEADER = re.compile(r"\s*--\s*(feature|reads)\b")
_READS = re.compile(r"--\s*reads\s*:\s*(?P<views>\S.*)")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the customer frame. `file` is where it comes from (`customers`: an entity).

    `reads`: the views of a feature file; empty for what comes from elsewhere. `names`: the only
    values it may have, where these are known (a dimension's).
    """

    name: str
    type: ColumnType
    meaning: str
    unit: str
    file: str
    nullable: bool
    reads: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FeatureFile:
    """The header of one file of sql/features/: its features and the views it reads, in order."""

    path: str
    sql: str
    features: tuple[Feature, ...]
    reads: tuple[str, ...]


def dictionary(files: ProjectFiles, sources: Sources) -> tuple[dict[str, Feature], list[Problem]]:
    """Every column a condition may use, by name, and what is wrong with the declarations.

    In the order of the frame: columns of customers, attributes of customers' sources, features.
    """
    features, problems = customer_columns(sources)
    found, header_problems = feature_files(files)
    problems += header_problems
    for file in found:
        for feature in file.features:
            other = features.get(feature.name)
            if other is None and feature.name not in RESERVED:
                features[feature.name] = feature
            else:
                owner = other.file if other else "the frame itself"
                line = declaration_line(file.sql, feature.name)
                text = file.sql.splitlines()[line - 1]
                message = f"feature '{feature.name}' is already a column of {owner}"
                problems.append(Problem(file.path, line, 1, message, text, "Choose another name."))
    problems += _policy_problems(features)
    return features, problems


def customer_columns(sources: Sources) -> tuple[dict[str, Feature], list[Problem]]:
    """The columns that the view `customers` itself has: ours, then the user's attributes."""
    features = {
        column.name: Feature(
            column.name, column.type, column.meaning, "", CUSTOMERS.name, not column.required
        )
        for column in CUSTOMERS.columns
        if column.name != "is_deleted"
    }
    problems: list[Problem] = []
    for source_name, source in sources.sources.items():
        if source.entity != CUSTOMERS.name:
            continue
        for name, attribute in source.attributes.items():
            type_ = TYPES[attribute.type]
            new = Feature(name, type_, attribute.meaning, "", SOURCES_FILE, nullable=True)
            other = features.get(name)
            if not _NAME.fullmatch(name):
                message = f"bad name '{name}' of an attribute of {source_name}"
                hint = "An attribute's name is made of a-z, 0-9 and _."
                problems.append(Problem(SOURCES_FILE, 0, 0, message, hint=hint))
            elif CUSTOMERS.column(name) or name in RESERVED:
                message = f"attribute '{name}' of {source_name} is a column we have already"
                hint = "Map it under `columns`, or choose another name."
                problems.append(Problem(SOURCES_FILE, 0, 0, message, hint=hint))
            elif other and other.type != type_:
                message = f"attribute '{name}' of {source_name} has another type elsewhere"
                hint = "One column has one type in all sources of customers."
                problems.append(Problem(SOURCES_FILE, 0, 0, message, hint=hint))
            elif not other or (attribute.meaning and not other.meaning):
                features[name] = new
    return features, problems


def feature_files(files: ProjectFiles) -> tuple[list[FeatureFile], list[Problem]]:
    """The files of sql/features/ by path, and what is wrong with their headers."""
    found: list[FeatureFile] = []
    problems: list[Problem] = []
    for name, sql in files.under(FOLDER).items():
        if name.endswith(".sql"):
            file, wrong = _header(f"{FOLDER}/{name}", sql)
            found.append(file)
            problems += wrong
    return found, problems


def declaration_line(sql: str, name: str) -> int:
    """The line on which a file declares a feature; 0 where it does not."""
    declaration = re.compile(rf"\s*--\s*feature\s+{re.escape(name)}\s")
    lines = enumerate(sql.splitlines(), start=1)
    return next((number for number, text in lines if declaration.match(text)), 0)


def nearest(word: str, allowed: Mapping[str, object] | tuple[str, ...]) -> str:
    """`Did you mean 'x'?`, or '' where nothing is near."""
    match = get_close_matches(word.lower(), list(allowed), n=1, cutoff=0.6)
    return f"Did you mean '{match[0]}'?" if match else ""


def _header(path: str, sql: str) -> tuple[FeatureFile, list[Problem]]:
    features: dict[str, Feature] = {}
    reads: list[str] = []
    problems: list[Problem] = []
    for number, text in enumerate(sql.splitlines(), start=1):
        if not _HEADER.match(text):
            continue
        line = text.strip()
        if match := _READS.fullmatch(line):
            views = [view.strip() for view in match["views"].split(",")]
            reads += views
            wrong = list(_unknown_views(views))
        elif match := _DECLARATION.fullmatch(line):
            wrong = list(_wrong_words(match))
            if match["name"] in features:
                wrong.append((f"feature '{match['name']}' is declared twice in this file", ""))
            if not wrong:
                features[match["name"]] = _feature(path, match)
        else:
            wrong = [("malformed declaration", f"{_FORM}, or: -- reads: VIEW, VIEW")]
        problems += [Problem(path, number, 1, message, text, hint) for message, hint in wrong]
    if not problems and not features:
        problems.append(Problem(path, 0, 0, "declares no feature", hint=_FORM))
    if not problems and not reads:
        hint = f"Write: -- reads: VIEW, VIEW. Views: {', '.join(VIEWS)}."
        problems.append(Problem(path, 0, 0, "does not say which views it reads", hint=hint))
    if not problems:
        returned = {"customer_id": 0} | {name: declaration_line(sql, name) for name in features}
        problems += query_problems(path, sql, returned, reads, VIEWS)
    declared = tuple(replace(feature, reads=tuple(reads)) for feature in features.values())
    return FeatureFile(path, sql, declared, tuple(reads)), problems


def _feature(path: str, match: re.Match[str]) -> Feature:
    unit = "" if match["unit"] == "-" else match["unit"]
    type_ = TYPES[match["type"].lower()]  # type: ignore[index]
    return Feature(match["name"], type_, match["meaning"], unit, path, bool(match["nullable"]))


def _wrong_words(match: re.Match[str]) -> Iterator[tuple[str, str]]:
    type_ = match["type"].lower()
    if not _NAME.fullmatch(match["name"]):
        yield f"bad name '{match['name']}'", "A feature's name is made of a-z, 0-9 and _."
    if type_ not in TYPES:
        hint = f"{nearest(type_, tuple(TYPES))} Types: {', '.join(TYPES)}."
        yield f"unknown type '{match['type']}'", hint.strip()
    elif type_ in ("day", "instant") and not match["nullable"]:
        hint = "No day stands for 'never': write `nullable` after the unit."
        yield f"feature '{match['name']}' of type {type_} must be nullable", hint


def _unknown_views(views: list[str]) -> Iterator[tuple[str, str]]:
    for view in views:
        if view not in VIEWS:
            yield f"unknown view '{view}'", f"{nearest(view, VIEWS)} Views: {', '.join(VIEWS)}."


def _policy_problems(features: Mapping[str, Feature]) -> Iterator[Problem]:
    for name, nullable in POLICY_FEATURES.items():
        feature = features.get(name)
        if feature is None:
            hint = "A file in sql/features/ must declare it: the contact policy decides on it."
            yield Problem(FOLDER, 0, 0, f"feature '{name}' is missing", hint=hint)
        elif feature.type != ColumnType.BOOLEAN or feature.nullable != nullable:
            form = "boolean and nullable" if nullable else "boolean and not nullable"
            yield Problem(feature.file, 0, 0, f"feature '{name}' must be {form}")
