"""SQL files of the user's own: what is wrong with one before the engine sees it."""

from collections.abc import Collection, Iterator, Mapping
from functools import cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from antiphon.campaigns.complaints import nearest
from antiphon.errors import Problem

PARAMETERS = ("as_of", "business_day", "business_zone")
_DIALECT = "duckdb"
_CLOCKS = (
    exp.CurrentDate,
    exp.CurrentTime,
    exp.CurrentTimestamp,
    exp.Localtime,
    exp.Localtimestamp,
)
_CLOCK_NAMES = frozenset(
    ["now", "today", "get_current_time", "get_current_timestamp", "transaction_timestamp"]
)
_CHANCE = (exp.Rand, exp.Uuid)
_ONE = "Such a file is one SELECT, which may begin with WITH."


def query_problems(
    path: str, sql: str, columns: Mapping[str, int], reads: Collection[str], views: Collection[str]
) -> list[Problem]:
    """What is wrong with a file whose SELECT returns `columns` (name → line of its declaration).

    It must be one SELECT, of these columns, over views of its `reads`, without clock or chance, and
    with no parameters but PARAMETERS. Columns of a SELECT * are left to the engine.
    """
    lines = sql.splitlines()
    tree = _query(sql)
    if isinstance(tree, tuple):
        found: Iterator[tuple[int, str, str]] = iter([tree])
    else:
        found = _faults(tree, lines, columns, reads, views)
    return [
        Problem(path, line, 1 if line else 0, message, lines[line - 1] if line else "", hint)
        for line, message, hint in found
    ]


@cache
def _query(sql: str) -> exp.Query | tuple[int, str, str]:
    """The parsed SELECT, or its fault: line (0: unknown), message, hint."""
    try:
        parsed = sqlglot.parse(sql, dialect=_DIALECT)
    except ParseError as error:
        place = error.errors[0]
        found = str(place.get("highlight") or "")[:40]
        where = f" at '{found}'" if found else ""
        line = min(int(place.get("line") or 0), len(sql.splitlines()))
        return line, f"the SQL cannot be read{where}", str(place.get("description", ""))
    except TokenError:
        return 0, "the SQL cannot be read", "Is a quote or a comment never closed?"
    # A comment behind the last semicolon is a tree too.
    trees = [tree for tree in parsed if tree and not isinstance(tree, exp.Semicolon)]
    if not trees:
        return 0, "there is no SELECT", _ONE
    if len(trees) > 1:
        return _line(trees[1]), f"{len(trees)} statements", _ONE
    (tree,) = trees
    if not isinstance(tree, exp.Query):
        return _line(tree), f"{tree.key.upper()} is not a SELECT", _ONE
    return tree


def _faults(
    tree: exp.Query,
    lines: list[str],
    columns: Mapping[str, int],
    reads: Collection[str],
    views: Collection[str],
) -> Iterator[tuple[int, str, str]]:
    returned = [name.lower() for name in tree.named_selects]
    for name, line in columns.items():
        if "*" not in returned and name not in returned:
            yield line, f"the SELECT returns no column '{name}'", nearest(name, returned)
    for node in (*tree.find_all(exp.Placeholder), *tree.find_all(exp.Parameter)):
        if node.name not in PARAMETERS:
            hint = f"There are: {', '.join(f'${name}' for name in PARAMETERS)}."
            line = next((n for n, text in enumerate(lines, 1) if f"${node.name}" in text), 0)
            yield line, f"unknown parameter '{node.name}'", hint
    for call in tree.find_all(exp.Func):
        is_named = isinstance(call, exp.Anonymous) and call.name.lower() in _CLOCK_NAMES
        if is_named or isinstance(call, _CLOCKS):
            hint = "Write $as_of, or $business_day: a day that is run again must find the same."
            yield _line(call), "the SELECT asks the machine for the time", hint
        elif isinstance(call, _CHANCE):
            hint = "A day that is run again must find the same: use md5 of the customer_id."
            yield _line(call), "the SELECT draws by chance", hint
    own = {cte.alias for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        name = table.name
        if (name in own and not table.db) or not isinstance(table.this, exp.Identifier):
            continue
        if name not in views or table.db:
            yield _line(table), f"unknown view '{table.sql(_DIALECT)}'", nearest(name, views)
        elif name not in reads:
            hint = f"Write: -- reads: {', '.join([*reads, name])}"
            yield _line(table), f"the SELECT reads '{name}', and the header does not say so", hint


def _line(node: exp.Expr) -> int:
    """The first line of a node that is known, else 0."""
    lines = (part.meta.get("line") for part in node.walk())
    return min((int(line) for line in lines if line), default=0)
