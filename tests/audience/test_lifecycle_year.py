"""The shipped lifecycle and bands on every day of a small company's year: everybody in one place.

Days and customers are joined into one frame, a row for each customer and day; the features are
counted here anew, by the words of their declarations.
"""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from small_year import small_year

from antiphon.audience.definitions import Definitions
from antiphon.check import load
from antiphon.files import read_files

CUSTOMERS, DAYS = 150, 365


@pytest.fixture(scope="module")
def shipped() -> Definitions:
    return load(read_files(Path(__file__).parents[2])).definitions


@pytest.fixture(scope="module")
def year(shipped: Definitions) -> Iterator[duckdb.DuckDBPyConnection]:
    """The table `stages`: a row for each customer and day, with its features and dimensions."""
    connection = duckdb.connect()
    small_year(connection, CUSTOMERS, DAYS)
    names = ("lifecycle", "order_value_band", "frequency_band")
    columns = ", ".join(f"{shipped.dimensions[name].sql()} AS {name}" for name in names)
    connection.execute(f"CREATE TABLE stages AS SELECT *, {columns} FROM frame")
    yield connection
    connection.close()


def test_everybody_is_in_exactly_one_stage_on_every_day(
    year: duckdb.DuckDBPyConnection, shipped: Definitions
) -> None:
    """Of each stage exactly those its words say, asked one by one and not as a CASE."""
    words = {
        "lead": "order_count = 0 AND NOT joined",
        "joined": "order_count = 0 AND joined",
        "new": "order_count = 1 AND days_since_order <= 60",
        "lost_new": "order_count = 1 AND days_since_order > 60",
        "lost_loyal": "order_count >= 5 AND days_since_order > 180",
        "lost_casual": "order_count BETWEEN 2 AND 4 AND days_since_order > 180",
        "at_risk": "order_count >= 2 AND days_since_order <= 180 AND late",
        "loyal": "order_count >= 2 AND days_since_order <= 180 AND NOT late "
        "AND order_count_365d >= 4",
        "repeat": "order_count >= 2 AND days_since_order <= 180 AND NOT late "
        "AND order_count_365d < 4",
    }
    assert set(words) == set(shipped.dimensions["lifecycle"].names)
    late = "(days_since_order > 90 OR coalesce(days_since_order > 30 AND gaps_late >= 2, false))"
    held = ", ".join(
        f"count(*) FILTER (WHERE ({text}) AND lifecycle = '{name}'), "
        f"count(*) FILTER (WHERE ({text}) OR lifecycle = '{name}')"
        for name, text in words.items()
    )
    row = year.execute(
        f"WITH s AS (SELECT *, {late} AS late, joined_programme_day IS NOT NULL AS joined "
        f"FROM stages) SELECT {held} FROM s"
    ).fetchone()
    assert row is not None
    both, either = row[::2], row[1::2]
    assert both == either
    assert sum(both) == CUSTOMERS * DAYS
    assert all(size > 0 for size in both), "every stage is met in the year"


def test_bands_hold_everybody_on_every_day(
    year: duckdb.DuckDBPyConnection, shipped: Definitions
) -> None:
    for name in ("order_value_band", "frequency_band"):
        rows = year.execute(f"SELECT {name}, count(*) FROM stages GROUP BY 1").fetchall()
        sizes = dict(rows)
        assert set(sizes) <= set(shipped.dimensions[name].names)
        assert sum(sizes.values()) == CUSTOMERS * DAYS
    ((wrong,),) = year.execute(
        "SELECT count(*) FROM stages WHERE (order_value_band = 'none') <> (order_count = 0) "
        "OR (order_value_band = '25-50') <> "
        "coalesce(average_order >= 25 AND average_order < 50, false) "
        "OR (frequency_band = 'none') <> (order_count_365d = 0)"
    ).fetchall()
    assert wrong == 0


def test_a_stage_changes_only_with_time_or_with_an_order(year: duckdb.DuckDBPyConnection) -> None:
    """From one day to the next nobody goes back to lead, or from lost to at risk, by waiting."""
    rows = year.execute("""
        WITH moves AS (
            SELECT customer_id, lifecycle AS after, order_count AS orders,
                lag(lifecycle) OVER (PARTITION BY customer_id ORDER BY day) AS before,
                lag(order_count) OVER (PARTITION BY customer_id ORDER BY day) AS orders_before
            FROM stages
        )
        SELECT DISTINCT before, after FROM moves WHERE before <> after AND orders = orders_before
    """).fetchall()
    assert set(rows) <= {
        ("lead", "joined"),
        ("new", "lost_new"),
        ("loyal", "repeat"),
        ("loyal", "at_risk"),
        ("repeat", "at_risk"),
        ("at_risk", "lost_loyal"),
        ("at_risk", "lost_casual"),
    }
