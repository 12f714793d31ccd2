"""Databases are read through SQLAlchemy, as a stream, and never give away a password."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from source_project import Project, rows

from antiphon.errors import SourceError
from antiphon.sources.database import as_text, bind_value, names_since

CUSTOMERS = "SELECT id AS customer_id, name AS first_name, changed AS updated_at FROM people"


@pytest.fixture
def shop(project: Project) -> Iterator[sqlite3.Connection]:
    """A SQLite database with two people; SHOP_URL names it."""
    path = project.root / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE people (id INTEGER, name TEXT, changed TEXT, paid REAL)")
        connection.executemany(
            "INSERT INTO people VALUES (?, ?, ?, ?)",
            [(1, "Ann", "2026-05-01 10:00:00", 0.1), (2, "Bea", "2026-05-05 10:00:00", None)],
        )
        connection.commit()
        project.environment["SHOP_URL"] = f"sqlite:///{path}"
        project.sql["people.sql"] = CUSTOMERS
        yield connection


def pull(project: Project, mark: Any = None, **options: Any) -> Any:
    options = {"database": "SHOP_URL", "query": "people.sql", **options}
    return project.pull("customers", mark=mark, **options)


@pytest.mark.usefixtures("shop")
def test_rows_of_a_database_are_staged_like_those_of_a_file(project: Project) -> None:
    ann, bea = rows(pull(project))
    assert (ann["customer_id"], ann["first_name"], ann["_row"]) == ("1", "Ann", 1)
    assert bea["updated_at"] == datetime(2026, 5, 5, 8, tzinfo=UTC)


def test_values_that_do_not_convert_are_problems_of_their_row(
    project: Project, shop: sqlite3.Connection
) -> None:
    shop.execute("INSERT INTO people VALUES (NULL, 'Cea', 'yesterday', 0)")
    shop.commit()
    row = rows(pull(project))[2]
    assert row["_problems"] == ["updated_at: not an instant", "customer_id: missing"]
    assert json.loads(row["_raw"])["updated_at"] == "yesterday"


def test_without_since_the_pull_filters_by_the_watermark(
    project: Project, shop: sqlite3.Connection
) -> None:
    first = pull(project, watermark="updated_at")
    assert first.watermark["high"] == "2026-05-05T08:00:00.000000+00:00"
    shop.execute("INSERT INTO people VALUES (3, 'Cea', '2026-05-04 10:00:00', 0)")
    shop.commit()
    second = pull(project, first.watermark, watermark="updated_at")
    assert [row["customer_id"] for row in rows(second)] == ["2", "3"]


def test_since_is_bound_to_the_watermark_less_the_overlap(
    project: Project, shop: sqlite3.Connection
) -> None:
    project.sql["people.sql"] = CUSTOMERS + " WHERE changed >= :since"
    first = pull(project, watermark="updated_at", overlap="1 hours")
    assert first.rows == 2
    shop.execute("INSERT INTO people VALUES (3, 'Cea', '2026-05-05 09:00:00', 0)")
    shop.execute("INSERT INTO people VALUES (4, 'Dea', '2026-05-05 08:59:59', 0)")
    shop.commit()
    second = pull(project, first.watermark, watermark="updated_at", overlap="1 hours")
    assert [row["_row"] for row in rows(second)] == [1, 2]  # the database sent no more
    assert [row["customer_id"] for row in rows(second)] == ["2", "3"]


@pytest.mark.usefixtures("shop")
def test_since_without_a_watermark_stops_the_run(project: Project) -> None:
    project.sql["people.sql"] = CUSTOMERS + " WHERE changed >= :since"
    with pytest.raises(SourceError, match="names :since, but the source has no watermark"):
        pull(project)


def test_a_missing_variable_is_named_and_its_file_is_read(
    project: Project, shop: sqlite3.Connection
) -> None:
    url = project.environment.pop("SHOP_URL")
    with pytest.raises(SourceError, match="source shop: the environment variable SHOP_URL is not"):
        pull(project)
    project.environment["SHOP_URL_FILE"] = str(project.write("url.txt", url + "\n"))
    assert pull(project).rows == 2
    project.environment["SHOP_URL_FILE"] = str(project.root / "none.txt")
    with pytest.raises(SourceError, match="named by SHOP_URL_FILE cannot be read: No such file"):
        pull(project)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://ann:hunter2@127.0.0.1:1/shop",
        "nosuch://ann:hunter2@127.0.0.1/shop",
        "hunter2",
        "sqlite:////nowhere/hunter.db",
    ],
)
def test_a_database_that_cannot_be_reached_is_told_without_its_password(
    project: Project, url: str
) -> None:
    project.environment["SHOP_URL"] = url
    project.sql["people.sql"] = CUSTOMERS
    with pytest.raises(SourceError) as stop:
        pull(project)
    assert str(stop.value).startswith("source shop: ")
    assert "hunter2" not in str(stop.value)
    assert not Path("/nowhere").exists()


def test_a_locked_database_stops_the_run(project: Project, shop: sqlite3.Connection) -> None:
    project.environment["SHOP_URL"] += "?timeout=0.1"
    shop.execute("BEGIN EXCLUSIVE")
    with pytest.raises(SourceError, match=r"could not be read .*database is locked"):
        pull(project)
    shop.rollback()


@pytest.mark.usefixtures("shop")
def test_a_renamed_column_is_told_by_the_database_or_by_us(project: Project) -> None:
    project.sql["people.sql"] = "SELECT gone FROM people"
    with pytest.raises(SourceError, match="no such column: gone"):
        pull(project)
    project.sql["people.sql"] = "SELECT id AS customer, name FROM people"
    with pytest.raises(SourceError, match=r"sql/sources/people\.sql has no column 'customer_id'"):
        pull(project)


@pytest.mark.usefixtures("shop")
def test_two_columns_of_one_name_stop_the_run(project: Project) -> None:
    project.sql["people.sql"] = "SELECT id AS customer_id, name AS x, changed AS X FROM people"
    with pytest.raises(SourceError, match="two columns of the same name: X, x"):
        pull(project)


@pytest.mark.usefixtures("shop")
def test_a_database_needs_a_query(project: Project) -> None:
    with pytest.raises(SourceError, match="a database needs a query"):
        pull(project, query=None)


def test_a_large_result_is_streamed_in_batches(project: Project, shop: sqlite3.Connection) -> None:
    shop.execute(
        "WITH RECURSIVE n(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 45000) "
        "INSERT INTO people SELECT i, 'N', '2026-05-01 10:00:00', i / 8.0 FROM n"
    )
    shop.commit()
    project.sql["orders.sql"] = (
        "SELECT id AS order_id, 7 AS customer_id, changed AS ordered_at, paid AS amount FROM people"
    )
    found = rows(project.pull("orders", database="SHOP_URL", query="orders.sql"))
    assert len(found) == 45_000
    assert sum(row["amount"] or 0 for row in found) == Decimal("0.1") + sum(
        Decimal(n) / 8 for n in range(3, 45_001)
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (True, "true"),
        (1e-05, "0.00001"),
        (float("nan"), "NaN"),
        (Decimal("1E+3"), "1000"),
        (date(2026, 5, 1), "2026-05-01"),
        (datetime(2026, 5, 1, 10, tzinfo=UTC), "2026-05-01 10:00:00+00:00"),
        (b"\xc3\xa4", "ä"),
        ({"a": [1]}, '{"a": [1]}'),
    ],
)
def test_values_become_text_without_loss(value: object, text: str | None) -> None:
    assert as_text(value) == text


def test_since_is_aware_on_postgresql_and_local_elsewhere() -> None:
    mark = datetime(2026, 5, 1, 8, tzinfo=UTC)
    assert bind_value(mark, "postgresql", "Europe/Berlin") == mark
    assert bind_value(mark, "sqlite", "Europe/Berlin") == "2026-05-01 10:00:00"
    local = datetime.fromisoformat("2026-05-01 10:00:00")
    assert bind_value(mark, "mysql", "Europe/Berlin") == local
    assert bind_value(date(2026, 5, 1), "sqlite", "Europe/Berlin") == "2026-05-01"


def test_colons_of_casts_and_times_are_not_taken_for_parameters() -> None:
    assert not names_since("SELECT a::text, '10:30' FROM t")
    assert names_since("SELECT a::text FROM t WHERE b >= :since")
