"""The checker of conditions: one walk over sqlglot's tree gives types, problems and our own SQL.

Only the node types of `_HANDLERS` exist, each with the parts it may have; every identifier is a
known feature and every literal is written anew. Where the engine could fail on some row (overflow,
a text that is no number, division by zero) the written SQL yields null instead: TRY around the one
operation that may fail. Its operands must not be able to fail themselves, not even by an implicit
cast, because the engine computes what several conditions share once, outside of their TRY.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from antiphon.audience import calculation
from antiphon.audience.calculation import ARITHMETIC, chain
from antiphon.audience.call_functions import CALL_FUNCTIONS
from antiphon.audience.calls import Call, Relation
from antiphon.audience.dictionary import nearest
from antiphon.audience.values import (
    FORMS,
    UNKNOWN,
    Typed,
    comparable,
    comparison_hint,
    described,
    escapes_well,
    text_sql,
    written_day,
    written_instant,
    written_number,
)
from antiphon.entities import ColumnType
from antiphon.quoting import quoted

if TYPE_CHECKING:
    from antiphon.audience.conditions import Vocabulary

T = ColumnType
MAX_TREE_DEPTH = 60  # the engine refuses expressions some hundred levels deep
MAX_SEGMENT_DEPTH = 200  # with segments that build on segments
MAX_SIZE = 50_000  # characters of SQL, with the segments within
RELATION = "frame"

_NO_NOW = {"current_date", "current_timestamp", "current_time", "today", "now", "localtimestamp"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem at an offset (from 0) of the condition's text."""

    message: str
    start: int
    hint: str = ""


class Checker:
    """Checks one condition; afterwards its fields say what it found."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.findings: list[Finding] = []
        self.columns: set[str] = set()
        self.calls: dict[str, Call] = {}
        self.segments: set[str] = set()
        self.depth = 0
        self._size = 0  # characters of the segments within

    def check(self, node: exp.Expr, depth: int = 0) -> Typed:
        """Type and SQL of the node; UNKNOWN where something was wrong."""
        handler = _HANDLERS.get(type(node))
        if depth > MAX_TREE_DEPTH:
            hint = "Split a long calculation, or make it a feature."
            return self.wrong(node, "too many operations within one another", hint)
        if handler is None or any(
            value for part, value in node.args.items() if part not in handler.parts
        ):
            return self.wrong(node, f"{_kind(node)} is not allowed in a condition")
        self.depth = max(self.depth, depth)
        return handler.check(self, node, depth + 1)

    # ------------------------------------------------------------ leaves

    def column(self, node: exp.Expr, _depth: int) -> Typed:
        """A feature's name, or `cell.x`."""
        identifier, table = node.this, node.args.get("table")
        if not isinstance(identifier, exp.Identifier):
            return self.wrong(node, f"{_kind(identifier)} is not allowed in a condition")
        name = str(identifier.this)
        if table is not None:
            if str(table.this).lower() == "cell":
                return self._cell(node, name)
            return self.wrong(node, f"{_kind(node)} is not allowed in a condition")
        return self.feature(node, name, identifier)

    def feature(self, node: exp.Expr, name: str, identifier: exp.Identifier | None = None) -> Typed:
        """The feature of that name; `identifier` where it was written."""
        features = self.vocabulary.features
        feature = features.get(name) or features.get(name.lower())
        if feature is None:
            return self.wrong(
                node, f"unknown column '{name}'", self._unknown_hint(name, identifier)
            )
        self.columns.add(feature.name)
        scale = 4 if feature.type == T.MONEY else 0
        return Typed(f"{RELATION}.{quoted(feature.name)}", feature.type, scale=scale)

    def _cell(self, node: exp.Expr, name: str) -> Typed:
        """A value of the customer's own micro-segment."""
        cell = self.vocabulary.cell
        value = cell.get(name) or cell.get(name.lower())
        if value is None:
            hint = nearest(name, cell) or (
                f"Here there is {', '.join(f'cell.{one}' for one in cell)}."
                if cell
                else "Only a campaign with `for_each` has cells."
            )
            return self.wrong(node, f"no value 'cell.{name[:60]}'", hint)
        self.columns |= value.columns
        return Typed(f"({value.sql})", value.type, scale=value.scale)

    def asked(self, call: Call) -> Typed:
        """A call of a condition function: its hidden column."""
        self.calls[call.column] = call
        type_ = T.TEXT if call.relation == Relation.STATEMENTS else T.BOOLEAN
        return Typed(f"{RELATION}.{quoted(call.column)}", type_)

    def segment(self, node: exp.Expr, name: str, depth: int) -> Typed:
        """Another segment's condition; who is not in it is not in it, null or no."""
        segment = self.vocabulary.segments.get(name)
        if segment is None:
            return self.wrong(
                node, f"no segment '{name[:60]}'", nearest(name, self.vocabulary.segments)
            )
        self._size += len(segment.sql)
        self.depth = max(self.depth, depth + segment.depth)
        if self._size > MAX_SIZE or self.depth > MAX_SEGMENT_DEPTH:
            hint = "Make the segment a dimension or a file of sql/segments/, which is one column."
            return self.wrong(node, f"with '{name}' written out the condition is too large", hint)
        self.columns |= segment.columns
        self.calls |= segment.calls
        self.segments |= {name, *segment.segments}
        return Typed(f"({segment.sql} IS TRUE)", T.BOOLEAN)

    def literal(self, node: exp.Expr, _depth: int) -> Typed:
        """A text or a number, kept exact."""
        text = str(node.this)
        if node.args.get("is_string"):
            return Typed(text_sql(text), T.TEXT, text)
        try:
            return written_number(text)
        except ValueError as error:
            return self.wrong(node, str(error))

    def boolean(self, node: exp.Expr, _depth: int) -> Typed:
        """`true` and `false`."""
        return Typed("TRUE" if node.this else "FALSE", T.BOOLEAN)

    def null(self, node: exp.Expr, _depth: int) -> Typed:
        """A null that is compared with or calculated with: never what is meant."""
        hint = "Write `is null` or `is not null`; nothing is equal to null."
        return self.wrong(node, "null in a comparison or calculation", hint)

    # ------------------------------------------------------------ truth

    def junction(self, node: exp.Expr, depth: int) -> Typed:
        """AND and OR, as flat as they were written."""
        word = "AND" if isinstance(node, exp.And) else "OR"
        parts = [self.condition_sql(part, word, depth) for part in chain(node, type(node))]
        return Typed("(" + f" {word} ".join(parts) + ")", T.BOOLEAN)

    def negation(self, node: exp.Expr, depth: int) -> Typed:
        """NOT."""
        return Typed(f"(NOT {self.condition_sql(node.this, 'NOT', depth)})", T.BOOLEAN)

    def is_(self, node: exp.Expr, depth: int) -> Typed:
        """IS NULL, IS TRUE, IS FALSE."""
        right = node.expression
        left = self.check(node.this, depth)
        if isinstance(right, exp.Null):
            return Typed(f"({left.sql} IS NULL)", T.BOOLEAN)
        if not isinstance(right, exp.Boolean):
            return self.wrong(node, "`is` takes null, true or false")
        if left.type not in (None, T.BOOLEAN):
            return self.wrong(node, f"`is` true or false on {described(left)}")
        return Typed(f"({left.sql} IS {'TRUE' if right.this else 'FALSE'})", T.BOOLEAN)

    def comparison(self, node: exp.Expr, depth: int) -> Typed:
        """=, <, IS DISTINCT FROM and their like, between values of one kind."""
        nodes = [node.this, node.expression]
        sides = self.alike(node, nodes, depth)
        self._among_names(nodes, sides)
        return Typed(f"({sides[0].sql} {_COMPARISONS[type(node)]} {sides[1].sql})", T.BOOLEAN)

    def between(self, node: exp.Expr, depth: int) -> Typed:
        """BETWEEN, both ends included."""
        parts = [node.this, node.args["low"], node.args["high"]]
        value, low, high = self.alike(node, parts, depth)
        return Typed(f"({value.sql} BETWEEN {low.sql} AND {high.sql})", T.BOOLEAN)

    def in_(self, node: exp.Expr, depth: int) -> Typed:
        """IN with a list of values."""
        if not node.expressions:
            return self.wrong(node, "`in` needs a list of values", "Write: in ('a', 'b').")
        nodes = [node.this, *node.expressions]
        value, *members = typed = self.alike(node, nodes, depth)
        self._among_names(nodes, typed)
        written = f"({value.sql} IN ({', '.join(member.sql for member in members)}))"
        return Typed(written, T.BOOLEAN)

    def like(self, node: exp.Expr, depth: int) -> Typed:
        """LIKE and ILIKE, with ESCAPE."""
        escape = ""
        pattern_node = node
        if isinstance(node, exp.Escape):
            pattern_node = node.this
            escape = str(node.expression.this) if isinstance(node.expression, exp.Literal) else ""
            if not isinstance(pattern_node, exp.Like | exp.ILike) or len(escape) != 1:
                return self.wrong(
                    node, "`escape` takes one character", "Write: like 'a!%' escape '!'."
                )
        sides = [self.check(pattern_node.this, depth), self.check(pattern_node.expression, depth)]
        for side in sides:
            if side.type not in (None, T.TEXT):
                return self.wrong(
                    pattern_node, f"`like` on {described(side)}", "It compares texts."
                )
        pattern = sides[1].literal
        if escape and not (isinstance(pattern, str) and escapes_well(pattern, escape)):
            return self.wrong(node, "the pattern after `like` ends within an escape")
        word = "NOT " if pattern_node.args.get("negate") else ""
        word += "ILIKE" if isinstance(pattern_node, exp.ILike) else "LIKE"
        ending = f" ESCAPE {text_sql(escape)}" if escape else ""
        return Typed(f"({sides[0].sql} {word} {sides[1].sql}{ending})", T.BOOLEAN)

    # ------------------------------------------------------------ shared

    def condition_sql(self, node: exp.Expr, word: str, depth: int) -> str:
        """The SQL of a part that must be true or false."""
        typed = self.check(node, depth)
        if typed.type not in (None, T.BOOLEAN):
            self.wrong(
                node, f"{word} joins conditions, not {described(typed)}", "Compare it first."
            )
        return typed.sql

    def alike(
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
                self.moment(part, value.literal, wanted)
                if isinstance(value.literal, str)
                else value
                for part, value in zip(nodes, typed, strict=True)
            ]
        known = [(part, value) for part, value in zip(nodes, typed, strict=True) if value.type]
        for (_, one), (place, other) in pairwise(known):
            if not comparable(one, other):
                self.wrong(
                    place,
                    f"{described(one)} beside {described(other)}",
                    comparison_hint(one, other),
                )
                return [UNKNOWN] * len(nodes)
        return typed

    def _among_names(self, nodes: list[exp.Expr], typed: list[Typed]) -> None:
        """A text beside a dimension must be one of its names: no customer has another."""
        columns = [str(node.name).lower() for node in nodes if isinstance(node, exp.Column)]
        named = next((one for name in columns if (one := self.vocabulary.features.get(name))), None)
        if named is None or not named.names:
            return
        for node, value in zip(nodes, typed, strict=True):
            if isinstance(value.literal, str) and value.literal not in named.names:
                listed = f"Its names: {', '.join(named.names)}."
                hint = f"{nearest(value.literal, named.names)} {listed}".strip()
                self.wrong(node, f"{named.name} is never {value.literal!r}", hint)

    def moment(self, node: exp.Expr, text: str, type_: ColumnType) -> Typed:
        """A written text as the day or instant that is expected beside it."""
        try:
            return written_day(text) if type_ == T.DAY else written_instant(text)
        except ValueError as error:
            hint = FORMS[type_]
            return self.wrong(node, str(error), hint)

    def wrong(self, node: exp.Expr, message: str, hint: str = "") -> Typed:
        """Note a problem at the node; what comes back fits anywhere."""
        self.findings.append(Finding(message, start_of(node), hint))
        return UNKNOWN

    def _unknown_hint(self, name: str, identifier: exp.Identifier | None) -> str:
        if function := CALL_FUNCTIONS.get(name.lower()):
            return f"'{function.name}' is a function. Example: {function.examples[0]}."
        if name.lower() in _NO_NOW:
            return "Features such as days_since_order count from the run's business day."
        if identifier and identifier.args.get("quoted"):
            return f"A text is written in single quotes: {text_sql(name)}."
        hint = nearest(name, self.vocabulary.features)
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
_BINARY = ("this", "expression")
_HANDLERS: dict[type[exp.Expr], _Handler] = {
    exp.Column: _handler(Checker.column, "this", "table"),
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
    exp.Paren: _handler(calculation.paren, "this"),
    exp.Neg: _handler(calculation.negative, "this"),
    exp.DPipe: _handler(calculation.concatenation, *_BINARY, "safe"),
    exp.Case: _handler(calculation.case, "this", "ifs", "default"),
    exp.Cast: _handler(calculation.cast, "this", "to"),
    exp.TryCast: _handler(calculation.cast, "this", "to", "safe"),
    exp.Anonymous: _handler(calculation.call, "this", "expressions"),
    **{type_: _handler(Checker.comparison, *_BINARY) for type_ in _COMPARISONS},
    **{type_: _handler(calculation.arithmetic, *_BINARY, "typed", "safe") for type_ in ARITHMETIC},
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
    exp.Kwarg: "an argument with a name",
}


def _kind(node: object) -> str:
    return _KINDS.get(type(node), f"'{type(node).__name__.lower()}'")  # type: ignore[arg-type]


def start_of(node: exp.Expr) -> int:
    """Offset of the first character that the parser has placed, of the node or around it."""
    around: exp.Expr | None = node
    while around is not None:
        places: list[int] = [
            other.meta["start"] for other in around.walk() if "start" in other.meta
        ]
        if places:
            return min(places)
        around = around.parent
    return 0
