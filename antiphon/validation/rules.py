"""The table of supported expectations: the one place that says which there are."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from antiphon.entities import ColumnType
from antiphon.validation.arguments import Argument


class Scope(StrEnum):
    """What one judgement of a rule needs to see."""

    ROW = "each row"  # chunk by chunk
    KEY = "each row, all keys known"  # on a projection of the key columns
    SET = "the whole pull"  # on one column or a count


T = ColumnType
ANY = frozenset(T)
TEXT = frozenset({T.TEXT})
ORDERED = frozenset({T.INTEGER, T.NUMBER, T.MONEY, T.DAY, T.INSTANT})
NUMERIC = frozenset({T.INTEGER, T.NUMBER, T.MONEY})
DISCRETE = frozenset({T.TEXT, T.INTEGER, T.BOOLEAN})
EXACT = ANY - {T.NUMBER}


@dataclass(frozen=True, slots=True)
class Rule:
    """One supported expectation. `one_of`: at least one of these arguments must be given.

    `compiled`: there is a DuckDB predicate of the failing row, so the rule may quarantine.
    """

    name: str
    meaning: str
    scope: Scope
    types: frozenset[ColumnType]
    arguments: Mapping[str, Argument]
    compiled: bool = True
    required: tuple[str, ...] = ("column",)
    one_of: tuple[str, ...] = ()

    @property
    def takes_mostly(self) -> bool:
        """Whether `mostly` makes sense: rules that count failing rows."""
        return self.scope is not Scope.SET

    @property
    def allowed(self) -> tuple[str, ...]:
        """The names of all arguments."""
        return (*self.arguments, *(("mostly",) if self.takes_mostly else ()))


A = Argument
_COLUMN = {"column": A.COLUMN}
_BETWEEN = {"strict_min": A.FLAG, "strict_max": A.FLAG}
_PAIR = {"column_A": A.COLUMN, "column_B": A.COLUMN}


def _row(
    name: str,
    meaning: str,
    types: frozenset[ColumnType] = ANY,
    scope: Scope = Scope.ROW,
    compiled: bool = True,
    **arguments: Argument,
) -> Rule:
    required = tuple(key for key, kind in arguments.items() if kind is not A.FLAG)
    return Rule(name, meaning, scope, types, _COLUMN | arguments, compiled, ("column", *required))


def _between(
    name: str,
    meaning: str,
    kind: Argument,
    types: frozenset[ColumnType],
    *,
    scope: Scope = Scope.SET,
    table: bool = False,
) -> Rule:
    bounds = {"min_value": kind, "max_value": kind}
    arguments = bounds if table else _COLUMN | bounds | _BETWEEN
    required = () if table else ("column",)
    return Rule(name, meaning, scope, types, arguments, scope is Scope.ROW, required, tuple(bounds))


def _pair(name: str, meaning: str, types: frozenset[ColumnType], **more: Argument) -> Rule:
    return Rule(name, meaning, Scope.ROW, types, _PAIR | more, True, tuple(_PAIR))


_ALL = (
    _row("expect_column_values_to_not_be_null", "a value is there"),
    _row("expect_column_values_to_be_null", "no value is there"),
    _row("expect_column_values_to_be_unique", "no other row has the value", EXACT, Scope.KEY),
    Rule(
        "expect_compound_columns_to_be_unique",
        "no other row has the same values in these columns (rows where all are null are ignored)",
        Scope.KEY,
        EXACT,
        {"column_list": A.COLUMNS},
        required=("column_list",),
    ),
    _between(
        "expect_column_values_to_be_between",
        "the value lies between the bounds, both included",
        A.BOUND,
        ORDERED,
        scope=Scope.ROW,
    ),
    _row(
        "expect_column_values_to_be_in_set",
        "the value is in the list, or in a column of another entity",
        DISCRETE,
        value_set=A.SET,
    ),
    _row(
        "expect_column_values_to_not_be_in_set",
        "the value is not in the list",
        DISCRETE,
        value_set=A.LIST,
    ),
    _row(
        "expect_column_values_to_match_regex",
        "the pattern is found in the text",
        TEXT,
        regex=A.REGEX,
    ),
    _row(
        "expect_column_values_to_not_match_regex",
        "the pattern is not found in the text",
        TEXT,
        regex=A.REGEX,
    ),
    Rule(
        "expect_column_value_lengths_to_be_between",
        "the text has that many characters",
        Scope.ROW,
        TEXT,
        _COLUMN | {"min_value": A.COUNT, "max_value": A.COUNT} | _BETWEEN,
        one_of=("min_value", "max_value"),
    ),
    _row(
        "expect_column_value_lengths_to_equal",
        "the text has exactly that many characters",
        TEXT,
        value=A.COUNT,
    ),
    _pair(
        "expect_column_pair_values_a_to_be_greater_than_b",
        "A is greater than B (rows where either is null are ignored)",
        ORDERED,
        or_equal=A.FLAG,
    ),
    _pair(
        "expect_column_pair_values_to_be_equal",
        "A equals B (rows where either is null are ignored)",
        ANY,
    ),
    _row(
        "expect_column_values_to_match_strftime_format",
        "the text reads as a date in that format",
        TEXT,
        compiled=False,
        strftime_format=A.TEXT,
    ),
    _row("expect_column_values_to_be_json_parseable", "the text is JSON", TEXT, compiled=False),
    _between(
        "expect_table_row_count_to_be_between",
        "the pull has that many rows",
        A.VOLUME,
        ANY,
        table=True,
    ),
    _between(
        "expect_column_max_to_be_between",
        "the greatest value lies there; on an empty pull, the lake's greatest (freshness)",
        A.BOUND,
        ORDERED,
    ),
    _between("expect_column_min_to_be_between", "the least value lies there", A.BOUND, ORDERED),
    _between("expect_column_mean_to_be_between", "the mean lies there", A.NUMBER, NUMERIC),
    _between("expect_column_sum_to_be_between", "the sum lies there", A.NUMBER, NUMERIC),
    _between(
        "expect_column_unique_value_count_to_be_between",
        "there are that many different values",
        A.COUNT,
        EXACT,
    ),
    _between(
        "expect_column_proportion_of_non_null_values_to_be_between",
        "that share of the rows has a value",
        A.SHARE,
        ANY,
    ),
)
RULES: dict[str, Rule] = {rule.name: rule for rule in _ALL}
