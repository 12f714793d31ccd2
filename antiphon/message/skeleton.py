"""Skeletons: what the e-mails of one variant, language and campaign share, and their values.

A page is split once into constants and slots (message/splitting.py); a slot is whatever stands
between two constants, and its code writes what belongs there for one message. How this text came
to be is no proof that it is right, so each skeleton is compared with the plain rendering while it
is used (`Split.is_due`), and the first difference ends it.
"""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from jinja2 import nodes

from antiphon.message.content import Personal, Skeleton
from antiphon.message.folding import Unsplittable
from antiphon.message.language import TemplateLanguage, printable
from antiphon.message.pages import Pages, Place
from antiphon.message.plain import FIXED, MARK, Recorder, escaped, mark, place_of, text_with_marks
from antiphon.message.splitting import Code, Fixed, Piece, Splitter, Text, statement
from antiphon.message.tree import Part

MOST_BYTES = 10_000  # of substitutions a person: SendGrid, POST /v3/mail/send
_SEPARATOR = "\x1e"  # no value has a control character (values.clean)
_SHORT = 16  # a constant shorter than this between two slots costs more than it saves
_SHAPES = 4_096
_CORE = 4  # letters of a marker
Context = Mapping[str, object]


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
        if self.slots and len(self.constants[-1]) < _SHORT:
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


class Program:
    """The compiled slots of one part."""

    def __init__(self, environment: TemplateLanguage, parts: Parts) -> None:
        body: list[nodes.Node] = []
        for slot in parts.slots:
            body += [*slot, statement(Text(_SEPARATOR))]
        tree = nodes.Template([nodes.Scope([*body, *parts.silent])], lineno=1)
        tree.set_lineno(1)
        tree.set_environment(environment)
        code = environment.compile(tree)
        self._template = environment.template_class.from_code(environment, code, {})

    def run(self, context: Context) -> str:
        """What the slots write, each with a separator after it."""
        return "".join(
            self._template.root_render_func(self._template.new_context(dict(context), shared=True))
        )


def _values(written: str, count: int) -> list[str]:
    values = written.split(_SEPARATOR)
    if len(values) != count + 1:
        raise Unsplittable("a separator in a value")
    values.pop()
    return values


class Subject:
    """The subject: one value, unless it is the same in every message."""

    def __init__(self, environment: TemplateLanguage, pieces: Sequence[Piece]) -> None:
        parts = Parts.of(pieces)
        self.constants = [" ".join(parts.constants[0].split())]
        self._program: Program | None = None
        if parts.slots:
            whole = [[*(statement(piece) for piece in pieces)]]
            self._program = Program(environment, Parts(["", ""], whole))
            self.constants = ["", ""]

    def values(self, context: Context) -> list[str]:
        """The value of each slot."""
        if self._program is None:
            return []
        [subject] = _values(self._program.run(context), 1)
        return [" ".join(subject.split())]


class Body:
    """A part that is written as it is: HTML beside a text body of its own, or that text."""

    def __init__(
        self, environment: TemplateLanguage, pieces: Sequence[Piece], stripped: bool
    ) -> None:
        parts = Parts.of(pieces)
        self._leads, self._trails = parts.strip() if stripped else (False, False)
        if stripped:
            parts.constants[-1] += "\n"
        self.constants = parts.constants
        self._program = Program(environment, parts)

    def values(self, context: Context) -> list[str]:
        """The value of each slot."""
        values = _values(self._program.run(context), len(self.constants) - 1)
        if self._leads:
            values[0] = values[0].lstrip()
        if self._trails:
            values[-1] = values[-1].rstrip()
        return values


class _Fill(NamedTuple):
    """What the slots write for one shape of a page: texts with places for recorded values."""

    text: str
    order: tuple[int, ...]

    @classmethod
    def of(cls, marked: str) -> _Fill:
        order = tuple(map(place_of, MARK.findall(marked)))
        return cls(MARK.sub("%s", marked.replace("%", "%%")), order)

    def filled(self, values: Sequence[str]) -> str:
        return self.text % tuple([values[place] for place in self.order])


class Derived:
    """An HTML body and the text derived from it (message/plain.py).

    The text of a page depends on its shape, of which there are as many as ways through the
    branches of its slots: for each, the text is derived once, and the constants of the skeleton
    are found in it. One that is not found there stops being a constant, for all of them.
    """

    def __init__(
        self, environment: TemplateLanguage, pieces: Sequence[Piece], recorder: Recorder
    ) -> None:
        parts = Parts.of(pieces)
        self._shape, self._recorder = parts.constants, recorder
        self._words: dict[str, str] = {
            mark(FIXED + place): " ".join(value.split()) for place, value in enumerate(parts.fixed)
        }
        fixed = list(map(escaped, parts.fixed))
        self.html = [
            MARK.sub(lambda found: fixed[place_of(found[0]) - FIXED], constant)
            for constant in parts.constants
        ]
        self._program = Program(environment, parts)
        self._fills: dict[object, tuple[_Fill, _Fill]] = {}
        self.text = self._anchors()
        self.is_new = False  # whether the last values were of a shape not seen before

    def _anchors(self) -> list[str]:
        """The constants of the text: those around marks that stand for whole slots."""
        marks = [mark(place) for place in range(len(self._shape) - 1)]
        page = "".join(map("".join, zip(self._shape, [*marks, ""], strict=True)))
        first, *others = MARK.split(text_with_marks(page, self._words))
        if not others:
            return [first]
        middle = [text.strip() for text in others[:-1]]
        kept = [text for text in middle if len(text) >= _SHORT]
        return [first.rstrip(), *kept, others[-1].lstrip()]

    def values(self, context: Context) -> tuple[list[str], list[str]]:
        """The values of the slots of the HTML and of the text."""
        self._recorder.values = []
        written = self._program.run(context)
        values = self._recorder.values
        words = [" ".join(value.split()) for value in values]
        key: object = written
        empty: tuple[int, ...] = ()
        if "" in words:  # blanks around an empty value are not those around a word
            empty = tuple(place for place, word in enumerate(words) if not word)
            key = (written, empty)
        fills = self._fills.get(key)
        self.is_new = fills is None
        if fills is None:
            if len(self._fills) >= _SHAPES:
                raise Unsplittable("too many shapes of one page")
            fills = self._fills[key] = self._learnt(written, empty)
        html, text = fills
        return (
            _values(html.filled(list(map(escaped, values))), len(self.html) - 1),
            _values(text.filled(words), len(self.text) - 1),
        )

    def _learnt(self, written: str, empty: Sequence[int]) -> tuple[_Fill, _Fill]:
        slots = _values(written, len(self._shape) - 1)
        page = "".join(map("".join, zip(self._shape, [*slots, ""], strict=True)))
        words = self._words | {mark(place): "" for place in empty}
        text = text_with_marks(page, words)
        while (found := _between(text, self.text)) is None:
            self.text = _fewer(text, self.text)
            self._fills.clear()
        return _Fill.of(written), _Fill.of("".join(f"{one}{_SEPARATOR}" for one in found))


def _between(text: str, constants: Sequence[str]) -> list[str] | None:
    """What stands between the constants, if the text has them in this order."""
    at, _ = _reached(text, constants)
    return None if at is None else [text[start:end] for start, end in at]


def _reached(text: str, constants: Sequence[str]) -> tuple[list[tuple[int, int]] | None, int]:
    """Where the gaps between the constants are; else None and the first constant not found."""
    if len(constants) == 1:
        return ([], 0) if text == constants[0] else (None, 0)
    first, *middle, last = constants
    if not text.startswith(first):
        return None, 0
    gaps, end = [], len(first)
    for place, constant in enumerate(middle, start=1):
        start = text.find(constant, end)
        if start < 0:
            return None, place
        gaps.append((end, start))
        end = start + len(constant)
    if not text.endswith(last) or len(text) - len(last) < end:
        return None, len(constants) - 1
    return [*gaps, (end, len(text) - len(last))], 0


def _fewer(text: str, constants: Sequence[str]) -> list[str]:
    """Constants without the first that is not found in the text."""
    _, place = _reached(text, constants)
    if len(constants) == 1:
        return ["", ""]
    if place in (0, len(constants) - 1):
        return ["" if at == place else constant for at, constant in enumerate(constants)]
    return [constant for at, constant in enumerate(constants) if at != place]


def _core(constants: Sequence[str]) -> str:
    """Letters that make a marker unlike anything: no constant contains them, begins or ends with
    one of them; so no value and constant side by side look like a marker, unless a value holds
    all of the letters."""
    edges = {letter for text in constants if text for letter in (text[0], text[-1])}
    letters = sorted(set(string.ascii_letters) - edges)
    whole = _SEPARATOR.join(constants)
    if len(letters) > 1:
        for attempt in range(100):
            drawn = hashlib.blake2b(f"{attempt}{whole}".encode()).digest()[:_CORE]
            core = "".join(letters[number % len(letters)] for number in drawn)
            if core not in whole:
                return core
    raise Unsplittable("its texts leave no room for markers")


class Split:
    """The skeleton of one variant and language for one campaign, and how to fill it."""

    def __init__(self, subject: Subject, html: Body | Derived, text: Body | None) -> None:
        self._subject, self._html, self._text = subject, html, text
        self._count = 0
        self.is_due = True
        self._made: list[list[str]] = []
        self._arrange()

    def _constants(self) -> list[list[str]]:
        if isinstance(self._html, Derived):
            return [self._subject.constants, self._html.html, self._html.text]
        assert self._text is not None
        return [self._subject.constants, self._html.constants, self._text.constants]

    def _arrange(self) -> None:
        """Name the slots of all parts."""
        self._made = self._constants()
        core = self._core = _core([text for constants in self._made for text in constants])
        count = sum(len(constants) - 1 for constants in self._made)
        markers = tuple(f"-{core}{place:0{len(str(count))}d}-" for place in range(count))
        left, texts = iter(markers), []
        for constants in self._made:
            mine = [next(left) for _ in constants[1:]]
            texts.append("".join(map("".join, zip(constants, [*mine, ""], strict=True))))
        subject, html, text = texts
        self.skeleton = Skeleton(subject, html, text, markers)
        self._room = MOST_BYTES - sum(map(len, markers))

    def personal(self, context: Context, headers: Mapping[str, str]) -> Personal | None:
        """One e-mail; None where its values pass the limit or hold one of our markers.

        `is_due` is true afterwards for one that has to be compared with the plain rendering.
        """
        values = self._subject.values(context)
        if isinstance(self._html, Derived):
            html, text = self._html.values(context)
            self.is_due = self._html.is_new
            if self._html.text is not self._made[2]:
                self._arrange()
        else:
            assert self._text is not None
            html, text = self._html.values(context), self._text.values(context)
            self._count += 1
            self.is_due = self._count <= 8 or not self._count & (self._count - 1)
        values += html
        values += text
        together = _SEPARATOR.join(values)
        if self._core in together:
            return None
        if 4 * len(together) > self._room and len("".join(values).encode()) > self._room:
            return None
        return Personal(self.skeleton, values, headers)


def split_of(pages: Pages, place: Place, known: Mapping[str, Mapping[str, str]]) -> Split:
    """The skeleton of an e-mail; `place` is of any part of it. `known`: fields of roots that are
    the same in all messages, of the company and the campaign. Raises Unsplittable."""

    def pieces(part: Part) -> tuple[TemplateLanguage, list[Piece], Recorder | None] | None:
        at = place._replace(part=part)
        page = pages.page(at)
        if page is None:
            return None
        if not page.inlined:
            raise Unsplittable("its CSS is inlined in every message")
        recorder = Recorder(printable) if page.recorder else None
        environment = pages.environment(at, page.sources, recorder, known["campaign"])
        splitter = Splitter(environment, page.sources, known, records=recorder is not None)
        return environment, splitter.split(page.path), recorder

    subject, html, text = map(pieces, (Part.SUBJECT, Part.HTML, Part.TEXT))
    if subject is None or html is None:
        raise Unsplittable("it has not all of its parts")
    if html[2] is not None:
        return Split(Subject(*subject[:2]), Derived(html[0], html[1], html[2]), None)
    if text is None:
        raise Unsplittable("it has not all of its parts")
    body = Body(html[0], html[1], stripped=False)
    return Split(Subject(*subject[:2]), body, Body(text[0], text[1], stripped=True))
