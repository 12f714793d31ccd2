"""Definitions over a small table: what config/segments.yaml says, put to customers written here."""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from antiphon.audience.definitions import DefinitionProblem, Definitions, define
from antiphon.audience.derived import Constants, derived_sql, find_constants
from antiphon.campaigns.models import Segments, Sources
from antiphon.files import ProjectFiles

HEADER = """\
-- feature orders_so_far integer orders: orders
-- feature days integer days nullable: days since the last one
-- feature spend money currency nullable: spent
-- feature rate number - nullable: a share
-- feature last_day day - nullable: the last one
-- feature seen instant - nullable: seen
-- feature town text - nullable: where
-- reads: orders
SELECT customer_id, 0 AS orders_so_far FROM orders
"""
TYPES = {
    "customer_id": "VARCHAR",
    "orders_so_far": "BIGINT",
    "days": "BIGINT",
    "spend": "DECIMAL(18,4)",
    "rate": "DOUBLE",
    "last_day": "DATE",
    "seen": "TIMESTAMPTZ",
    "town": "VARCHAR",
}
ENGINE = duckdb.connect()
ENGINE.execute("SET TimeZone = 'UTC'")


def tried(
    texts: Mapping[str, str] | None = None, **sections: Any
) -> tuple[Definitions, list[DefinitionProblem]]:
    """The definitions of these sections of segments.yaml, and what is wrong with them."""
    model = Segments.model_validate({"version": "1", "segments": {}, **sections})
    files = ProjectFiles({"sql/features/facts.sql": HEADER, **(texts or {})})
    return define(files, Sources(version="1", sources={}), model, ["winback"])


def defined(texts: Mapping[str, str] | None = None, **sections: Any) -> Definitions:
    """Definitions without a mistake."""
    definitions, problems = tried(texts, **sections)
    assert problems == []
    return definitions


def customers(rows: Sequence[Mapping[str, Any]], hidden: Sequence[str] = ()) -> str:
    """A relation of these customers; columns left out are null, orders 0, hidden ones false."""
    names = [*TYPES, *hidden]
    absent = {"orders_so_far": 0, **dict.fromkeys(hidden, False)}
    ENGINE.register(
        "rows", pa.table({n: [str(row.get(n, absent.get(n, ""))) for row in rows] for n in names})
    )
    types = {**TYPES, **dict.fromkeys(hidden, "BOOLEAN")}
    columns = ", ".join(f"""CAST(nullif("{n}", '') AS {types[n]}) AS "{n}" """ for n in names)
    ENGINE.execute(f"CREATE OR REPLACE TEMP TABLE people AS SELECT {columns} FROM rows")
    return "people"


def scan(sql: str) -> Sequence[Any]:
    """The one row of a query."""
    (row,) = ENGINE.execute(sql).fetchall()
    return row


def constants(source: str, definitions: Definitions, known: Constants | None = None) -> Constants:
    """What a day of these customers must know."""
    return find_constants(source, definitions, scan, known=known)


def column(
    source: str, definitions: Definitions, name: str, found: Constants | None = None
) -> dict[str, Any]:
    """Customer → the value of a derived column."""
    found = constants(source, definitions) if found is None else found
    sql = f'SELECT customer_id, "{name}" FROM {derived_sql(source, definitions, found)} AS frame'
    return dict(ENGINE.execute(sql).fetchall())
