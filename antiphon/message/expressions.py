"""Expressions of templates: what shape of value each gives, and what is wrong with it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from jinja2 import TemplateSyntaxError, nodes

from antiphon.entities import ColumnType
from antiphon.errors import Problem
from antiphon.message.formats import DATE_STYLES, plural_forms
from antiphon.message.language import FILTERS, NUMBERS, TESTS, TemplateLanguage
from antiphon.message.shapes import (
    ANYTHING,
    Fields,
    Items,
    Leaf,
    Macro,
    Scope,
    Super,
    Value,
    alike,
    comparable,
    constant_type,
    kind,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

T = ColumnType
_OF_LISTS = frozenset({"listing", "length", "count", "default", "d"})


@dataclass
class Survey:
    """What one template uses. Paths are below templates/.

    `used`: names such as `customer.age`; `printed`: those printed in every rendering;
    `files`: name as written → path of the file, of everything it is made of; `places`: file, line
    and text of what is written out where something is printed.
    """

    entry: str
    used: set[str] = field(default_factory=set)
    printed: set[str] = field(default_factory=set)
    filters: set[str] = field(default_factory=set)
    files: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    places: list[tuple[str, int, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class Sources:
    """Parsed templates, each file once."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files
        self._language = TemplateLanguage()
        self._parsed: dict[str, nodes.Template | TemplateSyntaxError] = {}

    def tree(self, path: str) -> nodes.Template | TemplateSyntaxError:
        """The syntax tree of a file, or what is wrong with its syntax."""
        if path not in self._parsed:
            try:
                self._parsed[path] = self._language.parse(self.files[path], filename=path)
            except TemplateSyntaxError as error:
                self._parsed[path] = error
        return self._parsed[path]


class Expressions(ABC):
    """Reads expressions; what prints and branches is read by Surveyor."""

    def __init__(
        self,
        sources: Sources,
        resolve: Callable[[str], str | None],
        roots: Mapping[str, Value],
        language: str,
    ) -> None:
        self.sources, self.resolve, self.roots = sources, resolve, roots
        self.forms = plural_forms(language)
        self.language = language
        self.found = Survey("")
        self.path = ""
        self.uncertain = 0
        self.stack: list[object] = []
        self.blocks: dict[str, list[tuple[str, nodes.Block, Scope]]] = {}

    # ------------------------------------------------------------ places

    def _problem(self, node: nodes.Node, message: str, word: str = "", hint: str = "") -> None:
        self._report(self.path, node.lineno, message, word, hint)

    def _report(self, path: str, line: int, message: str, word: str = "", hint: str = "") -> None:
        lines = self.sources.files[path].splitlines()
        text = lines[line - 1] if 0 < line <= len(lines) else ""
        column = text.find(word) + 1 if word and word in text else 1
        problem = Problem(f"templates/{path}", line, column, message, text.strip(), hint)
        if problem not in self.found.problems:
            self.found.problems.append(problem)

    @contextmanager
    def _at(self, path: str) -> Iterator[None]:
        before, self.path = self.path, path
        yield
        self.path = before

    @contextmanager
    def _perhaps(self) -> Iterator[None]:
        self.uncertain += 1
        yield
        self.uncertain -= 1

    @contextmanager
    def _entered(self, what: object, node: nodes.Node, name: str) -> Iterator[bool]:
        """Whether `what` may be entered: not when it is being walked already."""
        if what in self.stack:
            self._problem(node, f"{name} uses itself", name)
            yield False
            return
        self.stack.append(what)
        yield True
        self.stack.pop()

    # ------------------------------------------------------------ what calls lead to

    @abstractmethod
    def _run(
        self,
        node: nodes.Call,
        macro: Macro,
        arguments: list[Value],
        keywords: dict[str, Value],
        caller: Macro | None,
    ) -> None:
        """Walk a macro with these arguments."""

    @abstractmethod
    def _block_at(self, node: nodes.Node, name: str, level: int, scope: Scope | None) -> None:
        """Walk a block, or its parent `level` layouts up."""

    # ------------------------------------------------------------ expressions

    def _value(self, node: nodes.Node, scope: Scope) -> Value:  # noqa: PLR0911, PLR0912
        """What the expression gives; its problems are reported."""
        match node:
            case nodes.Name():
                return self._name(node, scope)
            case nodes.Const():
                return Leaf(constant_type(node.value))
            case nodes.TemplateData():
                return Leaf(T.TEXT)
            case nodes.Getattr():
                return self._field(node, self._value(node.node, scope), node.attr)
            case nodes.Getitem():
                return self._item(node, scope)
            case nodes.List() | nodes.Tuple():
                return Items(alike([self._value(item, scope) for item in node.items]))
            case nodes.Dict():
                return self._dictionary(node, scope)
            case nodes.Filter():
                return self._filter(node, scope)
            case nodes.Test():
                return self._test(node, scope)
            case nodes.Call():
                return self._call(node, scope)
            case nodes.CondExpr():
                return self._choice(node, scope)
            case nodes.Compare():
                return self._compare(node, scope)
            case nodes.And() | nodes.Or():
                return alike([self._value(node.left, scope), self._value(node.right, scope)])
            case nodes.Not():
                self._value(node.node, scope)
                return Leaf(T.BOOLEAN)
            case nodes.Concat():
                for part in node.nodes:
                    self._value(part, scope)
                return Leaf(T.TEXT)
            case nodes.BinExpr():
                return self._arithmetic(node, scope)
            case nodes.UnaryExpr():
                return self._value(node.node, scope)
        self._problem(node, f"{type(node).__name__} cannot be checked")
        return ANYTHING

    def _name(self, node: nodes.Name, scope: Scope) -> Value:
        value = scope.find(node.name)
        if value is None:
            hint = did_you_mean(node.name, scope.names())
            if node.name in self.roots:
                hint = "An imported template sees it only when imported 'with context'."
            self._problem(node, f"unknown name {node.name!r}", node.name, hint)
            return ANYTHING
        if isinstance(value, Leaf) and node.name in self.roots:
            self.found.used.add(node.name)
        return value

    def _field(self, node: nodes.Node, value: Value, name: str) -> Value:
        if isinstance(value, Fields):
            found = value.fields.get(name)
            if found is None:
                whole = f"{value.path}.{name}" if value.path else name
                hint = did_you_mean(name, value.fields)
                if not value.fields:
                    hint = f"This campaign has no {value.path}."
                self._problem(node, f"unknown name {whole!r}", name, hint)
                return ANYTHING
            if value.path:
                self.found.used.add(f"{value.path}.{name}")
            return found
        hint = "Use a filter: {{ … | upper }}."
        self._problem(node, f"{name!r} of a single value cannot be read", name, hint)
        return ANYTHING

    def _item(self, node: nodes.Getitem, scope: Scope) -> Value:
        value = self._value(node.node, scope)
        if isinstance(node.arg, nodes.Const):
            if isinstance(value, Items) and isinstance(node.arg.value, int):
                return value.item
            return self._field(node, value, str(node.arg.value))
        self._value(node.arg, scope)
        self._problem(node, "a name computed while rendering cannot be checked", "[")
        return ANYTHING

    def _dictionary(self, node: nodes.Dict, scope: Scope) -> Value:
        fields: dict[str, Value] = {}
        for pair in node.items:
            value = self._value(pair.value, scope)
            if isinstance(pair.key, nodes.Const):
                fields[str(pair.key.value)] = value
            else:
                self._problem(node, "a name computed while rendering cannot be checked")
        return Fields(fields)

    def _filter(self, node: nodes.Filter, scope: Scope) -> Value:
        value = Leaf(T.TEXT) if node.node is None else self._value(node.node, scope)
        arguments = [self._value(argument, scope) for argument in node.args]
        arguments += [self._value(keyword.value, scope) for keyword in node.kwargs]
        rule = FILTERS.get(node.name)
        if rule is None:
            hint = did_you_mean(node.name, FILTERS)
            self._problem(node, f"unknown filter {node.name!r}", node.name, hint)
            return ANYTHING
        self.found.filters.add(node.name)
        wrong = (
            rule.takes is not None and value.type not in (*rule.takes, None)
            if isinstance(value, Leaf)
            else node.name not in _OF_LISTS
        )
        if wrong:
            message = f"the filter {node.name} does not take a value of type {kind(value)}"
            self._problem(node, message, node.name, rule.hint)
        self._filter_arguments(node)
        return value if rule.gives is None else Leaf(rule.gives)

    def _filter_arguments(self, node: nodes.Filter) -> None:
        constants = [a.value for a in node.args if isinstance(a, nodes.Const)]
        if node.name == "plural":
            named = {keyword.key for keyword in node.kwargs}
            allowed = range(max(2, len(self.forms) - 1), len(self.forms) + 1)
            if (named and not named >= set(self.forms) | {"other"}) or (
                not named and len(node.args) not in allowed
            ):
                hint = f"In {self.language!r} they are, in this order: {', '.join(self.forms)}."
                self._problem(node, "not the plural forms of this language", "plural", hint)
        if node.name in ("date", "datetime") and constants:
            styles = DATE_STYLES if node.name == "date" else DATE_STYLES[:4]
            if constants[0] not in styles:
                hint = did_you_mean(str(constants[0]), styles)
                self._problem(node, f"unknown style {constants[0]!r}", str(constants[0]), hint)

    def _test(self, node: nodes.Test, scope: Scope) -> Value:
        self._value(node.node, scope)
        for argument in node.args:
            self._value(argument, scope)
        if node.name not in TESTS:
            hint = did_you_mean(node.name, TESTS)
            self._problem(node, f"unknown test {node.name!r}", node.name, hint)
        return Leaf(T.BOOLEAN)

    def _choice(self, node: nodes.CondExpr, scope: Scope) -> Value:
        self._value(node.test, scope)
        if node.expr2 is None:
            self._problem(node, "'… if …' needs its 'else …'", "if")
            return self._value(node.expr1, scope)
        with self._perhaps():
            return alike([self._value(node.expr1, scope), self._value(node.expr2, scope)])

    def _compare(self, node: nodes.Compare, scope: Scope) -> Value:
        left = self._value(node.expr, scope)
        for operand in node.ops:
            right = self._value(operand.expr, scope)
            if operand.op in ("in", "notin"):
                right = right.item if isinstance(right, Items) else right
            if not comparable(left, right):
                kinds = " and ".join(kind(value) for value in (left, right))
                self._problem(node, f"values of type {kinds} cannot be compared")
        return Leaf(T.BOOLEAN)

    def _arithmetic(self, node: nodes.BinExpr, scope: Scope) -> Value:
        sides = [self._value(node.left, scope), self._value(node.right, scope)]
        for side in sides:
            if not isinstance(side, Leaf) or side.type not in (*NUMBERS, None):
                self._problem(node, f"{kind(side)} cannot be calculated with")
        types = {side.type for side in sides if isinstance(side, Leaf)}
        if types == {T.MONEY, T.NUMBER}:
            hint = "Write the number as a whole one, or divide: amounts are exact decimals."
            self._problem(node, "an amount and an inexact number do not mix", hint=hint)
        whole = types == {T.INTEGER} and not isinstance(node, nodes.Div)
        return Leaf(T.MONEY if T.MONEY in types else T.INTEGER if whole else T.NUMBER)

    def _call(self, node: nodes.Call, scope: Scope, caller: Macro | None = None) -> Value:
        callee = node.node
        arguments = [self._value(argument, scope) for argument in node.args]
        keywords = {pair.key: self._value(pair.value, scope) for pair in node.kwargs}
        target = (
            self._value(callee, scope) if isinstance(callee, nodes.Name | nodes.Getattr) else None
        )
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            self._problem(node, "arguments computed while rendering cannot be checked", "*")
        if isinstance(target, Super):
            self._block_at(node, target.name, target.level, None)
        elif isinstance(target, Macro):
            self._run(node, target, arguments, keywords, caller)
        elif target is not ANYTHING:
            self._problem(node, "only macros can be called", hint="Use a filter: {{ … | upper }}.")
        return Leaf(T.TEXT)


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """The nearest of the allowed words, and what they are."""
    choices = sorted(allowed)
    near = get_close_matches(word, choices, n=1)
    start = f"Did you mean {near[0]!r}? " if near else ""
    shown = ", ".join(choices[:30]) + (", …" if len(choices) > 30 else "")
    return f"{start}Allowed here: {shown}." if choices else start.strip()
