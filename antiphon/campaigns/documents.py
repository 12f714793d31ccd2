"""YAML text → plain values with the place of every key and value, or what is wrong with the text.

The YAML we take is the part a marketer needs: mappings, lists and scalars. Every scalar stays the
text that was typed; anchors, aliases, merge keys, tags and several documents in a file are
refused. The tree is built from the parser's events, without recursion, so that neither depth nor
aliases can exhaust anything.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from antiphon.campaigns.places import Document, Path, Scalar, Spot
from antiphon.errors import Problem

DEEPEST = 20
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN_STYLES = (None, "")
_FORBIDDEN = re.compile("[^\t\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True)
class _Open:
    """A mapping or list not yet closed.

    `key` is the mapping's key waiting for its value, `skipped` says that it is not to be kept.
    """

    path: Path
    values: dict[str, Any] | list[Any]
    key: str | None = None
    skipped: bool = False


@dataclass(slots=True)
class _Builder:
    """Events in, values and places out."""

    document: Document
    problems: list[Problem] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    root: Any = None
    refused: set[str] = field(default_factory=set)
    is_broken: bool = False

    def problem(self, mark: Any, message: str, hint: str = "") -> None:
        """Add one problem at the parser's mark."""
        spot = Spot(mark.line + 1, mark.column + 1)
        self.problems.append(self.document.problem_at(spot, message, hint))

    def refuse_once(self, mark: Any, what: str, hint: str) -> None:
        """A part of YAML we do not take is reported where it is first used."""
        if what not in self.refused:
            self.refused.add(what)
            self.problem(mark, f"{what} cannot be used here", hint)


def parse(path: str, text: str) -> tuple[Document, list[Problem]]:
    """The document of one file; its `values` are None where the text is no mapping.

    Problems come in the order of the text; after a syntax error the file is not read further.
    """
    document = Document(path, text.removeprefix("\ufeff"))
    builder = _Builder(document)
    try:
        for event in yaml.parse(document.text, Loader=_LOADER):
            if not _take(builder, event):
                break
    except yaml.MarkedYAMLError as error:
        builder.problems.append(_syntax_problem(document, error))
    except (yaml.YAMLError, UnicodeError):
        builder.problems.append(_character_problem(document))
    else:
        if isinstance(builder.root, dict) and not builder.is_broken:
            document.values = builder.root
        elif builder.root is None and not builder.problems:
            hint = "It must hold lines of 'key: value'."
            builder.problems.append(Problem(path, 0, 0, "the file is empty", hint=hint))
    return document, builder.problems


def _take(builder: _Builder, event: Any) -> bool:
    """Whether to read on after this event."""
    if isinstance(event, yaml.DocumentStartEvent):
        if builder.root is not None:
            hint = "Remove the line '---' and all below it, or move that part to another file."
            builder.problem(event.start_mark, "a second document in one file", hint)
            return False
    elif isinstance(event, yaml.NodeEvent):
        return _node(builder, event)
    elif isinstance(event, yaml.CollectionEndEvent):
        builder.stack.pop()
    return True


def _node(builder: _Builder, event: Any) -> bool:
    mark = event.start_mark
    if isinstance(event, yaml.AliasEvent) or event.anchor:
        builder.refuse_once(mark, "an anchor or alias (& or *)", "Write the value out in full.")
    if getattr(event, "tag", None):
        builder.refuse_once(mark, "a tag (!)", "Values are plain text: remove it.")
    if not builder.stack:
        if not isinstance(event, yaml.MappingStartEvent):
            if not (isinstance(event, yaml.ScalarEvent) and _is_nothing(event)):
                hint = "The file must hold lines of 'key: value'."
                builder.problem(mark, "the file is not a mapping", hint)
            builder.root = None if isinstance(event, yaml.ScalarEvent) else ()
            return False
        builder.root = {}
        builder.stack.append(_Open((), builder.root))
        return True
    if len(builder.stack) >= DEEPEST and isinstance(event, yaml.CollectionStartEvent):
        builder.problem(mark, f"nested more than {DEEPEST} levels deep")
        builder.is_broken = True
        return False
    inner = builder.stack[-1]
    if isinstance(inner.values, dict) and inner.key is None:
        return _key(builder, inner, event)
    _value(builder, inner, event)
    return True


def _is_nothing(event: Any) -> bool:
    return event.value == "" and event.style in _PLAIN_STYLES


def _key(builder: _Builder, inner: _Open, event: Any) -> bool:
    mark = event.start_mark
    if not isinstance(event, yaml.ScalarEvent):
        hint = "A key is a word before a colon. Text that begins with { or [ needs quotes."
        builder.problem(mark, "a key that is not a word", hint)
        builder.is_broken = True
        return False
    key = event.value
    path = (*inner.path, key)
    first = builder.document.keys.get(path)
    inner.skipped = first is not None
    if key == "<<":
        builder.refuse_once(mark, "a merge key (<<)", "Write the keys out in full.")
        inner.skipped = True
    elif first is not None:
        hint = f"It is already on line {first.line}; keep one of them."
        builder.problem(mark, f"the key {key!r} appears twice", hint)
    else:
        builder.document.keys[path] = Spot(mark.line + 1, mark.column + 1)
    inner.key = key
    return True


def _value(builder: _Builder, inner: _Open, event: Any) -> None:
    mark = event.start_mark
    value: Any
    if isinstance(event, yaml.MappingStartEvent):
        value = {}
    elif isinstance(event, yaml.SequenceStartEvent):
        value = []
    elif isinstance(event, yaml.ScalarEvent):
        value = None if _is_nothing(event) else event.value
    else:
        value = ""
    is_list = isinstance(inner.values, list)
    step = len(inner.values) if is_list else inner.key
    path: Path = (*inner.path, step)  # type: ignore[arg-type]
    if inner.skipped:
        path = (*inner.path, f"{step} again on line {mark.line + 1}")
    else:
        _keep(builder.document, path, event, value)
        if isinstance(inner.values, list):
            inner.values.append(value)
        else:
            inner.values[str(inner.key)] = value
    inner.key = None
    if isinstance(value, dict | list):
        builder.stack.append(_Open(path, value))


def _keep(document: Document, path: Path, event: Any, value: Any) -> None:
    start, end = event.start_mark, event.end_mark
    spot = Spot(start.line + 1, start.column + 1)
    if isinstance(value, str) and isinstance(event, yaml.ScalarEvent):
        until = Spot(end.line + 1, end.column + 1)
        document.scalars[path] = Scalar(value, spot, until, event.style or "")
    document.starts[path] = spot


_SYNTAX = (
    ("mapping values are not allowed", "a colon where none can be",
     "Indent the line like its neighbours; text with ': ' in it needs quotes."),
    ("a tab character", "a tab", "Indent with spaces, never tabs."),
    ("cannot start any token", "a character that cannot begin a value",
     "Indent with spaces, never tabs; text that begins with %, @ or ` needs quotes."),
    ("could not find expected ':'", "a line that is not 'key: value'",
     "Write 'key: value', or indent the line to continue the text above."),
    ("did not find expected key", "a line that is not 'key: value' at this indent",
     "Indent the line like its neighbours; text after a closing quote is not allowed."),
    ("did not find expected '-' indicator", "a line that does not fit into the list",
     "Begin it with '- ' at the indent of the lines above."),
    ("did not find expected ',' or", "a bracket that is not closed",
     "Close it, or put the text into quotes."),
    ("did not find expected node content", "a value is missing, or a bracket is not closed",
     "Write the value, close the bracket, or put the text into quotes."),
    ("unexpected end of stream", "a quote that is not closed",
     "Close the quote, or double it where it belongs to the text."),
    ("unknown escape character", "an unknown escape after \\",
     "Put the text into single quotes: then \\ is an ordinary character."),
    ("block sequence entries are not allowed", "a '- ' where no list can begin",
     "Begin the list on a line of its own, below its key."),
)  # fmt: skip


def _syntax_problem(document: Document, error: yaml.MarkedYAMLError) -> Problem:
    """The parser's complaint in our words, at its place."""
    said = error.problem or "cannot be read"
    mark = error.problem_mark or error.context_mark
    if "unexpected end of stream" in said and error.context_mark is not None:
        mark = error.context_mark
    message, hint = next(
        ((ours, hint) for theirs, ours, hint in _SYNTAX if theirs in said), (said, "")
    )
    if mark is None:
        return Problem(document.path, 0, 0, f"not YAML: {message}", hint=hint)
    spot = Spot(mark.line + 1, mark.column + 1)
    return document.problem_at(spot, f"not YAML: {message}", hint)


def _character_problem(document: Document) -> Problem:
    """The first character that YAML does not allow, at its place."""
    for number, line in enumerate(document.lines, 1):
        if found := _FORBIDDEN.search(line):
            spot = Spot(number, found.start() + 1)
            sign = f"U+{ord(found[0]):04X}"
            message = f"a character that text files cannot hold ({sign})"
            return Problem(document.path, *spot, message, hint="Remove it.")
    return Problem(document.path, 0, 0, "cannot be read as text")
