"""An HTML body without a text body beside it, and the text derived from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from antiphon.message.folding import Unsplittable
from antiphon.message.language import TemplateLanguage
from antiphon.message.parts import SEPARATOR, SHORT, Context, Parts, Program, values_of
from antiphon.message.pieces import Piece
from antiphon.message.plain import FIXED, MARK, Recorder, escaped, mark, place_of, text_with_marks

_SHAPES = 4_096


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
        self._program = Program(environment, parts, records=True)
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
        kept = [text for text in middle if len(text) >= SHORT]
        return [first.rstrip(), *kept, others[-1].lstrip()]

    def values(self, context: Context) -> tuple[list[str], list[str]]:
        """The values of the slots of the HTML and of the text."""
        values = self._recorder.values
        values.clear()
        written = self._program.run(context)
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
            values_of(html.filled(list(map(escaped, values))), len(self.html) - 1),
            values_of(text.filled(words), len(self.text) - 1),
        )

    def _learnt(self, written: str, empty: Sequence[int]) -> tuple[_Fill, _Fill]:
        slots = values_of(written, len(self._shape) - 1)
        page = "".join(map("".join, zip(self._shape, [*slots, ""], strict=True)))
        words = self._words | {mark(place): "" for place in empty}
        text = text_with_marks(page, words)
        while (found := _between(text, self.text)) is None:
            self.text = _fewer(text, self.text)
            self._fills.clear()
        return _Fill.of(written), _Fill.of("".join(f"{one}{SEPARATOR}" for one in found))


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
