"""Households: what all members got counts together, exactly, in one order."""

import json
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_world import campaign, contact, history, policy
from settling import AS_OF, TODAY, held, sending, settled, survivor

from antiphon.campaigns.conversions import Calendar
from antiphon.policy.settling.households import shared_contacts

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HIGH, LOW = campaign("high", priority=9), campaign("low", priority=1)
WEEKLY = {"name": "family", "max": 2, "per": "7 days", "of": "household"}


def member(name: str, of: Any = HIGH, at: datetime = AS_OF, **changes: Any) -> dict[str, Any]:
    return survivor(name, of, at, **{"household_id": "h"} | changes)


def got(at: datetime, of: Any = HIGH, customer: str = "other", household: str = "h") -> Any:
    return {
        "household_id": household,
        "customer_id": customer,
        "contact_at": at,
        "channel": "email",
        "category": of.category,
        "campaign": of.campaign,
    }


def test_members_count_together_and_the_higher_priority_goes_first() -> None:
    rows = [member("a", LOW), member("b"), member("c"), survivor("alone", LOW)]
    decisions = settled(rows, [HIGH, LOW], policy(caps=(WEEKLY,)))
    assert held(decisions) == {"a": "cap:family"}
    (told,) = [row["counters"] for row in decisions if row["customer_id"] == "a"]
    now = "2026-05-12T08:00:00Z"
    assert json.loads(told) == {
        "max": 2,
        "per": 7 * 86_400,
        "contacts": [now, now],
        "next": "2026-05-19T08:00:00Z",
    }


def test_a_window_is_exact_to_the_microsecond_on_either_side() -> None:
    rules = policy(caps=(WEEKLY | {"max": 1},))
    just = timedelta(microseconds=1)
    for away, is_held in ((7 * DAY, False), (7 * DAY - just, True)):
        for at in (AS_OF - away, AS_OF + away):
            decisions = settled([member("a")], [HIGH], rules, shared=[got(at)])
            assert bool(held(decisions)) is is_held


def test_two_contacts_on_both_sides_that_share_no_window_leave_room() -> None:
    around = [got(AS_OF - 4 * DAY), got(AS_OF + 4 * DAY)]
    assert not held(settled([member("a")], [HIGH], policy(caps=(WEEKLY,)), shared=around))
    closer = [got(AS_OF - 4 * DAY), got(AS_OF + 2 * DAY)]
    assert held(settled([member("a")], [HIGH], policy(caps=(WEEKLY,)), shared=closer))


def test_two_contacts_exactly_a_window_apart_leave_room_between_them() -> None:
    just = timedelta(microseconds=1)
    for away, is_held in ((timedelta(0), False), (just, True)):
        around = [got(AS_OF - 3 * DAY), got(AS_OF + 4 * DAY - away)]
        found = held(settled([member("a")], [HIGH], policy(caps=(WEEKLY,)), shared=around))
        assert bool(found) is is_held


def test_what_is_outside_the_scope_neither_counts_nor_is_held() -> None:
    by_sms = policy(caps=(WEEKLY | {"max": 1, "channel": "sms"},))
    both = campaign("both", channels=("email", "sms"))
    rows = [member("a", both), member("b", both), member("c", both, channel="sms")]
    assert not held(settled(rows, [both], by_sms))
    rows.append(member("d", both, channel="sms"))
    assert set(held(settled(rows, [both], by_sms)).values()) == {"cap:family"}


def test_a_gap_of_a_household_is_a_cap_of_one() -> None:
    rules = policy(gaps=({"name": "quiet", "at_least": "2 days", "of": "household"},))
    rows = [member("a"), member("b"), member("c", at=AS_OF + 2 * DAY)]
    decisions = settled(rows, [HIGH], rules)
    assert len(sending(decisions)) == 2
    assert set(held(decisions).values()) == {"gap:quiet"}


def test_control_is_asked_and_counts_for_nobody() -> None:
    rules = policy(caps=(WEEKLY | {"max": 1},))
    out = {"arm": "control", "outcome": "control"}
    assert not held(settled([member("a", **out), member("b", LOW)], [HIGH, LOW], rules))
    full = settled([member("a", **out)], [HIGH], rules, shared=[got(AS_OF - DAY)])
    assert held(full) == {"a": "cap:family"}


def test_exempt_messages_count_and_are_not_held() -> None:
    receipt = campaign("receipt", category="service")
    rules = policy(exempt=("service",), caps=(WEEKLY | {"max": 1},))
    rows = [member("a", receipt), member("b")]
    assert held(settled(rows, [receipt, HIGH], rules)) == {"b": "cap:family"}
    silent = policy(exempt=("service",), uncounted=("service",), caps=(WEEKLY | {"max": 1},))
    assert not held(settled(rows, [receipt, HIGH], silent))


def test_each_counts_campaigns_apart_and_offers_by_their_code() -> None:
    one, two = (campaign(n, offer={"code": "SPRING"}) for n in ("one", "two"))
    bare = campaign("bare")
    rows = [member("a", one), member("b", two), member("c", bare)]
    once = {"name": "o", "max": 1, "per": "ever", "of": "household"}
    campaigns = [one, two, bare]
    assert not held(settled(rows, campaigns, policy(caps=(once | {"each": "campaign"},))))
    rows.append(member("d", bare))
    offers = held(settled(rows, campaigns, policy(caps=(once | {"each": "offer"},))))
    assert len(offers) == 1
    assert set(offers) <= {"a", "b"}


def test_each_candidate_is_judged_by_its_own_maximum_and_its_own_scope() -> None:
    rules = policy(caps=(WEEKLY | {"max": "people_max"},))
    rows = [
        member("a", at=AS_OF, **{"max:family": 2}),
        member("b", LOW, **{"max:family": None}),
        member("c", LOW, household_id="i", **{"max:family": -1}),
        member("d", household_id="i", **{"max:family": 1}),
    ]
    assert held(settled(rows, [HIGH, LOW], rules)) == {"b": "cap:family", "c": "cap:family"}
    some = policy(caps=(WEEKLY | {"max": 0, "segment": "minors"},))
    rows = [member("a", **{"in:family": True}), member("b", **{"in:family": False})]
    assert held(settled(rows, [HIGH], some)) == {"a": "cap:family"}


def test_a_calendar_day_is_that_of_the_candidate_who_is_asked() -> None:
    daily = {"name": "daily", "max": 1, "per": "calendar day", "of": "household"}
    sent = [got(datetime(2026, 5, 11, 20, tzinfo=UTC))]  # 22:00 in Berlin, 08:00 in Auckland
    for zone, is_held in (("Europe/Berlin", False), ("Pacific/Auckland", True)):
        at = datetime(2026, 5, 12, 8, tzinfo=UTC)
        rows = [member("a", at=at, timezone=zone)]
        found = held(settled(rows, [HIGH], policy(caps=(daily,)), shared=sent))
        assert bool(found) is is_held, zone


def test_who_is_moved_to_another_hour_is_asked_once_more() -> None:
    rules = policy(
        gaps=({"name": "apart", "at_least": "1 hour", "of": "household"},),
        capacity=({"name": "gateway", "per_hour": 1},),
    )
    rows = [
        survivor("first", HIGH),
        member("a", LOW, movable_until=AS_OF + 9 * HOUR),
        member("b", HIGH, AS_OF + 90 * HOUR / 60),
    ]
    decisions = settled(rows, [HIGH, LOW], rules)  # `a` would move to 09:00, half an hour before b
    assert sending(decisions) == ["b", "first"]
    assert held(decisions) == {"a": "gap:apart"}


def test_only_contacts_of_those_who_share_a_household_are_handed_on() -> None:
    sent = history(
        [
            contact("a", HIGH, AS_OF - DAY),
            contact("alone", HIGH, AS_OF - DAY),
            contact("a", HIGH, AS_OF - 8 * DAY),
            contact("b", HIGH, AS_OF - DAY, state="control"),
            contact("b", HIGH, AS_OF + DAY, category="service"),
        ]
    )
    members = pa.table({"customer_id": ["a", "b"], "household_id": ["h", "h"]})
    rules = policy(caps=(WEEKLY,), exempt=("service",), uncounted=("service",))
    found = shared_contacts(sent, members, rules, TODAY).to_pylist()
    assert [(row["customer_id"], row["contact_at"]) for row in found] == [("a", AS_OF - DAY)]
    assert not shared_contacts(sent, members, policy(), TODAY).num_rows
    ever = policy(caps=(WEEKLY | {"per": "ever"},))
    assert shared_contacts(sent, members, ever, TODAY).num_rows == 3


# ---------------------------------------------------------------- against plain Python

PERS = [timedelta(hours=5), timedelta(days=2), *(Calendar(one) for one in Calendar)]
ZONES = ["Europe/Berlin", "Pacific/Kiritimati", "Etc/GMT+12", "America/New_York"]


def fits(at: datetime, others: list[datetime], most: int, per: Any, zone: str) -> bool:
    """The rule's own words: no window (calendar period) that holds `at` has more than `most`."""
    if isinstance(per, Calendar):
        return 1 + sum(same_period(at, one, per, zone) for one in others) <= most
    return not any(
        max(group) - min(group) < per
        for group in ((at, *rest) for rest in combinations(others, most))
    )


def same_period(left: datetime, right: datetime, per: Calendar, zone: str) -> bool:
    a, b = (one.astimezone(ZoneInfo(zone)) for one in (left, right))
    match per:
        case Calendar.DAY:
            return a.date() == b.date()
        case Calendar.WEEK:
            return a.isocalendar()[:2] == b.isocalendar()[:2]
        case Calendar.MONTH:
            return (a.year, a.month) == (b.year, b.month)
        case Calendar.QUARTER:
            return (a.year, (a.month - 1) // 3) == (b.year, (b.month - 1) // 3)
        case Calendar.YEAR:
            return a.year == b.year
    return True


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_every_household_rule_says_what_its_words_say(data: st.DataObject) -> None:
    per = data.draw(st.sampled_from(PERS))
    most = data.draw(st.integers(0, 3))
    cap = {"name": "family", "max": most, "per": per, "of": "household"}
    rules = policy(caps=(cap,))
    hours = st.integers(-60, 60)
    shared = [
        got(AS_OF + data.draw(hours) * HOUR, household=data.draw(st.sampled_from("hi")))
        for _ in range(data.draw(st.integers(0, 5)))
    ]
    zone = data.draw(st.sampled_from(ZONES))
    rows = [
        member(
            f"p{n}",
            data.draw(st.sampled_from([HIGH, LOW])),
            AS_OF + data.draw(st.integers(0, 40)) * HOUR,
            household_id=data.draw(st.sampled_from("hij")),
            timezone=zone,
        )
        for n in range(data.draw(st.integers(1, 7)))
    ]
    decisions = settled(rows, [HIGH, LOW], rules, shared=shared)
    again = settled(rows[::-1], [HIGH, LOW], rules, shared=shared[::-1], parts=2)
    assert held(decisions) == held(again)
    sent: dict[str, list[datetime]] = {"h": [], "i": [], "j": []}
    for row in shared:
        sent[row["household_id"]].append(row["contact_at"])
    lives = {row["customer_id"]: row["household_id"] for row in rows}
    passed = [row for row in decisions if row["outcome"] == "send"]
    for row in decisions:
        home = lives[row["customer_id"]]
        if list(lives.values()).count(home) + len(sent[home]) == 1:
            continue  # who lives alone is judged by `judge`
        theirs = [r["planned_at"] for r in passed if lives[r["customer_id"]] == home]
        others = theirs + sent[home]
        if row in passed:
            others.remove(row["planned_at"])
        assert fits(row["planned_at"], others, most, per, zone) is (row in passed)
