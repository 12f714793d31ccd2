"""When a message may leave, on the customer's own clock; the decisions that follow from it."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_world import MOMENT, NOW, Person, World, campaign, contact, decide, policy

from antiphon.campaigns.rules import Times
from antiphon.policy.moment import Moment
from antiphon.policy.times import allowed_until, forbidding, next_allowed

BERLIN = "Europe/Berlin"
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)


def rule(**fields: Any) -> Times:
    return Times.model_validate({"name": "rule", **fields})


def berlin(text: str, fold: int = 0) -> datetime:
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BERLIN), fold=fold)
    return local.astimezone(UTC)


def first(at: datetime, *rules: Times, zone: str = BERLIN, country: str = "DE") -> datetime | None:
    return next_allowed(at, zone, country, rules)


def test_hours_include_their_start_and_not_their_end() -> None:
    hours, quiet = rule(hours="08:00-21:00"), rule(quiet="21:00-08:00")
    for each in (hours, quiet):
        opens, closes = berlin("2026-05-12T08:00"), berlin("2026-05-12T21:00")
        assert first(opens, each) == opens
        assert first(opens - MICROSECOND, each) == opens
        assert first(closes - MICROSECOND, each) == closes - MICROSECOND
        assert first(closes, each) == opens + DAY
        assert allowed_until(opens, BERLIN, "DE", [each]) == closes


def test_hours_over_midnight_are_one_night() -> None:
    night = rule(hours="22:00-02:00")
    at = berlin("2026-05-12T01:59:59.999999")
    assert first(at, night) == at
    assert first(at + MICROSECOND, night) == berlin("2026-05-12T22:00")
    assert allowed_until(berlin("2026-05-12T23:00"), BERLIN, "DE", [night]) == berlin(
        "2026-05-13T02:00"
    )


def test_an_hour_the_clock_leaps_over_has_no_moment() -> None:
    before = berlin("2026-03-28T12:00")
    assert first(before, rule(hours="02:15-02:45")) == berlin("2026-03-30T02:15")
    assert first(berlin("2026-03-29T00:00"), rule(hours="02:15-02:45")) == berlin(
        "2026-03-30T02:15"
    )
    leap = datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert first(berlin("2026-03-29T00:00"), rule(hours="02:30-06:00")) == leap


def test_both_passes_of_a_repeated_hour_are_judged_by_the_wall() -> None:
    quiet = rule(quiet="02:30-01:00")  # allowed: from one to half past two
    start = berlin("2026-10-24T12:00")
    assert first(start, quiet) == berlin("2026-10-25T01:00")
    half_past = berlin("2026-10-25T02:30")
    assert allowed_until(berlin("2026-10-25T01:00"), BERLIN, "DE", [quiet]) == half_past
    again = berlin("2026-10-25T02:00", fold=1)
    assert first(half_past, quiet) == again
    assert allowed_until(again, BERLIN, "DE", [quiet]) == berlin("2026-10-25T02:30", fold=1)


def test_weekdays_blackouts_and_holidays_are_days_of_the_customer() -> None:
    christmas = rule(blackout="12-24..12-26")
    assert first(berlin("2026-12-24T00:00"), christmas) == berlin("2026-12-27T00:00")
    eve = berlin("2026-12-23T23:59:59.999999")
    assert first(eve, christmas) == eve
    in_auckland = first(eve, christmas, zone="Pacific/Auckland")
    assert in_auckland == datetime(2026, 12, 27, tzinfo=ZoneInfo("Pacific/Auckland"))
    assert first(berlin("2026-05-16T10:00"), rule(days="weekdays")) == berlin("2026-05-18T00:00")
    unity = berlin("2026-10-03T09:00")
    assert first(unity, rule(holidays="own")) == berlin("2026-10-04T00:00")
    assert first(unity, rule(holidays="own"), country="FR") == unity
    assert first(unity, rule(holidays="DE"), country="FR") == berlin("2026-10-04T00:00")
    assert first(unity, rule(holidays="own"), country="XX") == unity
    epiphany = berlin("2026-01-06T09:00")
    assert first(epiphany, rule(holidays="DE")) == epiphany
    assert first(epiphany, rule(holidays="DE-BY")) == berlin("2026-01-07T00:00")


def test_leap_days_and_the_ends_of_the_world_have_their_own_day() -> None:
    leap = rule(blackout="02-29")
    at = datetime(2028, 2, 29, 12, tzinfo=UTC)
    assert first(at, leap) == berlin("2028-03-01T00:00")
    assert first(at, leap, zone="Pacific/Kiritimati") == at  # +14: the first of March already
    west = first(at, leap, zone="Etc/GMT+12")
    assert west == datetime(2028, 3, 1, 12, tzinfo=UTC)


def test_a_rule_that_forbids_every_day_has_no_next_moment() -> None:
    assert first(NOW, rule(days="mon", blackout="01-01..12-31")) is None
    assert allowed_until(NOW, BERLIN, "DE", []) is None


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(0, 2 * 365 * 24 * 60),
    st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    st.sampled_from(["02:30-05:00", "21:00-08:00", "00:00-00:30", "23:30-02:10"]),
    st.sampled_from(["daily", "weekdays", "sun", "sat, sun"]),
)
def test_the_next_moment_is_allowed_and_no_minute_before_it(
    minute: int, zone: str, hours: str, days: str
) -> None:
    rules = [rule(hours=hours, days=days)]
    at = datetime(2026, 1, 1, tzinfo=UTC) + minute * timedelta(minutes=1)
    found = next_allowed(at, zone, "DE", rules)
    assert found is not None
    assert forbidding(found, zone, "DE", rules) is None
    minutes = min(int((found - at) / timedelta(minutes=1)), 400)
    for back in range(1, minutes + 1):
        assert forbidding(found - back * timedelta(minutes=1), zone, "DE", rules) is not None
    end = allowed_until(found, zone, "DE", rules)
    assert end is not None
    assert forbidding(end, zone, "DE", rules) is not None
    assert forbidding(end - MICROSECOND, zone, "DE", rules) is None


# ---------------------------------------------------------------- what is decided


NIGHTS = {"name": "nights", "quiet": "21:00-08:00"}
LATE = Moment(datetime(2026, 5, 12, 20, tzinfo=UTC), date(2026, 5, 12), BERLIN)  # 22:00


def decided(of: Any, rules: Any, *persons: Person, at: Moment = LATE, **more: Any) -> Any:
    persons = persons or (Person("p"),)
    return decide(World(persons, (of,), rules, moment=at, **more))


def test_a_message_waits_for_the_next_allowed_moment_of_its_customer() -> None:
    persons = (
        Person("berlin"),
        Person("london", zone="Europe/London"),
        Person("york", zone="America/New_York"),
    )
    rules = policy(times=(NIGHTS,))
    decisions = decided(campaign(expires_after="1 day"), rules, *persons)
    planned = {name: row["planned_at"] for (_, name), row in decisions.items()}
    assert planned == {
        "berlin": datetime(2026, 5, 13, 6, tzinfo=UTC),
        "london": datetime(2026, 5, 13, 7, tzinfo=UTC),
        "york": LATE.as_of,
    }
    assert {row["outcome"] for row in decisions.values()} == {"send"}


def test_a_message_that_would_be_stale_by_then_is_held() -> None:
    rules = policy(times=({"name": "never-sunday", "days": "mon, sat"}, NIGHTS))
    stale = decided(campaign(expires_after="10 hours"), policy(times=(NIGHTS,)))["spring", "p"]
    assert (stale["rule"], stale["planned_at"]) == ("time:nights", LATE.as_of)
    assert json.loads(stale["counters"]) == {
        "next": "2026-05-13T06:00:00Z",
        "expires": "2026-05-13T06:00:00Z",
    }
    fits = campaign(expires_after="601 minutes")
    assert decided(fits, policy(times=(NIGHTS,)))["spring", "p"]["outcome"] == "send"
    both = decided(campaign(), rules)["spring", "p"]
    assert both["rule"] == "time:never-sunday"


def test_times_hold_by_channel_customer_and_day_of_the_run() -> None:
    sms = campaign(channels=("sms",))
    for scope, planned in (
        ({"channel": "sms"}, datetime(2026, 5, 13, 6, tzinfo=UTC)),
        ({"channel": "email"}, LATE.as_of),
        ({"from": "2026-05-13"}, LATE.as_of),
        ({"until": "2026-05-12"}, datetime(2026, 5, 13, 6, tzinfo=UTC)),
    ):
        rules = policy(times=(NIGHTS | scope,))
        assert decided(sms, rules)["spring", "p"]["planned_at"] == planned
    some = policy(times=(NIGHTS | {"where": "age > 60"},))
    persons = (Person("old", more={"in:nights": True}), Person("young"))
    decisions = decided(campaign(), some, *persons)
    assert decisions["spring", "old"]["planned_at"] == datetime(2026, 5, 13, 6, tzinfo=UTC)
    assert decisions["spring", "young"]["planned_at"] == LATE.as_of


def test_exempt_messages_do_not_wait() -> None:
    rules = policy(times=(NIGHTS,), exempt=("promo",))
    assert decided(campaign(), rules)["spring", "p"]["planned_at"] == LATE.as_of


def test_caps_count_the_moment_of_sending() -> None:
    other = campaign("other")
    leaves = datetime(2026, 5, 13, 6, tzinfo=UTC)
    rules = policy(times=(NIGHTS,), caps=({"name": "daily", "max": 1, "per": "24 hours"},))

    def outcome(at: datetime) -> str:
        row = decided(campaign(), rules, contacts=(contact("p", other, at),))["spring", "p"]
        return row["rule"] or row["outcome"]

    assert outcome(leaves - DAY) == "send"
    assert outcome(leaves - DAY + MICROSECOND) == "cap:daily"
    assert outcome(leaves + DAY - MICROSECOND) == "cap:daily"
    assert outcome(leaves + DAY) == "send"


def test_the_slot_is_that_of_the_day_on_which_it_leaves() -> None:
    rules = policy(times=(NIGHTS | {"channel": "email"},))
    other = campaign("other")

    def outcome(at: datetime) -> str:
        row = decided(campaign(), rules, contacts=(contact("p", other, at),))["spring", "p"]
        return row["rule"] or row["outcome"]

    assert outcome(LATE.as_of - timedelta(hours=3)) == "send", "today's slot is not asked for"
    assert outcome(datetime(2026, 5, 13, 15, tzinfo=UTC)) == "day_slot"
    both = (campaign("mail", priority=9), campaign("text", channels=("sms",)))
    person = Person("p", wanted=frozenset({0, 1}))
    decisions = decide(World((person,), both, rules, moment=LATE))
    assert {row["outcome"] for row in decisions.values()} == {"send"}, "a slot of each day"


def test_the_universal_control_is_that_of_the_period_in_which_it_leaves() -> None:
    eve = Moment(datetime(2026, 6, 30, 20, tzinfo=UTC), date(2026, 6, 30), BERLIN)
    rules = {"universal_control": {"share": "50%", "period": "quarter"}}
    persons = tuple(Person(f"p{n}") for n in range(60))

    def held_out(at: Moment, **more: Any) -> set[str]:
        decisions = decided(campaign(), policy(**rules, **more), *persons, at=at)
        return {name for (_, name), row in decisions.items() if row["outcome"] == "control"}

    july = Moment(datetime(2026, 7, 1, 9, tzinfo=UTC), date(2026, 7, 1), BERLIN)
    assert held_out(eve, times=(NIGHTS,)) == held_out(july) != held_out(eve)


@pytest.mark.parametrize("second", ["23:59:59", "00:00:00"])
def test_a_run_at_the_edge_of_a_day_counts_its_own_day(second: str) -> None:
    at = datetime.fromisoformat(f"2026-05-12T{second}+02:00").astimezone(UTC)
    edge = Moment(at, date(2026, 5, 12), BERLIN)
    earlier = contact("p", campaign("other"), berlin("2026-05-12T12:00"))
    assert decided(campaign(), policy(), at=edge, contacts=(earlier,))["spring", "p"]["rule"] == (
        "day_slot"
    )
    assert MOMENT.business_day == edge.business_day
