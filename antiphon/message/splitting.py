"""A template taken apart once: what is the same in every message, and the code of what is not.

Layouts, blocks, includes, imports and macros are followed as they would be rendered, and what they
say is put in their place, until one flat run of pieces is left: texts, constants and statements
over the values of a message. Loops over lists that are written out are unrolled. A template with
anything else in it is not taken apart (Unsplittable), and what comes of one that is, is compared
with its plain rendering (message/skeleton.py): this here need not be trusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jinja2 import nodes

from antiphon.message.folding import MacroIn, Names, ParentOf, Unsplittable, load
from antiphon.message.language import TemplateLanguage
from antiphon.message.pieces import Assembly, Code, Piece, Text, listed

ROOTS = ("customer", "campaign", "cell", "offer", "occasion", "links", "company")
_LOOP = ("index", "index0", "revindex", "revindex0", "length", "first", "last")
_UNPRINTED = (nodes.Output, nodes.Block)
_DEFINING = (nodes.Assign, nodes.AssignBlock, nodes.Macro, nodes.Import, nodes.FromImport)


class Splitter(Assembly):
    """Takes one template apart. `sources`: name as templates write it → text."""

    def __init__(
        self,
        environment: TemplateLanguage,
        sources: Mapping[str, str],
        known: Mapping[str, Mapping[str, str]],
        records: bool,
    ) -> None:
        super().__init__(environment, known, records)
        self._sources = sources
        self._blocks: dict[str, list[tuple[nodes.Block, Names]]] = {}
        self._roots = Names()
        self._roots.update({name: load(name) for name in ROOTS})

    def split(self, entry: str) -> list[Piece]:
        """The pieces of every rendering of `entry`; raises Unsplittable."""
        self._template(entry, Names(self._roots))
        return self._pieces

    # ------------------------------------------------------------ templates and blocks

    def _tree(self, name: nodes.Expr | str) -> nodes.Template:
        if isinstance(name, nodes.Const):
            name = name.value
        if not isinstance(name, str) or name not in self._sources:
            raise Unsplittable("a template whose name is not written out")
        return self.environment.parse(self._sources[name], name)

    def _template(self, name: nodes.Expr | str, names: Names) -> None:
        with self._deeper():
            tree = self._tree(name)
            for block in tree.find_all(nodes.Block):
                self._blocks.setdefault(block.name, []).append((block, names))
            layout: nodes.Expr | None = None
            for node in tree.body:
                if isinstance(node, nodes.Extends):
                    if layout is not None:
                        raise Unsplittable("two layouts")
                    layout = node.template
                elif layout is None or isinstance(node, _DEFINING):
                    self._statement(node, names)
                elif not isinstance(node, _UNPRINTED):
                    raise Unsplittable("a statement beside the blocks of a layout")
            if layout is not None:
                self._template(layout, names)

    def _block(self, node: nodes.Block, names: Names) -> None:
        self._version(node.name, 0, names if node.scoped else None)

    def _version(self, name: str, level: int, names: Names | None) -> None:
        versions = self._blocks.get(name, [])
        if level >= len(versions):
            raise Unsplittable(f"the block {name!r} has no parent")
        block, top = versions[level]
        inner = Names(names or top)
        inner["super"] = ParentOf(name, level + 1)
        with self._deeper():
            self._body(block.body, inner)

    def inherited(self, parent: ParentOf) -> list[nodes.Node]:
        """The body of a block one layout up, as statements."""
        return self._statements(lambda: self._version(parent.block, parent.level, None))

    def _include(self, node: nodes.Include, names: Names) -> None:
        if node.ignore_missing:
            raise Unsplittable("an include that may be missing")
        outside, self._blocks = self._blocks, {}
        self._template(node.template, Names(names if node.with_context else None))
        self._blocks = outside

    def _module(self, node: nodes.Import | nodes.FromImport) -> Names:
        """The names that a template sets at its top; what it prints is nobody's."""
        module = Names(self._roots if node.with_context else None)
        tree = self._tree(node.template)
        if tree.find(nodes.Block) is not None:
            raise Unsplittable("an imported template with blocks")
        with self._deeper(), self._apart() as pieces:
            self._body(tree.body, module)
        for piece in pieces:
            if isinstance(piece, Code) and not piece.prints:
                self._add(piece)
            elif not isinstance(piece, Text):
                raise Unsplittable("an imported template that prints")
        return module

    def _import(self, node: nodes.Import, names: Names) -> None:
        self._define(node.target, self._module(node), names)

    def _fromimport(self, node: nodes.FromImport, names: Names) -> None:
        module = self._module(node)
        for name in node.names:
            original, alias = name if isinstance(name, tuple) else (name, name)
            if original not in module:
                raise Unsplittable(f"{original!r} is not defined there")
            self._define(alias, module[original], names)

    def _macro(self, node: nodes.Macro, names: Names) -> None:
        self._define(node.name, MacroIn(node, names), names)

    @staticmethod
    def _define(name: str, meaning: Names | MacroIn | nodes.Expr | ParentOf, names: Names) -> None:
        if name in names.pinned:
            raise Unsplittable(f"{name!r} is defined under a condition")
        names[name] = meaning

    # ------------------------------------------------------------ statements

    def _body(self, body: Sequence[nodes.Node], names: Names) -> None:
        for node in body:
            self._statement(node, names)

    def _statement(self, node: nodes.Node, names: Names) -> None:
        visit = getattr(self, f"_{type(node).__name__.lower()}", None)
        if visit is None:
            raise Unsplittable(f"{type(node).__name__} in a template")
        visit(node, names)

    def _output(self, node: nodes.Output, names: Names) -> None:
        for child in node.nodes:
            if isinstance(child, nodes.TemplateData):
                self._add(Text(child.data))
            elif isinstance(child, nodes.Call):
                self._printed_call(child, names)
            else:
                self._print(self._rewritten(child, names))

    def _printed_call(self, node: nodes.Call, names: Names) -> None:
        """A macro printed where it is called is its body."""
        callee = self.meaning(node.node, names)
        if isinstance(callee, MacroIn):
            self._macro_body(callee, node, names)
        elif isinstance(callee, ParentOf):
            self._version(callee.block, callee.level, None)
        else:
            raise Unsplittable("a call of something other than a macro")

    def _if(self, node: nodes.If, names: Names) -> None:
        test = self._rewritten(node.test, names)
        if isinstance(test, nodes.Const):
            if test.value:
                self._body(node.body, names)
            elif node.elif_:
                first, *others = node.elif_
                self._if(nodes.If(first.test, first.body, others, node.else_), names)
            else:
                self._body(node.else_, names)
            return
        self._pin(node, names)
        # The later branches become one if within else: each with what its test needs before it.
        last = node.else_
        if node.elif_:
            first, *others = node.elif_
            last = [nodes.If(first.test, first.body, others, node.else_, lineno=first.lineno)]
        body = self._statements(lambda: self._body(node.body, names))
        otherwise = self._statements(lambda: self._body(last, names))
        prints = any(_prints(one) for one in (*body, *otherwise))
        self._add(Code(nodes.If(test, body, [], otherwise, lineno=node.lineno), prints))

    def _pin(self, node: nodes.If, names: Names) -> None:
        """From here on, what the branches assign lives in variables."""
        for name in sorted(_assigned([node])):
            if name in names.pinned:
                continue
            variable = names.pinned[name] = self.fresh()
            self._changing.add(variable)
            now = names.find(name)
            if now is not None and not isinstance(now, nodes.Expr):
                raise Unsplittable(f"{name!r} is defined under a condition")
            if now is not None:
                self._assign_to(variable, now)
            names[name] = load(variable)

    def _for(self, node: nodes.For, names: Names) -> None:
        if node.recursive:
            raise Unsplittable("a recursive loop")
        items = self._items(node, names)
        for place in range(len(items)):
            inner = self._loop(place, len(items), names)
            self._bind(node.target, items[place], inner)
            self._body(node.body, inner)
        if not items:
            self._body(node.else_, Names(names))

    def _items(self, node: nodes.For, names: Names) -> list[nodes.Expr]:
        """What a loop goes over: its list is written out, and a test on the items known."""
        items = listed(self._rewritten(node.iter, names))
        if items is None:
            raise Unsplittable("a loop over something other than a list that is written out")
        if node.test is None:
            return items
        kept = []
        for item in items:
            inner = Names(names)
            self._bind(node.target, item, inner)
            test = self.expression(node.test, inner)
            if not isinstance(test, nodes.Const):
                raise Unsplittable("a loop with a condition")
            if test.value:
                kept.append(item)
        return kept

    @staticmethod
    def _loop(place: int, length: int, names: Names) -> Names:
        """The names inside one turn of a loop."""
        numbers = (place + 1, place, length - place, length - place - 1, length)
        facts = (*numbers, place == 0, place == length - 1)
        inner, loop = Names(names), Names()
        loop.update({n: nodes.Const(v, lineno=1) for n, v in zip(_LOOP, facts, strict=True)})
        inner["loop"] = loop
        return inner

    def _assign(self, node: nodes.Assign, names: Names) -> None:
        self._bind(node.target, self._rewritten(node.node, names), names)

    def _assignblock(self, node: nodes.AssignBlock, names: Names) -> None:
        if not isinstance(node.target, nodes.Name):
            raise Unsplittable("an assignment to something other than a name")
        name = node.target.name
        chain = self._filters(node.filter, names) if node.filter else None
        body = self._statements(lambda: self._body(node.body, Names(names)))
        variable = names.pinned.get(name) or self.fresh()
        target = nodes.Name(variable, "store", lineno=node.lineno)
        self._add(Code(nodes.AssignBlock(target, chain, body, lineno=node.lineno), prints=False))
        names[name] = load(variable)

    def _filterblock(self, node: nodes.FilterBlock, names: Names) -> None:
        chain = self._filters(node.filter, names)
        body = self._statements(lambda: self._body(node.body, Names(names)))
        self._add(Code(nodes.FilterBlock(body, chain, lineno=node.lineno)))

    def _filters(self, node: nodes.Filter, names: Names) -> nodes.Filter:
        """A chain of filters that begins with nothing."""
        if isinstance(node.node, nodes.Filter):
            inner: nodes.Filter | None = self._filters(node.node, names)
        elif node.node is None:
            inner = None
        else:
            raise Unsplittable("a filter of a block")
        given = nodes.Const(None, lineno=node.lineno)
        shell = nodes.Filter(given, node.name, node.args, node.kwargs, None, None)
        new = self._copied(shell, names)
        assert isinstance(new, nodes.Filter)
        new.node, new.lineno = inner, node.lineno
        return new

    def _with(self, node: nodes.With, names: Names) -> None:
        inner = Names(names)
        values = [self._rewritten(value, names) for value in node.values]
        for target, value in zip(node.targets, values, strict=True):
            self._bind(target, value, inner)
        self._body(node.body, inner)

    def _scope(self, node: nodes.Scope, names: Names) -> None:
        self._body(node.body, Names(names))

    # ------------------------------------------------------------ macros

    def called(self, macro: MacroIn, node: nodes.Call, names: Names) -> list[nodes.Node]:
        """The body of a macro called with these arguments, as statements."""
        return self._statements(lambda: self._macro_body(macro, node, names))

    def _callblock(self, node: nodes.CallBlock, names: Names) -> None:
        callee = self.meaning(node.call.node, names)
        if not isinstance(callee, MacroIn):
            raise Unsplittable("a call of something other than a macro")
        self._macro_body(callee, node.call, names, MacroIn(node, names))

    def _macro_body(
        self, macro: MacroIn, node: nodes.Call, names: Names, caller: MacroIn | None = None
    ) -> None:
        definition, inner = macro.node, Names(macro.names)
        parameters = [argument.name for argument in definition.args]
        if node.dyn_args or node.dyn_kwargs or len(node.args) > len(parameters):
            raise Unsplittable("the arguments of a macro")
        given = dict(zip(parameters, node.args, strict=False))
        for keyword in node.kwargs:
            if keyword.key not in parameters or keyword.key in given:
                raise Unsplittable("the arguments of a macro")
            given[keyword.key] = keyword.value
        # Arguments are worked out in the order in which they are written.
        for name, value in given.items():
            self._bind(nodes.Name(name, "store"), self._rewritten(value, names), inner)
        defaults = parameters[len(parameters) - len(definition.defaults) :]
        for name, value in zip(defaults, definition.defaults, strict=True):
            if name not in given:
                self._bind(nodes.Name(name, "store"), self._rewritten(value, inner), inner)
        if set(parameters) - set(inner):
            raise Unsplittable("a macro without one of its arguments")
        if caller is not None:
            inner["caller"] = caller
        with self._deeper():
            self._body(definition.body, inner)


def _prints(node: nodes.Node) -> bool:
    """Whether a statement of ours may write anything."""
    if isinstance(node, nodes.If):
        return any(map(_prints, (*node.body, *node.else_)))
    return not isinstance(node, nodes.Assign | nodes.AssignBlock | nodes.Macro)


def _assigned(body: Sequence[nodes.Node]) -> set[str]:
    """Names that a branch sets for what comes after it."""
    found: set[str] = set()
    for node in body:
        if isinstance(node, nodes.Assign | nodes.AssignBlock):
            found |= {name.name for name in node.target.find_all(nodes.Name)}
            if isinstance(node.target, nodes.Name):
                found.add(node.target.name)
        elif isinstance(node, nodes.If):
            found |= _assigned([*node.body, *node.elif_, *node.else_])
        elif isinstance(node, nodes.Macro | nodes.Import | nodes.FromImport):
            raise Unsplittable("a definition under a condition")
    return found
