"""Claims on products: what was bought last, and what is used up when."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon.audience.calls import RUN_OUTS

TODAY = date(2026, 5, 12)


@pytest.fixture
def shelf(world):
    """Vitamins of 30 days, cream of 60, tea without a pack size; and one customer."""
    world.only("products")
    world.add("customers", customer_id="a")
    for name, days in (("vitamins", 30), ("cream", 60), ("tea", None)):
        world.add("products", product_id=f"P-{name}", name=name.title(), category=name,
                  pack_days=days)  # fmt: skip
    return world


def bought(world, product, *ago, quantity=1, amount="5"):
    """The product so many days ago, each time on a line of its own."""
    for number, days in enumerate(ago):
        at = datetime(TODAY.year, TODAY.month, TODAY.day, 6, tzinfo=UTC) - timedelta(days)
        line = {"quantity": quantity, "amount": amount, "customer_id": "a", "ordered_at": at}
        world.add("order_lines", order_id=f"{product}{days}", line_number=number,
                  product_id=f"P-{product}", **line)  # fmt: skip


def next_out(world):
    row = world.frame()["a"]
    return row["run_out_product"], row["days_to_run_out"]


@pytest.mark.parametrize(
    ("ago", "quantity", "days"),
    [((10,), 1, 20), ((10,), 2, 50), ((10,), 0.5, 5), ((100, 10), 1, 20), ((10, 10), 1, 50)],
)
def test_a_pack_lasts_its_days_times_the_quantity_of_the_last_day(shelf, ago, quantity, days):
    bought(shelf, "vitamins", *ago, quantity=quantity)
    assert next_out(shelf) == ("P-vitamins", days)
    row = shelf.frame()["a"]
    assert row["run_out_day"] == TODAY + timedelta(days)
    assert (row["run_out_product_name"], row["run_out_category"]) == ("Vitamins", "vitamins")


@pytest.mark.parametrize(
    ("ago", "found"),
    [
        ((40, 10), (None, None)),  # one gap is no rhythm
        ((50, 30, 10), ("P-tea", 10)),  # every 20 days
        ((50, 30, 30, 10), ("P-tea", 10)),  # twice on a day is once
        ((70, 30, 10), ("P-tea", 20)),  # 40 and 20 days apart: 30 on average
    ],
)
def test_without_a_pack_size_the_customers_own_rhythm_counts(shelf, ago, found):
    bought(shelf, "tea", *ago)
    assert next_out(shelf) == found


def test_the_soonest_product_counts_of_equal_ones_the_first_by_id(shelf):
    bought(shelf, "vitamins", 10)
    bought(shelf, "cream", 45)
    assert next_out(shelf) == ("P-cream", 15)
    bought(shelf, "cream", 40)
    assert next_out(shelf) == ("P-cream", 20)


@pytest.mark.parametrize(("ago", "days"), [(60, -30), (61, None), (30, 0)])
def test_what_should_have_run_out_over_30_days_ago_is_given_up(shelf, ago, days):
    bought(shelf, "vitamins", ago)
    assert next_out(shelf)[1] == days


def test_a_product_given_up_does_not_hide_one_in_use(shelf):
    bought(shelf, "vitamins", 300)
    bought(shelf, "cream", 10)
    assert next_out(shelf) == ("P-cream", 50)


def test_what_was_returned_on_the_day_was_not_bought(shelf):
    bought(shelf, "vitamins", 10, quantity=2)
    bought(shelf, "vitamins", 10, quantity=-1)
    assert next_out(shelf) == ("P-vitamins", 20)
    bought(shelf, "vitamins", 10, quantity=-1)
    assert next_out(shelf) == (None, None)
    assert shelf.frame()["a"]["last_product"] is None


def test_a_product_no_longer_sold_does_not_run_out_and_was_bought_all_the_same(shelf):
    bought(shelf, "old", 50, 30, 10)
    row = shelf.frame()["a"]
    assert (row["last_product"], row["last_product_name"]) == ("P-old", None)
    assert row["run_out_product"] is None


def test_the_last_product_is_the_one_most_was_paid_for_that_day(shelf):
    bought(shelf, "cream", 20, amount="90")
    bought(shelf, "tea", 10, amount="8")
    bought(shelf, "vitamins", 10, 10, amount="5")
    row = shelf.frame()["a"]
    last = tuple(row[f"last_product{ending}"] for ending in ("", "_name", "_category"))
    assert last == ("P-vitamins", "Vitamins", "vitamins")


def test_only_the_last_730_days_count_by_the_business_zone(shelf):
    midnight = datetime(2024, 5, 12, 22, tzinfo=UTC)  # the 13th begins in Berlin
    line = {"product_id": "P-tea", "customer_id": "a", "quantity": 1, "amount": Decimal(1)}
    early = midnight - timedelta(microseconds=1)
    shelf.add("order_lines", order_id="1", line_number=1, ordered_at=early, **line)
    assert shelf.frame()["a"]["last_product"] is None
    shelf.add("order_lines", order_id="2", line_number=1, ordered_at=midnight, **line)
    assert shelf.frame()["a"]["last_product"] == "P-tea"


def test_lines_to_come_do_not_count(shelf):
    bought(shelf, "vitamins", -1)
    assert shelf.frame()["a"]["last_product"] is None


def test_a_pack_runs_out_on_a_day_of_the_calendar_across_february_and_the_clocks(shelf):
    shelf.as_of, shelf.business_day = datetime(2028, 3, 1, 8, tzinfo=UTC), date(2028, 3, 1)
    line = {"product_id": "P-vitamins", "customer_id": "a", "amount": 1}
    at = datetime(2028, 2, 28, 23, 30, tzinfo=UTC)  # the 29th in Berlin
    shelf.add("order_lines", order_id="1", line_number=1, ordered_at=at, quantity=1, **line)
    row = shelf.frame()["a"]
    assert (row["run_out_day"], row["days_to_run_out"]) == (date(2028, 3, 30), 29)


@pytest.mark.parametrize("quantity", [1e30, float("inf"), float("nan"), 80_995])
def test_no_quantity_is_too_large_for_the_calendar(shelf, quantity):
    bought(shelf, "vitamins", 10, quantity=quantity)
    days = next_out(shelf)[1]
    assert days in (None, 36_500 - 10)


lines = st.lists(
    st.tuples(
        st.sampled_from(["vitamins", "cream", "tea", "old"]),
        st.integers(-1, 200),
        st.sampled_from([1, 1, 2, -1]),
    ),
    max_size=10,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lines)
def test_conditions_and_features_run_out_of_the_same_products_on_the_same_days(shelf, lines):
    shelf.connection.execute("DELETE FROM order_lines")
    for product, ago, quantity in lines:
        bought(shelf, product, ago, quantity=quantity)
    given = {name: shelf.parameters[name] for name in ("as_of", "business_day", "business_zone")}
    rows = shelf.connection.execute(f"SELECT run_out_day, product_id FROM ({RUN_OUTS})", given)
    due = [row for row in rows.fetchall() if row[0] >= TODAY - timedelta(30)]
    found = shelf.frame()["a"]
    day, product = min(due, default=(None, None))
    assert (found["run_out_day"], found["run_out_product"]) == (day, product)
