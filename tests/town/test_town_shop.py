"""What the shop of a town writes into the files that runs pull."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow.csv
import pytest

from antiphon.demo import write_demo
from antiphon.town.behaviour import Behaviour, Kind
from antiphon.town.clock import TownClock
from antiphon.town.people import People, settled
from antiphon.town.shop import Order, Shop

SEED = 3
NOON = datetime(2026, 5, 13, 12, tzinfo=UTC)  # 14:00 in Berlin


@pytest.fixture
def people() -> People:
    return settled(Behaviour(customers=100), SEED)


@pytest.fixture
def shop(tmp_path: Path, people: People) -> Shop:
    write_demo(tmp_path, customers=100, seed=SEED)
    return Shop(tmp_path, people, TownClock(NOON, "Europe/Berlin"), SEED)


def rows(folder: Path, name: str, prefix: str) -> list[dict[str, object]]:
    """Rows of a file whose first column begins so."""
    table = pyarrow.csv.read_csv(folder / f"{name}.csv").to_pylist()
    return [row for row in table if str(next(iter(row.values()))).startswith(prefix)]


def test_an_order_is_written_with_its_lines_its_code_and_the_time_of_the_shops_clock(
    shop: Shop, tmp_path: Path
) -> None:
    [sold] = shop.sell([Order("LP000007", NOON, "m1", "WB-1")])
    [order] = rows(tmp_path, "orders", "T")
    lines = rows(tmp_path, "order_lines", "T")
    assert (order["customer_id"], order["promo_code"]) == ("LP000007", "WB-1")
    assert str(order["ordered_at"]).replace(" ", "T") == "2026-05-13T14:00:00"
    assert float(str(order["amount"])) == sold.cents / 100
    paid = sum(float(str(row["unit_price"])) * int(str(row["quantity"])) for row in lines)
    assert paid == pytest.approx(sold.cents / 100)


def test_an_order_given_back_stays_one_row_with_another_status(shop: Shop, tmp_path: Path) -> None:
    sold = shop.sell([Order("LP000007", NOON), Order("LP000008", NOON)])
    shop.take_back([(sold[0], NOON + timedelta(days=1))])
    first, second = rows(tmp_path, "orders", "T")
    assert (first["status"], second["status"]) == ("returned", "paid")
    assert str(first["updated_at"]).replace(" ", "T") == "2026-05-14T14:00:00"
    assert len(rows(tmp_path, "orders", "A")) > 50  # those of before are all there


def test_a_cart_left_behind_is_an_event_with_a_product(shop: Shop, tmp_path: Path) -> None:
    shop.note_carts([("LP000009", NOON)])
    shop.note_carts([("LP000010", NOON)])
    events = rows(tmp_path, "events", "TE")
    assert [row["customer_id"] for row in events] == ["LP000009", "LP000010"]
    assert len({row["event_id"] for row in events}) == 2
    assert all(str(row["product_id"]).startswith("P") for row in events)


def test_who_left_the_company_buys_nothing_by_themselves(people: People) -> None:
    days = [date(2026, 5, 12) + timedelta(days=number) for number in range(60)]
    bought = [customer for day in days for customer, _ in people.buyers(day)]
    assert len(bought) >= 60  # somebody every day, or the shop's export would seem broken
    assert Kind.GONE not in {people.kind(customer) for customer in bought}
    assert people.buyers(days[0]) == people.buyers(days[0])
