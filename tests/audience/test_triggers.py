"""Triggers: once for each thing that happened, to those whom it concerns, within its grace."""

from collections.abc import Iterator
from typing import Any

import pytest
from occasions_world import Tables, at, moment

from antiphon.audience.triggers import trigger_sql
from antiphon.campaigns.models import Trigger

FRAME = {"region": "VARCHAR"}


@pytest.fixture(scope="module")
def shared() -> Iterator[Tables]:
    with Tables(FRAME) as made:
        yield made


@pytest.fixture
def tables(shared: Tables) -> Tables:
    for name in ("events", "orders", "order_lines", "notices", "people_today"):
        shared.fill(name, [])
    return shared


def found(tables: Tables, now: str, **keys: Any) -> list[tuple[str, str]]:
    """Customer and anchor of what is due."""
    sql = trigger_sql(Trigger.model_validate(keys), moment(at(now)), "people_today")
    return sorted((row["customer_id"], row["anchor"]) for row in tables.rows(sql))


def event(
    tables: Tables, event_id: str, when: str, name: str = "cart_abandoned", **values: str
) -> None:
    customer = values.pop("customer_id", "a")
    tables.add(
        "events",
        event_id=event_id,
        customer_id=customer,
        event=name,
        occurred_at=at(when),
        **values,
    )


def notice(tables: Tables, notice_id: str, when: str, name: str, **values: str) -> None:
    tables.add("notices", notice_id=notice_id, notice=name, occurred_at=at(when), **values)


def test_an_event_is_due_so_long_after_it_and_not_before_nor_beyond_grace(tables: Tables) -> None:
    event(tables, "e1", "2026-05-12 10:00")
    event(tables, "e2", "2026-05-12 10:00", name="app_installed")
    keys = {"event": "cart_abandoned", "after": "3 hours", "grace": "2 hours"}
    assert found(tables, "2026-05-12 12:59", **keys) == []
    assert found(tables, "2026-05-12 13:00", **keys) == [("a", "e1")]
    assert found(tables, "2026-05-12 15:00", **keys) == [("a", "e1")]
    assert found(tables, "2026-05-12 15:01", **keys) == []


def test_a_grace_in_days_lasts_to_the_end_of_the_day_so_that_a_daily_run_finds_it(
    tables: Tables,
) -> None:
    event(tables, "e1", "2026-05-12 09:00:01")
    keys = {"event": "cart_abandoned", "after": "1 day", "grace": "1 day"}
    assert found(tables, "2026-05-13 09:00:00", **keys) == []
    assert found(tables, "2026-05-14 09:00:05", **keys) == [("a", "e1")]
    assert found(tables, "2026-05-15 00:00:00", **keys) == []


def test_days_are_the_shops_also_when_the_clocks_change(tables: Tables) -> None:
    event(tables, "e1", "2026-03-28 10:00")  # the night after it has one hour less
    keys = {"event": "cart_abandoned", "after": "1 day", "grace": "1 hour"}
    assert found(tables, "2026-03-29 09:59", **keys) == []
    assert found(tables, "2026-03-29 10:00", **keys) == [("a", "e1")]


def test_what_has_not_happened_yet_is_not_due(tables: Tables) -> None:
    event(tables, "e1", "2026-05-12 10:00")
    assert found(tables, "2026-05-12 09:59", event="cart_abandoned") == []
    assert found(tables, "2026-05-12 10:00", event="cart_abandoned") == [("a", "e1")]


def test_an_order_is_an_event_and_a_return_is_not(tables: Tables) -> None:
    for order_id, amount in (("o1", 10), ("o2", -10)):
        tables.add(
            "orders",
            order_id=order_id,
            customer_id="a",
            ordered_at=at("2026-05-01 10:00"),
            amount=amount,
        )
    keys = {"event": "order", "after": "14 days"}
    assert found(tables, "2026-05-15 12:00", **keys) == [("a", "o1")]


def test_a_notice_concerns_those_who_did_the_event_with_its_product_before_it(
    tables: Tables,
) -> None:
    notice(tables, "n1", "2026-05-12 08:00", "back_in_stock", product_id="p1", value="7.90")
    waiting = {"name": "wish", "product_id": "p1"}
    event(tables, "e1", "2026-05-01 10:00", **waiting)
    event(tables, "e2", "2026-05-02 10:00", **waiting)  # twice: still one occasion
    event(tables, "e3", "2026-05-12 08:30", customer_id="late", **waiting)
    event(tables, "e4", "2026-01-01 10:00", customer_id="long ago", **waiting)
    event(tables, "e5", "2026-05-01 10:00", customer_id="other", name="wish", product_id="p2")
    keys = {"notice": "back_in_stock", "did": "wish", "within": "90 days"}
    assert found(tables, "2026-05-12 09:00", **keys) == [("a", "n1")]
    sql = trigger_sql(Trigger.model_validate(keys), moment(at("2026-05-12 09:00")))
    [row] = tables.rows(sql)
    assert (row["product_id"], row["value"]) == ("p1", "7.90")


def test_a_notice_may_concern_those_who_bought_its_product(tables: Tables) -> None:
    notice(tables, "n1", "2026-05-12 08:00", "recall", product_id="p1")
    for customer, quantity in (("a", 1), ("returned", -1)):
        tables.add(
            "order_lines",
            order_id=customer,
            line_number=1,
            product_id="p1",
            quantity=quantity,
            customer_id=customer,
            ordered_at=at("2026-05-01 10:00"),
        )
    assert found(tables, "2026-05-12 09:00", notice="recall", did="order") == [("a", "n1")]


def test_a_notice_concerns_those_whose_column_equals_its_value(tables: Tables) -> None:
    notice(tables, "n1", "2026-05-12 08:00", "incident", value="Lower Saxony")
    regions = {"a": "Lower Saxony", "b": "Bavaria", "c": None}
    tables.fill("people_today", [{"customer_id": c, "region": r} for c, r in regions.items()])
    keys = {"notice": "incident", "same": "region", "grace": "4 hours"}
    assert found(tables, "2026-05-12 09:00", **keys) == [("a", "n1")]
    assert found(tables, "2026-05-12 12:01", **keys) == []


def test_names_may_hold_quotes(tables: Tables) -> None:
    event(tables, "e1", "2026-05-12 10:00", name="it's")
    assert found(tables, "2026-05-12 10:00", event="it's") == [("a", "e1")]
