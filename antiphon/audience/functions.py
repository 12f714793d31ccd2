"""The functions a condition may call: one row each; nothing else reaches the engine."""

from dataclasses import dataclass

from antiphon.entities import ColumnType

NUMERIC = frozenset({ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.MONEY})
TEXT = frozenset({ColumnType.TEXT})
INTEGER = frozenset({ColumnType.INTEGER})
DAY = frozenset({ColumnType.DAY})
ANY = frozenset(ColumnType)


@dataclass(frozen=True, slots=True)
class Function:
    """What a function takes and returns.

    `example`: a condition, for the documentation.
    `arguments`: the types admitted in each place; the last `optional` ones may be left out.
    `result`: None means the common type of the arguments, which must then be comparable.
    `repeats`: the last argument may be given any number of times.
    `literals`: places (from 0) where a written whole number is expected.
    `partial`: the engine may fail on some values (overflow); the call then yields null.
    """

    name: str
    example: str
    arguments: tuple[frozenset[ColumnType], ...]
    result: ColumnType | None
    optional: int = 0
    repeats: bool = False
    literals: frozenset[int] = frozenset()
    partial: bool = False


T = ColumnType

_TABLE = (
    Function("abs", "abs(spend_30d - spend_90d) < 10", (NUMERIC,), None, partial=True),
    Function("floor", "floor(average_order) = 20", (NUMERIC,), None),
    Function("ceil", "ceil(average_order) = 21", (NUMERIC,), None),
    Function(
        "round",
        "round(average_order, 1) = 20.5",
        (NUMERIC, INTEGER),
        None,
        optional=1,
        literals=frozenset({1}),
        partial=True,
    ),
    Function("lower", "lower(city) = 'berlin'", (TEXT,), T.TEXT),
    Function("upper", "upper(country) = 'DE'", (TEXT,), T.TEXT),
    Function("trim", "trim(first_name) <> ''", (TEXT,), T.TEXT),
    Function("length", "length(first_name) > 1", (TEXT,), T.INTEGER),
    Function(
        "left", "left(phone_e164, 3) = '+49'", (TEXT, INTEGER), T.TEXT, literals=frozenset({1})
    ),
    Function(
        "right", "right(customer_id, 1) = '7'", (TEXT, INTEGER), T.TEXT, literals=frozenset({1})
    ),
    Function(
        "substring",
        "substring(customer_id, 1, 2) = 'DE'",
        (TEXT, INTEGER, INTEGER),
        T.TEXT,
        1,
        literals=frozenset({1, 2}),
    ),
    Function("contains", "contains(lower(email), 'gmail')", (TEXT, TEXT), T.BOOLEAN),
    Function("starts_with", "starts_with(city, 'Bad ')", (TEXT, TEXT), T.BOOLEAN),
    Function("ends_with", "ends_with(email, '.de')", (TEXT, TEXT), T.BOOLEAN),
    Function("year", "year(birthday) < 1980", (DAY,), T.INTEGER),
    Function("month", "month(birthday) = 12", (DAY,), T.INTEGER),
    Function("day", "day(first_order_day) = 1", (DAY,), T.INTEGER),
    Function("isodow", "isodow(last_order_day) = 7", (DAY,), T.INTEGER),
    Function(
        "coalesce", "coalesce(favourite_category, 'none') <> 'tea'", (ANY, ANY), None, repeats=True
    ),
    Function("ifnull", "ifnull(average_order, 0) < 20", (ANY, ANY), None),
    Function("nullif", "nullif(trim(city), '') is not null", (ANY, ANY), None),
    Function(
        "greatest", "greatest(open_count_30d, click_count_30d) >= 3", (ANY, ANY), None, repeats=True
    ),
    Function("least", "least(spend_30d, spend_90d) >= 50", (ANY, ANY), None, repeats=True),
)
FUNCTIONS: dict[str, Function] = {function.name: function for function in _TABLE}
