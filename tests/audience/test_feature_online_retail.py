"""What is known of the public Online Retail file, found again in our features."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

FILE = (
    Path(__file__).resolve().parents[3] / "shared" / "data" / "online_retail/online_retail.csv.gz"
)
# Lines of a known customer with a quantity and a price above 0, summed up by invoice.
FILTERED = f"""
    SELECT InvoiceNo AS order_id, CustomerID AS customer_id, min(ordered_at) AS ordered_at,
        sum(Quantity::BIGINT * UnitPrice::DECIMAL(18, 4)) AS amount
    FROM (
        SELECT *, timezone('Europe/London', InvoiceDate::TIMESTAMP) AS ordered_at
        FROM read_csv('{FILE}', all_varchar = true)
    )
    WHERE Quantity::BIGINT > 0 AND UnitPrice::DECIMAL(18, 4) > 0 AND CustomerID <> ''
    GROUP BY ALL
"""


@pytest.fixture
def shop(world):
    if not FILE.is_file():
        pytest.skip("online_retail.csv.gz is not beside this checkout")
    world.only("orders", "habits")
    world.zone = "Europe/London"
    world.as_of, world.business_day = datetime(2011, 12, 10, 10, tzinfo=UTC), date(2011, 12, 10)
    world.connection.execute(f"INSERT INTO orders BY NAME {FILTERED}")
    world.connection.execute(
        "INSERT INTO customers BY NAME SELECT DISTINCT customer_id FROM orders"
    )
    return world


def test_what_is_known_of_the_online_retail_file_is_what_the_features_say(shop):
    people = list(shop.frame().values())
    assert len(people) == 4_338
    again = sum(person["order_count"] > 1 for person in people)
    assert round(100 * again / len(people), 1) == 65.6
    spends = sorted((person["spend_total"] for person in people), reverse=True)
    best = spends[: round(len(people) / 5)]
    assert round(100 * float(sum(best) / sum(spends)), 1) == 74.6
    assert sum(person["second_order_day"] is not None for person in people) == again
    assert not any(person["favourite_weekday"] == 6 for person in people)  # closed on Saturdays
