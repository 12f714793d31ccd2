"""Shapes of the values that a template handles, known before there is any value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from antiphon.entities import ColumnType
from antiphon.message.language import NUMBERS

if TYPE_CHECKING:
    from jinja2 import nodes

T = ColumnType


@dataclass(frozen=True)
class Leaf:
    """A single value; `type` None: any."""

    type: T | None = None


@dataclass(frozen=True)
class Fields:
    """A root or a dictionary: values by name. `path` names a root."""

    fields: Mapping[str, Value]
    path: str = ""


@dataclass(frozen=True)
class Items:
    """A list whose items are all alike."""

    item: Value


@dataclass(frozen=True, eq=False)
class Macro:
    """A macro, where it stands and what it sees."""

    node: nodes.Macro | nodes.CallBlock
    path: str
    scope: Scope


@dataclass(frozen=True, eq=False)
class Super:
    """`super`, inside a block that has parents."""

    name: str
    level: int


Value = Leaf | Fields | Items | Macro | Super
ANYTHING = Leaf()


class Scope(dict[str, Value]):
    """Names known at a place; unknown ones are looked for outside."""

    def __init__(self, outer: Scope | None = None, **names: Value) -> None:
        super().__init__(names)
        self.outer = outer

    def find(self, name: str) -> Value | None:
        """The value of `name`, if it is known here."""
        if name in self:
            return self[name]
        return self.outer.find(name) if self.outer is not None else None

    def names(self) -> set[str]:
        """Every name known here."""
        return set(self) | (self.outer.names() if self.outer is not None else set())


def constant_type(value: object) -> T | None:
    """The type of a value written out in a template."""
    kinds = {bool: T.BOOLEAN, int: T.INTEGER, float: T.NUMBER, str: T.TEXT}
    return kinds.get(type(value))


def alike(values: list[Value]) -> Value:
    """One value standing for all of them."""

    def join(left: Value, right: Value) -> Value:
        if isinstance(left, Items) and isinstance(right, Items):
            return Items(join(left.item, right.item))
        if isinstance(left, Fields) and isinstance(right, Fields) and not left.path:
            shared = left.fields.keys() & right.fields.keys()
            return Fields({name: join(left.fields[name], right.fields[name]) for name in shared})
        return left if left == right else ANYTHING

    return reduce(join, values) if values else ANYTHING


def comparable(left: Value, right: Value) -> bool:
    """Whether the two may stand on both sides of a comparison."""
    if not isinstance(left, Leaf) or not isinstance(right, Leaf):
        return False
    if None in (left.type, right.type) or left.type == right.type:
        return True
    return left.type in NUMBERS and right.type in NUMBERS


def kind(value: Value) -> str:
    """The word for the shape in a problem."""
    if isinstance(value, Leaf):
        return value.type.name.lower() if value.type else "any"
    return "list" if isinstance(value, Items) else "group"
