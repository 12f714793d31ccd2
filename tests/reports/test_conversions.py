"""Conversions: which orders count for which message, computed by hand."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from report_world import ORDER, World, at

from antiphon.reports.conversions import CONVERSIONS, conversions
from antiphon.reports.session import Scope

EURO = Decimal("0.0001")


def found(world: World, *columns: str) -> list[tuple[Any, ...]]:
    """Those columns of every conversion, by moment."""
    rows = conversions(world.open()).to_pylist()
    return [tuple(row[name] for name in columns) for row in rows]


def test_an_order_counts_from_the_contact_to_the_end_of_the_window(world: World) -> None:
    world.message("m", "c1", 10)
    for order_id, days in (("before", 9.999), ("at", 10), ("last", 23.999), ("end", 24)):
        world.order(order_id, "c1", days, "10")
    world.order("other", "c2", 11, "10")
    assert found(world, "message_id", "fact_id") == [("m", "at"), ("m", "last")]


def test_a_control_row_counts_from_its_planned_moment_and_takes_no_credit(world: World) -> None:
    world.control("held", "c1", 0)
    world.message("m", "c1", 1, campaign="summer")
    world.campaign("summer", ORDER)
    world.order("o", "c1", 2, "30")
    assert sorted(found(world, "message_id", "last_touch", "touches", "shared_amount")) == [
        ("held", False, None, 0),
        ("m", True, 1, 30),
    ]


def test_last_touch_and_equal_parts_stand_side_by_side(world: World) -> None:
    world.campaign("summer", {"event": "order", "within": "3 days"})
    world.message("m1", "c1", 0)
    world.message("m2", "c1", 1, campaign="summer")
    world.message("m3", "c1", 2)
    world.message("m4", "c1", 2.5, campaign="nobody's")
    world.order("o", "c1", 3, "100")
    rows = found(world, "message_id", "last_touch", "touches", "shared_amount")
    assert sorted(rows) == [
        ("m1", False, 3, Decimal("33.3333")),
        ("m2", False, 3, Decimal("33.3333")),
        ("m3", True, 3, Decimal("33.3334")),
    ]


def test_the_window_is_each_campaigns_own(world: World) -> None:
    world.campaign("summer", {"event": "order", "within": "3 days"})
    world.message("m1", "c1", 0)
    world.message("m2", "c1", 0, campaign="summer")
    world.order("o", "c1", 5, "100")
    assert found(world, "message_id", "touches") == [("m1", 1)]


@pytest.mark.parametrize("state", ["refused", "withdrawn", "expired", "planned", "sending"])
def test_what_did_not_leave_takes_no_credit(world: World, state: str) -> None:
    world.message("m1", "c1", 0)
    world.message("m2", "c1", 1, state=state)
    world.order("o", "c1", 2, "100")
    assert ("m1", True, 100) in found(world, "message_id", "last_touch", "shared_amount")


def test_an_order_returned_in_full_is_no_conversion_any_more(world: World) -> None:
    world.message("m", "c1", 0)
    world.order("o1", "c1", 1, "50")
    assert found(world, "fact_id", "amount") == [("o1", 50)]
    world.order("back", "c1", 30, "-50")  # long after the window
    assert found(world, "fact_id", "amount") == []


def test_a_return_takes_back_the_latest_order_of_its_amount_that_is_still_there(
    world: World,
) -> None:
    world.message("m", "c1", 0)
    world.order("o1", "c1", 1, "50")
    world.order("o2", "c1", 2, "50")
    world.order("o3", "c1", 3, "80")
    world.order("back", "c1", 4, "-50")
    assert found(world, "fact_id") == [("o1",), ("o3",)]
    world.order("back-too", "c1", 5, "-50")
    assert found(world, "fact_id") == [("o3",)]


def test_a_return_of_a_part_is_deducted_from_the_latest_order_as_large(world: World) -> None:
    world.message("m", "c1", 0)
    world.order("o1", "c1", 1, "100")
    world.order("o2", "c1", 2, "20")
    world.order("back", "c1", 3, "-30")
    world.order("later", "c1", 4, "100")
    assert found(world, "fact_id", "amount") == [("o1", 70), ("o2", 20), ("later", 100)]


def test_a_return_of_what_was_bought_before_the_message_changes_nothing(world: World) -> None:
    world.order("old", "c1", -5, "50")
    world.message("m", "c1", 0)
    world.order("back", "c1", 1, "-50")
    world.order("o", "c1", 2, "50")
    assert found(world, "fact_id", "amount") == [("o", 50)]


def test_a_return_of_another_customer_changes_nothing(world: World) -> None:
    world.message("m", "c1", 0)
    world.order("o", "c1", 1, "50")
    world.order("theirs", "c2", 1, "50")
    world.order("back", "c2", 2, "-50")
    assert found(world, "fact_id", "amount") == [("o", 50)]


@pytest.mark.parametrize("status", ["cancelled", "Returned ", "STORNIERT"])
def test_a_cancelled_order_does_not_count(world: World, status: str) -> None:
    world.message("m", "c1", 0)
    world.order("o1", "c1", 1, "50", status=status)
    world.order("o2", "c1", 1, "0", status="shipped")
    assert found(world, "fact_id") == [("o2",)]


@pytest.mark.parametrize("status", ["refunded", "Returned", "cancelled", None])
def test_a_return_counts_whatever_its_own_status_says(world: World, status: str | None) -> None:
    world.message("m", "c1", 0)
    world.order("o1", "c1", 1, "50", status="paid")
    world.order("o2", "c1", 2, "70", status="paid")
    world.order("back1", "c1", 3, "-50", status=status)
    world.order("back2", "c1", 4, "-20", status=status)
    assert found(world, "fact_id", "amount") == [("o2", 50)]


def test_a_return_of_an_order_that_bears_its_status_is_taken_from_no_other(world: World) -> None:
    world.message("m", "c1", 0)
    world.order("o1", "c1", 1, "50", status="refunded")
    world.order("o2", "c1", 2, "50")
    world.order("back", "c1", 3, "-50", status="refunded")
    assert found(world, "fact_id", "amount") == [("o2", 50)]
    world.order("back-too", "c1", 4, "-50")  # a second one is the other's
    assert found(world, "fact_id", "amount") == []


def test_a_return_of_a_category_counts_whatever_its_own_status_says(world: World) -> None:
    world.campaign("spring", {**ORDER, "category": "vitamins"})
    world.message("m", "c1", 0)
    world.add("products", product_id="p1", category="vitamins")
    for order_id, amount in (("o1", "30"), ("back", "-10")):
        line = {"order_id": order_id, "line_number": 1, "product_id": "p1", "quantity": 1.0}
        world.add("order_lines", **line, amount=Decimal(amount))
    world.order("o1", "c1", 1, "100")
    world.order("back", "c1", 2, "-10", status="returned")
    world.order("no-lines", "c1", 3, "40", category="vitamins")
    world.order("no-lines-back", "c1", 4, "-40", category="vitamins", status="refunded")
    assert found(world, "fact_id", "amount") == [("o1", 20)]


def test_an_order_of_a_category_counts_its_lines_of_it(world: World) -> None:
    world.campaign("spring", {**ORDER, "category": "vitamins"})
    world.message("m", "c1", 0)
    world.add("products", product_id="p1", category="vitamins")
    world.add("products", product_id="p2", category="skin care")
    for number, (product, amount) in enumerate([("p1", "7"), ("p2", "90"), ("p1", "3")], start=1):
        line = {"order_id": "o1", "line_number": number, "product_id": product, "quantity": 1.0}
        world.add("order_lines", **line, amount=Decimal(amount))
    world.order("o1", "c1", 1, "100")
    world.order("no-lines", "c1", 2, "40", category="vitamins")
    world.order("something-else", "c1", 3, "60", category="skin care")
    assert found(world, "fact_id", "amount") == [("o1", 10), ("no-lines", 40)]


def test_events_codes_and_surveys_are_goals_too(world: World) -> None:
    for goal in ("app_installed", "code", "survey"):
        world.campaign(goal.replace("_", "-"), {"event": goal, "within": "3 days"})
    world.message("m1", "c1", 0, campaign="app-installed")
    world.message("m2", "c1", 0, campaign="code")
    world.message("m3", "c1", 0, campaign="survey")
    world.add("events", event_id="e1", customer_id="c1", event="app_installed", occurred_at=at(1))
    world.add("events", event_id="e2", customer_id="c1", event="app_removed", occurred_at=at(1))
    world.response("redemption", "m2", 1, campaign="code")
    world.response("redemption", None, 2, campaign="somebody-else")
    world.response("survey", "m3", 2.5)
    world.response("answer", "m3", 2.6)
    world.response("survey", "m1", 2.7)
    rows = found(world, "message_id", "fact_id")
    assert rows == [("m1", "e1"), ("m2", "response-0"), ("m3", "m3")]


def test_a_code_brings_what_was_paid_for_its_order(world: World) -> None:
    world.campaign("spring", {"event": "code", "within": "14 days"})
    world.message("m", "c1", 0)
    world.order("o1", "c1", 1, "40", promo_code="wb-7k2 m")
    world.order("o2", "c1", 1.5, "99")
    world.order("theirs", "c2", 1, "70", promo_code="WB7K2M")
    for days in (1, 3):  # the second told by a till, its order in no source
        world.response("redemption", "m", days, value="WB7K2M", campaign="spring")
    assert found(world, "fact_id", "amount") == [("response-0", 40), ("response-1", 0)]
    world.order("back", "c1", 20, "-40")
    assert found(world, "fact_id", "amount") == [("response-1", 0)]


def test_an_occurrence_is_told_by_its_latest_attempt(world: World) -> None:
    world.message("m1", "c1", 0, occurrence_key="k", state="refused")
    world.message("m2", "c1", 1, occurrence_key="k", attempt=2)
    world.order("o", "c1", 0.5, "10")
    world.order("o2", "c1", 2, "10")
    assert found(world, "message_id", "fact_id") == [("m2", "o2")]


def test_a_scope_narrows_the_rows_and_not_who_shares(world: World) -> None:
    world.campaign("summer", ORDER)
    world.message("m1", "c1", 0)
    world.message("m2", "c1", 1, campaign="summer")
    world.order("o", "c1", 2, "100")
    project = world.open()
    for scope in (Scope("summer"), Scope(days=60)):
        (row,) = conversions(project, scope).to_pylist()
        assert (row["message_id"], row["touches"]) == ("m2", 2)
    assert list(row) == list(CONVERSIONS)
    assert row["converted_at"] - row["contact_at"] == timedelta(days=1)


def test_without_a_goal_nothing_is_counted(world: World) -> None:
    world.campaign("spring", None)
    world.message("m", "c1", 0)
    world.order("o", "c1", 1, "10")
    assert found(world, "fact_id") == []
