"""What a template is taken apart into, and how names get their values on the way."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from jinja2 import nodes
from markupsafe import Markup, escape

from antiphon.message.folding import Folding, Names, Unsplittable, load
from antiphon.message.language import TemplateLanguage

_DEEPEST, _LONGEST = 40, 4_000


@dataclass(frozen=True)
class Text:
    """Written as it stands."""

    text: str


@dataclass(frozen=True)
class Fixed:
    """A constant that an expression prints: for the text derived from a page it is a value."""

    value: str


@dataclass(frozen=True)
class Code:
    """Statements; without `prints` they only set names."""

    statement: nodes.Stmt
    prints: bool = True


Piece = Text | Fixed | Code


class Assembly(Folding):
    """Collects pieces. `records`: values are recorded, for a text derived of the page."""

    def __init__(
        self,
        environment: TemplateLanguage,
        known: Mapping[str, Mapping[str, str]],
        records: bool,
    ) -> None:
        super().__init__(environment, known)
        self._records = records
        self._pieces: list[Piece] = []
        self._depth = self._length = 0
        self._changing: set[str] = set()  # variables that are assigned more than once

    def _add(self, piece: Piece) -> None:
        self._length += 1
        if self._length > _LONGEST:
            raise Unsplittable("it is too long")
        self._pieces.append(piece)

    @contextmanager
    def _apart(self) -> Iterator[list[Piece]]:
        """Pieces that are not yet part of the page."""
        outside, self._pieces = self._pieces, []
        yield self._pieces
        self._pieces = outside

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise Unsplittable("it uses itself")
        yield
        self._depth -= 1

    def _statements(self, walk: Callable[[], None]) -> list[nodes.Node]:
        """What `walk` adds, as statements."""
        with self._apart() as pieces:
            walk()
        return [statement(piece) for piece in pieces]

    # ------------------------------------------------------------ printing and assigning

    def _rewritten(self, node: nodes.Node, names: Names) -> nodes.Expr:
        """The expression, after what it needs before it."""
        with self.before() as prelude:
            expression = self.expression(node, names)
        for one in prelude:
            self._add(Code(one, prints=False))
        return expression

    def _print(self, node: nodes.Expr) -> None:
        if not isinstance(node, nodes.Const):
            self._add(Code(nodes.Output([node], lineno=node.lineno)))
        elif isinstance(node.value, Markup) or not self.environment.autoescape:
            self._add(Text(str(node.value)))
        elif self._records:
            self._add(Fixed(str(node.value)))
        else:
            self._add(Text(str(escape(node.value))))

    def _bind(self, target: nodes.Node, value: nodes.Expr, names: Names) -> None:
        if isinstance(target, nodes.Name):
            if target.name in names.pinned:
                self._assign_to(names.pinned[target.name], value)
            else:
                names[target.name] = self._plain(value)
            return
        items = listed(value)
        if not isinstance(target, nodes.Tuple) or not items or len(items) != len(target.items):
            raise Unsplittable("an assignment to several names")
        for one, item in zip(target.items, items, strict=True):
            self._bind(one, item, names)

    def _plain(self, value: nodes.Expr) -> nodes.Expr:
        """The value as it may be written in several places: nothing of it is worked out anew,
        may fail, or will have changed by then."""
        if isinstance(value, nodes.List | nodes.Tuple):
            new = copy.copy(value)
            new.items = [self._plain(item) for item in value.items]
            return new
        root = value.node if isinstance(value, nodes.Getattr) else value
        if isinstance(root, nodes.Name) and root.name not in self._changing:
            return value
        if isinstance(value, nodes.Const):
            return value
        variable = self.fresh()
        self._assign_to(variable, value)
        return load(variable)

    def _assign_to(self, variable: str, value: nodes.Expr) -> None:
        target = nodes.Name(variable, "store", lineno=value.lineno)
        self._add(Code(nodes.Assign(target, value, lineno=value.lineno), prints=False))


def statement(piece: Piece) -> nodes.Stmt:
    """A piece as code that writes it."""
    if isinstance(piece, Code):
        return piece.statement
    if isinstance(piece, Text):
        return nodes.Output([nodes.TemplateData(piece.text, lineno=1)], lineno=1)
    return nodes.Output([nodes.Const(piece.value, lineno=1)], lineno=1)


def listed(value: nodes.Expr) -> list[nodes.Expr] | None:
    """The items of a list that is known."""
    if isinstance(value, nodes.List | nodes.Tuple):
        return list(value.items)
    if isinstance(value, nodes.Const) and isinstance(value.value, list | tuple):
        return [nodes.Const(item, lineno=value.lineno) for item in value.value]
    return None
