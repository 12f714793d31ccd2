"""INSERT … ON CONFLICT, spelled for either database."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Insert, TableClause
from sqlalchemy.dialects import postgresql, sqlite


def insert_into(connection: Connection, table: TableClause) -> sqlite.Insert | postgresql.Insert:
    """The dialect's own INSERT, which knows ON CONFLICT."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def insert_new(connection: Connection, table: TableClause) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that leaves alone what is there already, by any unique key."""
    return insert_into(connection, table).on_conflict_do_nothing()


def count_inserted(
    connection: Connection, statement: Insert, row: Mapping[str, Any] | None = None
) -> int:
    """Executes the one INSERT; how many rows it added."""
    kept = statement.execution_options(preserve_rowcount=True)
    return connection.execute(kept, row).rowcount
