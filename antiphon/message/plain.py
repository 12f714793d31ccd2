"""The text body of an e-mail, derived from its HTML once for each shape of a page.

Two pages of a template differ in the values printed and in the branches taken. A page is rendered
with a numbered mark in each value's place; what is then left is its shape, of which a template
has as many as it has ways through its branches. inscriptis (1 ms a page) sees each shape once;
values are put into the page and into the text afterwards.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache, wraps
from typing import TYPE_CHECKING, Any

from jinja2 import pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import Markup, escape

if TYPE_CHECKING:
    from inscriptis.model.config import ParserConfig  # type: ignore[import-untyped]

# Marks are of one character, so that how many there are changes no width of a table.
_FIRST, _LAST = 0x100000, 0x10FFFD
MARK = re.compile(f"[{chr(_FIRST)}-{chr(_LAST)}]")
_SPECIAL = re.compile("[&<>'\"]")
FIXED = 30_000  # from this place on marks stand for what is the same on every page
_SHAPES = 4_096
_HIDDEN = re.compile(r"<(style|title)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_WIDE = re.compile(" {3,}")  # columns of layout tables
_EMPTY_LINES = re.compile(r"\n\s*\n\s*")


class Recorder:
    """Takes the values of a page while it is rendered and leaves marks in their places."""

    def __init__(self, printable: Callable[[Any], Any]) -> None:
        self._printable = printable
        self.values: list[str] = []

    @property
    def finalize(self) -> Callable[[EvalContext, Any], Any]:
        """For the environment; with an argument, so that constants are recorded while rendering."""
        values, printable = self.values, self._printable

        @pass_eval_context
        def finalize(_: EvalContext, value: Any) -> Any:
            if type(value) is not str:
                if isinstance(value, Markup):  # what a macro or a parent block printed
                    return value
                value = str(printable(value))
            values.append(value)
            return _printed(len(values))

        return finalize

    def applied(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A filter that sees the values themselves in what a macro printed, and no marks."""

        @wraps(function)
        def apply(*arguments: Any, **named: Any) -> Any:
            return function(*map(self.whole, arguments), **named)

        return apply

    def whole(self, value: Any) -> Any:
        """A value as expressions have to see it: what a macro printed, without marks."""
        if isinstance(value, Markup):
            return Markup(  # noqa: S704 (it was, and values are escaped)
                MARK.sub(lambda found: escaped(self.values[place_of(found[0])]), str(value))
            )
        if isinstance(value, list | tuple):
            return list(map(self.whole, value))
        return value

    def page_and_text(self, shape: str) -> tuple[str, str]:
        """The page with its values, escaped, and its text."""
        values = self.values
        html = _filled(shape, list(map(escaped, values)))
        words = [" ".join(value.split()) for value in values]
        return html, _tidy(_filled(_shape_text(shape), words))


def text_with_marks(shape: str, words: Mapping[str, str]) -> str:
    """The text of a page with `words` in the places of these marks; other marks stay in it."""
    return _tidy(MARK.sub(lambda found: words.get(found[0], found[0]), _shape_text(shape)))


def escaped(value: str) -> str:
    """A value as HTML."""
    return str(escape(value)) if _SPECIAL.search(value) else value


def mark(place: int) -> str:
    """What stands for the value at a place."""
    return chr(_FIRST + place)


def place_of(found: str) -> int:
    """The place that a mark stands for."""
    return ord(found) - _FIRST


def plain_text(html: str) -> str:
    """`html` as text: links written out after their words, no layout tables, no blank runs."""
    return _tidy(_shape_text.__wrapped__(html))


def _filled(shape: str, values: Sequence[str]) -> str:
    return MARK.sub(lambda found: values[place_of(found[0])], shape)


@cache
def _printed(count: int) -> Markup:
    """The mark of the last of so many values."""
    return Markup(mark(count - 1))  # noqa: S704 (nothing of anybody's)


@lru_cache(_SHAPES)
def _shape_text(html: str) -> str:
    from inscriptis import get_text  # type: ignore[import-untyped]  # noqa: PLC0415

    return str(get_text(_HIDDEN.sub("", html), _style()))


def _tidy(text: str) -> str:
    lines = (_WIDE.sub("  ", line).strip() for line in text.splitlines())
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip() + "\n"


@cache
def _style() -> "ParserConfig":
    from inscriptis.css_profiles import (  # type: ignore[import-untyped]  # noqa: PLC0415
        CSS_PROFILES,
    )
    from inscriptis.model.config import ParserConfig  # noqa: PLC0415

    return ParserConfig(css=CSS_PROFILES["strict"], display_links=True, table_cell_separator=" ")
