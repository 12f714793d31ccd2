"""Arguments of expectations: text of the YAML file → typed values, our own forms included."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from antiphon.entities import ColumnType


class Argument(StrEnum):
    """Kinds of arguments; the value is how the documentation calls them."""

    COLUMN = "column"
    COLUMNS = "list of columns"
    BOUND = "value of the column's type, or {days_ago: 3}, {days_after: 0}"
    COUNT = "whole number"
    VOLUME = "whole number, or {share_of_previous: 50%}"
    NUMBER = "number"
    SHARE = "share, as 95%"
    LIST = "list of values"
    SET = "list of values, or {from: customers.customer_id}"
    REGEX = "pattern (RE2)"
    FLAG = "yes or no"
    TEXT = "text"


EXACT = 2**53
"""Great Expectations turns numeric bounds into floats: below this they stay exact."""


@dataclass(frozen=True, slots=True)
class Reference:
    """`{from: entity.column}`: the values that column has, in the lake or in this pull."""

    entity: str
    column: str


@dataclass(frozen=True, slots=True)
class DaysFromRun:
    """`{days_ago: n}` or `{days_after: n}`: days before (negative) or after the run's moment.

    On a day column it counts from the business day, on an instant from the run's instant.
    """

    days: int


@dataclass(frozen=True, slots=True)
class ShareOfPrevious:
    """`{share_of_previous: 50%}`: that share of the median row count of the previous pulls."""

    share: Decimal


Scalar = str | int | float | Decimal | bool | date | datetime
Value = Scalar | tuple[Scalar, ...] | Reference | DaysFromRun | ShareOfPrevious


def convert(value: Any, kind: Argument, type_: ColumnType | None) -> Value:
    """The typed value; raises ValueError saying what to write. `type_`: that of the column."""
    if kind is Argument.BOUND and isinstance(value, Mapping):
        return _days_from_run(value, type_)
    if kind is Argument.VOLUME and isinstance(value, Mapping):
        return ShareOfPrevious(_share(_only(value, "share_of_previous")))
    if kind is Argument.SET and isinstance(value, Mapping):
        return _reference(value)
    if kind in (Argument.SET, Argument.LIST):
        return _listed(value, type_)
    if isinstance(value, Mapping | list | tuple):
        raise ValueError(f"write a {kind}")
    text = str(value).strip() if kind is not Argument.REGEX else str(value)
    if kind is Argument.BOUND:
        assert type_ is not None
        return BY_TYPE[type_](text)
    return _BY_KIND[kind](text)


def _only(value: Mapping[str, Any], *keys: str) -> str:
    if len(value) != 1 or next(iter(value)) not in keys:
        raise ValueError(f"write one of {', '.join(f'{{{key}: …}}' for key in keys)}")
    return str(next(iter(value.values()))).strip()


def _days_from_run(value: Mapping[str, Any], type_: ColumnType | None) -> DaysFromRun:
    days = _count(_only(value, "days_ago", "days_after"))
    if type_ not in (ColumnType.DAY, ColumnType.INSTANT):
        raise ValueError("days from the run are for columns that hold days or instants")
    return DaysFromRun(-days if "days_ago" in value else days)


def _reference(value: Mapping[str, Any]) -> Reference:
    entity, dot, column = _only(value, "from").partition(".")
    if not dot:
        raise ValueError("write {from: entity.column}")
    return Reference(entity, column)


def _listed(value: Any, type_: ColumnType | None) -> tuple[Scalar, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("write a list of values in [ ]")
    assert type_ is not None
    if any(isinstance(one, Mapping | list | tuple) for one in value):
        raise ValueError("write a plain list of values in [ ]")
    return tuple(BY_TYPE[type_](str(one)) for one in value)


def _whole(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text) or abs(int(text)) >= EXACT:
        raise ValueError("write a whole number (below 2^53)")
    return int(text)


def _count(text: str) -> int:
    number = _whole(text)
    if number < 0:
        raise ValueError("write a whole number, not below zero")
    return number


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError("write a number") from None
    if not number.is_finite():
        raise ValueError("write a finite number")
    return number


def _money(text: str) -> Decimal:
    amount = _number(text)
    exponent = amount.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    if exponent < -4 or abs(amount) * 10_000 >= EXACT:
        raise ValueError("write an amount with at most four decimals and below 900 billion")
    return amount


def _share(text: str) -> Decimal:
    share = _number(text.removesuffix("%").strip()) / (100 if text.endswith("%") else 1)
    if share < 0:
        raise ValueError("write a share, as 95%")
    return share


def _part(text: str) -> Decimal:
    share = _share(text)
    if share > 1:
        raise ValueError("a share of the whole lies between 0% and 100%")
    return share


def _flag(text: str) -> bool:
    words = {"true": True, "yes": True, "false": False, "no": False}
    if text.lower() not in words:
        raise ValueError("write yes or no")
    return words[text.lower()]


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("write a day as 2026-01-31, or {days_ago: 3}") from None


def _instant(text: str) -> datetime:
    hint = "write an instant as 2026-01-31T10:00+01:00, a day (its midnight UTC), or {days_ago: 3}"
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return datetime.fromisoformat(text).replace(tzinfo=UTC)
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(hint) from None
    if instant.tzinfo is None:
        raise ValueError(hint)
    return instant.astimezone(UTC)


def _regex(text: str) -> str:
    """A pattern both executors read alike: both are RE2, which has no look-around."""
    import pyarrow as pa  # noqa: PLC0415 - only where a rule holds a pattern
    import pyarrow.compute as pc  # noqa: PLC0415

    try:
        pc.match_substring_regex(pa.nulls(1, pa.string()), text)  # no pandas, unlike pa.array
    except pa.ArrowInvalid as error:
        detail = str(error).removeprefix("Invalid regular expression: ")
        raise ValueError(f"not a pattern of RE2: {detail}") from None
    return text


BY_TYPE: dict[ColumnType, Callable[[str], Scalar]] = {
    ColumnType.TEXT: str,
    ColumnType.INTEGER: _whole,
    ColumnType.NUMBER: lambda text: float(_number(text)),
    ColumnType.MONEY: _money,
    ColumnType.BOOLEAN: _flag,
    ColumnType.DAY: _day,
    ColumnType.INSTANT: _instant,
}
_BY_KIND: dict[Argument, Callable[[str], Scalar]] = {
    Argument.COUNT: _count,
    Argument.VOLUME: _count,
    Argument.NUMBER: _number,
    Argument.SHARE: _part,
    Argument.REGEX: _regex,
    Argument.FLAG: _flag,
    Argument.TEXT: str,
}
