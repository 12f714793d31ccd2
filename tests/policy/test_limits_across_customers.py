"""Limits on what all customers get together: campaigns, warm-up, capacity by day and hour."""

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_world import campaign, contact, history, policy
from settling import AS_OF, TODAY, held, sending, settled, survivor

from antiphon.campaigns.models import Campaign
from antiphon.policy.moment import Moment

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SPRING = campaign("spring", channels=("email", "sms"))


def crowd(count: int, of: Campaign = SPRING, **changes: Any) -> list[dict[str, Any]]:
    return [survivor(f"{of.campaign[0]}{n}", of, **changes) for n in range(count)]


def hours_of(decisions: list[dict[str, Any]]) -> Counter[datetime]:
    return Counter(
        row["planned_at"].replace(minute=0, second=0, microsecond=0)
        for row in decisions
        if row["outcome"] == "send"
    )


# ---------------------------------------------------------------- campaigns


def test_a_limit_counts_the_day_of_the_planned_moment_each_day_apart() -> None:
    limited = campaign("spring", limits={"messages_per_day": 3})
    rows = [survivor(f"p{n}", limited, AS_OF + (n % 2) * DAY) for n in range(10)]
    sent = history([contact("old", limited, AS_OF + DAY)])
    decisions = settled(rows, [limited], sent=sent)
    days = Counter(row["planned_at"].date() for row in decisions if row["outcome"] == "send")
    assert days == {date(2026, 5, 12): 3, date(2026, 5, 13): 2}
    counters = {row["counters"] for row in decisions if row["rule"] == "limit"}
    assert sorted(counters) == [
        '{"max":3,"used":0,"per":"day"}',
        '{"max":3,"used":1,"per":"day"}',
    ]


def test_messages_in_all_count_every_day_that_ever_was() -> None:
    limited = campaign("spring", limits={"messages": 10})
    before = [contact(f"o{n}", limited, AS_OF - (n * 100) * DAY) for n in range(6)]
    before.append(contact("gone", limited, AS_OF - DAY, state="refused"))
    before.append(contact("held", limited, AS_OF - DAY, state="control"))
    decisions = settled(crowd(8, limited), [limited], sent=history(before))
    assert len(sending(decisions)) == 3
    assert {row["counters"] for row in decisions if row["rule"]} == {
        '{"max":10,"used":7,"per":"all"}'
    }


def test_a_cut_by_value_keeps_the_best_and_one_by_chance_does_not() -> None:
    by_value = campaign("spring", limits={"messages_per_day": 5, "cut": "value"})
    by_chance = campaign("spring", limits={"messages_per_day": 5})
    for one, is_best in ((by_value, True), (by_chance, False)):
        rows = [survivor(f"p{n:02}", one, value=float(n) if n else None) for n in range(20)]
        best = [f"p{n:02}" for n in range(15, 20)]
        assert (sending(settled(rows, [one])) == best) is is_best


def test_who_has_no_value_comes_last_and_equal_values_go_by_chance() -> None:
    one = campaign("spring", limits={"messages_per_day": 6, "cut": "value"})
    rows = [survivor(f"p{n}", one, value=None) for n in range(5)]
    rows += [survivor(f"q{n}", one, value=-1.5) for n in range(5)]
    kept = sending(settled(rows, [one]))
    assert {f"q{n}" for n in range(5)} < set(kept)


# ---------------------------------------------------------------- a new sender


WARM = {"name": "new-domain", "channel": "email", "from": "2026-05-11", "per_day": [2, 5, 9]}


@pytest.mark.parametrize(
    ("day", "allowed"), [("2026-05-12", 5), ("2026-05-13", 9), ("2026-05-14", 20)]
)
def test_a_new_sender_grows_day_by_day_and_then_has_no_limit(day: str, allowed: int) -> None:
    moment = Moment(
        datetime.combine(date.fromisoformat(day), AS_OF.timetz()), date.fromisoformat(day), "UTC"
    )
    rows = crowd(20, at=moment.as_of)
    decisions = settled(rows, [SPRING], policy(warm_up=(WARM,)), moment=moment)
    assert len(sending(decisions)) == allowed
    assert set(held(decisions).values()) <= {"warm_up:new-domain"}


def test_before_its_first_day_a_warm_up_does_not_bind() -> None:
    later = WARM | {"from": "2026-05-13"}
    assert len(sending(settled(crowd(20), [SPRING], policy(warm_up=(later,))))) == 20


def test_a_message_planned_for_tomorrow_counts_in_the_warm_up_of_tomorrow() -> None:
    rows = crowd(20, at=AS_OF + DAY)
    assert len(sending(settled(rows, [SPRING], policy(warm_up=(WARM,))))) == 9


# ---------------------------------------------------------------- capacity


def test_a_full_hour_passes_messages_on_to_the_next_with_room() -> None:
    rules = policy(capacity=({"name": "gateway", "channel": "email", "per_hour": 4},))
    rows = crowd(10, movable_until=AS_OF + 9 * HOUR)
    decisions = settled(rows, [SPRING], rules, sent=history([contact("x", SPRING, AS_OF + HOUR)]))
    assert hours_of(decisions) == {AS_OF: 4, AS_OF + HOUR: 3, AS_OF + 2 * HOUR: 3}


def test_what_may_not_wait_is_held_with_the_hour_that_was_full() -> None:
    rules = policy(capacity=({"name": "gateway", "per_hour": 4},))
    rows = crowd(10, movable_until=AS_OF + HOUR)
    decisions = settled(rows, [SPRING], rules)
    assert hours_of(decisions) == {AS_OF: 4}
    (told,) = {row["counters"] for row in decisions if row["outcome"] == "held"}
    assert json.loads(told) == {"max": 4, "used": 0, "per": "hour"}
    assert set(held(decisions).values()) == {"capacity:gateway"}


def test_nothing_moves_into_another_day_or_beyond_its_end() -> None:
    late = datetime(2026, 5, 12, 21, 30, tzinfo=UTC)  # 23:30 in Berlin
    rules = policy(capacity=({"name": "gateway", "per_hour": 1},))
    rows = crowd(3, at=late, movable_until=late + 9 * HOUR)
    assert len(sending(settled(rows, [SPRING], rules))) == 1
    short = campaign("spring", expires_after="90 minutes")
    rows = crowd(5, short, movable_until=AS_OF + 9 * HOUR)
    assert hours_of(settled(rows, [short], rules)) == {AS_OF: 1, AS_OF + HOUR: 1}


def test_the_higher_priority_keeps_its_hour() -> None:
    low, high = campaign("low", priority=1), campaign("high", priority=9)
    rules = policy(capacity=({"name": "gateway", "per_hour": 3},))
    rows = crowd(3, low, movable_until=AS_OF + 2 * HOUR)
    rows += crowd(3, high, movable_until=AS_OF + 2 * HOUR)
    decisions = settled(rows, [low, high], rules)
    assert {row["campaign"] for row in decisions if row["planned_at"] == AS_OF} == {"high"}
    assert hours_of(decisions) == {AS_OF: 3, AS_OF + HOUR: 3}


def test_exempt_messages_use_capacity_and_are_never_held_by_it() -> None:
    receipt = campaign("receipt", category="service")
    rules = policy(exempt=("service",), capacity=({"name": "gateway", "per_day": 5},))
    decisions = settled(crowd(4, receipt) + crowd(9), [receipt, SPRING], rules)
    kept = Counter(row["campaign"] for row in decisions if row["outcome"] == "send")
    assert kept == {"receipt": 4, "spring": 1}
    uncounted = policy(
        exempt=("service",),
        uncounted=("service",),
        capacity=({"name": "gateway", "per_day": 5},),
    )
    decisions = settled(crowd(4, receipt) + crowd(9), [receipt, SPRING], uncounted)
    assert Counter(row["campaign"] for row in decisions if row["outcome"] == "send")["spring"] == 5


def test_a_cut_leaves_as_much_control_as_it_leaves_messages() -> None:
    rules = policy(capacity=({"name": "gateway", "per_day": 400},))
    rows = crowd(1000)
    rows += [survivor(f"k{n}", SPRING, arm="control", outcome="control") for n in range(1000)]
    decisions = settled(rows, [SPRING], rules)
    kept = Counter(row["outcome"] for row in decisions)
    assert kept["send"] == 400
    assert 300 < kept["control"] < 500


def test_a_repeated_hour_has_room_twice_and_the_day_of_25_hours_is_one_day() -> None:
    first = datetime(2026, 10, 25, 0, 10, tzinfo=UTC)  # 02:10 in Berlin, for the first time
    moment = Moment(first, date(2026, 10, 25), "Europe/Berlin")
    rules = policy(capacity=({"name": "gateway", "per_hour": 2, "per_day": 5},))
    rows = crowd(9, at=first, movable_until=first + 9 * HOUR)
    decisions = settled(rows, [SPRING], rules, moment=moment)
    base = first.replace(minute=0)
    assert hours_of(decisions) == {base: 2, base + HOUR: 2, base + 2 * HOUR: 1}


# ---------------------------------------------------------------- whatever the order


@st.composite
def crowds(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[Campaign], Any]:
    campaigns = [
        campaign(
            name,
            priority=draw(st.integers(0, 1)),
            category=draw(st.sampled_from(["promo", "service"])),
            channels=("email", "sms"),
            limits={
                "messages_per_day": draw(st.sampled_from([None, 0, 2, 5])),
                "messages": draw(st.sampled_from([None, 4])),
                "cut": draw(st.sampled_from(["chance", "value"])),
            },
        )
        for name in ("a", "b", "c")
    ]
    rows = []
    for n in range(draw(st.integers(0, 25))):
        at = AS_OF + draw(st.integers(0, 20)) * HOUR + draw(st.integers(0, 59)) * HOUR / 60
        is_control = draw(st.integers(0, 3)) == 0
        rows.append(
            survivor(
                f"p{n}",
                draw(st.sampled_from(campaigns)),
                at,
                channel=draw(st.sampled_from(["email", "sms"])),
                value=draw(st.sampled_from([None, 1.0, 2.0])),
                movable_until=at + draw(st.integers(0, 5)) * HOUR,
                arm="control" if is_control else "default",
                outcome="control" if is_control else "send",
            )
        )
    scope = st.sampled_from([{}, {"channel": "email"}, {"campaign": "a"}])
    rules = policy(
        exempt=draw(st.sampled_from([(), ("service",)])),
        warm_up=({"name": "w", "from": "2026-05-12", "per_day": [4, 6]} | draw(scope),),
        capacity=(
            {"name": "one", "per_hour": draw(st.integers(0, 3))} | draw(scope),
            {"name": "two", "per_hour": 2, "per_day": draw(st.integers(1, 9))} | draw(scope),
        ),
    )
    return rows, campaigns, rules


@settings(max_examples=80, deadline=None)
@given(crowds(), st.randoms(use_true_random=False))
def test_no_limit_is_passed_whatever_the_order_or_the_buckets(made: Any, random: Any) -> None:
    rows, campaigns, rules = made
    decisions = settled(rows, campaigns, rules)
    mixed = random.sample(rows, len(rows))
    again = settled(mixed, campaigns, rules, parts=3)

    def sorted_(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(found, key=lambda row: row["customer_id"])

    assert sorted_(decisions) == sorted_(again)
    assert len(decisions) == len(rows)
    stays = [row for row in decisions if row["outcome"] != "held"]
    by_name = {one.campaign: one for one in campaigns}
    for one in campaigns:
        mine = [row for row in stays if row["campaign"] == one.campaign]
        days = Counter((row["planned_at"] + 2 * HOUR).date() for row in mine)
        if one.limits.messages_per_day is not None:
            assert max(days.values(), default=0) <= one.limits.messages_per_day
        if one.limits.messages is not None:
            assert len(mine) <= one.limits.messages
    sent = [row for row in stays if row["outcome"] == "send"]
    free = [row for row in sent if by_name[row["campaign"]].category in rules.exempt]
    for rule in (*rules.capacity, *rules.warm_up):
        scope = [r for r in sent if rule.concerns(by_name[r["campaign"]], r["channel"])]
        bound = [row for row in scope if row not in free]
        hours, days = hours_of(scope), Counter((r["planned_at"] + 2 * HOUR).date() for r in scope)
        for row in bound:
            day = (row["planned_at"] + 2 * HOUR).date()
            if rule.kind == "warm_up":
                assert days[day] <= rule.per_day[(day - TODAY.business_day).days]
                continue
            hour = row["planned_at"].replace(minute=0)
            assert rule.per_hour is None or hours[hour] <= rule.per_hour
            assert rule.per_day is None or days[day] <= rule.per_day
    moved = {row["customer_id"]: row for row in rows}
    for row in stays:
        was = moved[row["customer_id"]]
        is_same = row["planned_at"] == was["planned_at"]
        assert is_same or was["planned_at"] < row["planned_at"] < was["movable_until"]
