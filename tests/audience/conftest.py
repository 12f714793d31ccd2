"""A small world for the feature SQL: typed tables in DuckDB, filled with hand-written rows."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from antiphon.audience.dictionary import Feature, dictionary
from antiphon.audience.frame import frame_sql, moment_parameters
from antiphon.campaigns.models import Sources
from antiphon.entities import ENTITIES
from antiphon.files import ProjectFiles

ROOT = Path(__file__).parents[2]
TABLES = {
    **{
        entity.name: {column.name: column.type.value for column in entity.columns}
        for entity in ENTITIES.values()
    },
    "suppressions": {"channel": "VARCHAR", "address_key": "VARCHAR"},
    "households": {"customer_id": "VARCHAR", "household_id": "VARCHAR"},
}


def shipped_files() -> ProjectFiles:
    """The repository's own sql/features/."""
    folder = ROOT / "sql" / "features"
    return ProjectFiles(
        {f"sql/features/{path.name}": path.read_text() for path in sorted(folder.glob("*.sql"))}
    )


@dataclass
class World:
    """Views of a bucket, and the run's moment."""

    connection: duckdb.DuckDBPyConnection
    files: ProjectFiles
    sources: Sources = field(default_factory=lambda: Sources(version="1", sources={}))
    as_of: datetime = datetime(2026, 5, 12, 8, tzinfo=UTC)
    business_day: date = date(2026, 5, 12)
    zone: str = "Europe/Berlin"

    def only(self, *names: str) -> None:
        """Keep these feature files alone: a small frame is planned and read faster."""
        paths = [f"sql/features/{name}.sql" for name in names]
        self.files = ProjectFiles({path: self.files.texts[path] for path in paths})

    def add(self, table: str, **values: Any) -> None:
        """One row; columns left out are null."""
        names = ", ".join(values)
        marks = ", ".join("?" for _ in values)
        self.connection.execute(
            f"INSERT INTO {table} ({names}) VALUES ({marks})", list(values.values())
        )

    @property
    def features(self) -> dict[str, Feature]:
        return dictionary(self.files, self.sources)[0]

    @property
    def parameters(self) -> dict[str, Any]:
        return moment_parameters(self.as_of, self.business_day, self.zone)

    def frame_select(self, used: Collection[str]) -> str:
        """The SELECT of the frame, its tables made."""
        query = frame_sql(self.files, self.sources, used)
        for name, select in query.tables.items():
            table = f"CREATE OR REPLACE TEMP TABLE {name} AS {select}"
            self.connection.execute(table, self.parameters)
        return query.select

    def frame(self) -> dict[str, dict[str, Any]]:
        """Customer → feature → value, over all columns."""
        cursor = self.connection.execute(self.frame_select(set(self.features)), self.parameters)
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        frame = {row["customer_id"]: row for row in rows}
        assert len(frame) == len(rows), "one row per customer"
        return frame


@pytest.fixture
def world() -> Iterator[World]:
    """A world without any row, with the shipped features."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for table, columns in TABLES.items():
        written = ", ".join(f'"{name}" {type_}' for name, type_ in columns.items())
        connection.execute(f"CREATE TABLE {table} ({written})")
    yield World(connection, shipped_files())
    connection.close()
