"""Where things stand in the user's YAML files, and problems that point there."""

import re
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from antiphon.campaigns.leaks import masked, masked_line
from antiphon.errors import Problem

Path = tuple[str | int, ...]
WIDEST = 200
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_ESCAPES = {"n": "\n", "t": "\t", "0": "\0", "r": "\r", '"': '"', "/": "/", "\\": "\\", " ": " "}


class Spot(NamedTuple):
    """A place in a file; line and column count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar's text, where it stands (quotes and the sign of a block included), and its style."""

    text: str
    start: Spot
    end: Spot
    style: str


@dataclass(slots=True)
class Document:
    """One file's text and what stands where in it.

    `values` holds dicts, lists, text, and None where nothing is written; it is None itself where
    the file could not be read.
    """

    path: str
    text: str
    values: dict[str, Any] | None = None
    keys: dict[Path, Spot] = field(default_factory=dict)
    starts: dict[Path, Spot] = field(default_factory=dict)
    scalars: dict[Path, Scalar] = field(default_factory=dict)
    _lines: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """The file's lines, as the YAML parser counts them; split when first asked for."""
        if not self._lines:
            self._lines = _LINE_BREAK.split(self.text)
        return self._lines

    def problem_at(
        self, spot: Spot, message: str, hint: str = "", *, is_warning: bool = False
    ) -> Problem:
        """A problem at one place, with its line; anything that looks like a secret is masked."""
        line = self.lines[spot.line - 1] if spot.line <= len(self.lines) else ""
        shown = _window(line.rstrip(), spot.column)
        return Problem(
            self.path, spot.line, spot.column, masked(message), shown, masked(hint), is_warning
        )

    def key_spot(self, path: Path) -> Spot:
        """The key's place, or that of the nearest thing around it that has one."""
        while path and path not in self.keys and path not in self.starts:
            path = path[:-1]
        return self.keys.get(path) or self.starts.get(path) or Spot(1, 1)

    def value_spot(self, path: Path) -> Spot:
        """The value's place, or the key's where the value is empty or absent."""
        return self.starts.get(path) or self.key_spot(path)

    def text_spot(self, path: Path, within: Spot) -> Spot:
        """The place in the file of a place in a scalar's text (stripped, as the models see it).

        Exact for plain and quoted scalars, also over several lines, and for block scalars of one
        indent; the scalar's beginning otherwise.
        """
        scalar = self.scalars.get(path)
        if scalar is None:
            return self.value_spot(path)
        stripped = scalar.text.strip().split("\n")
        offset = len(scalar.text) - len(scalar.text.lstrip())
        offset += sum(len(text) + 1 for text in stripped[: within.line - 1])
        offset += within.column - 1
        spots = _characters(self.lines, scalar)
        return spots[offset] if 0 <= offset < len(spots) else scalar.start


class Positions(dict[str, Document]):
    """(file, path in the file) → place; the documents of all files by their names."""

    def problem(
        self,
        file: str,
        path: Path,
        message: str,
        hint: str = "",
        *,
        at_key: bool = False,
        is_warning: bool = False,
    ) -> Problem:
        """A problem at a value (or its key). A file that was not read gets one as a whole."""
        document = self.get(file)
        if document is None:
            return Problem(file, 0, 0, message, hint=hint, is_warning=is_warning)
        spot = document.key_spot(path) if at_key else document.value_spot(path)
        return document.problem_at(spot, message, hint, is_warning=is_warning)

    def problem_in_text(
        self,
        file: str,
        path: Path,
        within: Spot,
        message: str,
        hint: str = "",
        *,
        is_warning: bool = False,
    ) -> Problem:
        """A problem at a place within the text of a scalar, such as a word of a condition."""
        document = self[file]
        spot = document.text_spot(path, within)
        return document.problem_at(spot, message, hint, is_warning=is_warning)


def _window(line: str, column: int) -> str:
    """The line, masked; of a very long one the part around the column."""
    if len(line) <= WIDEST:
        return masked_line(line)
    start = max(0, column - WIDEST // 2)
    part = masked_line(line[start : start + 2 * WIDEST])[:WIDEST]
    return f"{'…' if start else ''}{part}…"


def _characters(lines: list[str], scalar: Scalar) -> list[Spot]:
    """The place of each character of the scalar's text and of its end; [] where not certain."""
    source = [
        (Spot(number, column), character)
        for number in range(scalar.start.line, min(scalar.end.line, len(lines)) + 1)
        for column, character in _line_part(lines[number - 1], number, scalar)
    ]
    read = _block(lines, scalar) if scalar.style in "|>" and scalar.style else _flow(source, scalar)
    text = "".join(character for _, character in read)
    if not text.startswith(scalar.text.rstrip()):
        return []
    spots = [spot for spot, _ in read]
    last = spots[-1] if spots else scalar.start
    return [*spots, Spot(last.line, last.column + 1)]


def _line_part(line: str, number: int, scalar: Scalar) -> list[tuple[int, str]]:
    """Column and character of the part of one line that belongs to the scalar."""
    first = scalar.start.column if number == scalar.start.line else 1
    last = scalar.end.column - 1 if number == scalar.end.line else len(line)
    return [*((column, line[column - 1]) for column in range(first, last + 1)), (last + 1, "\n")]


def _flow(source: list[tuple[Spot, str]], scalar: Scalar) -> list[tuple[Spot, str]]:
    """Plain and quoted text: quotes off, escapes read, lines folded."""
    if scalar.style:
        source = source[1:-2]  # the quotes, and the break put behind the last line
    read: list[tuple[Spot, str]] = []
    index = 0
    while index < len(source):
        spot, character = source[index]
        if character == "\n":
            while read and read[-1][1] in " \t":
                read.pop()
            breaks = 0
            while index < len(source) and source[index][1] in " \t\n":
                breaks += source[index][1] == "\n"
                index += 1
            read += [(spot, " ")] if breaks == 1 else [(spot, "\n")] * (breaks - 1)
            continue
        if scalar.style == '"' and character == "\\":
            index += 1
            character = _ESCAPES.get(source[index][1], "\0") if index < len(source) else "\0"
        elif scalar.style == "'" and character == "'":
            index += 1
        read.append((spot, character))
        index += 1
    return read


def _block(lines: list[str], scalar: Scalar) -> list[tuple[Spot, str]]:
    """Literal and folded text of one indent."""
    body = range(scalar.start.line + 1, min(scalar.end.line, len(lines)) + 1)
    filled = [lines[number - 1] for number in body if lines[number - 1].strip()]
    if not filled:
        return []
    indent = len(filled[0]) - len(filled[0].lstrip(" "))
    read: list[tuple[Spot, str]] = []
    for number in body:
        line = lines[number - 1][indent:]
        read += [(Spot(number, indent + 1 + at), sign) for at, sign in enumerate(line)]
        read.append((Spot(number, indent + 1 + len(line)), "\n"))
    return _folded(read) if scalar.style == ">" else read


def _folded(read: list[tuple[Spot, str]]) -> list[tuple[Spot, str]]:
    """One break is a blank; of several, one less."""
    folded: list[tuple[Spot, str]] = []
    for breaks, group in groupby(read, key=lambda one: one[1] == "\n"):
        part = list(group)
        if breaks:
            part = [(part[0][0], " ")] if len(part) == 1 else part[1:]
        folded += part
    return folded
