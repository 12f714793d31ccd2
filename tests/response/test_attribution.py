"""Attribution as SQL gives the same as a plain loop over every message and order."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.response.attribution import Counted, conversions_sql

START = datetime(2026, 3, 1, tzinfo=UTC)
AS_OF = START + timedelta(days=60)
CUSTOMERS = ("c1", "c2")
WITHIN = {"spring": 5, "summer": 12}
INSTANT = pa.timestamp("us", tz="UTC")
MONEY = pa.decimal128(18, 4)

messages = st.lists(
    st.tuples(
        st.sampled_from(CUSTOMERS),
        st.sampled_from(sorted(WITHIN)),
        st.integers(0, 30),
        st.booleans(),  # sent, or held out
    ),
    max_size=12,
)
orders = st.lists(
    st.tuples(
        st.sampled_from(CUSTOMERS), st.integers(0, 40), st.sampled_from(["0", "10", "10", "25.01"])
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def ask(
    engine: duckdb.DuckDBPyConnection,
    messages: list[tuple[str, str, int, bool]],
    orders: list[tuple[str, int, str]],
) -> list[dict[str, object]]:
    """The conversions of messages m0, m1, … and orders o0, o1, …, in days since the start."""
    engine.register(
        "every_occurrence",
        pa.table(
            {
                "message_id": pa.array([f"m{n:02}" for n in range(len(messages))], pa.string()),
                "customer_id": pa.array([one[0] for one in messages], pa.string()),
                "campaign": pa.array([one[1] for one in messages], pa.string()),
                "contact_at": pa.array([START + timedelta(days=m[2]) for m in messages], INSTANT),
                "counts_until": pa.array(
                    [START + timedelta(days=m[2] + WITHIN[m[1]]) for m in messages], INSTANT
                ),
                "is_sent": pa.array([one[3] for one in messages], pa.bool_()),
                "goal": pa.array(["order"] * len(messages), pa.string()),
                "goal_category": pa.array([""] * len(messages), pa.string()),
            }
        ),
    )
    engine.register(
        "orders",
        pa.table(
            {
                "order_id": pa.array([f"o{n:02}" for n in range(len(orders))], pa.string()),
                "customer_id": pa.array([one[0] for one in orders], pa.string()),
                "ordered_at": pa.array([START + timedelta(days=o[1]) for o in orders], INSTANT),
                "amount": pa.array([Decimal(one[2]) for one in orders], MONEY),
                "status": pa.array([None] * len(orders), pa.string()),
            }
        ),
    )
    has_returns = any(one[2].startswith("-") for one in orders)
    sql = conversions_sql({Counted("order")}, AS_OF, has_returns=has_returns)
    found: list[dict[str, object]] = engine.sql(sql).to_arrow_table().to_pylist()
    return found


@settings(max_examples=60, deadline=None)
@given(messages, orders)
def test_conversions_are_those_a_plain_loop_finds(
    engine: duckdb.DuckDBPyConnection,
    messages: list[tuple[str, str, int, bool]],
    orders: list[tuple[str, int, str]],
) -> None:
    found = {(row["message_id"], row["fact_id"]): row for row in ask(engine, messages, orders)}
    expected = set()
    for place, (who, days, amount) in enumerate(orders):
        before = [
            (sent_on, f"m{number:02}", is_sent)
            for number, (customer, campaign, sent_on, is_sent) in enumerate(messages)
            if customer == who and sent_on <= days < sent_on + WITHIN[campaign]
        ]
        left = sorted(one for one in before if one[2])
        rows = [found[message, f"o{place:02}"] for _, message, _ in before]
        expected |= {(message, f"o{place:02}") for _, message, _ in before}
        assert [row["message_id"] for row in rows if row["last_touch"]] == [
            message for _, message, _ in left[-1:]
        ]
        assert {row["touches"] for row in rows if row["is_sent"]} <= {len(left)}
        shared = sum(Decimal(str(row["shared_amount"])) for row in rows)
        assert shared == (Decimal(amount) if left else 0)
    assert set(found) == expected


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from(["10", "25", "-10", "-25", "-7"])),
        max_size=14,
    )
)
def test_returns_are_deducted_once_and_from_what_came_before_them(
    engine: duckdb.DuckDBPyConnection, days: list[tuple[int, str]]
) -> None:
    everything = [("c1", day, amount) for day, amount in sorted(days, key=lambda one: one[0])]
    long_window = [("c1", "spring", day, True) for day in range(0, 41, 5)]
    rows = ask(engine, long_window, everything)
    net = {row["fact_id"]: Decimal(str(row["amount"])) for row in rows}
    bought = {
        f"o{place:02}": (day, Decimal(amount))
        for place, (_, day, amount) in enumerate(everything)
        if not amount.startswith("-")
    }
    assert net.keys() <= bought.keys()
    assert all(0 < amount <= bought[order][1] for order, amount in net.items())
    taken = sum(amount for _, amount in bought.values()) - sum(net.values())
    returned = -sum(Decimal(amount) for _, _, amount in everything if amount.startswith("-"))
    assert taken <= returned
    for order, (day, amount) in bought.items():  # nothing that came back after it: untouched
        later = [one for one in everything if one[2].startswith("-") and one[1] >= day]
        if not later:
            assert net[order] == amount


def test_as_many_returns_of_an_amount_as_orders_leave_none(
    engine: duckdb.DuckDBPyConnection,
) -> None:
    orders = [("c1", 1, "10"), ("c1", 2, "10"), ("c1", 3, "-10"), ("c1", 4, "10"), ("c1", 9, "-10")]
    sent = [("c1", "summer", 0, True)]
    assert [row["fact_id"] for row in ask(engine, sent, orders)] == ["o00"]
    assert ask(engine, sent, [*orders, ("c1", 20, "-10")]) == []


def test_what_is_given_back_twice_takes_nothing_from_other_people(
    engine: duckdb.DuckDBPyConnection,
) -> None:
    orders = [("c1", 1, "10"), ("c2", 1, "10"), ("c1", 2, "-10"), ("c1", 3, "-10")]
    sent = [(customer, "spring", 0, True) for customer in CUSTOMERS]
    assert [row["fact_id"] for row in ask(engine, sent, orders)] == ["o01"]


def test_nothing_counted_is_an_empty_table_of_the_same_columns(
    engine: duckdb.DuckDBPyConnection,
) -> None:
    ask(engine, [("c1", "spring", 0, True)], [("c1", 1, "10")])
    some, none = (
        engine.sql(conversions_sql(counted, AS_OF, has_returns=False))
        for counted in ({Counted("order")}, set[Counted]())
    )
    assert (none.columns, len(none.fetchall())) == (some.columns, 0)
    assert [str(kind) for kind in none.types] == [str(kind) for kind in some.types]
