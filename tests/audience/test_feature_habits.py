"""Claims on rhythm, habits and trends, each with numbers one can count on one's fingers."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest


@pytest.fixture
def buyer(world):
    """The frame of one customer who ordered at these local times: [(instant, more columns)]."""
    world.only("orders", "habits", "favourite")
    world.add("customers", customer_id="a")

    def row(*orders):
        for number, (at, more) in enumerate(orders):
            values = {"amount": "10", **more}
            world.add("orders", order_id=str(number), customer_id="a", ordered_at=at, **values)
        return world.frame()["a"]

    return row


def on(*days, **more):
    return [(f"{day} 08:00+02", more) for day in days]


# ------------------------------------------------------------ rhythm


@pytest.mark.parametrize(
    ("days", "gap", "late"),
    [
        ([], None, None),
        (["2026-05-02"], None, None),
        (["2026-04-12", "2026-05-02"], None, None),  # one gap is no rhythm
        (["2026-03-13", "2026-04-02", "2026-05-02"], 25.0, 10 / 25 - 1),  # gaps of 20 and 30
        (["2026-05-02", "2026-04-22", "2026-04-12", "2026-01-02"], 10.0, 0.0),  # due today
        (["2026-04-12", "2026-04-02", "2026-03-23"], 10.0, 2.0),  # two gaps late
        (["2026-05-02", "2026-05-02", "2026-04-12"], None, None),  # twice on a day is no gap
    ],
)
def test_a_rhythm_is_the_median_of_two_gaps_or_more(buyer, days, gap, late):
    row = buyer(*on(*days))
    assert (row["median_gap_days"], row["gaps_late"]) == (gap, pytest.approx(late))


def test_days_between_orders_are_days_of_the_calendar_across_a_change_of_clocks(buyer):
    row = buyer(
        ("2026-03-27 23:30+01", {}),  # Friday; 30 minutes and two days of 24 and 23 hours later:
        ("2026-03-30 00:15+02", {}),
        ("2026-04-02 23:59+02", {}),
    )
    assert row["median_gap_days"] == 3
    assert row["last_order_day"] == date(2026, 4, 2)


def test_a_gap_over_the_29th_of_february_has_its_day(world, buyer):
    world.as_of, world.business_day = datetime(2028, 3, 10, 12, tzinfo=UTC), date(2028, 3, 10)
    row = buyer(*on("2028-02-28", "2028-03-01", "2028-03-03"))
    assert row["median_gap_days"] == 2


def test_returns_and_orders_to_come_have_no_part_in_habits(world, buyer):
    world.as_of = datetime(2026, 5, 12, 8, tzinfo=UTC)
    row = buyer(
        ("2026-05-04 09:10+02", {"store": "web"}),
        ("2026-05-05 10:00+02", {"store": "shop", "amount": "-10"}),
        ("2026-05-12 10:00:00.000001+02", {"store": "shop"}),
    )
    habits = ("favourite_store", "favourite_weekday", "favourite_hour")
    assert tuple(row[name] for name in habits) == ("web", 1, 9)


# ------------------------------------------------------------ favourites


def test_weekday_and_hour_are_those_of_the_business_zone(buyer):
    row = buyer(("2026-05-10 22:30+00", {}))  # Sunday evening in UTC, Monday 0:30 in Berlin
    assert (row["favourite_weekday"], row["favourite_hour"]) == (1, 0)


def test_of_habits_that_are_equally_frequent_the_first_counts(buyer):
    row = buyer(
        ("2026-05-10 20:00+02", {"store": "web", "category": "tea"}),
        ("2026-05-05 08:00+02", {"store": "Berlin", "category": "baby"}),
        ("2026-04-01 12:00+02", {}),
    )
    assert row["favourite_store"] == "Berlin"
    assert (row["favourite_weekday"], row["favourite_hour"]) == (2, 8)
    assert (row["favourite_category"], row["second_category"]) == ("baby", "tea")


def test_who_buys_one_category_has_no_second(buyer):
    row = buyer(*on("2026-05-01", "2026-05-02", category="tea"))
    assert (row["favourite_category"], row["second_category"]) == ("tea", None)


# ------------------------------------------------------------ windows and trends


@pytest.mark.parametrize(
    ("ago", "in_7", "trend", "yearly"),
    [
        ([6], 1, None, None),
        ([7], 0, None, None),
        ([0, 89, 90], 1, 2.0, None),  # two in the window, one in the window before
        ([89, 90, 179], 0, 0.5, None),
        ([90, 179], 0, 0.0, None),
        ([89, 180], 0, None, None),
        ([0, 364, 365, 729], 1, None, 1.0),
        ([364, 730], 0, None, None),
    ],
)
def test_a_trend_compares_a_window_with_the_one_before(buyer, ago, in_7, trend, yearly):
    row = buyer(*on(*(date(2026, 5, 12) - timedelta(days) for days in ago)))
    assert (row["order_count_7d"], row["spend_7d"]) == (in_7, 10 * in_7)
    assert (row["order_trend_90d"], row["order_trend_365d"]) == (trend, yearly)
    assert (row["spend_trend_90d"], row["spend_trend_365d"]) == (trend, yearly)


def test_a_trend_of_money_needs_money_before(buyer):
    row = buyer(
        ("2026-05-01 12:00+02", {"amount": "30"}),
        ("2026-01-20 12:00+01", {"amount": "20"}),
        ("2026-01-21 12:00+01", {"amount": "-20"}),
    )
    assert row["order_trend_90d"] == 1
    assert row["spend_trend_90d"] is None
    assert row["spend_total"] == Decimal(30)


def test_the_second_order_may_be_of_the_first_day(buyer):
    row = buyer(*on("2026-05-03", "2026-05-01", "2026-05-01"))
    assert (row["first_order_day"], row["second_order_day"]) == (date(2026, 5, 1),) * 2
