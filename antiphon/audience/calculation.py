"""What calculates within a condition: arithmetic, casts, CASE, joined texts and calls."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from sqlglot import exp

from antiphon.audience import call_functions
from antiphon.audience.call_functions import CALL_FUNCTIONS
from antiphon.audience.dictionary import nearest
from antiphon.audience.functions import FUNCTIONS, NUMERIC, Function
from antiphon.audience.values import (
    CASTABLE,
    MAX_DIGITS,
    UNKNOWN,
    Typed,
    common_type,
    described,
    is_small_literal,
    sum_or_product,
    type_name,
)
from antiphon.entities import ColumnType

if TYPE_CHECKING:
    from antiphon.audience.expressions import Checker

T = ColumnType
_CASTS: dict[str, ColumnType] = {
    **dict.fromkeys(("TEXT", "VARCHAR", "CHAR"), T.TEXT),
    **dict.fromkeys(("INT", "BIGINT", "SMALLINT", "TINYINT"), T.INTEGER),
    **dict.fromkeys(("DOUBLE", "FLOAT"), T.NUMBER),
    "DECIMAL": T.MONEY,
    "BOOLEAN": T.BOOLEAN,
    "DATE": T.DAY,
    "TIMESTAMPTZ": T.INSTANT,
}
ARITHMETIC: dict[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.IntDiv: "//",
    exp.Mod: "%",
}


def paren(checker: Checker, node: exp.Expr, depth: int) -> Typed:
    """Brackets: every expression we write brings its own."""
    return checker.check(node.this, depth)


def negative(checker: Checker, node: exp.Expr, depth: int) -> Typed:
    """A minus sign."""
    value = checker.check(node.this, depth)
    if value.type is None:
        return UNKNOWN
    if value.type not in NUMERIC:
        return checker.wrong(node, f"a minus sign before {described(value)}")
    if isinstance(value.literal, Decimal):
        return Typed(f"(-{value.sql})", value.type, -value.literal, value.scale)
    return Typed(f"TRY(-{value.sql})", value.type, scale=value.scale)


def arithmetic(checker: Checker, node: exp.Expr, depth: int) -> Typed:
    """+ - * / // %: numbers; days plus or minus whole days; a day minus a day."""
    left, right = checker.check(node.this, depth), checker.check(node.expression, depth)
    if left.type is None or right.type is None:
        return UNKNOWN
    operator = ARITHMETIC[type(node)]
    if left.type == T.DAY and operator in "+-":
        if right.type == T.INTEGER:
            return Typed(f"TRY({left.sql} {operator} TRY_CAST({right.sql} AS INTEGER))", T.DAY)
        if operator == "-" and right.type == T.DAY:
            return Typed(f"({left.sql} - {right.sql})", T.INTEGER)
    if left.type not in NUMERIC or right.type not in NUMERIC:
        return checker.wrong(node, f"'{operator}' between {described(left)} and {described(right)}")
    if operator in ("/", "//", "%"):
        return _division(checker, node, operator, left, right)
    return sum_or_product(operator, left, right)


def _division(checker: Checker, node: exp.Expr, operator: str, left: Typed, right: Typed) -> Typed:
    if isinstance(right.literal, Decimal) and right.literal == 0:
        return checker.wrong(node.expression, "division by zero")
    if operator != "/" and not left.type == right.type == T.INTEGER:
        return checker.wrong(node, f"'{operator}' takes whole numbers", "Divide with /.")
    divisor = right.sql if right.literal is not None else f"nullif({right.sql}, 0)"
    if operator == "/":
        return Typed(f"({left.sql} / {divisor})", T.NUMBER)
    return Typed(f"TRY({left.sql} {operator} {divisor})", T.INTEGER)


def concatenation(checker: Checker, node: exp.Expr, depth: int) -> Typed:
    """Texts joined by ||."""
    parts = [checker.check(part, depth) for part in chain(node, exp.DPipe)]
    for part in parts:
        if part.type not in (None, T.TEXT):
            return checker.wrong(
                node, f"'||' joins texts, not {described(part)}", "For or, write or."
            )
    return Typed("(" + " || ".join(part.sql for part in parts) + ")", T.TEXT)


def case(checker: Checker, node: exp.Expr, depth: int) -> Typed:
    """CASE, with or without a value to compare; all results are of one kind."""
    written = "CASE"
    branches = node.args["ifs"]
    if node.this is not None:
        value, *whens = checker.alike(node, [node.this, *(b.this for b in branches)], depth)
        conditions = [f"({value.sql} = {when.sql})" for when in whens]
    else:
        conditions = [checker.condition_sql(branch.this, "WHEN", depth) for branch in branches]
    default = node.args.get("default")
    result_nodes = [branch.args["true"] for branch in branches] + [default] * bool(default)
    results = checker.alike(node, result_nodes, depth, allow_null=True)
    for condition, result in zip(conditions, results, strict=False):
        written += f" WHEN {condition} THEN {result.sql}"
    written += f" ELSE {results[-1].sql} END" if default else " END"
    return Typed(f"({written})", common_type(results), scale=max(r.scale for r in results))


def cast(checker: Checker, node: exp.Expr, depth: int) -> Typed:
    """CAST, `::`, and literals such as date '2026-05-12'; null where it is impossible."""
    target = node.args["to"]
    type_, written, scale = _cast_target(target)
    if type_ is None:
        hint = "Types: text, bigint, double, decimal, boolean, date, timestamptz."
        return checker.wrong(node, f"cast to {str(target)[:40].lower()}", hint)
    value = checker.check(node.this, depth)
    if value.type is None:
        return UNKNOWN
    if isinstance(value.literal, str) and type_ in (T.DAY, T.INSTANT):
        return checker.moment(node, value.literal, type_)
    if type_ not in CASTABLE[value.type]:
        return checker.wrong(node, f"{described(value)} cannot become {type_name(type_)}")
    return Typed(f"TRY_CAST({value.sql} AS {written})", type_, scale=scale)


def call(checker: Checker, node: exp.Expr, depth: int) -> Typed:
    """A function of either table: on values, or on the customer's facts."""
    name = str(node.this).lower()
    if name in CALL_FUNCTIONS:
        return call_functions.call(checker, node, depth)
    function = FUNCTIONS.get(name)
    if function is None:
        hint = f"{_instead(name)} Functions: {', '.join([*CALL_FUNCTIONS, *FUNCTIONS])}.".strip()
        return checker.wrong(node, f"function '{name}' is not allowed", hint)
    given, expected = node.expressions, function.arguments
    most = len(given) if function.repeats else len(expected)
    if not len(expected) - function.optional <= len(given) <= most:
        return checker.wrong(node, f"'{name}' takes {_arity(function)}, not {len(given)}")
    if function.result is None and len(expected) > 1 and not function.literals:
        arguments = checker.alike(node, given, depth)
    else:
        arguments = [checker.check(argument, depth) for argument in given]
    for place, argument in enumerate(arguments):
        allowed = expected[min(place, len(expected) - 1)]
        if argument.type is not None and argument.type not in allowed:
            return checker.wrong(given[place], f"'{name}' does not take {described(argument)}")
        if place in function.literals and not is_small_literal(argument):
            return checker.wrong(given[place], f"'{name}' takes a written number here")
    written = f"{function.name}({', '.join(argument.sql for argument in arguments)})"
    places = function.literals and function.result is None
    compared = arguments[:1] if places else arguments
    return Typed(
        f"TRY({written})" if function.partial else written,
        function.result or common_type(compared),
        scale=max(argument.scale for argument in compared) if not function.result else 0,
    )


def _cast_target(target: exp.Expr) -> tuple[ColumnType | None, str, int]:
    """Type, SQL and decimal places of a cast; a bare `decimal` is DuckDB's DECIMAL(18, 3)."""
    type_ = _CASTS.get(target.this.name) if isinstance(target, exp.DataType) else None
    if type_ == T.MONEY:
        sizes = [str(size) for size in target.expressions]
        if all(size.isdecimal() and len(size) < 3 for size in sizes):
            digits, scale = [*map(int, sizes), 0][:2]
            if scale <= digits <= MAX_DIGITS and digits > 0 and scale <= 4:
                return type_, f"DECIMAL({digits}, {scale})", scale
    elif type_ is not None and not target.expressions:
        return type_, type_.value, 0
    return None, "", 0


def chain(node: exp.Expr, type_: type[exp.Expr]) -> list[exp.Expr]:
    """a AND b AND c → [a, b, c], without recursion."""
    parts: list[exp.Expr] = []
    while isinstance(node, type_):
        parts.append(node.expression)
        node = node.this
    parts.append(node)
    return parts[::-1]


def _instead(name: str) -> str:
    """What was probably meant by an unknown name, with an example where there is one."""
    nearby = nearest(name, (*CALL_FUNCTIONS, *FUNCTIONS))
    meant = next((one for one in CALL_FUNCTIONS.values() if f"'{one.name}'" in nearby), None)
    return f"{nearby} Example: {meant.examples[0]}." if meant else nearby


def _arity(function: Function) -> str:
    most = len(function.arguments)
    if function.repeats:
        return f"{most} or more arguments"
    least = most - function.optional
    count = f"{least} or {most}" if least < most else f"{most}"
    return f"{count} argument{'s' if most > 1 else ''}"
