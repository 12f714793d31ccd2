"""Where a condition silently loses customers because they have no value of a feature.

A comparison with a value that is not there is neither true nor false, and who is compared so is
not chosen. Mostly that is what is meant: who has no birthday is not 'between 18 and 25'. It is a
surprise in two places, and these are told:

- where the condition says whom it does not want (`<>`, `not in`, `not like`, `not (…)`): whoever
  has no value is not wanted either;
- where it asks for long ago (`days_since_… >`, `last_… <` a day): 'never' is not long ago.

Nothing is told where what stands beside it has an answer for those without a value: joined by
`and`, something they fail anyway (`order_count > 0`, `x is not null`); joined by `or`, something
that holds for them (`x is null`, `order_count = 0`). They are taken to have no such facts at all:
other features and calls that read the same facts are absent, 0 or false for them too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import eq, ge, gt, le, lt, ne, not_
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from antiphon.audience.calculation import ARITHMETIC, chain
from antiphon.audience.call_functions import CALL_FUNCTIONS
from antiphon.audience.calls import Relation
from antiphon.audience.dictionary import FOLDER
from antiphon.audience.functions import FUNCTIONS, NUMERIC
from antiphon.entities import ColumnType

if TYPE_CHECKING:
    from antiphon.audience.conditions import Condition, Vocabulary
    from antiphon.audience.dictionary import Feature

_DAYS = frozenset({ColumnType.DAY, ColumnType.INSTANT})
# Who has none of these has nothing of the kind; an act of consent says nothing of another one.
_FACTS = {
    "orders": "purchases",
    "order_lines": "purchases",
    "events": "events",
    "contacts": "contacts",
    "responses": "responses",
}
_COMPARED: dict[type[exp.Expr], Callable[..., bool]] = {
    exp.EQ: eq,
    exp.NEQ: ne,
    exp.LT: lt,
    exp.LTE: le,
    exp.GT: gt,
    exp.GTE: ge,
    exp.Between: lambda value, low, high: low <= value <= high,
    exp.In: lambda value, *members: value in members,
}
_WORKED_OUT: dict[type[exp.Expr], Callable[..., object]] = {
    **_COMPARED,
    exp.Paren: lambda value: value,
    exp.Not: not_,
}
_ATOMS = (*_COMPARED, exp.Like, exp.ILike, exp.Escape, exp.Column)
_STRICT = (*_ATOMS, *ARITHMETIC, exp.DPipe, exp.Neg, exp.Cast, exp.TryCast)
_COMPUTED = (*_STRICT, exp.Paren, exp.Not, exp.Is)
_LENIENT_FUNCTIONS = frozenset({"coalesce", "ifnull", "greatest", "least"})  # pass over nulls
_NOTHING: dict[ColumnType, object] = {  # as frame.py has it for a file without a row
    ColumnType.TEXT: "",
    ColumnType.BOOLEAN: False,
    **dict.fromkeys(NUMERIC, Decimal(0)),
}
_OPEN = object()  # a value that may be anything


@dataclass(frozen=True, slots=True)
class Lack:
    """A column of a condition, of which those without a value are lost."""

    feature: str
    node: exp.Expr
    message: str

    @property
    def hint(self) -> str:
        """The two ways to answer."""
        return (
            f"To keep them, add: or {self.feature} is null. "
            f"To leave them out on purpose: and {self.feature} is not null."
        )


@dataclass(frozen=True, slots=True)
class _Junction:
    """Parts joined by AND or OR (`all_hold`), each turned round where it is `negated`."""

    parts: tuple[exp.Expr, ...]
    all_hold: bool
    negated: bool


def lacks(tree: exp.Expr, vocabulary: Vocabulary, beside: Sequence[Condition] = ()) -> list[Lack]:
    """What a checked condition loses, each feature once, where it is first lost.

    `beside`: conditions that must hold as well, which may answer for those without a value.
    """
    reader = _Reader(vocabulary)
    found: dict[str, Lack] = {}
    for lack, around in reader.surprises(tree, negated=False):
        feature = vocabulary.features[lack.feature]
        if (
            lack.feature not in found
            and not any(reader.is_answered(junction, lack.feature) for junction in around)
            and not any(reader.asks_of(condition, feature) for condition in beside)
        ):
            found[lack.feature] = lack
    return list(found.values())


class _Reader:
    """Reads one condition."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._answered: dict[tuple[int, str], bool] = {}

    # ------------------------------------------------------------ what may surprise

    def surprises(
        self, node: exp.Expr, *, negated: bool, beside: tuple[_Junction, ...] = ()
    ) -> Iterator[tuple[Lack, tuple[_Junction, ...]]]:
        """What loses somebody by surprise, with the junctions around it."""
        if isinstance(node, exp.Paren | exp.Not):
            turned = negated != isinstance(node, exp.Not)
            yield from self.surprises(node.this, negated=turned, beside=beside)
        elif isinstance(node, exp.And | exp.Or):
            parts = tuple(chain(node, type(node)))
            junction = _Junction(parts, isinstance(node, exp.And) != negated, negated)
            for part in parts:
                yield from self.surprises(part, negated=negated, beside=(*beside, junction))
        elif isinstance(node, _ATOMS) or _is_scalar(node):
            pattern = node.this if isinstance(node, exp.Escape) else node
            excludes = isinstance(node, exp.NEQ) or bool(pattern.args.get("negate"))
            columns = self._strict(node) if excludes != negated else self._long_ago(node)
            for column in columns:
                feature = self._feature(column)
                if feature and feature.nullable:
                    message = f"this also leaves out whoever has no '{feature.name}'"
                    yield Lack(feature.name, column, message), beside

    def _strict(self, node: exp.Expr) -> Iterator[exp.Expr]:
        """The columns of which a null makes the node null."""
        if isinstance(node, exp.Column):
            yield node
        elif isinstance(node, (*_STRICT, exp.Paren)):
            for child in node.iter_expressions():
                yield from self._strict(child)
        elif _is_scalar(node):
            only_first = str(node.this).lower() == "nullif"
            for child in node.expressions[: 1 if only_first else None]:
                yield from self._strict(child)

    def _long_ago(self, node: exp.Expr) -> Iterator[exp.Expr]:
        if not isinstance(node, exp.GT | exp.GTE | exp.LT | exp.LTE):
            return
        more, less = node.this.unnest(), node.expression.unnest()
        if isinstance(node, exp.LT | exp.LTE):
            more, less = less, more
        counted, last = self._feature(more), self._feature(less)
        if counted and counted.name.startswith("days_since_") and counted.type in NUMERIC:
            yield more
        if last and last.name.startswith("last_") and last.type in _DAYS:
            yield less

    def _feature(self, node: exp.Expr) -> Feature | None:
        if not isinstance(node, exp.Column) or node.args.get("table"):
            return None
        features = self.vocabulary.features
        return features.get(node.name) or features.get(node.name.lower())

    # ------------------------------------------------------------ what answers it

    def is_answered(self, junction: _Junction, feature: str) -> bool:
        """Whether a part of the junction has an answer for those without the feature."""
        key = (id(junction.parts[0]), feature)
        if key not in self._answered:
            self._answered[key] = any(
                self._answers(part, junction, feature) for part in junction.parts
            )
        return self._answered[key]

    def _answers(self, part: exp.Expr, junction: _Junction, feature: str) -> bool:
        value = self._value(part, self.vocabulary.features[feature])
        if isinstance(value, bool):
            return (value != junction.negated) is not junction.all_hold
        if value is not None or not junction.all_hold:
            return False
        return not any(self.surprises(part, negated=junction.negated))  # null: plainly not chosen

    def _value(self, node: exp.Expr, absent: Feature) -> object:
        """What the node yields for those without the feature; None is null."""
        if isinstance(node, exp.And | exp.Or):
            decisive = isinstance(node, exp.Or)
            values = [self._value(part, absent) for part in chain(node, type(node))]
            return next((one for one in (decisive, _OPEN, None) if one in values), not decisive)
        if isinstance(node, exp.Column):
            return self._column_value(node, absent)
        if isinstance(node, exp.Anonymous):
            return self._call_value(node, absent)
        return self._computed(node, absent) if isinstance(node, _COMPUTED) else _constant(node)

    def _column_value(self, node: exp.Expr, absent: Feature) -> object:
        feature = self._feature(node)
        if feature is None or not (feature.name == absent.name or _shares(feature, absent)):
            return _OPEN
        if feature.nullable or not feature.file.startswith(FOLDER):  # a dimension divides them too
            return None
        return _NOTHING.get(feature.type, _OPEN)

    def _call_value(self, node: exp.Expr, absent: Feature) -> object:
        name = str(node.this).lower()
        function = CALL_FUNCTIONS.get(name)
        if function is None:
            if name in ("coalesce", "ifnull"):
                values = [self._value(part, absent) for part in node.expressions]
                return next((value for value in values if value is not None), None)
            return self._computed(node, absent) if _is_scalar(node) else _OPEN
        if function.relation:
            return False if _kind(function.relation) in _kinds(absent) else _OPEN
        if name == "in_segment":
            (segment,) = (literal.name for literal in node.find_all(exp.Literal))
            return False if self.asks_of(self.vocabulary.segments[segment], absent) else _OPEN
        return _OPEN

    def asks_of(self, condition: Condition, absent: Feature) -> bool:
        """Whether the condition reads the feature, or the same facts."""
        features = [self.vocabulary.features.get(column) for column in condition.columns]
        return (
            absent.name in condition.columns
            or any(feature and _shares(feature, absent) for feature in features)
            or any(_kind(call.relation) in _kinds(absent) for call in condition.calls.values())
        )

    def _computed(self, node: exp.Expr, absent: Feature) -> Any:
        """Null in, null out; comparisons with written values are worked out."""
        first: Any
        first, *others = [self._value(part, absent) for part in node.iter_expressions()]
        if isinstance(node, exp.Is):
            return _OPEN if first is _OPEN else first is others[0]
        if first is None or None in others:
            return None
        if first is _OPEN or any(type(one) is not type(first) for one in others):
            return _OPEN
        work_out = _WORKED_OUT.get(type(node))
        return work_out(first, *others) if work_out else _OPEN


def _constant(node: exp.Expr) -> object:
    if isinstance(node, exp.Literal):
        return str(node.this) if node.args["is_string"] else Decimal(node.this)
    if isinstance(node, exp.Null):
        return None
    return bool(node.this) if isinstance(node, exp.Boolean) else _OPEN


def _is_scalar(node: exp.Expr) -> bool:
    """A call of a function that makes null of null."""
    name = str(node.this).lower() if isinstance(node, exp.Anonymous) else ""
    return name in FUNCTIONS and name not in _LENIENT_FUNCTIONS


def _kind(relation: Relation) -> str:
    return "purchases" if relation == Relation.RUN_OUTS else relation.value


def _kinds(feature: Feature) -> set[str]:
    """The kinds of facts without which there is no such feature."""
    return {_FACTS[view] for view in feature.reads if view in _FACTS}


def _shares(one: Feature, other: Feature) -> bool:
    return not _kinds(one).isdisjoint(_kinds(other))
