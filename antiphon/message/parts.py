"""Constants of a page and the slots between them, whose code writes what differs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator

from antiphon.message.folding import Unsplittable
from antiphon.message.language import TemplateLanguage
from antiphon.message.pieces import Code, Fixed, Piece, Text, statement
from antiphon.message.plain import FIXED, MARK, mark, place_of

SEPARATOR = "\x1e"  # no value has a control character (values.clean)
SHORT = 16  # a constant shorter than this between two slots costs more than it saves
Context = dict[str, object]


@dataclass
class Parts:
    """Constants, and the slots between them: always one constant more than there are slots.

    `silent`: statements after the last slot, which write nothing.
    """

    constants: list[str] = field(default_factory=lambda: [""])
    slots: list[list[nodes.Stmt]] = field(default_factory=list)
    silent: list[nodes.Stmt] = field(default_factory=list)
    fixed: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> Parts:
        """Short constants go into a slot with what stands around them."""
        parts = cls()
        for piece in pieces:
            if isinstance(piece, Text):
                parts.constants[-1] += piece.text
            elif isinstance(piece, Fixed):
                parts.constants[-1] += mark(FIXED + len(parts.fixed))
                parts.fixed.append(piece.value)
            elif not piece.prints:
                parts.silent.append(piece.statement)
            else:
                parts._slot(piece)
        return parts

    def _slot(self, code: Code) -> None:
        before, self.silent = self.silent, []
        if self.slots and len(self.constants[-1]) < SHORT:
            self.slots[-1] += [*self.code(self.constants[-1]), *before, code.statement]
            self.constants[-1] = ""
        else:
            self.slots.append([*before, code.statement])
            self.constants.append("")

    def code(self, constant: str) -> list[nodes.Stmt]:
        """Code that writes a constant."""
        written: list[nodes.Stmt] = []
        for text in re.split(f"({MARK.pattern})", constant):
            if MARK.fullmatch(text):
                written.append(statement(Fixed(self.fixed[place_of(text) - FIXED])))
            elif text:
                written.append(statement(Text(text)))
        return written

    def strip(self) -> tuple[bool, bool]:
        """Take the blanks off both ends; whether the first and the last slot stand at an end, so
        that their values have to be stripped."""
        if not self.slots:
            self.constants[0] = self.constants[0].strip()
            return False, False
        leads, trails = not self.constants[0].strip(), not self.constants[-1].strip()
        self.constants[0], self.constants[-1] = (
            self.constants[0].lstrip(),
            self.constants[-1].rstrip(),
        )
        while leads and len(self.slots) > 1 and not self.constants[1].strip():
            self._join(0)
        if leads:
            self._blanks_after_first()
        while trails and len(self.slots) > 1 and not self.constants[-2].strip():
            self._join(len(self.slots) - 2)
        if trails:
            self._blanks_before_last()
        return leads, trails

    def _join(self, place: int) -> None:
        """One slot of two, with the constant between them."""
        between = self.code(self.constants.pop(place + 1))
        self.slots[place] += [*between, *self.slots.pop(place + 1)]

    def _blanks_after_first(self) -> None:
        after = self.constants[1]
        self.constants[1] = after.lstrip()
        self.slots[0] += self.code(after[: len(after) - len(self.constants[1])])

    def _blanks_before_last(self) -> None:
        before = self.constants[-2]
        self.constants[-2] = before.rstrip()
        self.slots[-1][:0] = self.code(before[len(self.constants[-2]) :])


class _Marks(CodeGenerator):
    """Prints what `finalize` gives as it is: a mark is no text to escape."""

    def _output_child_pre(self, node: nodes.Expr, frame: Any, finalize: Any) -> None:
        self.write(f"({finalize.src}")


class Program:
    """The compiled slots of one part. `records`: they print marks only."""

    def __init__(self, environment: TemplateLanguage, parts: Parts, records: bool = False) -> None:
        if records:
            environment.code_generator_class = _Marks
        body: list[nodes.Node] = []
        for slot in parts.slots:
            body += [*slot, statement(Text(SEPARATOR))]
        tree = nodes.Template([nodes.Scope([*body, *parts.silent])], lineno=1)
        tree.set_lineno(1)
        tree.set_environment(environment)
        code = environment.compile(tree)
        self._template = environment.template_class.from_code(environment, code, {})

    def run(self, context: Context) -> str:
        """What the slots write, each with a separator after it."""
        return "".join(
            self._template.root_render_func(self._template.new_context(context, shared=True))
        )


def values_of(written: str, count: int) -> list[str]:
    values = written.split(SEPARATOR)
    if len(values) != count + 1:
        raise Unsplittable("a separator in a value")
    values.pop()
    return values
