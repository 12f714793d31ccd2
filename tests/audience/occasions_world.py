"""Tables in an engine of their own, for the SQL of anniversaries, triggers and chains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

import duckdb

from antiphon.audience.conditions import Condition
from antiphon.entities import ENTITIES
from antiphon.policy.moment import Moment

ZONE = "Europe/Berlin"
VIEWS = ("customers", "events", "orders", "order_lines", "notices", "enrolments")
TOLD = {
    "campaign": "VARCHAR",
    "step": "VARCHAR",
    "customer_id": "VARCHAR",
    "anchor": "VARCHAR",
    "contact_at": "TIMESTAMPTZ",
    "is_waiting": "BOOLEAN",
}


def at(text: str) -> datetime:
    """A local time of the shop: `2026-05-12 10:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)).astimezone(UTC)


def local(day: date, clock: time = time(9)) -> datetime:
    """That day in the shop, at that time."""
    return datetime.combine(day, clock, ZoneInfo(ZONE)).astimezone(UTC)


def moment(as_of: datetime) -> Moment:
    """A run of the day that holds the instant."""
    return Moment(as_of, as_of.astimezone(ZoneInfo(ZONE)).date(), ZONE)


def flag(name: str) -> Condition:
    """A condition that is a boolean column of the frame."""
    return Condition(name, f"frame.{name}", frozenset({name}))


@dataclass
class Tables:
    """Empty views of a session, `told`, and a frame of the columns a test needs."""

    frame: Mapping[str, str] = field(default_factory=dict)
    connection: duckdb.DuckDBPyConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
        for name in VIEWS:
            columns = {c.name: c.type.value for c in ENTITIES[name].columns}
            self._create(name, columns)
        self._create("told", TOLD)
        self._create("people_today", {"customer_id": "VARCHAR", **self.frame})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def _create(self, name: str, columns: Mapping[str, str]) -> None:
        listed = ", ".join(f'"{column}" {type_}' for column, type_ in columns.items())
        self.connection.execute(f"CREATE TABLE {name} ({listed})")

    def add(self, name: str, **values: Any) -> None:
        """One row; columns left out are null."""
        self._insert(name, [values])

    def fill(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """These rows, of the same columns, instead of what is there."""
        self.connection.execute(f"DELETE FROM {name}")
        if rows:
            self._insert(name, rows)

    def _insert(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        marks = ", ".join("?" for _ in rows[0])
        many = ", ".join([f"({marks})"] * len(rows))
        self.connection.execute(
            f"INSERT INTO {name} ({', '.join(rows[0])}) VALUES {many}",
            [value for row in rows for value in row.values()],
        )

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The result, row by row."""
        cursor = self.connection.execute(sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def days(first: date, count: int) -> list[date]:
    """So many days from the first."""
    return [first + timedelta(days=number) for number in range(count)]
