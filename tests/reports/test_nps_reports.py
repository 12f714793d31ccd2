"""Claims on the reports of surveys, by numbers counted by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from antiphon.errors import UserFilesError
from antiphon.reports.rates import report_table, scores

NOW = datetime(2026, 4, 30, 9, tzinfo=UTC)


def score(world, customer, days, value, **more):
    world.response(
        "survey", more.pop("message_id", None), days, customer_id=customer, value=value, **more
    )


def test_the_score_is_told_by_touchpoint_product_and_week(world):
    world.add("products", product_id="p1", name="Cream")
    for number, value in enumerate(("10", "9", "9", "8", "7", "6", "0")):
        product = "p1" if number < 3 else None
        days = 1 if number < 4 else 8  # 2 March 2026 is a Monday
        score(world, f"c{number}", days, value, touchpoint="purchase", product_id=product)
    score(world, "x", 1, "2", touchpoint="service")
    score(world, "y", 1, "2", touchpoint="purchase", is_machine=True)
    score(world, "y", 1, "very good", touchpoint="purchase")
    score(world, "y", 1, "70", touchpoint="purchase")
    answered = report_table(world.open(), "nps")
    rows = [
        (r["touchpoint"], r["by"], r["which"], r["answers"], round(r["nps_score"]))
        for r in answered.table().to_pylist()
    ]
    assert rows == [
        ("purchase", "", "all", 7, 14),
        ("purchase", "week", "2026-03-09", 3, -67),
        ("purchase", "week", "2026-03-02", 4, 75),
        ("purchase", "product", "Cream", 3, 100),
        ("service", "", "all", 1, -100),
        ("service", "week", "2026-03-02", 1, -100),
    ]
    (first, *_) = answered.table().to_pylist()
    assert (first["promoters"], first["passives"], first["detractors"]) == (3, 2, 2)
    assert first["nps_low"] < first["nps_score"] < first["nps_high"]


def test_the_latest_answer_to_a_message_counts(world):
    world.message("m1", "c1", 1)
    score(world, "c1", 2, "9", message_id="m1", touchpoint="shop")
    score(world, "c1", 3, "3", message_id="m1", touchpoint="shop")
    score(world, "c1", 3, "9", message_id=None, touchpoint="shop")
    (row, *_) = report_table(world.open(), "nps").counts.to_pylist()
    assert (row["answers"], row["promoters"], row["detractors"]) == (2, 1, 1)


def test_what_people_did_after_their_score_is_told_once_the_time_is_over(world):
    for customer, value in (("p1", "10"), ("p2", "9"), ("d1", "3"), ("d2", "0")):
        score(world, customer, 0, value)
    score(world, "late", 100, "10")
    for number, (customer, days, amount) in enumerate(
        (
            ("p1", 10, "30"),
            ("p1", 170, "-10"),
            ("p1", 190, "500"),  # after the 180 days
            ("p2", -3, "500"),  # before the answer
            ("d1", 5, "8"),
            ("late", 101, "70"),
        )
    ):
        world.order(f"o{number}", customer, days, amount)
    answered = report_table(world.open(NOW + timedelta(days=150)), "nps_later")
    rows = {row["who"]: row for row in answered.table().to_pylist()}
    assert set(rows) == {"promoters", "detractors"}
    assert (rows["promoters"]["customers"], rows["promoters"]["lost"]) == (2, 1)
    assert float(rows["promoters"]["spent"]) == 10
    assert (rows["detractors"]["lost_rate"], float(rows["detractors"]["spent"])) == (0.5, 4)


def test_a_score_of_a_column_that_is_not_there_is_answered():
    with pytest.raises(UserFilesError, match=r"'happy' that the query does not have"):
        scores("mine.sql", "-- score x: happy less sad of all\nSELECT 1", ["sad", "all"])
