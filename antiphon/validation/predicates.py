"""The second executor, as text: each compiled check as a DuckDB predicate of the failing row.

Nothing runs here. Predicates are never null, and ignore null values as Great Expectations does
(NaN is null there, so it is here). Patterns, names and values are quoted, never spliced.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from antiphon.entities import ColumnType
from antiphon.quoting import quoted
from antiphon.validation.arguments import Reference, Value
from antiphon.validation.contract import Check


def literal(value: Value) -> str:
    """A typed value as a DuckDB literal of exactly that type."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    return f"'{text}'::{_TYPES[type(value)]}"


_TYPES: dict[type, str] = {
    bool: "BOOLEAN",
    int: "BIGINT",
    float: "DOUBLE",
    Decimal: "DECIMAL(18,4)",
    datetime: "TIMESTAMPTZ",
    date: "DATE",
}


def present(column: str, type_: ColumnType) -> str:
    """True where the column has a value, as Great Expectations sees it."""
    name = quoted(column)
    if type_ is ColumnType.NUMBER:
        return f"({name} IS NOT NULL AND NOT isnan({name}))"
    return f"{name} IS NOT NULL"


def failing(check: Check, references: Mapping[Reference, str]) -> str:
    """Predicate of the rows that break the check; `references`: SELECT of the keys there are."""
    where = " AND ".join(
        present(column, type_) for column, type_ in zip(check.columns, check.types, strict=True)
    )
    if check.rule.name == "expect_column_values_to_not_be_null":
        return f"NOT ({where})"
    if check.rule.name == "expect_column_values_to_be_null":
        return where
    if check.rule.name == "expect_compound_columns_to_be_unique":
        return _repeated(check, " OR ")
    if check.rule.name == "expect_column_values_to_be_unique":
        return _repeated(check, " AND ")
    if check.reference:
        column = quoted(check.columns[0])
        return f"({where} AND {column} NOT IN ({references[check.reference]}))"
    return f"({where} AND NOT ({_HOLDS[check.rule.name](check)}))"


def _repeated(check: Check, joined: str) -> str:
    columns = ", ".join(quoted(column) for column in check.columns)
    where = joined.join(
        present(column, type_) for column, type_ in zip(check.columns, check.types, strict=True)
    )
    return f"(({where}) AND count(*) OVER (PARTITION BY {columns}) > 1)"


def _between(expression: str, check: Check) -> str:
    parts = []
    for key, strict, wide, narrow in (
        ("min_value", "strict_min", ">=", ">"),
        ("max_value", "strict_max", "<=", "<"),
    ):
        if key in check.arguments:
            sign = narrow if check.arguments.get(strict) else wide
            parts.append(f"{expression} {sign} {literal(check.arguments[key])}")
    return " AND ".join(parts)


def _in_set(check: Check) -> str:
    values = check.arguments["value_set"]
    assert isinstance(values, tuple)
    return f"{quoted(check.columns[0])} IN ({', '.join(literal(value) for value in values)})"


def _matches(check: Check) -> str:
    return f"regexp_matches({quoted(check.columns[0])}, {literal(check.arguments['regex'])})"


def _length(check: Check) -> str:
    return f"length({quoted(check.columns[0])})"


def _pair(check: Check, sign: str) -> str:
    a, b = (quoted(column) for column in check.columns)
    return f"{a} {sign} {b}"


_HOLDS: dict[str, Callable[[Check], str]] = {
    "expect_column_values_to_be_between": lambda c: _between(quoted(c.columns[0]), c),
    "expect_column_values_to_be_in_set": _in_set,
    "expect_column_values_to_not_be_in_set": lambda c: f"NOT ({_in_set(c)})",
    "expect_column_values_to_match_regex": _matches,
    "expect_column_values_to_not_match_regex": lambda c: f"NOT ({_matches(c)})",
    "expect_column_value_lengths_to_be_between": lambda c: _between(_length(c), c),
    "expect_column_value_lengths_to_equal": (
        lambda c: f"{_length(c)} = {literal(c.arguments['value'])}"
    ),
    "expect_column_pair_values_to_be_equal": lambda c: _pair(c, "="),
    "expect_column_pair_values_a_to_be_greater_than_b": (
        lambda c: _pair(c, ">=" if c.arguments.get("or_equal") else ">")
    ),
}


def failures_sql(
    checks: Sequence[Check],
    rows: str,
    references: Mapping[Reference, str],
    parents: tuple[str, str] | None = None,
) -> str:
    """SELECT of every row that breaks anything: _source, _row, rules, reasons.

    `rules`: positions in `checks` of what it breaks. `reasons`: why it is quarantined, its
    conversion problems first; [] where it breaks only what warns or stops. `parents`: a column and
    a SELECT (that column, reason) of parents that were quarantined, whose rows follow them.
    """
    flags = [f"{failing(check, references)} AS f{n}" for n, check in enumerate(checks)]
    names = [f"f{n}" for n in range(len(checks))]
    rules = [f"CASE WHEN {name} THEN {n}::SMALLINT END" for n, name in enumerate(names)]
    reasons = [
        f"CASE WHEN {name} THEN {literal(check.reason)} END"
        for name, check in zip(names, checks, strict=True)
        if check.on_failure == "quarantine"
    ]
    join = ""
    if parents:
        key, select = parents
        join = f" LEFT JOIN ({select}) AS parents USING ({quoted(key)})"
        flags.append("parents.reason AS parent_reason")
        names.append("parent_reason IS NOT NULL")
        reasons.append("parent_reason")
    problems = "coalesce(_problems, []::VARCHAR[])"
    listed = ", ".join(["_source", "_row", f"{problems} AS _problems", *flags])
    broken = " OR ".join(["len(_problems) > 0", *names])
    inner = f"SELECT {listed} FROM {rows} AS staged{join}"  # noqa: S608 - all quoted
    kept = f"list_concat(_problems, {_kept(reasons, 'VARCHAR')})"
    outer = f"SELECT _source, _row, {_kept(rules, 'SMALLINT')} AS rules, {kept} AS reasons"
    return f"{outer} FROM ({inner}) WHERE {broken}"


def _kept(items: Sequence[str], type_: str) -> str:
    """A list of the items that are not null."""
    if not items:
        return f"[]::{type_}[]"
    return f"list_filter([{', '.join(items)}]::{type_}[], lambda item: item IS NOT NULL)"
