"""Segments by hand: sql/segments/NAME.sql, a SELECT of the customer_id of everybody in it.

Its header says what it is called and which views it reads:

    -- title: Came to the opening of the new shop
    -- reads: events
"""

import re
from dataclasses import dataclass

from antiphon.audience.conditions import Condition
from antiphon.audience.dictionary import VIEWS, nearest
from antiphon.audience.expressions import RELATION
from antiphon.audience.queries import query_problems
from antiphon.errors import Problem
from antiphon.files import ProjectFiles
from antiphon.quoting import literal, quoted

FOLDER = "sql/segments"
_HEADER = re.compile(r"--\s*(?P<key>title|reads)\s*:\s*(?P<value>\S.*?)\s*")
_NAME = re.compile("[a-z][a-z0-9]*([_-][a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """One file. Its customers are a hidden column of the frame, false for all others."""

    name: str
    path: str
    sql: str
    title: str
    reads: tuple[str, ...]

    @property
    def column(self) -> str:
        """The hidden column; no feature can have such a name."""
        return f"segment:{self.name}"

    @property
    def condition(self) -> Condition:
        """That a customer is in it."""
        text = f"in_segment({literal(self.name)})"
        sql = f"{RELATION}.{quoted(self.column)}"
        return Condition(text, sql, frozenset(), segments=frozenset({self.name}))

    @property
    def members(self) -> str:
        """SELECT of customer_id, each once."""
        select = self.sql.rstrip().rstrip(";")
        return f"SELECT DISTINCT customer_id FROM (\n{select}\n)"  # noqa: S608


def segment_files(files: ProjectFiles) -> tuple[dict[str, SegmentFile], list[Problem]]:
    """The files by segment, and what is wrong with their names and headers."""
    found: dict[str, SegmentFile] = {}
    problems: list[Problem] = []
    for file, sql in files.under(FOLDER).items():
        if not file.endswith(".sql"):
            continue
        path, name = f"{FOLDER}/{file}", file.removesuffix(".sql")
        if not _NAME.fullmatch(name):
            message = f"{name!r} is no name for a segment"
            hint = "Call the file with a-z, 0-9, - and _, beginning with a letter."
            problems.append(Problem(path, 0, 0, message, hint=hint))
            continue
        found[name], wrong = _read(name, path, sql)
        problems += wrong
    return found, problems


def _read(name: str, path: str, sql: str) -> tuple[SegmentFile, list[Problem]]:
    header: dict[str, str] = {}
    problems: list[Problem] = []
    views: list[str] = []
    for number, text in enumerate(sql.splitlines(), start=1):
        match = _HEADER.fullmatch(text.strip())
        if match is None:
            continue
        if match["key"] in header:
            message = f"'{match['key']}' is written twice"
            problems.append(Problem(path, number, 1, message, text, "Keep one."))
        header[match["key"]] = match["value"]
        if match["key"] == "reads":
            views = [view.strip() for view in match["value"].split(",")]
            for view in views:
                if view not in VIEWS:
                    hint = f"{nearest(view, VIEWS)} Views: {', '.join(VIEWS)}."
                    problem = Problem(path, number, 1, f"unknown view '{view}'", text, hint)
                    problems.append(problem)
    for key, form in (("title", "-- title: TEXT"), ("reads", "-- reads: VIEW, VIEW")):
        if key not in header:
            message = f"the file does not say its {key}" if key == "title" else "no views are named"
            problems.append(Problem(path, 0, 0, message, hint=f"Write: {form}"))
    if not problems:
        problems = query_problems(path, sql, {"customer_id": 1}, views, VIEWS)
    return SegmentFile(name, path, sql, header.get("title", ""), tuple(views)), problems
