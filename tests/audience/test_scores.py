"""Claims on scores: equal parts, in order, the same whoever counts."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from defined import ENGINE, column, constants, customers, defined
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon import keys
from antiphon.audience.derived import Constants


def ranked(values, parts, *, low=False, name="score"):
    """The definition in plain Python: rank by (value, number), cut into equal parts."""
    known = {customer: value for customer, value in values.items() if value is not None}
    order = sorted(known, key=lambda one: (known[one] * (-1 if low else 1), number(name, one)))
    scores = {one: rank * parts // len(order) + 1 for rank, one in enumerate(order)}
    return {customer: scores.get(customer) for customer in values}


def number(name, customer):
    return keys.number("score", name, customer)


def score(**declared):
    return defined(scores={"score": declared})


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.one_of(st.none(), st.integers(0, 6)), max_size=60),
    parts=st.integers(2, 7),
    best=st.sampled_from(["high", "low"]),
)
def test_a_score_is_the_rank_cut_into_equal_parts(values, parts, best):
    days = {f"C{place}": value for place, value in enumerate(values)}
    people = customers(
        [{"customer_id": n} | ({} if v is None else {"days": v}) for n, v in days.items()]
    )
    found = column(people, score(of="days", parts=str(parts), best=best), "score")
    assert found == ranked(days, parts, low=best == "low")
    sizes = Counter(value for value in found.values() if value is not None)
    if sizes.total() >= parts:
        assert set(sizes) == set(range(1, parts + 1))
        assert max(sizes.values()) - min(sizes.values()) <= 1
    for one, other in [(a, b) for a in found for b in found]:
        if None not in (days[one], days[other]) and days[one] < days[other]:
            low, high = (other, one) if best == "low" else (one, other)
            assert found[low] <= found[high]


BASE = datetime(2026, 5, 12, 9, 30, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("feature", "values"),
    [
        ("orders_so_far", [2**60 + k // 3 for k in range(50)]),
        ("spend", [Decimal("0.0001") * (k // 2) for k in range(50)]),
        ("rate", [0.1 * (k // 4) / 3 for k in range(50)]),
        ("last_day", [date(2026, 1, 1) + timedelta(days=k // 5) for k in range(50)]),
        ("seen", [BASE + timedelta(microseconds=k // 2) for k in range(50)]),
    ],
)
def test_every_type_with_an_order_keeps_its_exact_values_as_thresholds(feature, values):
    people = customers(
        [{"customer_id": f"C{place}", feature: value} for place, value in enumerate(values)]
    )
    definitions = score(of=feature)
    kept = constants(people, definitions).json()
    found = column(people, definitions, "score", Constants.from_json(kept))
    positions = {value: place for place, value in enumerate(sorted(set(values)))}
    places = {f"C{place}": positions[value] for place, value in enumerate(values)}
    assert found == ranked(places, 5)


def test_the_order_of_rows_threads_and_buckets_changes_no_score():
    rows = [{"customer_id": f"C{k}", "days": k * k % 13} for k in range(500)]
    definitions = score(of="days")
    expected = column(customers(rows), definitions, "score")
    for threads in (1, 4):
        ENGINE.execute(f"SET threads = {threads}")
        assert column(customers(rows[::-1]), definitions, "score") == expected
    found = constants(customers(rows), definitions)
    by_bucket = {}
    for bucket in range(4):
        part = [row for row in rows if keys.bucket_of(row["customer_id"], 4) == bucket]
        by_bucket |= column(customers(part), definitions, "score", found)
    assert by_bucket == expected


def test_only_those_who_are_meant_are_scored_and_count():
    rows = [{"customer_id": f"C{k}", "days": k, "orders_so_far": k % 2} for k in range(20)]
    found = column(customers(rows), score(of="days", where="orders_so_far > 0"), "score")
    assert [found[f"C{k}"] for k in range(20)] == [
        None if k % 2 == 0 else (k // 2) // 2 + 1 for k in range(20)
    ]


def test_a_score_may_rank_by_a_score_and_ask_a_dimension():
    definitions = defined(
        scores={
            "of_some": {"of": "fine", "where": "kind = 'many'", "parts": "2"},
            "fine": {"of": "days", "parts": "4"},
        },
        dimensions={"kind": {"cases": {"many": "fine > 2"}, "rest": "few"}},
    )
    assert definitions.layers == (("fine",), ("kind",), ("of_some",))
    found = column(
        customers([{"customer_id": f"C{k}", "days": k} for k in range(8)]), definitions, "of_some"
    )
    assert [found[f"C{k}"] for k in range(8)] == [None] * 4 + [1, 1, 2, 2]


def test_rfm_quintiles_as_counted_on_ten_fingers():
    """Ten customers: two in each fifth, by days since, orders and money."""
    rows = [
        {"customer_id": name, "days": days, "orders_so_far": orders, "spend": spend}
        for name, days, orders, spend in [
            ("ada", 1, 30, 900),
            ("ben", 3, 12, 1200),
            ("cem", 8, 9, 310),
            ("dia", 20, 7, 300),
            ("eva", 45, 6, 290),
            ("fay", 60, 5, 150),
            ("gus", 90, 4, 120),
            ("hal", 200, 3, 80),
            ("ida", 365, 2, 40),
            ("jon", 400, 1, 15),
        ]
    ]
    definitions = defined(
        scores={
            "r": {"of": "days", "best": "low"},
            "f": {"of": "orders_so_far"},
            "m": {"of": "spend"},
        }
    )
    people = customers(rows)
    found = constants(people, definitions)
    r, f, m = (column(people, definitions, name, found) for name in "rfm")
    assert [
        f"{r[row['customer_id']]}{f[row['customer_id']]}{m[row['customer_id']]}" for row in rows
    ] == [*("555", "555", "444", "444", "333", "333", "222", "222", "111", "111")]


def test_a_score_that_nobody_has_counted_yet_is_null():
    people = customers([{"customer_id": "C1", "days": 3}])
    definitions = score(of="days")
    assert column(people, definitions, "score", Constants()) == {"C1": None}
    assert column(people, definitions, "score") == {"C1": 1}


def test_thresholds_of_a_score_that_was_changed_are_not_used():
    rows = [{"customer_id": f"C{k}", "days": k} for k in range(10)]
    people = customers(rows)
    old = constants(people, score(of="days", parts="2"))
    changed = score(of="days", parts="4")
    assert old.of(changed) == Constants()
    assert old.of(score(of="days", parts="2")) == old
    assert set(column(people, changed, "score", old.of(changed)).values()) == {None}
