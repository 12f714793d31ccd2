"""The scan of all audiences, where some are asked only for those who have an occasion."""

import duckdb

from antiphon.audience.conditions import Condition
from antiphon.audience.frame import PEOPLE_COLUMNS, scan_sql

ALWAYS = Condition("true", "TRUE", frozenset())
EVEN = Condition("even", 'frame."number" % 2 = 0', frozenset({"number"}))


def asked(
    conditions: list[Condition], occasional: list[int], due: list[tuple[int, str]]
) -> dict[str, set[int]]:
    """Customer → the places whose bit is set, of ten customers c0 … c9."""
    others = ", ".join(f"NULL AS {name}" for name in PEOPLE_COLUMNS if name != "customer_id")
    with duckdb.connect() as connection:
        connection.execute(
            f"CREATE TABLE people AS SELECT 'c' || range AS customer_id, range AS number, "
            f"'cell' AS grid, {others} FROM range(10)"
        )
        connection.execute("CREATE TABLE occasions (touch INTEGER, customer_id VARCHAR)")
        if due:
            connection.executemany("INSERT INTO occasions VALUES (?, ?)", due)
        sql = scan_sql(conditions, "people", ["grid"], occasional=occasional, occasions="occasions")
        rows = connection.sql(sql).to_arrow_table().to_pylist()
    assert all(row["grid"] == "cell" for row in rows)
    assert len({row["customer_id"] for row in rows}) == len(rows)
    return {
        row["customer_id"]: {
            place
            for place in range(len(conditions))
            if row[f"mask_{place // 62}"] >> place % 62 & 1
        }
        for row in rows
    }


def test_a_condition_without_limits_brings_in_only_those_with_an_occasion() -> None:
    due = [(0, "c1"), (0, "c1"), (0, "c4"), (1, "c3"), (1, "c4")]
    assert asked([ALWAYS, EVEN], [0, 1], due) == {"c1": {0}, "c4": {0, 1}}


def test_standing_audiences_stay_as_they_are_beside_occasional_ones() -> None:
    found = asked([EVEN, ALWAYS], [1], [(1, "c2"), (1, "c3")])
    assert found == {"c0": {0}, "c2": {0, 1}, "c3": {1}, "c4": {0}, "c6": {0}, "c8": {0}}


def test_who_has_an_occasion_and_no_condition_holds_for_is_left_out() -> None:
    assert asked([EVEN], [0], [(0, "c3")]) == {}
    assert asked([ALWAYS], [0], []) == {}


def test_occasions_of_the_second_mask_set_their_own_bits() -> None:
    found = asked([ALWAYS] * 130, list(range(130)), [(3, "c1"), (65, "c1"), (129, "c2")])
    assert found == {"c1": {3, 65}, "c2": {129}}
