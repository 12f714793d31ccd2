"""Expressions of a template with all that is known before any message put in.

What a layout, an imported word or the company says is the same for everybody: such expressions
become constants. What is left speaks of the roots (`customer`, `links`, …) and of names of ours.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from jinja2 import nodes
from jinja2.compiler import has_safe_repr
from jinja2.nodes import EvalContext
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

_MADE_OF_PARTS = (
    *(nodes.CondExpr, nodes.BinExpr, nodes.UnaryExpr, nodes.Compare, nodes.Concat),
    *(nodes.Filter, nodes.Test, nodes.List, nodes.Tuple, nodes.Dict),
)


class Unsplittable(Exception):
    """This template cannot be taken apart; the text says why."""


@dataclass(frozen=True, eq=False)
class MacroIn:
    """A macro (or what a call block hands in), and where its body looks names up."""

    node: nodes.Macro | nodes.CallBlock
    names: Names


@dataclass(frozen=True, eq=False)
class ParentOf:
    """`super` inside a block: the version of it one layout up."""

    block: str
    level: int


Binding: TypeAlias = "nodes.Expr | MacroIn | ParentOf | Names"


class Names(dict[str, Binding]):
    """What names mean at a place; unknown ones are looked for outside.

    `pinned`: names assigned under a condition, which from there on live in a variable of ours.
    """

    def __init__(self, outer: Names | None = None) -> None:
        super().__init__()
        self.outer = outer
        self.pinned: dict[str, str] = {}

    def find(self, name: str) -> Binding | None:
        """The meaning of `name`, if it has one here."""
        if name in self:
            return self[name]
        return None if self.outer is None else self.outer.find(name)


def load(name: str) -> nodes.Name:
    """A variable as an expression."""
    return nodes.Name(name, "load", lineno=1)


class Folding:
    """Rewrites expressions. `known`: fields of roots whose values all messages share."""

    def __init__(
        self, environment: SandboxedEnvironment, known: Mapping[str, Mapping[str, str]]
    ) -> None:
        self.environment = environment
        self.known = known
        self._evaluation = EvalContext(environment)
        self._count = 0
        self.prelude: list[nodes.Stmt] = []  # what has to stand before the statement at hand

    def fresh(self) -> str:
        """A name that no template can write."""
        self._count += 1
        return f"_our_{self._count}"

    @contextmanager
    def before(self) -> Iterator[list[nodes.Stmt]]:
        """The statements that expressions rewritten inside need before them."""
        outside, self.prelude = self.prelude, []
        yield self.prelude
        self.prelude = outside

    def called(self, macro: MacroIn, node: nodes.Call, names: Names) -> list[nodes.Node]:
        """The body of a macro called with these arguments, as statements."""
        raise NotImplementedError

    def expression(self, node: nodes.Node, names: Names) -> nodes.Expr:
        """The same expression over roots and names of ours; a Const where it is one."""
        if isinstance(node, nodes.Const):
            return node
        if isinstance(node, nodes.Name | nodes.Getattr | nodes.Getitem):
            found = self._variable(self.meaning(node, names), "…")
            return self._folded(found) if isinstance(node, nodes.Getattr | nodes.Getitem) else found
        if isinstance(node, nodes.Call):
            return self._call(node, names)
        if isinstance(node, nodes.CondExpr) and node.expr2 is not None:
            test = self.expression(node.test, names)
            if isinstance(test, nodes.Const):
                return self.expression(node.expr1 if test.value else node.expr2, names)
        if isinstance(node, _MADE_OF_PARTS):
            return self._folded(self._copied(node, names))
        raise Unsplittable(f"{type(node).__name__} in an expression")

    def meaning(self, node: nodes.Node, names: Names) -> Binding:
        """What a name, or a field, means; anything else is rewritten."""
        if isinstance(node, nodes.Name):
            found = names.find(node.name)
            if found is None:
                raise Unsplittable(f"the name {node.name!r} is not known")
            return found
        if isinstance(node, nodes.Getattr):
            return self._field(node, self.meaning(node.node, names), node.attr)
        if isinstance(node, nodes.Getitem):
            whole = self.meaning(node.node, names)
            argument = self.expression(node.arg, names)
            if isinstance(argument, nodes.Const) and isinstance(argument.value, str):
                return self._field(node, whole, argument.value)
            if isinstance(argument, nodes.Const) and isinstance(whole, nodes.List | nodes.Tuple):
                try:
                    item: nodes.Expr = whole.items[argument.value]
                    return item
                except (IndexError, TypeError):
                    raise Unsplittable("an item that is not there") from None
            return nodes.Getitem(self._variable(whole, "…"), argument, "load", lineno=node.lineno)
        return self.expression(node, names)

    def _field(self, node: nodes.Getattr | nodes.Getitem, whole: Binding, field: str) -> Binding:
        if isinstance(whole, Names):
            found = whole.find(field)
            if found is None:
                raise Unsplittable(f"the name {field!r} is not known there")
            return found
        if isinstance(whole, nodes.Name) and field in self.known.get(whole.name, ()):
            return nodes.Const(self.known[whole.name][field], lineno=node.lineno)
        whole = self._variable(whole, field)
        if isinstance(node, nodes.Getattr):
            return nodes.Getattr(whole, field, "load", lineno=node.lineno)
        key = nodes.Const(field, lineno=node.lineno)
        return nodes.Getitem(whole, key, "load", lineno=node.lineno)

    @staticmethod
    def _variable(found: Binding, name: str) -> nodes.Expr:
        if not isinstance(found, nodes.Expr):
            raise Unsplittable(f"{name!r} is used as a value")
        return found

    def _copied(self, node: nodes.Expr, names: Names) -> nodes.Expr:
        """The node over rewritten parts."""
        new = self._rebuilt(node, names)
        assert isinstance(new, nodes.Expr)
        return new

    def _rebuilt(self, node: nodes.Node, names: Names) -> nodes.Node:
        new = copy.copy(node)
        for name, value in node.iter_fields():
            if isinstance(value, list):
                setattr(new, name, [self._part(each, names) for each in value])
            else:
                setattr(new, name, self._part(value, names))
        return new

    def _part(self, value: object, names: Names) -> object:
        if isinstance(value, nodes.Expr):
            return self.expression(value, names)
        if isinstance(value, nodes.Helper):  # an operand, a pair, a keyword
            return self._rebuilt(value, names)
        return value

    def _folded(self, node: nodes.Expr) -> nodes.Expr:
        """As Jinja's own optimizer does it; what fails or depends on a message stays."""
        if isinstance(node, nodes.Concat) and any(map(_is_markup, node.nodes)):
            raise Unsplittable("markup joined to a constant")  # which the optimizer would forget
        try:
            value = node.as_const(self._evaluation)
        except Exception:  # `Impossible`, or whatever a filter raises: at run time it will again
            return node
        return nodes.Const(value, lineno=node.lineno) if has_safe_repr(value) else node

    def _call(self, node: nodes.Call, names: Names) -> nodes.Expr:
        """A macro within an expression: called where it stands, without arguments, as it may
        stand where it is not always reached."""
        callee = self.meaning(node.node, names)
        if isinstance(callee, MacroIn):
            body = self.called(callee, node, names)
        elif isinstance(callee, ParentOf):
            body = self.inherited(callee)
        else:
            raise Unsplittable("a call of something other than a macro")
        name = self.fresh()
        self.prelude.append(nodes.Macro(name, [], [], body, lineno=node.lineno))
        return nodes.Call(load(name), [], [], None, None, lineno=node.lineno)

    def inherited(self, parent: ParentOf) -> list[nodes.Node]:
        """The body of a block one layout up, as statements."""
        raise NotImplementedError


def _is_markup(node: nodes.Expr) -> bool:
    return isinstance(node, nodes.Const) and isinstance(node.value, Markup)
