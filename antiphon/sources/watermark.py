"""What a pull remembers of its source, as the JSON the lake stores with the data.

`{"config": digest, "columns": […], "files": {path: {"size", "mtime_ns", "edges"}}, "high": text}`:
another digest reads everything again; `high` is the greatest watermark seen so far.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from antiphon.entities import ColumnType
from antiphon.errors import SourceError

EDGE_BYTES = 1 << 20

JSON = Mapping[str, Any]


def file_state(path: Path) -> dict[str, int | str]:
    """Size, time of change and a hash of the first and the last MiB."""
    before = path.stat()
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        digest.update(stream.read(EDGE_BYTES))
        stream.seek(max(0, before.st_size - EDGE_BYTES))
        digest.update(stream.read(EDGE_BYTES))
    return {"size": before.st_size, "mtime_ns": before.st_mtime_ns, "edges": digest.hexdigest()}


def check_column(name: str, column: str, type_: ColumnType) -> None:
    """Raise SourceError unless a column of that type can be a watermark."""
    if type_ not in (ColumnType.INSTANT, ColumnType.DAY, ColumnType.INTEGER):
        raise SourceError(
            f"source {name}: watermark '{column}' is a {type_.name.lower()} column.\n"
            "  Name a column of type instant, day or integer, or none."
        )


def since(high: str | None, type_: ColumnType, overlap: timedelta) -> datetime | date | int:
    """From where the next pull reads: the mark less the overlap; the beginning of time at first.

    The overlap is a duration and does not move an integer mark.
    """
    match type_:
        case ColumnType.INTEGER:
            return int(high) if high is not None else -(2**63)
        case ColumnType.DAY:
            return date.fromisoformat(high) - overlap if high else date(1900, 1, 1)
        case _:
            start = datetime(1900, 1, 1, tzinfo=UTC)
            return datetime.fromisoformat(high) - overlap if high else start


def since_sql(mark: datetime | date | int) -> str:
    """The mark as a DuckDB literal."""
    if isinstance(mark, datetime):
        return f"TIMESTAMPTZ '{mark.isoformat()}'"
    return f"DATE '{mark.isoformat()}'" if isinstance(mark, date) else str(mark)


def high_sql(column: str, type_: ColumnType, as_of: datetime) -> str:
    """DuckDB aggregate: the greatest mark as text, leaving out what lies after `as_of`.

    One row dated 2099 would otherwise keep every later row out.
    """
    match type_:
        case ColumnType.INTEGER:
            return f"max({column})::VARCHAR"
        case ColumnType.DAY:
            return f"max({column}) FILTER ({column} <= DATE '{as_of.date().isoformat()}')::VARCHAR"
        case _:
            greatest = f"max({column}) FILTER ({column} <= TIMESTAMPTZ '{as_of.isoformat()}')"
            return f"strftime(timezone('UTC', {greatest}), '%Y-%m-%dT%H:%M:%S.%f+00:00')"


def later(old: str | None, new: str | None, type_: ColumnType) -> str | None:
    """The greater of two marks."""
    marks = [mark for mark in (old, new) if mark is not None]
    return max(marks, key=int if type_ is ColumnType.INTEGER else str) if marks else None
