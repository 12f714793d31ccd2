"""What a template uses, and what is wrong with it, read from its syntax tree.

The walk follows layouts, blocks, includes, imports and macros as they would be rendered, through
every branch, and knows the type of each value. What it cannot follow (a name computed at the
time of rendering, a method call) is a problem.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import TemplateSyntaxError, nodes

from antiphon.entities import ColumnType
from antiphon.message.expressions import Expressions, Survey, did_you_mean
from antiphon.message.shapes import ANYTHING, Fields, Items, Leaf, Macro, Scope, Super, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = ColumnType
_LOOP = {
    **dict.fromkeys(("index", "index0", "revindex", "revindex0", "length"), T.INTEGER),
    **dict.fromkeys(("first", "last"), T.BOOLEAN),
}
# Around these, what is used need not be what is printed (a macro's own prints count).
_PERHAPS: tuple[type[nodes.Node], ...] = (nodes.CondExpr, nodes.And, nodes.Or, nodes.Call)
_UNREADABLE = {
    T.MONEY: "Write it with the filter money: {{ … | money }}.",
    T.NUMBER: "Write it with number, percent or money: {{ … | number(1) }}.",
    T.DAY: "Write it with the filter date: {{ … | date('long') }}.",
    T.INSTANT: "Write it with the filter datetime: {{ … | datetime }}.",
    T.BOOLEAN: "Ask for it instead: {% if … %}yes{% else %}no{% endif %}.",
}


class Surveyor(Expressions):
    """Walks one part of a message in one language."""

    def survey(self, entry: str) -> Survey:
        """Everything the template at `entry` (a file's path) uses."""
        self.found = Survey(entry, files={entry: entry})
        self._template(entry, self._top())
        return self.found

    def _top(self) -> Scope:
        scope = Scope()
        scope.update(self.roots)
        return scope

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
            hint = did_you_mean(name.value, self.sources.files)
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
                hint = did_you_mean(original, module)
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
                self.found.places.append((self.path, child.lineno, child.data))
                continue
            for line, text in _written(child):
                self.found.places.append((self.path, line, text))
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


def _written(node: nodes.Node) -> Iterator[tuple[int, str]]:
    """Texts within an expression that may be printed; those it compares with are not."""
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield node.lineno, node.value
    elif not isinstance(node, nodes.Compare | nodes.Test):
        for child in node.iter_child_nodes():
            yield from _written(child)


def _conditional(node: nodes.Node) -> bool:
    return isinstance(node, _PERHAPS) or next(node.find_all(_PERHAPS), None) is not None
