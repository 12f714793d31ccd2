"""The checker of conditions: one walk over sqlglot's tree gives types, problems and our own SQL.

Only the node types of `_HANDLERS` exist, each with the parts it may have; every identifier is a
known feature and every literal is written anew. Where the engine could fail on some row (overflow,
a text that is no number, division by zero) the written SQL yields null instead.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

from sqlglot import exp

from antiphon.audience.dictionary import Feature, nearest
from antiphon.audience.functions import FUNCTIONS, NUMERIC, Function
from antiphon.audience.values import (
    CASTABLE,
    FORMS,
    MAX_DIGITS,
    UNKNOWN,
    Typed,
    common_type,
    comparable,
    comparison_hint,
    described,
    escapes_well,
    is_small_literal,
    quoted,
    sum_or_product,
    text_sql,
    type_name,
    written_day,
    written_instant,
    written_number,
)
from antiphon.entities import ColumnType

T = ColumnType
MAX_TREE_DEPTH = 60  # the engine refuses expressions some hundred levels deep
RELATION = "frame"

_CASTS: dict[str, ColumnType] = {
    **dict.fromkeys(("TEXT", "VARCHAR", "CHAR"), T.TEXT),
    **dict.fromkeys(("INT", "BIGINT", "SMALLINT", "TINYINT"), T.INTEGER),
    **dict.fromkeys(("DOUBLE", "FLOAT"), T.NUMBER),
    "DECIMAL": T.MONEY,
    "BOOLEAN": T.BOOLEAN,
    "DATE": T.DAY,
    "TIMESTAMPTZ": T.INSTANT,
}
_NO_NOW = {"current_date", "current_timestamp", "current_time", "today", "now", "localtimestamp"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem at an offset (from 0) of the condition's text."""

    message: str
    start: int
    hint: str = ""


class Checker:
    """Checks one condition; afterwards `findings` and `columns` say what it found."""

    def __init__(self, features: Mapping[str, Feature]) -> None:
        self.features = features
        self.findings: list[Finding] = []
        self.columns: set[str] = set()

    def check(self, node: exp.Expr, depth: int = 0) -> Typed:
        """Type and SQL of the node; UNKNOWN where something was wrong."""
        handler = _HANDLERS.get(type(node))
        if depth > MAX_TREE_DEPTH:
            hint = "Split a long calculation, or make it a feature."
            return self._wrong(node, "too many operations within one another", hint)
        if handler is None or any(
            value for part, value in node.args.items() if part not in handler.parts
        ):
            return self._wrong(node, f"{_kind(node)} is not allowed in a condition")
        return handler.check(self, node, depth + 1)

    # ------------------------------------------------------------ leaves

    def column(self, node: exp.Expr, _depth: int) -> Typed:
        """A feature's name."""
        identifier = node.this
        if not isinstance(identifier, exp.Identifier):
            return self._wrong(node, f"{_kind(identifier)} is not allowed in a condition")
        name = str(identifier.this)
        feature = self.features.get(name) or self.features.get(name.lower())
        if feature is None:
            return self._wrong(node, f"unknown column '{name}'", self._unknown_hint(identifier))
        self.columns.add(feature.name)
        scale = 4 if feature.type == T.MONEY else 0
        return Typed(f"{RELATION}.{quoted(feature.name)}", feature.type, scale=scale)

    def literal(self, node: exp.Expr, _depth: int) -> Typed:
        """A text or a number, kept exact."""
        text = str(node.this)
        if node.args.get("is_string"):
            return Typed(text_sql(text), T.TEXT, text)
        try:
            return written_number(text)
        except ValueError as error:
            return self._wrong(node, str(error))

    def boolean(self, node: exp.Expr, _depth: int) -> Typed:
        """`true` and `false`."""
        return Typed("TRUE" if node.this else "FALSE", T.BOOLEAN)

    def null(self, node: exp.Expr, _depth: int) -> Typed:
        """A null that is compared with or calculated with: never what is meant."""
        hint = "Write `is null` or `is not null`; nothing is equal to null."
        return self._wrong(node, "null in a comparison or calculation", hint)

    # ------------------------------------------------------------ truth

    def junction(self, node: exp.Expr, depth: int) -> Typed:
        """AND and OR, as flat as they were written."""
        word = "AND" if isinstance(node, exp.And) else "OR"
        parts = [self._boolean(part, word, depth) for part in _chain(node, type(node))]
        return Typed("(" + f" {word} ".join(parts) + ")", T.BOOLEAN)

    def negation(self, node: exp.Expr, depth: int) -> Typed:
        """NOT."""
        return Typed(f"(NOT {self._boolean(node.this, 'NOT', depth)})", T.BOOLEAN)

    def is_(self, node: exp.Expr, depth: int) -> Typed:
        """IS NULL, IS TRUE, IS FALSE."""
        right = node.expression
        left = self.check(node.this, depth)
        if isinstance(right, exp.Null):
            return Typed(f"({left.sql} IS NULL)", T.BOOLEAN)
        if not isinstance(right, exp.Boolean):
            return self._wrong(node, "`is` takes null, true or false")
        if left.type not in (None, T.BOOLEAN):
            return self._wrong(node, f"`is` true or false on {described(left)}")
        return Typed(f"({left.sql} IS {'TRUE' if right.this else 'FALSE'})", T.BOOLEAN)

    def comparison(self, node: exp.Expr, depth: int) -> Typed:
        """=, <, IS DISTINCT FROM and their like, between values of one kind."""
        sides = self._alike(node, [node.this, node.expression], depth)
        written = f"({sides[0].sql} {_COMPARISONS[type(node)]} {sides[1].sql})"
        # Exact numbers meet in one DECIMAL, into which a calculated one may not fit.
        may_fail = any(
            isinstance(_bare(side), _CALCULATIONS) for side in (node.this, node.expression)
        )
        return Typed(f"TRY{written}" if may_fail else written, T.BOOLEAN)

    def between(self, node: exp.Expr, depth: int) -> Typed:
        """BETWEEN, both ends included."""
        parts = [node.this, node.args["low"], node.args["high"]]
        value, low, high = self._alike(node, parts, depth)
        return Typed(f"({value.sql} BETWEEN {low.sql} AND {high.sql})", T.BOOLEAN)

    def in_(self, node: exp.Expr, depth: int) -> Typed:
        """IN with a list of values."""
        if not node.expressions:
            return self._wrong(node, "`in` needs a list of values", "Write: in ('a', 'b').")
        value, *members = self._alike(node, [node.this, *node.expressions], depth)
        return Typed(f"({value.sql} IN ({', '.join(m.sql for m in members)}))", T.BOOLEAN)

    def like(self, node: exp.Expr, depth: int) -> Typed:
        """LIKE and ILIKE, with ESCAPE."""
        escape = ""
        pattern_node = node
        if isinstance(node, exp.Escape):
            pattern_node = node.this
            escape = str(node.expression.this) if isinstance(node.expression, exp.Literal) else ""
            if not isinstance(pattern_node, exp.Like | exp.ILike) or len(escape) != 1:
                return self._wrong(
                    node, "`escape` takes one character", "Write: like 'a!%' escape '!'."
                )
        sides = [self.check(pattern_node.this, depth), self.check(pattern_node.expression, depth)]
        for side in sides:
            if side.type not in (None, T.TEXT):
                return self._wrong(
                    pattern_node, f"`like` on {described(side)}", "It compares texts."
                )
        pattern = sides[1].literal
        if escape and not (isinstance(pattern, str) and escapes_well(pattern, escape)):
            return self._wrong(node, "the pattern after `like` ends within an escape")
        word = "NOT " if pattern_node.args.get("negate") else ""
        word += "ILIKE" if isinstance(pattern_node, exp.ILike) else "LIKE"
        ending = f" ESCAPE {text_sql(escape)}" if escape else ""
        return Typed(f"({sides[0].sql} {word} {sides[1].sql}{ending})", T.BOOLEAN)

    # ------------------------------------------------------------ calculation

    def paren(self, node: exp.Expr, depth: int) -> Typed:
        """Brackets: every expression we write brings its own."""
        return self.check(node.this, depth)

    def negative(self, node: exp.Expr, depth: int) -> Typed:
        """A minus sign."""
        value = self.check(node.this, depth)
        if value.type is None:
            return UNKNOWN
        if value.type not in NUMERIC:
            return self._wrong(node, f"a minus sign before {described(value)}")
        if isinstance(value.literal, Decimal):
            return Typed(f"(-{value.sql})", value.type, -value.literal, value.scale)
        return Typed(f"TRY(-{value.sql})", value.type, scale=value.scale)

    def arithmetic(self, node: exp.Expr, depth: int) -> Typed:
        """+ - * / // %: numbers; days plus or minus whole days; a day minus a day."""
        left, right = self.check(node.this, depth), self.check(node.expression, depth)
        if left.type is None or right.type is None:
            return UNKNOWN
        operator = _ARITHMETIC[type(node)]
        if left.type == T.DAY and operator in "+-":
            if right.type == T.INTEGER:
                return Typed(f"TRY({left.sql} {operator} CAST({right.sql} AS INTEGER))", T.DAY)
            if operator == "-" and right.type == T.DAY:
                return Typed(f"({left.sql} - {right.sql})", T.INTEGER)
        if left.type not in NUMERIC or right.type not in NUMERIC:
            return self._wrong(
                node, f"'{operator}' between {described(left)} and {described(right)}"
            )
        if operator in ("/", "//", "%"):
            return self._division(node, operator, left, right)
        return sum_or_product(operator, left, right)

    def _division(self, node: exp.Expr, operator: str, left: Typed, right: Typed) -> Typed:
        if isinstance(right.literal, Decimal) and right.literal == 0:
            return self._wrong(node.expression, "division by zero")
        if operator != "/" and not left.type == right.type == T.INTEGER:
            return self._wrong(node, f"'{operator}' takes whole numbers", "Divide with /.")
        divisor = right.sql if right.literal is not None else f"nullif({right.sql}, 0)"
        if operator == "/":
            return Typed(f"({left.sql} / {divisor})", T.NUMBER)
        return Typed(f"TRY({left.sql} {operator} {divisor})", T.INTEGER)

    def concatenation(self, node: exp.Expr, depth: int) -> Typed:
        """Texts joined by ||."""
        parts = [self.check(part, depth) for part in _chain(node, exp.DPipe)]
        for part in parts:
            if part.type not in (None, T.TEXT):
                return self._wrong(
                    node, f"'||' joins texts, not {described(part)}", "For or, write or."
                )
        return Typed("(" + " || ".join(part.sql for part in parts) + ")", T.TEXT)

    def case(self, node: exp.Expr, depth: int) -> Typed:
        """CASE, with or without a value to compare; all results are of one kind."""
        written = "CASE"
        branches = node.args["ifs"]
        if node.this is not None:
            value, *whens = self._alike(node, [node.this, *(b.this for b in branches)], depth)
            conditions = [f"({value.sql} = {when.sql})" for when in whens]
        else:
            conditions = [self._boolean(branch.this, "WHEN", depth) for branch in branches]
        default = node.args.get("default")
        result_nodes = [branch.args["true"] for branch in branches] + [default] * bool(default)
        results = self._alike(node, result_nodes, depth, allow_null=True)
        for condition, result in zip(conditions, results, strict=False):
            written += f" WHEN {condition} THEN {result.sql}"
        written += f" ELSE {results[-1].sql} END" if default else " END"
        return Typed(f"({written})", common_type(results), scale=max(r.scale for r in results))

    def cast(self, node: exp.Expr, depth: int) -> Typed:
        """CAST, `::`, and literals such as date '2026-05-12'; null where it is impossible."""
        target = node.args["to"]
        type_, written, scale = _cast_target(target)
        if type_ is None:
            hint = "Types: text, bigint, double, decimal, boolean, date, timestamptz."
            return self._wrong(node, f"cast to {str(target)[:40].lower()}", hint)
        value = self.check(node.this, depth)
        if value.type is None:
            return UNKNOWN
        if isinstance(value.literal, str) and type_ in (T.DAY, T.INSTANT):
            return self._moment(node, value.literal, type_)
        if type_ not in CASTABLE[value.type]:
            return self._wrong(node, f"{described(value)} cannot become {type_name(type_)}")
        return Typed(f"TRY_CAST({value.sql} AS {written})", type_, scale=scale)

    def call(self, node: exp.Expr, depth: int) -> Typed:
        """A function of the table."""
        name = str(node.this).lower()
        function = FUNCTIONS.get(name)
        if function is None:
            nearby = nearest(name, FUNCTIONS)
            hint = f"{nearby} Functions: {', '.join(FUNCTIONS)}.".strip()
            return self._wrong(node, f"function '{name}' is not allowed", hint)
        given, expected = node.expressions, function.arguments
        most = len(given) if function.repeats else len(expected)
        if not len(expected) - function.optional <= len(given) <= most:
            return self._wrong(node, f"'{name}' takes {_arity(function)}, not {len(given)}")
        if function.result is None and len(expected) > 1 and not function.literals:
            arguments = self._alike(node, given, depth)
        else:
            arguments = [self.check(argument, depth) for argument in given]
        for place, argument in enumerate(arguments):
            allowed = expected[min(place, len(expected) - 1)]
            if argument.type is not None and argument.type not in allowed:
                return self._wrong(given[place], f"'{name}' does not take {described(argument)}")
            if place in function.literals and not is_small_literal(argument):
                return self._wrong(given[place], f"'{name}' takes a written number here")
        written = f"{function.name}({', '.join(argument.sql for argument in arguments)})"
        places = function.literals and function.result is None
        compared = arguments[:1] if places else arguments
        return Typed(
            f"TRY({written})" if function.partial else written,
            function.result or common_type(compared),
            scale=max(argument.scale for argument in compared) if not function.result else 0,
        )

    # ------------------------------------------------------------ shared

    def _boolean(self, node: exp.Expr, word: str, depth: int) -> str:
        typed = self.check(node, depth)
        if typed.type not in (None, T.BOOLEAN):
            self._wrong(
                node, f"{word} joins conditions, not {described(typed)}", "Compare it first."
            )
        return typed.sql

    def _alike(
        self, node: exp.Expr, parts: Iterable[exp.Expr], depth: int, *, allow_null: bool = False
    ) -> list[Typed]:
        """The parts, which must be comparable; written days beside days become days."""
        nodes = list(parts)
        typed = [
            UNKNOWN if allow_null and isinstance(part, exp.Null) else self.check(part, depth)
            for part in nodes
        ]
        kinds = {part.type for part in typed}
        if wanted := next((kind for kind in (T.DAY, T.INSTANT) if kind in kinds), None):
            typed = [
                self._moment(part, value.literal, wanted)
                if isinstance(value.literal, str)
                else value
                for part, value in zip(nodes, typed, strict=True)
            ]
        known = [(part, value) for part, value in zip(nodes, typed, strict=True) if value.type]
        for (_, one), (place, other) in pairwise(known):
            if not comparable(one, other):
                self._wrong(
                    place,
                    f"{described(one)} beside {described(other)}",
                    comparison_hint(one, other),
                )
                return [UNKNOWN] * len(nodes)
        return typed

    def _moment(self, node: exp.Expr, text: str, type_: ColumnType) -> Typed:
        try:
            return written_day(text) if type_ == T.DAY else written_instant(text)
        except ValueError as error:
            hint = FORMS[type_]
            return self._wrong(node, str(error), hint)

    def _wrong(self, node: exp.Expr, message: str, hint: str = "") -> Typed:
        self.findings.append(Finding(message, _start(node), hint))
        return UNKNOWN

    def _unknown_hint(self, identifier: exp.Identifier) -> str:
        name = str(identifier.this)
        if name.lower() in _NO_NOW:
            return "Features such as days_since_order count from the run's business day."
        if identifier.args.get("quoted"):
            return f"A text is written in single quotes: {text_sql(name)}."
        hint = nearest(name, self.features)
        return hint or "`antiphon features` lists all columns."


@dataclass(frozen=True, slots=True)
class _Handler:
    """How a node type is checked, and which of sqlglot's parts it may have."""

    check: Callable[[Checker, Any, int], Typed]
    parts: frozenset[str]


def _handler(check: Callable[[Checker, Any, int], Typed], *parts: str) -> _Handler:
    return _Handler(check, frozenset(parts))


_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
}
_ARITHMETIC: dict[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.IntDiv: "//",
    exp.Mod: "%",
}
_CALCULATIONS = (*_ARITHMETIC, exp.Neg, exp.Anonymous, exp.Case)
_BINARY = ("this", "expression")
_HANDLERS: dict[type[exp.Expr], _Handler] = {
    exp.Column: _handler(Checker.column, "this"),
    exp.Literal: _handler(Checker.literal, "this", "is_string"),
    exp.Boolean: _handler(Checker.boolean, "this"),
    exp.Null: _handler(Checker.null),
    exp.And: _handler(Checker.junction, *_BINARY),
    exp.Or: _handler(Checker.junction, *_BINARY),
    exp.Not: _handler(Checker.negation, "this"),
    exp.Is: _handler(Checker.is_, *_BINARY),
    exp.Between: _handler(Checker.between, "this", "low", "high"),
    exp.In: _handler(Checker.in_, "this", "expressions"),
    exp.Like: _handler(Checker.like, *_BINARY, "negate"),
    exp.ILike: _handler(Checker.like, *_BINARY, "negate"),
    exp.Escape: _handler(Checker.like, *_BINARY),
    exp.Paren: _handler(Checker.paren, "this"),
    exp.Neg: _handler(Checker.negative, "this"),
    exp.DPipe: _handler(Checker.concatenation, *_BINARY, "safe"),
    exp.Case: _handler(Checker.case, "this", "ifs", "default"),
    exp.Cast: _handler(Checker.cast, "this", "to"),
    exp.TryCast: _handler(Checker.cast, "this", "to", "safe"),
    exp.Anonymous: _handler(Checker.call, "this", "expressions"),
    **{type_: _handler(Checker.comparison, *_BINARY) for type_ in _COMPARISONS},
    **{type_: _handler(Checker.arithmetic, *_BINARY, "typed", "safe") for type_ in _ARITHMETIC},
}
_KINDS: dict[type[exp.Expr], str] = {
    exp.Star: "'*'",
    exp.Subquery: "a subquery",
    exp.Select: "a subquery",
    exp.Exists: "a subquery",
    exp.Interval: "an interval",
    exp.Tuple: "a list outside of `in`",
    exp.Bracket: "'[…]'",
    exp.Window: "a window function",
    exp.Concat: "a text right after a text",
    exp.ArrayOverlaps: "'&&' (write `and`)",
    exp.In: "`in` without a list in brackets",
    exp.Column: "a name with a point before it",
}


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


def _bare(node: exp.Expr) -> exp.Expr:
    """The node without brackets around it."""
    while isinstance(node, exp.Paren):
        node = node.this
    return node


def _chain(node: exp.Expr, type_: type[exp.Expr]) -> list[exp.Expr]:
    """a AND b AND c → [a, b, c], without recursion."""
    parts: list[exp.Expr] = []
    while isinstance(node, type_):
        parts.append(node.expression)
        node = node.this
    parts.append(node)
    return parts[::-1]


def _arity(function: Function) -> str:
    most = len(function.arguments)
    if function.repeats:
        return f"{most} or more arguments"
    least = most - function.optional
    count = f"{least} or {most}" if least < most else f"{most}"
    return f"{count} argument{'s' if most > 1 else ''}"


def _kind(node: object) -> str:
    return _KINDS.get(type(node), f"'{type(node).__name__.lower()}'")  # type: ignore[arg-type]


def _start(node: exp.Expr) -> int:
    """Offset of the first character of the node that the parser has placed."""
    places = [other.meta["start"] for other in node.walk() if "start" in other.meta]
    return min(places, default=0)
