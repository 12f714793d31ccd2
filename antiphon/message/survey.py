"""What a template uses, and what is wrong with it, read from its syntax tree.

The walk follows layouts, blocks, includes, imports and macros as they would be rendered, through
every branch, and knows the type of each value. What it cannot follow (a name computed at the
time of rendering, a method call) is a problem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import reduce
from typing import TYPE_CHECKING

from jinja2 import TemplateSyntaxError, nodes

from antiphon.entities import ColumnType
from antiphon.errors import Problem
from antiphon.message.formats import DATE_STYLES, plural_forms
from antiphon.message.language import FILTERS, NUMBERS, TESTS, TemplateLanguage

if TYPE_CHECKING:
    from collections.abc import Iterator

T = ColumnType
_LOOP = {
    **dict.fromkeys(("index", "index0", "revindex", "revindex0", "length"), T.INTEGER),
    **dict.fromkeys(("first", "last"), T.BOOLEAN),
}
# Around these, what is used need not be what is printed (a macro's own prints count).
_PERHAPS: tuple[type[nodes.Node], ...] = (nodes.CondExpr, nodes.And, nodes.Or, nodes.Call)
_OF_LISTS = frozenset({"listing", "length", "count", "default", "d"})
_UNREADABLE = {
    T.MONEY: "Write it with the filter money: {{ … | money }}.",
    T.NUMBER: "Write it with number, percent or money: {{ … | number(1) }}.",
    T.DAY: "Write it with the filter date: {{ … | date('long') }}.",
    T.INSTANT: "Write it with the filter datetime: {{ … | datetime }}.",
    T.BOOLEAN: "Ask for it instead: {% if … %}yes{% else %}no{% endif %}.",
}


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


@dataclass
class Survey:
    """What one template uses. Paths are below templates/.

    `used`: names such as `customer.age`; `printed`: those printed in every rendering;
    `files`: name as written → path of the file, of everything it is made of.
    """

    entry: str
    used: set[str] = field(default_factory=set)
    printed: set[str] = field(default_factory=set)
    filters: set[str] = field(default_factory=set)
    files: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
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


class Surveyor:
    """Walks one part of a message in one language."""

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
        self.path = ""
        self.uncertain = 0
        self.stack: list[object] = []
        self.blocks: dict[str, list[tuple[str, nodes.Block, Scope]]] = {}

    def survey(self, entry: str) -> Survey:
        """Everything the template at `entry` (a file's path) uses."""
        self.found = Survey(entry, files={entry: entry})
        self._template(entry, self._top())
        return self.found

    def _top(self) -> Scope:
        scope = Scope()
        scope.update(self.roots)
        return scope

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

    # ------------------------------------------------------------ templates and blocks

    def _template(self, path: str, scope: Scope) -> None:
        with self._at(path):
            tree = self.sources.tree(path)
            if isinstance(tree, TemplateSyntaxError):
                self._report(path, tree.lineno, tree.message or "syntax error")
                return
            parent = next(tree.find_all(nodes.Extends), None)
            for block in tree.find_all(nodes.Block):
                self.blocks.setdefault(block.name, []).append((path, block, scope))
            if parent is None:
                self._body(tree.body, scope)
                return
            unprinted = (nodes.Output, nodes.Block, nodes.Extends)
            self._body([node for node in tree.body if not isinstance(node, unprinted)], scope)
            if parent in tree.body:
                self._layout(parent, scope)
            else:
                self._problem(parent, "a layout may not depend on a condition", "extends")

    def _layout(self, node: nodes.Extends, scope: Scope) -> None:
        for path in self._named(node, node.template):
            with self._entered(path, node, path) as free:
                if free:
                    self._template(path, scope)

    def _include(self, node: nodes.Include, scope: Scope) -> None:
        if node.ignore_missing:
            self._problem(node, "'ignore missing' cannot be checked", "ignore")
        for path in self._named(node, node.template):
            with self._entered(path, node, path) as free:
                if free:
                    outside, self.blocks = self.blocks, {}
                    self._template(path, Scope(scope) if node.with_context else Scope())
                    self.blocks = outside

    def _named(self, node: nodes.Node, name: nodes.Expr) -> Iterator[str]:
        """The file a constant name means; a problem if there is none."""
        if not isinstance(name, nodes.Const) or not isinstance(name.value, str):
            self._problem(node, "the name of a template must be written out, in quotes")
            return
        path = self.resolve(name.value)
        if path is None:
            hint = _did_you_mean(name.value, self.sources.files)
            self._problem(node, f"no template {name.value!r}", name.value, hint)
            return
        self.found.files[name.value] = path
        yield path

    def _module(self, node: nodes.Import | nodes.FromImport, scope: Scope) -> Scope:
        """The names a template defines at its top."""
        module = Scope(self._top() if node.with_context else None)
        for path in self._named(node, node.template):
            tree = self.sources.tree(path)
            with self._at(path), self._entered(path, node, path) as free:
                if isinstance(tree, TemplateSyntaxError):
                    self._report(path, tree.lineno, tree.message or "syntax error")
                elif free:
                    self._body(tree.body, module)
        return module

    def _import(self, node: nodes.Import, scope: Scope) -> None:
        scope[node.target] = Fields(dict(self._module(node, scope)))

    def _fromimport(self, node: nodes.FromImport, scope: Scope) -> None:
        module = self._module(node, scope)
        for name in node.names:
            original, alias = name if isinstance(name, tuple) else (name, name)
            if original not in module:
                hint = _did_you_mean(original, module)
                self._problem(node, f"{original!r} is not defined there", original, hint)
            scope[alias] = module.get(original, ANYTHING)

    def _block(self, node: nodes.Block, scope: Scope) -> None:
        self._block_at(node, node.name, 0, scope if node.scoped else None)

    def _block_at(self, node: nodes.Node, name: str, level: int, scope: Scope | None) -> None:
        versions = self.blocks.get(name, [])
        if level >= len(versions):
            self._problem(node, f"the block {name!r} has no further parent", "super")
            return
        path, block, top = versions[level]
        with self._at(path), self._entered(block, node, name) as free:
            if free:
                self._body(block.body, Scope(scope or top, super=Super(name, level + 1)))

    # ------------------------------------------------------------ statements

    def _body(self, body: Iterable[nodes.Node], scope: Scope) -> None:
        for node in body:
            visit = getattr(self, f"_{type(node).__name__.lower()}", None)
            if visit is None:
                self._problem(node, f"{type(node).__name__} may not be used in templates")
            else:
                visit(node, scope)

    def _output(self, node: nodes.Output, scope: Scope) -> None:
        for child in node.nodes:
            if isinstance(child, nodes.TemplateData):
                self.found.texts.append(child.data)
                continue
            before = set(self.found.used)
            self.found.used -= before
            value = self._value(child, scope)
            if not self.uncertain and not _conditional(child):
                self.found.printed |= self.found.used
            self.found.used |= before
            if not isinstance(value, Leaf):
                self._problem(child, "only a single value can be printed, not a group of them")
            elif value.type in _UNREADABLE:
                kind = value.type.name.lower()
                hint = _UNREADABLE[value.type]
                self._problem(child, f"a value of type {kind} printed bare", hint=hint)

    def _if(self, node: nodes.If, scope: Scope) -> None:
        self._value(node.test, scope)
        with self._perhaps():
            self._body([*node.body, *node.elif_, *node.else_], scope)

    def _for(self, node: nodes.For, scope: Scope) -> None:
        items = self._value(node.iter, scope)
        if not isinstance(items, Items):
            self._problem(node, "only a list can be looped over", "for")
        if node.recursive:
            self._problem(node, "a recursive loop cannot be checked", "recursive")
        inner = Scope(scope, loop=Fields({name: Leaf(type_) for name, type_ in _LOOP.items()}))
        self._bind(node.target, items.item if isinstance(items, Items) else ANYTHING, inner)
        with self._perhaps():
            if node.test is not None:
                self._value(node.test, inner)
            self._body(node.body, inner)
            self._body(node.else_, Scope(scope))

    def _bind(self, target: nodes.Node, value: Value, scope: Scope) -> None:
        if isinstance(target, nodes.Name):
            scope[target.name] = value
        elif isinstance(target, nodes.Tuple):
            for item in target.items:
                self._bind(item, value.item if isinstance(value, Items) else ANYTHING, scope)
        else:
            self._problem(target, "only a name can be set")

    def _assign(self, node: nodes.Assign, scope: Scope) -> None:
        self._bind(node.target, self._value(node.node, scope), scope)

    def _assignblock(self, node: nodes.AssignBlock, scope: Scope) -> None:
        self._body(node.body, Scope(scope))
        if node.filter is not None:
            self._value(node.filter, scope)
        self._bind(node.target, Leaf(T.TEXT), scope)

    def _filterblock(self, node: nodes.FilterBlock, scope: Scope) -> None:
        self._value(node.filter, scope)
        self._body(node.body, Scope(scope))

    def _with(self, node: nodes.With, scope: Scope) -> None:
        inner = Scope(scope)
        for target, value in zip(node.targets, node.values, strict=True):
            self._bind(target, self._value(value, scope), inner)
        self._body(node.body, inner)

    def _scope(self, node: nodes.Scope, scope: Scope) -> None:
        self._body(node.body, Scope(scope))

    def _macro(self, node: nodes.Macro, scope: Scope) -> None:
        scope[node.name] = Macro(node, self.path, scope)

    def _callblock(self, node: nodes.CallBlock, scope: Scope) -> None:
        self._call(node.call, scope, caller=Macro(node, self.path, scope))

    # ------------------------------------------------------------ expressions

    def _value(self, node: nodes.Node, scope: Scope) -> Value:  # noqa: PLR0911, PLR0912
        """What the expression gives; its problems are reported."""
        match node:
            case nodes.Name():
                return self._name(node, scope)
            case nodes.Const():
                return Leaf(_constant_type(node.value))
            case nodes.TemplateData():
                return Leaf(T.TEXT)
            case nodes.Getattr():
                return self._field(node, self._value(node.node, scope), node.attr)
            case nodes.Getitem():
                return self._item(node, scope)
            case nodes.List() | nodes.Tuple():
                return Items(_alike([self._value(item, scope) for item in node.items]))
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
                return _alike([self._value(node.left, scope), self._value(node.right, scope)])
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
            hint = _did_you_mean(node.name, scope.names())
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
                hint = _did_you_mean(name, value.fields)
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
            hint = _did_you_mean(node.name, FILTERS)
            self._problem(node, f"unknown filter {node.name!r}", node.name, hint)
            return ANYTHING
        self.found.filters.add(node.name)
        wrong = (
            rule.takes is not None and value.type not in (*rule.takes, None)
            if isinstance(value, Leaf)
            else node.name not in _OF_LISTS
        )
        if wrong:
            message = f"the filter {node.name} does not take a value of type {_kind(value)}"
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
                hint = _did_you_mean(str(constants[0]), styles)
                self._problem(node, f"unknown style {constants[0]!r}", str(constants[0]), hint)

    def _test(self, node: nodes.Test, scope: Scope) -> Value:
        self._value(node.node, scope)
        for argument in node.args:
            self._value(argument, scope)
        if node.name not in TESTS:
            hint = _did_you_mean(node.name, TESTS)
            self._problem(node, f"unknown test {node.name!r}", node.name, hint)
        return Leaf(T.BOOLEAN)

    def _choice(self, node: nodes.CondExpr, scope: Scope) -> Value:
        self._value(node.test, scope)
        if node.expr2 is None:
            self._problem(node, "'… if …' needs its 'else …'", "if")
            return self._value(node.expr1, scope)
        with self._perhaps():
            return _alike([self._value(node.expr1, scope), self._value(node.expr2, scope)])

    def _compare(self, node: nodes.Compare, scope: Scope) -> Value:
        left = self._value(node.expr, scope)
        for operand in node.ops:
            right = self._value(operand.expr, scope)
            if operand.op in ("in", "notin"):
                right = right.item if isinstance(right, Items) else right
            if not _comparable(left, right):
                kinds = " and ".join(_kind(value) for value in (left, right))
                self._problem(node, f"values of type {kinds} cannot be compared")
        return Leaf(T.BOOLEAN)

    def _arithmetic(self, node: nodes.BinExpr, scope: Scope) -> Value:
        sides = [self._value(node.left, scope), self._value(node.right, scope)]
        for side in sides:
            if not isinstance(side, Leaf) or side.type not in (*NUMBERS, None):
                self._problem(node, f"{_kind(side)} cannot be calculated with")
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

    def _run(
        self,
        node: nodes.Call,
        macro: Macro,
        arguments: list[Value],
        keywords: dict[str, Value],
        caller: Macro | None,
    ) -> None:
        definition = macro.node
        name = definition.name if isinstance(definition, nodes.Macro) else "caller"
        names = [argument.name for argument in definition.args]
        if len(arguments) > len(names) or set(keywords) - set(names):
            hint = f"It takes: {', '.join(names) or 'nothing'}."
            self._problem(node, f"the macro {name} does not take these arguments", name, hint)
        inner = Scope(macro.scope, **({"caller": caller} if caller else {}))
        optional = names[len(names) - len(definition.defaults) :]
        for argument, fallback in zip(optional, definition.defaults, strict=True):
            inner[argument] = self._value(fallback, macro.scope)
        inner.update(zip(names, arguments, strict=False))
        inner.update(keywords)
        if missing := [argument for argument in names if argument not in inner]:
            self._problem(node, f"the macro {name} needs {missing[0]!r}", name)
            inner.update(dict.fromkeys(missing, ANYTHING))
        with self._at(macro.path), self._entered(definition, node, name) as free:
            if free:
                self._body(definition.body, inner)


def _conditional(node: nodes.Node) -> bool:
    return isinstance(node, _PERHAPS) or next(node.find_all(_PERHAPS), None) is not None


def _did_you_mean(word: str, allowed: Iterable[str]) -> str:
    choices = sorted(allowed)
    near = get_close_matches(word, choices, n=1)
    start = f"Did you mean {near[0]!r}? " if near else ""
    shown = ", ".join(choices[:30]) + (", …" if len(choices) > 30 else "")
    return f"{start}Allowed here: {shown}." if choices else start.strip()


def _constant_type(value: object) -> T | None:
    kinds = {bool: T.BOOLEAN, int: T.INTEGER, float: T.NUMBER, str: T.TEXT}
    return kinds.get(type(value))


def _alike(values: list[Value]) -> Value:
    """One value standing for all of them."""

    def join(left: Value, right: Value) -> Value:
        if isinstance(left, Items) and isinstance(right, Items):
            return Items(join(left.item, right.item))
        if isinstance(left, Fields) and isinstance(right, Fields) and not left.path:
            shared = left.fields.keys() & right.fields.keys()
            return Fields({name: join(left.fields[name], right.fields[name]) for name in shared})
        return left if left == right else ANYTHING

    return reduce(join, values) if values else ANYTHING


def _comparable(left: Value, right: Value) -> bool:
    if not isinstance(left, Leaf) or not isinstance(right, Leaf):
        return False
    if None in (left.type, right.type) or left.type == right.type:
        return True
    return left.type in NUMBERS and right.type in NUMBERS


def _kind(value: Value) -> str:
    if isinstance(value, Leaf):
        return value.type.name.lower() if value.type else "any"
    return "list" if isinstance(value, Items) else "group"
