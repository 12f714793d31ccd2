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

    `arguments`: the types admitted in each place; the last `optional` ones may be left out.
    `result`: None means the common type of the arguments, which must then be comparable.
    `repeats`: the last argument may be given any number of times.
    `literals`: places (from 0) where a written whole number is expected.
    `partial`: the engine may fail on some values (overflow); the call then yields null.
    """

    name: str
    arguments: tuple[frozenset[ColumnType], ...]
    result: ColumnType | None
    optional: int = 0
    repeats: bool = False
    literals: frozenset[int] = frozenset()
    partial: bool = False


T = ColumnType

_TABLE = (
    Function("abs", (NUMERIC,), None, partial=True),
    Function("floor", (NUMERIC,), None),
    Function("ceil", (NUMERIC,), None),
    Function("round", (NUMERIC, INTEGER), None, optional=1, literals=frozenset({1}), partial=True),
    Function("lower", (TEXT,), T.TEXT),
    Function("upper", (TEXT,), T.TEXT),
    Function("trim", (TEXT,), T.TEXT),
    Function("length", (TEXT,), T.INTEGER),
    Function("left", (TEXT, INTEGER), T.TEXT, literals=frozenset({1})),
    Function("right", (TEXT, INTEGER), T.TEXT, literals=frozenset({1})),
    Function("substring", (TEXT, INTEGER, INTEGER), T.TEXT, 1, literals=frozenset({1, 2})),
    Function("contains", (TEXT, TEXT), T.BOOLEAN),
    Function("starts_with", (TEXT, TEXT), T.BOOLEAN),
    Function("ends_with", (TEXT, TEXT), T.BOOLEAN),
    Function("year", (DAY,), T.INTEGER),
    Function("month", (DAY,), T.INTEGER),
    Function("day", (DAY,), T.INTEGER),
    Function("isodow", (DAY,), T.INTEGER),  # Monday is 1, Sunday is 7
    Function("coalesce", (ANY, ANY), None, repeats=True),
    Function("ifnull", (ANY, ANY), None),
    Function("nullif", (ANY, ANY), None),
    Function("greatest", (ANY, ANY), None, repeats=True),  # nulls are passed over
    Function("least", (ANY, ANY), None, repeats=True),
)
FUNCTIONS: dict[str, Function] = {function.name: function for function in _TABLE}
