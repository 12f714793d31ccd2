"""A batch of staged files as SQL tables: which rows win within it (the lake is not asked yet).

A key's rows are taken in the order of the pull (files as given, then `_row`); each challenges the
one before it and wins unless both say `updated_at` and its own is older.
"""

# Identifiers and paths are quoted by scans.quoted and scans.literal; values are parameters.
# ruff: noqa: S608

from collections.abc import Sequence
from pathlib import Path

import duckdb

from antiphon.entities import ColumnType, Entity
from antiphon.errors import LakeError
from antiphon.quoting import literal, quoted

CONTROL = frozenset({"_source", "_row", "_problems", "_raw"})
_TYPE_NAMES = {type_.value: type_.value for type_ in ColumnType} | {
    "TIMESTAMP WITH TIME ZONE": ColumnType.INSTANT.value
}


def files_sql(files: Sequence[Path]) -> str:
    """A table function over staged files, whose columns may differ."""
    listed = ", ".join(literal(str(path)) for path in files)
    return f"read_parquet([{listed}], union_by_name = true)"


def staged_attributes(
    connection: duckdb.DuckDBPyConnection, entity: Entity, files: Sequence[Path]
) -> dict[str, str]:
    """The user's own columns in the files, with their types; LakeError for a type we have not."""
    described = connection.execute(f"DESCRIBE SELECT * FROM {files_sql(files)}").fetchall()
    own = {str(row[0]): str(row[1]) for row in described if row[0] not in CONTROL}
    found: dict[str, str] = {}
    for name, type_ in own.items():
        if entity.column(name) is not None:
            continue
        if type_ not in _TYPE_NAMES:
            raise LakeError(
                f"{files[0]}: attribute {name!r} of {entity.name} has the type {type_}. "
                f"Declare one of {', '.join(_TYPE_NAMES)} in config/sources.yaml."
            )
        found[name] = _TYPE_NAMES[type_]
    return found


def stage(
    connection: duckdb.DuckDBPyConnection,
    entity: Entity,
    files: Sequence[Path],
    types: dict[str, str],
    orders: str | None,
) -> int:
    """Make the views `staged` and `winners`, the tables `losers` and `forced`; the rows staged.

    `staged`: the rows, typed, with `_position` (unique, ascending in the order of the pull).
    `losers`: positions beaten within the batch. `forced`: positions that also beat whatever the
    lake has, as a row without `updated_at` came before them.
    `orders`: for order lines, the query that gives their customer and time.
    """
    connection.execute(f"CREATE OR REPLACE TEMP VIEW pulled AS {_pulled(connection, files, types)}")
    source = "pulled"
    if orders is not None:
        source = "linked"
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE linked AS SELECT p.* REPLACE "
            "(o.customer_id AS customer_id, o.ordered_at AS ordered_at) "
            f"FROM pulled p LEFT JOIN ({orders}) o ON o.order_id = p.order_id"
        )
    # A view: reading the files again is cheaper than holding a first load in memory.
    connection.execute(f"CREATE OR REPLACE TEMP VIEW staged AS SELECT * FROM {source}")
    ((rows,),) = connection.execute("SELECT count(*) FROM staged").fetchall()
    _rank(connection, entity)
    return int(rows)


def _pulled(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], types: dict[str, str]
) -> str:
    """The staged files' rows, typed, absent columns null, with their position in the batch."""
    first = connection.execute(
        f"SELECT _source, min(file_index) FROM {files_sql(files)} GROUP BY 1 ORDER BY 2, 1"
    ).fetchall()
    cases = [f"WHEN {literal(str(row[0]))} THEN {rank}" for rank, row in enumerate(first)]
    rank = f"CASE _source {' '.join(cases)} END" if cases else "0"
    present = {
        str(row[0])
        for row in connection.execute(f"DESCRIBE SELECT * FROM {files_sql(files)}").fetchall()
    }
    values = ", ".join(
        f"{quoted(name) if name in present else 'NULL'}::{type_} AS {quoted(name)}"
        for name, type_ in types.items()
    )
    position = f"({rank})::BIGINT * {2**40} + _row AS _position"
    return f"SELECT {values}, _source, {position} FROM {files_sql(files)}"


def _rank(connection: duckdb.DuckDBPyConnection, entity: Entity) -> None:
    key = ", ".join(map(quoted, entity.key))
    updated = "updated_at" if entity.column("updated_at") else "NULL::TIMESTAMPTZ"
    # Only keys that come twice are sorted. After the last row without updated_at the newest wins;
    # where that row is itself the last, it wins: it beat all before it.
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE ranked AS
        WITH twice AS (SELECT {key} FROM staged GROUP BY ALL HAVING count(*) > 1),
        rivals AS (
            SELECT {key}, _position, {updated} AS updated,
                max(_position) FILTER ({updated} IS NULL) OVER (PARTITION BY {key}) AS undated
            FROM staged s
            SEMI JOIN twice t ON {same_key(entity, "s", "t")}
        )
        SELECT _position, undated IS NOT NULL AS forced, row_number() OVER (
            PARTITION BY {key}
            ORDER BY CASE WHEN _position > coalesce(undated, -1) THEN updated END
                DESC NULLS LAST, _position DESC
        ) AS place
        FROM rivals
        """
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE losers AS SELECT _position FROM ranked WHERE place > 1"
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE forced AS "
        "SELECT _position FROM ranked WHERE place = 1 AND forced"
    )
    connection.execute("DROP TABLE ranked")
    ((any_lost,),) = connection.execute("SELECT count(*) > 0 FROM losers").fetchall()
    beaten = " s ANTI JOIN losers USING (_position)" if any_lost else ""
    connection.execute(f"CREATE OR REPLACE TEMP VIEW winners AS SELECT * FROM staged{beaten}")


def same_key(entity: Entity, left: str, right: str) -> str:
    """The condition that two rows have the same key; nulls of optional key columns are equal."""
    return " AND ".join(
        f"{left}.{quoted(name)} "
        f"{'=' if _is_required(entity, name) else 'IS NOT DISTINCT FROM'} {right}.{quoted(name)}"
        for name in entity.key
    )


def _is_required(entity: Entity, name: str) -> bool:
    column = entity.column(name)
    return column is not None and column.required
