"""Staged rows: the SELECT that turns what a source holds into rows of its entity.

Every row of the source comes out, once: typed, with `_source`, `_row`, the `_problems` of its
conversion and, where there are any, the row as it came in `_raw`.
"""
# ruff: noqa: S608 - names come from entities.py or are quoted

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from antiphon.campaigns.models import Source
from antiphon.entities import ENTITIES, Column, ColumnType, Entity
from antiphon.errors import SourceError
from antiphon.keys import digest_sql
from antiphon.quoting import literal, quoted
from antiphon.sources.conversion import (
    NOUNS,
    Format,
    convert_sql,
    present_sql,
)

# Part of the key, and yet absent: filled in by us, or allowed to be unknown.
_MAY_BE_NULL = {("consents", "acted_at"), ("consents", "source")}
# What tells two facts of a customer at one moment apart, where the source gives them no id.
_TELLING = {"events": ("event", "product_id"), "responses": ("kind", "campaign")}


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a staged row: where its value comes from.

    `expression` is a DuckDB expression over the source, None where the source has nothing.
    """

    column: Column
    expression: str | None
    source_type: str
    style: Format

    @property
    def value(self) -> str:
        """The converted value, one layer up."""
        return quoted(f"={self.column.name}")

    @property
    def converted(self) -> str:
        if self.expression is None:
            return f"NULL::{self.column.type}"
        return convert_sql(self.expression, self.source_type, self.column.type, self.style)

    @property
    def present(self) -> str:
        if self.expression is None:
            return "false"
        return present_sql(self.expression, self.source_type, self.column.type)

    @property
    def problem(self) -> tuple[str, str]:
        """Condition and text of a value that did not convert."""
        text = f"{self.column.name}: not {NOUNS[self.column.type]}"
        return f"{self.value} IS NULL AND {self.present}", text


def columns_of(source: Source) -> tuple[Column, ...]:
    """Columns of the source's staged rows: the entity's, then the user's attributes."""
    attributes = (
        Column(name, ColumnType[attribute.type.upper()], attribute.meaning)
        for name, attribute in source.attributes.items()
    )
    return (*ENTITIES[source.entity].columns, *attributes)


def resolve(
    name: str, source: Source, found: Sequence[str], where: str, before: Sequence[str] = ()
) -> dict[str, str]:
    """Our column → the source's column that fills it; case may differ.

    Missing are: required columns, those that `columns` or `attributes` declare, and those
    that the last pull was filled `before` (a column was renamed).

    Raises SourceError naming all that are missing, what was found and what may be meant.
    """
    columns = {column.name: column for column in columns_of(source) if not column.derived}
    by_case = {column.lower(): column for column in found}
    _check_declared(name, source, columns)
    declared = (source.columns, source.attributes, before)
    mapping: dict[str, str] = {}
    missing: list[str] = []
    for ours, column in columns.items():
        if ours in source.constants:
            continue
        wanted = source.columns.get(ours, ours)
        if wanted.lower() in by_case:
            mapping[ours] = by_case[wanted.lower()]
        elif column.required or any(ours in names for names in declared):
            missing.append(wanted)
    if missing:
        raise SourceError(_missing_text(name, where, missing, found))
    return mapping


def _check_declared(name: str, source: Source, columns: Mapping[str, Column]) -> None:
    unknown = [key for key in (*source.columns, *source.constants) if key not in columns]
    if source.watermark is not None and source.watermark not in columns:
        unknown.append(source.watermark)
    if unknown:
        raise SourceError(
            f"source {name}: '{unknown[0]}' is no column of {source.entity}, nor an attribute.\n"
            f"  {_did_you_mean(unknown[0], list(columns))}Columns: {', '.join(columns)}."
        )


def _missing_text(name: str, where: str, missing: Sequence[str], found: Sequence[str]) -> str:
    words = [f"'{column}'" for column in missing]
    hints = "".join(_did_you_mean(column, found) for column in missing)
    plural = "columns" if len(words) > 1 else "column"
    return (
        f"source {name}: {where} has no {plural} {', '.join(words)}.\n"
        f"  {hints}Columns found: {', '.join(found)}."
    )


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    by_case = {candidate.lower(): candidate for candidate in known}
    near = get_close_matches(word.lower(), by_case, n=1)
    return f"Did you mean '{by_case[near[0]]}' for '{word}'? " if near else ""


def fields_of(
    source: Source, mapping: Mapping[str, str], types: Mapping[str, str], style: Format
) -> list[Field]:
    """The fields of a staged row, in the order of its columns.

    `types`: the source's column → its DuckDB type.
    """
    plain = replace(style, decimal=".", date_format=None)
    fields = []
    for column in columns_of(source):
        if column.name in source.constants:
            value = f"{literal(source.constants[column.name])}::VARCHAR"
            fields.append(Field(column, value, "VARCHAR", plain))
        elif column.name in mapping:
            theirs = mapping[column.name]
            fields.append(Field(column, quoted(theirs), types[theirs], style))
        else:
            fields.append(Field(column, None, "VARCHAR", style))
    return fields


def rows_sql(
    name: str,
    source: Source,
    fields: Sequence[Field],
    *,
    relation: str,
    is_numbered: bool,
    raw: Sequence[str],
    since: str | None,
) -> str:
    """The staged rows of `relation`, a SELECT with the columns `raw`, in the source's order.

    `is_numbered`: the relation has the rows' numbers itself, as `_row`.
    `since`: a DuckDB literal; rows whose watermark lies before it stay out.
    """
    entity = ENTITIES[source.entity]
    computed = {field.column.name: _computed(name, entity, field, fields) for field in fields}
    problems = [field.problem for field in fields if field.expression is not None]
    problems += _missing(entity, fields, computed) + _too_large(entity, fields)
    flagged = " OR ".join(f"({condition})" for condition, _ in problems)
    texts = ", ".join(
        f"CASE WHEN {condition} THEN {literal(text)} END" for condition, text in problems
    )
    as_came = ", ".join(f"{quoted(column)} := {quoted(column)}" for column in raw)
    converted = ", ".join(f"{field.converted} AS {field.value}" for field in fields)
    columns = ", ".join(f"{value} AS {quoted(column)}" for column, value in computed.items())
    number = "" if is_numbered else "row_number() OVER () AS _row, "
    kept = ""
    if since is not None and source.watermark is not None:
        mark = quoted(source.watermark)
        kept = f"WHERE {mark} IS NULL OR {mark} >= {since}"
    return f"""
WITH picked AS (SELECT {number}* FROM ({relation})),
converted AS (SELECT *, {converted} FROM picked),
staged AS (
    SELECT {columns}, {literal(name)} AS _source, _row::BIGINT AS _row,
        CASE WHEN {flagged} THEN list_filter([{texts}], lambda text: text IS NOT NULL)
            ELSE []::VARCHAR[] END AS _problems,
        CASE WHEN {flagged} THEN to_json(struct_pack({as_came}))::VARCHAR END AS _raw
    FROM converted
)
SELECT * FROM staged {kept}"""


def broken_sql(name: str, source: Source, relation: str) -> str:
    """The rows that break the format of the file: no values, their problem, their first line.

    `relation` has _row, _problem and _line.
    """
    columns = ", ".join(
        f"NULL::{column.type} AS {quoted(column.name)}" for column in columns_of(source)
    )
    return (
        f"SELECT {columns}, {literal(name)} AS _source, _row::BIGINT AS _row, "
        f"[_problem] AS _problems, to_json({{'line': _line}})::VARCHAR AS _raw FROM ({relation})"
    )


def _computed(name: str, entity: Entity, field: Field, fields: Sequence[Field]) -> str:
    """The final value: the converted one, or what we fill in where the source has none."""
    value = {other.column.name: other.value for other in fields}
    match entity.name, field.column.name:
        case "order_lines", "line_number" if field.expression is None:
            return f"row_number() OVER (PARTITION BY {value['order_id']} ORDER BY _row)"
        case "order_lines", "amount":
            return f"CASE WHEN {field.present} THEN {field.value} ELSE {_product(value)} END"
        case ("events", "event_id") | ("responses", "response_id"):
            what, about = _TELLING[entity.name]
            parts = [
                value["customer_id"],
                value[what],
                f"epoch_us({value['occurred_at']})::VARCHAR",
                f"coalesce({value[about]}, '')",
                f"coalesce({value['value']}, '')",
            ]
            return f"coalesce({field.value}, {digest_sql(entity.name[:-1], *parts)})"
        case "consents", "source":
            return f"coalesce({field.value}, {literal(name)})"
    return field.value


def _product(value: Mapping[str, str]) -> str:
    """Quantity times price, exact to the sixth decimal of the quantity, rounded to the fourth."""
    quantity = f"TRY_CAST({value['quantity']} AS DECIMAL(18,6))"
    return f"TRY_CAST({quantity} * {value['unit_price']} AS DECIMAL(18,4))"


def _too_large(entity: Entity, fields: Sequence[Field]) -> list[tuple[str, str]]:
    if entity.name != "order_lines":
        return []
    value = {field.column.name: field.value for field in fields}
    amount = next(field for field in fields if field.column.name == "amount")
    both = f"{value['quantity']} IS NOT NULL AND {value['unit_price']} IS NOT NULL"
    condition = f"NOT {amount.present} AND {both} AND {_product(value)} IS NULL"
    return [(condition, "amount: quantity times unit_price is too large")]


def _missing(
    entity: Entity, fields: Sequence[Field], computed: Mapping[str, str]
) -> list[tuple[str, str]]:
    """A key or a required column is null; of a deleted row only the key is needed."""
    deleted = next((field.value for field in fields if field.column.name == "is_deleted"), "false")
    problems = []
    for field in fields:
        column = field.column
        is_key = column.name in entity.key and (entity.name, column.name) not in _MAY_BE_NULL
        if column.derived or not (is_key or column.required):
            continue
        if entity.name == "order_lines" and column.name == "line_number" and not field.expression:
            continue  # computed: never null
        condition = f"{computed[column.name]} IS NULL AND NOT {field.present}"
        if not is_key:
            condition += f" AND {deleted} IS DISTINCT FROM true"
        problems.append((condition, f"{column.name}: missing"))
    return problems
