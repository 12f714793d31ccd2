"""From what a source holds to the declared type, as DuckDB expressions, never coercing silently.

Every expression is null where the value is absent, and null where it is not of the type; the
caller tells the two apart with `present_sql`.
"""

from dataclasses import dataclass

from antiphon.entities import ColumnType
from antiphon.quoting import literal

TRUE_WORDS = ("true", "yes", "t", "1")
FALSE_WORDS = ("false", "no", "f", "0")

# The words of problems: `<column>: not a …`.
NOUNS: dict[ColumnType, str] = {
    ColumnType.TEXT: "a text",
    ColumnType.INTEGER: "a whole number",
    ColumnType.NUMBER: "a number",
    ColumnType.MONEY: "an amount of money",
    ColumnType.BOOLEAN: "a yes or no",
    ColumnType.DAY: "a day",
    ColumnType.INSTANT: "an instant",
}

_DAY = "[12][0-9]{3}-[0-9]{2}-[0-9]{2}"
_TIME = "[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?"
_MIDNIGHT = "00:00(:00([.]0{1,6})?)?"
_OFFSET = " ?(Z|[+-][0-9]{2}(:?[0-9]{2})?)"
_INTEGERS = {f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG", "HUGE")}
_INTEGERS |= {"INTEGER", "UINTEGER"}
_FLOATS = ("FLOAT", "DOUBLE")


@dataclass(frozen=True, slots=True)
class Format:
    """How one source writes numbers and dates.

    `date_format` is a strptime format, tried before ISO 8601; one that begins with the year in
    four digits stands alone, as it could be confused with ISO 8601. `zone` is the zone of
    instants without one: an hour skipped in spring is read as one hour later, one repeated in
    autumn as the second.
    """

    zone: str
    decimal: str = "."
    date_format: str | None = None


def present_sql(expression: str, source_type: str, target: ColumnType) -> str:
    """True where the source holds something that has to convert."""
    if source_type == "VARCHAR" and target is not ColumnType.TEXT:
        return f"coalesce(trim({expression}, {_SPACES}) <> '', false)"
    if source_type == "VARCHAR":
        return f"coalesce({expression} <> '', false)"
    return f"({expression} IS NOT NULL)"


def convert_sql(expression: str, source_type: str, target: ColumnType, style: Format) -> str:
    """The value of `expression` (of DuckDB type `source_type`) as `target`, else null."""
    typed = None if source_type == "VARCHAR" else _typed_sql(expression, source_type, target, style)
    if typed is not None:
        return f"({typed})::{target}"
    if source_type != "VARCHAR":
        expression = f"({expression})::VARCHAR"
    return f"({_text_sql(expression, target, style)})::{target}"


_SPACES = "' ' || chr(9) || chr(10) || chr(13)"


def _text_sql(expression: str, target: ColumnType, style: Format) -> str:
    if target is ColumnType.TEXT:
        return f"nullif({expression}, '')"
    value = f"trim({expression}, {_SPACES})"
    match target:
        case ColumnType.BOOLEAN:
            return (
                f"CASE WHEN lower({value}) IN {TRUE_WORDS} THEN true "
                f"WHEN lower({value}) IN {FALSE_WORDS} THEN false END"
            )
        case ColumnType.INTEGER:
            pattern, cast = "[+-]?[0-9]{1,19}([.]0*)?", "BIGINT"
        case ColumnType.NUMBER:
            pattern, cast = "[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,3})?", "DOUBLE"
        case ColumnType.MONEY:
            pattern = "[+-]?([0-9]{1,14}([.][0-9]{0,4}0*)?|[.][0-9]{1,4}0*)"
            cast = "DECIMAL(18,4)"
        case ColumnType.DAY:
            return _day_sql(value, style)
        case ColumnType.INSTANT:
            return _instant_sql(value, style)
    number = value
    if style.decimal == ",":
        pattern = pattern.replace("[.]", ",")
        number = f"replace({value}, ',', '.')"
    cast_sql = f"TRY_CAST({number} AS {cast})"
    if target is ColumnType.NUMBER:
        cast_sql = _finite(cast_sql)
    return f"CASE WHEN regexp_full_match({value}, '{pattern}') THEN {cast_sql} END"


def _finite(number: str) -> str:
    return f"CASE WHEN isfinite({number}) THEN {number} END"


def _day_sql(value: str, style: Format) -> str:
    iso = (
        f"CASE WHEN regexp_full_match({value}, '{_DAY}([T ]{_MIDNIGHT})?') "
        f"THEN TRY_CAST(left({value}, 10) AS DATE) END"
    )
    if style.date_format is None:
        return iso
    parsed = f"try_strptime({value}, {literal(style.date_format)})"
    if "%z" in style.date_format:
        parsed = f"timezone({literal(style.zone)}, {parsed})"
    declared = f"CASE WHEN {parsed} = date_trunc('day', {parsed}) THEN {parsed}::DATE END"
    return _declared_first(declared, iso, style.date_format)


def _instant_sql(value: str, style: Format) -> str:
    zone = literal(style.zone)
    iso = (
        f"CASE WHEN regexp_full_match({value}, '{_DAY}([T ]{_TIME})?') "
        f"THEN timezone({zone}, TRY_CAST({value} AS TIMESTAMP)) "
        f"WHEN regexp_full_match({value}, '{_DAY}[T ]{_TIME}{_OFFSET}') "
        f"THEN TRY_CAST({value} AS TIMESTAMPTZ) END"
    )
    if style.date_format is None:
        return iso
    parsed = f"try_strptime({value}, {literal(style.date_format)})"
    declared = parsed if "%z" in style.date_format else f"timezone({zone}, {parsed})"
    return _declared_first(declared, iso, style.date_format)


def _declared_first(declared: str, iso: str, date_format: str) -> str:
    return declared if date_format.startswith("%Y") else f"coalesce({declared}, {iso})"


def _typed_sql(value: str, source_type: str, target: ColumnType, style: Format) -> str | None:
    """The conversion of a typed column (Parquet, a query's result); None: by way of its text."""
    if source_type in _INTEGERS or source_type.startswith("DECIMAL"):
        return _number_sql(value, source_type, target)
    if source_type in _FLOATS:
        return _float_sql(value, target)
    if source_type == "BOOLEAN" and target is ColumnType.BOOLEAN:
        return value
    if source_type == "DATE" or source_type.startswith("TIMESTAMP"):
        return _time_sql(value, source_type, target, style)
    return None


def _number_sql(value: str, source_type: str, target: ColumnType) -> str | None:
    match target:
        case ColumnType.TEXT:
            return f"{value}::VARCHAR"
        case ColumnType.NUMBER:
            return f"{value}::DOUBLE"
        case ColumnType.INTEGER | ColumnType.MONEY:
            cast = f"TRY_CAST({value} AS {target})"
            return f"CASE WHEN {cast} = {value} THEN {cast} END"
        case ColumnType.BOOLEAN:
            return f"CASE {value} WHEN 1 THEN true WHEN 0 THEN false END"
    return None


def _float_sql(value: str, target: ColumnType) -> str | None:
    """A float is an amount within a millionth of one (sums of floats are never exact).

    Whole numbers become text without a fraction: pandas writes ids with gaps as 17850.0.
    """
    match target:
        case ColumnType.TEXT:
            whole = f"isfinite({value}) AND {value} = trunc({value}) AND abs({value}) < 2**53"
            return f"CASE WHEN {whole} THEN {value}::BIGINT::VARCHAR ELSE {value}::VARCHAR END"
        case ColumnType.NUMBER:
            return _finite(value)
        case ColumnType.MONEY:
            cast = f"TRY_CAST({value} AS DECIMAL(18,4))"
            return f"CASE WHEN abs({cast}::DOUBLE - {value}) < 1e-6 THEN {cast} END"
        case ColumnType.INTEGER:
            return f"CASE WHEN {value} = trunc({value}) THEN TRY_CAST({value} AS BIGINT) END"
        case ColumnType.BOOLEAN:
            return f"CASE {value} WHEN 1 THEN true WHEN 0 THEN false END"
    return None


def _time_sql(value: str, source_type: str, target: ColumnType, style: Format) -> str | None:
    zone = literal(style.zone)
    aware = source_type == "TIMESTAMP WITH TIME ZONE"
    finite = f"isfinite({value})"
    match target:
        case ColumnType.TEXT if aware:
            return f"strftime(timezone('UTC', {value}), '%Y-%m-%dT%H:%M:%S.%fZ')"
        case ColumnType.TEXT:
            return f"{value}::VARCHAR"
        case ColumnType.INSTANT if aware:
            return f"CASE WHEN {finite} THEN {value} END"
        case ColumnType.INSTANT:
            return f"CASE WHEN {finite} THEN timezone({zone}, {value}::TIMESTAMP) END"
        case ColumnType.DAY:
            local = f"timezone({zone}, {value})" if aware else f"{value}::TIMESTAMP"
            is_midnight = f"{local} = date_trunc('day', {local})"
            return f"CASE WHEN {finite} AND {is_midnight} THEN {local}::DATE END"
    return None
