"""What a campaign says of the cells of its cross: `cell.…` in conditions, templates and offers.

`by` gives values to the names of a dimension. Each value is given for every name, or for the name
`otherwise`, which stands for all that are not written.
"""

import re
from collections.abc import Iterator, Mapping

from antiphon.audience.conditions import CellValue
from antiphon.audience.crosses import Crossing
from antiphon.audience.dictionary import nearest
from antiphon.audience.dimensions import Division
from antiphon.audience.expressions import RELATION
from antiphon.audience.values import MAX_DIGITS
from antiphon.campaigns.models import Campaign
from antiphon.entities import ColumnType
from antiphon.quoting import literal, quoted

OTHERWISE = "otherwise"
CELL_ID = "id"
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,10})(\.[0-9]{1,7})?")  # fits DECIMAL(18, 7)
Fault = tuple[tuple[str | int, ...], str, str]  # path in the campaign's file, message, hint


def cell_values(campaign: Campaign, crossing: Crossing) -> dict[str, CellValue]:
    """What `cell.…` may name in the campaign's conditions, with `cell.id` and the dimensions.

    A value whose texts are all numbers is a number, exact; others are texts, as is one with a
    leading zero.
    """
    found = _own(crossing)
    for dimension, key in _declared(campaign):
        texts = [values[key] for values in campaign.by[dimension].values() if key in values]
        type_, scale = _type(texts)
        sql = _choice(campaign, dimension, key)
        if type_ is not ColumnType.TEXT:
            written = f"DECIMAL({MAX_DIGITS}, {scale})" if scale else type_.value
            sql = f"CAST({sql} AS {written})"
        found[key] = CellValue(type_, sql, frozenset({dimension}), scale)
    return found


def cell_texts(campaign: Campaign, crossing: Crossing) -> dict[str, str]:
    """What `cell.…` may name in the campaign's templates and offer: name → SQL over `frame`.

    Each is a text, the values of `by` as they were typed.
    """
    own = {name: value.sql for name, value in _own(crossing).items()}
    return own | {key: _choice(campaign, dimension, key) for dimension, key in _declared(campaign)}


def _own(crossing: Crossing) -> dict[str, CellValue]:
    columns = {CELL_ID: crossing.name} | {name: name for name in crossing.dimensions}
    return {
        name: CellValue(ColumnType.TEXT, f"{RELATION}.{quoted(column)}", frozenset({column}))
        for name, column in columns.items()
    }


def _declared(campaign: Campaign) -> list[tuple[str, str]]:
    """Dimension and name of each value of `by`, once."""
    pairs = [
        (dimension, key)
        for dimension, names in campaign.by.items()
        for values in names.values()
        for key in values
    ]
    return list(dict.fromkeys(pairs))


def _choice(campaign: Campaign, dimension: str, key: str) -> str:
    names = campaign.by[dimension]
    branches = " ".join(
        f"WHEN {literal(name)} THEN {literal(values[key])}"
        for name, values in names.items()
        if name != OTHERWISE and key in values
    )
    others = literal(names[OTHERWISE][key]) if key in names.get(OTHERWISE, {}) else "NULL"
    if not branches:
        return others
    return f"(CASE {RELATION}.{quoted(dimension)} {branches} ELSE {others} END)"


def _type(texts: list[str]) -> tuple[ColumnType, int]:
    """Type and decimal places of values that were written as these texts."""
    if not all(map(_NUMBER.fullmatch, texts)):
        return ColumnType.TEXT, 0
    scale = max(len(text.partition(".")[2]) for text in texts)
    return (ColumnType.MONEY if scale else ColumnType.INTEGER), scale


def faults(
    campaign: Campaign, crosses: Mapping[str, Crossing], dimensions: Mapping[str, Division]
) -> Iterator[Fault]:
    """What is wrong with `for_each` and `by`."""
    if campaign.for_each is None:
        if campaign.by:
            yield ("by",), "'by' without a cross", "Write 'for_each:' and the name of a cross."
        return
    crossing = crosses.get(campaign.for_each)
    if crossing is None:
        hint = nearest(campaign.for_each, crosses) or "Declare it below 'crosses:'."
        yield ("for_each",), f"no cross {campaign.for_each!r} in config/segments.yaml", hint
        return
    given: dict[str, str] = {}
    for dimension in campaign.by:
        if dimension not in crossing.dimensions:
            message = f"{dimension!r} is no dimension of the cross {crossing.name!r}"
            hint = nearest(dimension, crossing.dimensions)
            yield ("by", dimension), message, hint or f"It has {', '.join(crossing.dimensions)}."
        elif dimension in dimensions:
            yield from _incomplete(campaign, dimensions[dimension])
    for dimension, key in _declared(campaign):
        if key in (CELL_ID, *crossing.dimensions):
            message = f"'cell.{key}' is there already"
            yield ("by", dimension), message, "Choose another name for the value."
        elif given.setdefault(key, dimension) != dimension:
            message = f"{key!r} is given by {given[key]!r} and by {dimension!r}"
            yield ("by", dimension), message, "Choose another name for one of them."


def _incomplete(campaign: Campaign, division: Division) -> Iterator[Fault]:
    """Names the dimension does not have, and names that lack a value."""
    path = ("by", division.name)
    named = campaign.by[division.name]
    for name in named:
        if name not in (OTHERWISE, *division.names):
            message = f"{name!r} is no name of the dimension {division.name!r}"
            yield (*path, name), message, nearest(name, division.names)
    for _, key in _declared(campaign):
        if not any(key in values for values in named.values()) or key in named.get(OTHERWISE, {}):
            continue
        lacking = [name for name in division.names if key not in named.get(name, {})]
        if lacking:
            shown = ", ".join(lacking[:5]) + (", …" if len(lacking) > 5 else "")
            message = f"{key!r} is not given for {shown}"
            yield path, message, f"Give it there, or once below '{OTHERWISE}:' for all others."
