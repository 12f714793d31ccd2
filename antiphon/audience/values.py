"""Typed pieces of SQL: how literals are written anew, and which types go together."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from math import isfinite

from antiphon.audience.functions import NUMERIC
from antiphon.entities import ColumnType

T = ColumnType
# Exact numbers have at most 18 digits before the point (19: whole ones) and 7 behind it, so that
# any two of them meet in a DECIMAL that holds both. Products of more places are a NUMBER.
MAX_SCALE = 7
MAX_DIGITS = 18
CASTABLE: dict[ColumnType, frozenset[ColumnType]] = {
    T.TEXT: frozenset({T.TEXT, T.DAY, T.BOOLEAN}) | NUMERIC,
    T.INTEGER: frozenset({T.TEXT, T.BOOLEAN}) | NUMERIC,
    T.NUMBER: frozenset({T.TEXT}) | NUMERIC,
    T.MONEY: frozenset({T.TEXT}) | NUMERIC,
    T.BOOLEAN: frozenset({T.TEXT, T.BOOLEAN, T.INTEGER}),
    T.DAY: frozenset({T.TEXT, T.DAY}),
    T.INSTANT: frozenset({T.INSTANT}),
}


@dataclass(frozen=True, slots=True)
class Typed:
    """A checked expression. `type` None: unknown, after a problem or for null; it fits anywhere.

    `literal` is the value of a written literal; `scale` the decimal places of exact numbers.
    """

    sql: str
    type: ColumnType | None
    literal: str | Decimal | None = None
    scale: int = 0


UNKNOWN = Typed("NULL", None)


def written_number(text: str) -> Typed:
    """A written number; raises ValueError."""
    shown = text[:40]
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"'{shown}' is not a number") from None
    if "e" in text.lower():
        if not isfinite(float(value)):
            raise ValueError(f"'{shown}' is too large")
        return Typed(f"CAST({text_sql(text)} AS DOUBLE)", T.NUMBER, value)
    if len(text.replace(".", "").lstrip("0")) > MAX_DIGITS:
        raise ValueError(f"'{shown}' has more than {MAX_DIGITS} digits")
    if "." not in text:
        return Typed(str(int(value)), T.INTEGER, value)
    plain = f"{value:f}"
    scale = len(plain.partition(".")[2])
    if scale > MAX_SCALE:
        raise ValueError(f"'{shown}' has more than {MAX_SCALE} decimal places")
    return Typed(plain, T.MONEY, value, scale=scale)


FORMS = {
    T.DAY: "Write it as 2026-01-31.",
    T.INSTANT: "Write it with its distance to UTC: timestamptz '2026-01-31 12:00:00+01:00'.",
}


def written_day(text: str) -> Typed:
    """A written day; raises ValueError."""
    try:
        day = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        raise ValueError(f"no such day: '{text}'") from None
    if day is None:
        raise ValueError(f"'{text[:40]}' is not a day")
    return Typed(f"DATE '{day.isoformat()}'", T.DAY)


def written_instant(text: str) -> Typed:
    """A written instant, which must say its distance to UTC; raises ValueError."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"no such instant: '{text[:40]}'") from None
    if instant.utcoffset() is None:
        raise ValueError(f"'{text}' does not say which time zone")
    return Typed(f"TIMESTAMPTZ '{instant.astimezone(UTC).isoformat(sep=' ')}'", T.INSTANT)


def sum_or_product(operator: str, left: Typed, right: Typed) -> Typed:
    """+, - and *; exact as long as the decimal places allow, null where it overflows."""
    types = {left.type, right.type}
    if T.NUMBER in types:
        return Typed(f"({left.sql} {operator} {right.sql})", T.NUMBER)
    scale = left.scale + right.scale if operator == "*" else max(left.scale, right.scale)
    if scale > MAX_SCALE:
        sides = [f"CAST({side.sql} AS DOUBLE)" for side in (left, right)]
        return Typed(f"({sides[0]} {operator} {sides[1]})", T.NUMBER)
    type_ = T.MONEY if T.MONEY in types else T.INTEGER
    written = f"TRY({left.sql} {operator} {right.sql})"
    if type_ == T.MONEY:
        written = f"TRY_CAST({written} AS DECIMAL({MAX_DIGITS + MAX_SCALE}, {scale}))"
    return Typed(written, type_, scale=scale)


def comparable(one: Typed, other: Typed) -> bool:
    """Whether the two may stand on both sides of a comparison."""
    return one.type == other.type or (one.type in NUMERIC and other.type in NUMERIC)


def comparison_hint(one: Typed, other: Typed) -> str:
    """What the writer of two that may not probably meant, or ''."""
    text = next((side for side in (one, other) if isinstance(side.literal, str)), None)
    if text is not None and NUMERIC & {one.type, other.type}:
        return f"Numbers are written without quotes: {text.literal}."
    if {one.type, other.type} == {T.DAY, T.INSTANT}:
        return "An instant belongs to a day only in some time zone: use a feature that is a day."
    return ""


def common_type(parts: list[Typed]) -> ColumnType | None:
    """The type the engine gives several comparable values: the widest."""
    types = {part.type for part in parts if part.type is not None}
    for type_ in (T.NUMBER, T.MONEY):
        if type_ in types:
            return type_
    return next(iter(types), None)


def is_small_literal(typed: Typed) -> bool:
    """Whether it is a written whole number of moderate size."""
    return typed.type is None or (
        isinstance(typed.literal, Decimal) and typed.scale == 0 and abs(typed.literal) <= 10_000
    )


def escapes_well(pattern: str, escape: str) -> bool:
    """Whether no escape character of a LIKE pattern stands at its end."""
    place = 0
    while place < len(pattern):
        if pattern[place] == escape:
            place += 1
            if place == len(pattern):
                return False
        place += 1
    return True


def type_name(type_: ColumnType | None) -> str:
    """The type as messages call it."""
    return type_.name.lower() if type_ else "null"


def described(typed: Typed) -> str:
    """Type and, where it is written, value: for messages."""
    if typed.literal is not None:
        return f"{type_name(typed.type)} {str(typed.literal)[:40]!r}"
    return type_name(typed.type)


def text_sql(text: str) -> str:
    """An SQL string."""
    return "'" + text.replace("'", "''") + "'"
