"""Claims on the shipped features: days, windows, moments, consents, against hand-made histories."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise, product
from statistics import median
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon.states import CONTACT_STATES, MessageState

BERLIN = ZoneInfo("Europe/Berlin")


def order(world, at, amount="10", customer="a", **more):
    world.add("orders", order_id=f"o{at}{amount}{customer}", customer_id=customer, ordered_at=at,
              amount=amount, **more)  # fmt: skip


def one(world):
    world.add("customers", customer_id="a")
    return world.frame()["a"]


# ------------------------------------------------------------ days and windows


@pytest.mark.parametrize(
    ("at", "in_30", "in_90", "in_365", "days"),
    [
        ("2026-05-12 00:00:00+02", 1, 1, 1, 0),
        ("2026-05-11 23:59:59.999999+02", 1, 1, 1, 1),
        ("2026-04-13 00:00:00+02", 1, 1, 1, 29),
        ("2026-04-12 23:59:59.999999+02", 0, 1, 1, 30),
        ("2026-02-12 00:00:00+01", 0, 1, 1, 89),  # the clocks changed since
        ("2026-02-11 23:59:59.999999+01", 0, 0, 1, 90),
        ("2025-05-13 00:00:00+02", 0, 0, 1, 364),
        ("2025-05-12 23:59:59.999999+02", 0, 0, 0, 365),
    ],
)
def test_a_window_begins_at_midnight_of_the_business_zone(world, at, in_30, in_90, in_365, days):
    order(world, at, "12.3456")
    row = one(world)
    counts = [row[f"order_count_{length}d"] for length in (30, 90, 365)]
    assert counts == [in_30, in_90, in_365]
    sums = [row[f"spend_{length}d"] for length in (30, 90, 365)]
    assert sums == [Decimal("12.3456") * count for count in counts]
    assert row["days_since_order"] == days
    assert row["first_order_day"] == row["last_order_day"] == date(2026, 5, 12) - timedelta(days)


@pytest.mark.parametrize(
    ("at", "day"),
    [
        ("2026-03-28 22:59:59+00", date(2026, 3, 28)),  # 23:59:59 winter time
        ("2026-03-28 23:00:00+00", date(2026, 3, 29)),  # the day of 23 hours begins
        ("2026-03-29 21:59:59+00", date(2026, 3, 29)),  # 23:59:59 summer time
        ("2026-03-29 22:00:00+00", date(2026, 3, 30)),
        ("2025-10-25 22:00:00+00", date(2025, 10, 26)),  # the day of 25 hours begins
        ("2025-10-26 22:59:59+00", date(2025, 10, 26)),
        ("2025-10-26 23:00:00+00", date(2025, 10, 27)),
    ],
)
def test_a_fact_belongs_to_its_day_in_the_business_zone(world, at, day):
    order(world, at)
    assert one(world)["last_order_day"] == day


@pytest.mark.parametrize(("month", "day"), [(3, 29), (3, 30), (4, 27), (4, 28)])
def test_windows_hold_whole_days_across_the_change_of_clocks(world, month, day):
    world.business_day = date(2026, month, day)
    world.as_of = datetime(2026, month, day, 12, tzinfo=BERLIN)
    first = datetime.combine(world.business_day - timedelta(29), datetime.min.time(), BERLIN)
    order(world, first)
    order(world, first.astimezone(UTC) - timedelta(microseconds=1), "20")
    row = one(world)
    assert (row["order_count_30d"], row["order_count"]) == (1, 2)
    assert row["spend_30d"] == 10


def test_facts_after_the_instant_do_not_count(world):
    for seconds in (0, 1):
        at = world.as_of + timedelta(seconds=seconds)
        order(world, at, category="later" if seconds else "now")
        world.add("events", customer_id="a", event="cart_abandoned", occurred_at=at)
        world.add("contacts", customer_id="a", channel="sms", state="accepted", contact_at=at)
        world.add("consents", customer_id="a", channel="*", category="*", granted=not seconds,
                  acted_at=at)  # fmt: skip
    row = one(world)
    counts = [row[f"{kind}_count_30d"] for kind in ("order", "event", "contact")]
    assert counts == [1, 1, 1]
    assert row["favourite_category"] == "now"
    assert row["consent_sms_promo"] is True


def test_facts_of_a_day_after_the_business_day_do_not_count(world):
    world.as_of = datetime(2026, 5, 13, 9, tzinfo=UTC)  # a run that came late
    order(world, "2026-05-13 00:00+02", category="x")
    world.add("events", customer_id="a", event="cart_abandoned", occurred_at="2026-05-13 00:00+02")
    world.add("contacts", customer_id="a", state="accepted", contact_at="2026-05-13 00:00+02")
    row = one(world)
    assert row["order_count"] == row["event_count_30d"] == row["contact_count_30d"] == 0
    assert row["favourite_category"] is None
    assert row["days_since_cart_abandoned"] is row["days_since_contact"] is None


# ------------------------------------------------------------ orders


def test_returns_lower_what_was_paid_but_are_no_orders(world):
    order(world, "2026-05-01 10:00+02", "100.10")
    order(world, "2026-05-02 10:00+02", "50.05")
    order(world, "2026-05-10 10:00+02", "-50.05")
    row = one(world)
    assert (row["order_count"], row["spend_total"]) == (2, Decimal("100.10"))
    assert row["average_order"] == Decimal("50.05")
    assert row["days_since_order"] == 10


def test_a_customer_with_returns_only_has_no_order_and_no_average(world):
    order(world, "2026-05-10 10:00+02", "-5")
    row = one(world)
    assert (row["order_count"], row["average_order"], row["last_order_day"]) == (0, None, None)
    assert row["spend_total"] == -5


def test_money_is_summed_exactly(world):
    for number in range(1000):
        order(world, datetime(2026, 5, 1, tzinfo=UTC) + timedelta(seconds=number), "0.1001")
    assert one(world)["spend_total"] == Decimal("100.1")


START = datetime(2025, 3, 1, tzinfo=UTC)
history = st.lists(
    st.tuples(
        st.integers(0, 439 * 86_400).map(lambda seconds: START + timedelta(seconds=seconds)),
        st.decimals(-50, 500, places=4),
        st.sampled_from(["a", "b", "c", None]),
    ),
    max_size=12,
)


def first_most(values):
    """The most frequent value, of equally frequent ones the first in order; None without any."""
    times = Counter(value for value in values if value is not None)
    return min(times, key=lambda value: (-times[value], value), default=None)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(history)
def test_features_of_orders_are_those_of_plain_python(world, orders):
    world.only("orders", "favourite", "habits")
    world.connection.execute("DELETE FROM orders; DELETE FROM customers;")
    for number, (at, amount, word) in enumerate(orders):
        order(world, at, amount, category=word, store=word, status=str(number))
    row = one(world)
    known = [
        (at.astimezone(BERLIN), amount, word) for at, amount, word in orders if at <= world.as_of
    ]
    orders_known = ((at, word) for at, amount, word in known if amount >= 0)
    bought = sorted(orders_known, key=lambda one: one[0])
    assert row["order_count"] == len(bought)
    assert row["spend_total"] == sum(amount for _, amount, _ in known)
    counts, spends = {}, {}
    for days in (7, 30, 90, 180, 365, 730):
        start = world.business_day - timedelta(days)
        counts[days] = sum(at.date() > start for at, _ in bought)
        spends[days] = sum((amount for at, amount, _ in known if at.date() > start), Decimal(0))
        if days not in (180, 730):
            assert row[f"order_count_{days}d"] == counts[days]
            assert row[f"spend_{days}d"] == spends[days]
    for days in (90, 365):
        before = counts[2 * days] - counts[days]
        assert row[f"order_trend_{days}d"] == (counts[days] / before if before else None)
        paid = spends[2 * days] - spends[days]
        trend = pytest.approx(float(spends[days] / paid)) if paid > 0 else None
        assert row[f"spend_trend_{days}d"] == trend
    days = [at.date() for at, _ in bought]
    assert row["first_order_day"] == min(days, default=None)
    assert row["second_order_day"] == (days[1] if len(days) > 1 else None)
    assert row["last_order_day"] == max(days, default=None)
    apart = [(two - one).days for one, two in pairwise(sorted(set(days)))]
    gap = median(apart) if len(apart) > 1 else None
    assert row["median_gap_days"] == gap
    assert row["gaps_late"] == (gap and (world.business_day - days[-1]).days / gap - 1)
    assert row["favourite_weekday"] == first_most(day.isoweekday() for day in days)
    assert row["favourite_hour"] == first_most(at.hour for at, _ in bought)
    words = [word for _, word in bought]
    best = first_most(words)
    assert (row["favourite_store"], row["favourite_category"]) == (best, best)
    assert row["second_category"] == first_most(word for word in words if word != best)


# ------------------------------------------------------------ favourite category


def test_lines_count_by_their_products_category_and_outdo_the_orders_own(world):
    order(world, "2026-05-01 10:00+02", category="mixed")
    (number,) = world.connection.execute("SELECT order_id FROM orders").fetchone()
    for line, (item, category, quantity) in enumerate(
        [("p1", "baby", 1), ("p2", "vitamins", 1), ("p3", "vitamins", 2), ("p4", "baby", -3)]
    ):
        world.add("products", product_id=item, category=category)
        world.add("order_lines", order_id=number, line_number=line, product_id=item,
                  quantity=quantity, customer_id="a", ordered_at="2026-05-01 10:00+02")  # fmt: skip
    assert one(world)["favourite_category"] == "vitamins"


def test_of_equal_favourites_the_first_by_alphabet_wins(world):
    order(world, "2026-05-01 10:00+02", category="vitamins")
    order(world, "2026-05-02 10:00+02", category="baby")
    assert one(world)["favourite_category"] == "baby"


# ------------------------------------------------------------ the person


@pytest.mark.parametrize(
    ("birthday", "today", "age", "days"),
    [
        ("1990-05-12", "2026-05-12", 36, 0),
        ("1990-05-13", "2026-05-12", 35, 1),
        ("1990-05-11", "2026-05-12", 36, 364),
        ("2000-02-29", "2026-02-27", 25, 1),
        ("2000-02-29", "2026-02-28", 26, 0),
        ("2000-02-29", "2026-03-01", 26, 364),
        ("2000-02-29", "2028-02-28", 27, 1),
        ("2000-02-29", "2028-02-29", 28, 0),
        ("2000-02-29", "2027-03-01", 27, 365),  # 2028 has the day itself
        ("1990-12-31", "2026-01-01", 35, 364),
        ("2026-05-12", "2026-05-12", 0, 0),
        ("2026-05-13", "2026-05-12", None, None),
        (None, "2026-05-12", None, None),
    ],
)
def test_age_and_birthday(world, birthday, today, age, days):
    world.as_of = datetime.fromisoformat(f"{today} 10:00+02:00")
    world.business_day = date.fromisoformat(today)
    world.add("customers", customer_id="p", birthday=birthday)
    row = world.frame()["p"]
    assert (row["age"], row["days_to_birthday"]) == (age, days)


def test_the_birthday_is_in_the_customers_own_zone(world):
    world.as_of = datetime(2026, 5, 12, 22, 30, tzinfo=UTC)  # already the 13th in Berlin
    zones = ["Europe/Berlin", "America/New_York", "Pacific/Auckland", None, "Mars/Olympus"]
    for number, zone in enumerate(zones):
        world.add("customers", customer_id=str(number), birthday="1990-05-13", timezone=zone)
    frame = world.frame()
    assert [frame[str(number)]["days_to_birthday"] for number in range(5)] == [0, 1, 0, 0, 0]
    assert frame["1"]["age"] == 35


def test_days_since_registration_are_business_days(world):
    world.add("customers", customer_id="a", registered_at="2026-05-11 22:00:00+00")
    world.add("customers", customer_id="b", registered_at="2026-05-11 21:59:59+00")
    world.add("customers", customer_id="c", registered_at="2026-06-01 00:00:00+00")
    frame = world.frame()
    assert [frame[name]["days_since_registration"] for name in "abc"] == [0, 1, None]


# ------------------------------------------------------------ contacts


def test_exactly_the_contact_states_count_as_contacts(world):
    for state in MessageState:
        world.add("customers", customer_id=state.value)
        world.add("contacts", customer_id=state.value, channel="email", state=state.value,
                  contact_at="2026-05-10 10:00+02")  # fmt: skip
    frame = world.frame()
    counted = {state for state in MessageState if frame[state.value]["contact_count_30d"]}
    assert counted == CONTACT_STATES
    assert frame["sending"]["days_since_contact_email"] == 2
    assert frame["sending"]["days_since_contact_sms"] is None
    assert frame["control"]["days_since_contact"] is None


# ------------------------------------------------------------ reachability


def test_reachable_means_a_valid_address_and_suppression_holds_for_all_who_share_it(world):
    world.add(
        "customers",
        customer_id="ok",
        email_address="x@y.de",
        email_valid=True,
        email_key="k1",
        phone_e164="+4930",
        phone_valid=True,
        phone_key="k2",
    )
    world.add(
        "customers", customer_id="same", email_address="x@y.de", email_valid=True, email_key="k1"
    )
    world.add("customers", customer_id="bad", email="x@", email_valid=False)
    world.add("suppressions", channel="email", address_key="k1")
    world.add("suppressions", channel="email", address_key="k2")  # another channel
    world.add("suppressions", channel="sms", address_key=None)
    frame = world.frame()
    names = ("email_reachable", "sms_reachable", "suppressed_email", "suppressed_sms")
    found = {who: tuple(frame[who][name] for name in names) for who in ("ok", "same", "bad")}
    assert found == {
        "ok": (True, True, True, False),
        "same": (True, False, True, False),
        "bad": (False, False, False, False),
    }  # fmt: skip


# ------------------------------------------------------------ consents


def act(granted, at=None, channel="*", category="*"):
    return {"granted": granted, "acted_at": at, "channel": channel, "category": category}


EARLY, LATE = "2025-01-01 00:00+00", "2026-01-01 00:00+00"


@pytest.mark.parametrize(
    ("acts", "consent"),
    [
        ([], None),
        ([act(True)], True),
        ([act(True), act(False)], False),
        ([act(False, EARLY), act(True, LATE)], True),
        ([act(True, EARLY), act(False, LATE)], False),
        ([act(False, EARLY), act(True)], False),  # an import never overrides an objection
        ([act(True, EARLY), act(False)], True),  # and is older than any act of the person
        ([act(True, LATE), act(False, LATE)], False),
        ([act(True, EARLY, "email"), act(False, LATE)], False),
        ([act(False, EARLY), act(True, LATE, "email", "promo")], True),
        ([act(False, EARLY), act(True, LATE, "sms")], False),
        ([act(False, EARLY), act(True, LATE, "*", "service")], False),
        ([act(False, EARLY), act(True, LATE, "*", "promo")], True),
        ([act(False, EARLY), act(True, LATE, "email", "*")], True),
        ([act(True, EARLY), act(False, "2030-01-01 00:00+00")], True),
    ],
)
def test_the_latest_act_wins(world, acts, consent):
    for acts_in_order, customer in ((acts, "a"), (acts[::-1], "b")):
        world.add("customers", customer_id=customer)
        for each in acts_in_order:
            world.add("consents", customer_id=customer, **each)
    frame = world.frame()
    assert frame["a"]["consent_email_promo"] is consent
    assert frame["b"]["consent_email_promo"] is consent


def test_an_act_reaches_exactly_the_cells_it_names(world):
    cells = list(product(("email", "sms"), ("promo", "lifecycle", "service")))
    acts = list(product(("email", "sms", "*"), ("promo", "lifecycle", "service", "*")))
    for channel, category in acts:
        world.add("customers", customer_id=channel + category)
        world.add("consents", customer_id=channel + category, channel=channel, category=category,
                  granted=True)  # fmt: skip
    frame = world.frame()
    for channel, category in acts:
        row = frame[channel + category]
        held = {cell for cell in cells if row["consent_{}_{}".format(*cell)]}
        assert held == {
            cell for cell in cells if channel in (cell[0], "*") and category in (cell[1], "*")
        }
