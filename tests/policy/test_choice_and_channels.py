"""Whom a campaign may speak to and by which channel, and who wins a customer's day."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from policy_world import (
    MOMENT,
    NOW,
    SALT,
    Person,
    World,
    campaign,
    contact,
    decide,
    history,
    people,
    policy,
)

from antiphon import keys
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.touches import touches
from antiphon.policy.brakes import BrakeReading
from antiphon.policy.decide import judge
from antiphon.policy.moment import Moment

DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
GRANTED = (("email", "promo", True, NOW - DAY),)


def one(
    of: Campaign = campaign(),  # noqa: B008  (frozen)
    rules: dict[str, Any] | None = None,
    brakes: dict[str, BrakeReading] | None = None,
    **person: Any,
) -> dict[str, Any]:
    world = World((Person("p", **person),), (of,), policy(**(rules or {})), brakes=brakes or {})
    return decide(world)[of.campaign, "p"]


def seen(row: dict[str, Any]) -> tuple[str | None, Any]:
    return row["rule"], json.loads(row["counters"]) if row["counters"] else None


# ---------------------------------------------------------------- consent


@pytest.mark.parametrize(
    ("rule", "acts", "agreed", "stop"),
    [
        ({"needs": "opt_in"}, (), False, "not_agreed"),
        ({"needs": "opt_in"}, GRANTED, False, None),
        ({"needs": "double_opt_in"}, (), False, "not_agreed"),
        ({"needs": "double_opt_in"}, GRANTED, False, "not_confirmed"),
        ({"needs": "double_opt_in"}, GRANTED, True, None),
        ({"needs": "opt_in", "proof": "yes"}, GRANTED, False, "not_proven"),
        ({"needs": "opt_in", "proof": "yes"}, GRANTED, True, None),
        ({"needs": "opt_in", "separate": "yes"}, GRANTED, False, "not_proven"),
        ({"needs": "none"}, (), False, None),
    ],
)
def test_the_strictest_consent_counts(
    rule: dict[str, Any], acts: Any, agreed: bool, stop: str | None
) -> None:
    more = {"agreed:law:email:promo": agreed}
    row = one(rules={"consents": ({"name": "law", **rule},)}, acts=acts, more=more)
    assert seen(row) == ((None, None) if stop is None else ("consent:law", {"email": stop}))


def test_an_objection_binds_the_category_s_own_rule_first() -> None:
    objected = (("email", "promo", False, NOW - DAY),)
    rules = {"consents": ({"name": "law", "needs": "opt_in"},)}
    assert seen(one(rules=rules, acts=objected)) == ("consent", {"email": "objected"})


def test_stricter_consent_holds_for_its_customers_days_and_channel_alone() -> None:
    both = campaign(channels=("sms", "email"))
    law = {"name": "law", "needs": "opt_in"}
    by_sms = {"consents": (law | {"channel": "sms"},)}
    assert one(both, by_sms)["channel"] == "email"
    assert one(both, {"consents": (law | {"until": "2026-05-11"},)})["channel"] == "sms"
    some = {"consents": (law | {"where": "country = 'RU'"},)}
    assert one(both, some, more={"in:law": False})["channel"] == "sms"
    assert one(both, some, more={"in:law": True})["rule"] == "consent:law"


def test_double_opt_in_may_be_asked_of_a_whole_category() -> None:
    rules = {"consent": {"promo": "double_opt_in"}}
    more = {"agreed:promo:email:promo": False}
    assert seen(one(rules=rules, acts=GRANTED, more=more)) == (
        "consent",
        {"email": "not_confirmed"},
    )
    more = {"agreed:promo:email:promo": True}
    assert one(rules=rules, acts=GRANTED, more=more)["outcome"] == "send"


# ---------------------------------------------------------------- suppress, brakes, tests


def test_suppressed_customers_are_not_written_to_but_by_other_channels() -> None:
    minors = {"suppress": ({"name": "minors", "where": "age < 18"},)}
    assert seen(one(rules=minors, more={"in:minors": True})) == ("suppress:minors", None)
    assert one(rules=minors, more={"in:minors": False})["outcome"] == "send"
    exempt = minors | {"exempt": ("promo",)}
    assert one(rules=exempt, more={"in:minors": True})["outcome"] == "send"
    no_sms = {"suppress": ({"name": "minors", "where": "age < 18", "channel": "sms"},)}
    both = campaign(channels=("sms", "email"))
    assert one(both, no_sms, more={"in:minors": True})["channel"] == "email"
    text = campaign(channels=("sms",))
    assert one(text, no_sms, more={"in:minors": True})["rule"] == "suppress:minors"


def test_a_brake_stops_from_its_share_on_and_not_below() -> None:
    brake = {"name": "angry", "warn": "0.1%", "stop": "0.3%", "channel": "email"}
    rules = {"brakes": (brake,)}

    def row(contacts: int, responses: int, **how: Any) -> dict[str, Any]:
        return one(rules=rules, brakes={"angry": BrakeReading(contacts, responses)}, **how)

    assert seen(row(1000, 3)) == (
        "brake:angry",
        {"share": 0.003, "stop": 0.003, "contacts": 1000, "responses": 3},
    )
    assert row(1000, 2)["outcome"] == "send"
    assert row(999, 999)["outcome"] == "send", "too few to judge by"
    assert row(1000, 3, of=campaign(channels=("sms",)))["outcome"] == "send"
    assert one(rules=rules | {"exempt": ("promo",)}, brakes={"angry": BrakeReading(9999, 99)})[
        "outcome"
    ] == ("send")


def test_only_units_of_its_group_are_asked_by_a_campaign_of_a_test() -> None:
    rules = policy(tests={"price": {"groups": {"low": "1", "high": "1"}}}, winners_per_day=2)
    groups = ("low", "high")
    both = tuple(campaign(name, test={"layer": "price", "group": name}) for name in groups)
    persons = tuple(Person(f"p{n}", wanted=frozenset({0, 1})) for n in range(60))
    decisions = decide(World(persons, both, rules))
    for person in persons:
        rows = [decisions[name, person.name] for name in groups]
        assert sorted(row["outcome"] for row in rows) == ["held", "send"]
        lost = next(row for row in rows if row["outcome"] == "held")
        won = next(row for row in rows if row["outcome"] == "send")
        assert seen(lost) == ("test_group", {"layer": "price", "group": won["campaign"]})
        number = keys.number("test", SALT, "price", person.name, "")
        assert won["campaign"] == groups[number >= keys.TWO_TO_64 // 2]


# ---------------------------------------------------------------- channels and values


@pytest.mark.parametrize(
    ("by", "column"), [("preference", "preferred_channel"), ("response", "best_channel")]
)
def test_the_channel_the_customer_prefers_comes_first_where_it_is_open(
    by: str, column: str
) -> None:
    both = campaign(channels=("email", "sms"), channel_by=by)
    assert one(both, more={column: "sms"})["channel"] == "sms"
    assert one(both, more={column: None})["channel"] == "email"
    assert one(both, more={column: "post"})["channel"] == "email"
    assert one(both, sms=False, more={column: "sms"})["channel"] == "email"
    ordered = campaign(channels=("email", "sms"))
    assert one(ordered, more={column: "sms"})["channel"] == "email"
    alone = campaign(channels=("email",), channel_by=by)
    assert one(alone, more={column: "sms"})["channel"] == "email"


def test_of_equal_priorities_the_higher_value_wins_and_no_value_is_below_all() -> None:
    names = ("low", "high", "none", "unknown")
    three = tuple(campaign(name, value=None if name == "none" else "margin") for name in names)
    persons = tuple(
        Person(
            f"p{n}",
            wanted=frozenset(range(4)),
            more={"value:low": -5.0, "value:high": -4.5, "value:unknown": None},
        )
        for n in range(20)
    )
    decisions = decide(World(persons, three, policy()))
    assert {name for (name, _), row in decisions.items() if row["outcome"] == "send"} == {"high"}
    first = (campaign("first", priority=51), *three)
    wanted = tuple(Person(p.name, wanted=frozenset(range(5)), more=p.more) for p in persons)
    decisions = decide(World(wanted, first, policy()))
    assert {name for (name, _), row in decisions.items() if row["outcome"] == "send"} == {"first"}


def test_equal_values_are_told_apart_by_chance() -> None:
    two = (campaign("one", value="margin"), campaign("two", value="margin"))
    more = {"value:one": 2.0, "value:two": 2.0}
    persons = tuple(Person(f"p{n}", wanted=frozenset({0, 1}), more=more) for n in range(200))
    decisions = decide(World(persons, two, policy()))
    sent = [name for (name, _), row in decisions.items() if row["outcome"] == "send"]
    assert len(sent) == 200
    assert 60 < sent.count("one") < 140


def test_the_last_slot_s_winner_is_who_the_others_lost_to() -> None:
    campaigns = tuple(campaign(f"c{n}", priority=n) for n in (3, 2, 1))
    person = Person("p", wanted=frozenset({0, 1, 2}))
    decisions = decide(World((person,), campaigns, policy(winners_per_day=2)))
    assert [decisions[f"c{n}", "p"]["lost_to"] for n in (3, 2, 1)] == [None, None, "c2"]


# ---------------------------------------------------------------- what settle goes by


def survivor(
    of: Campaign, *contacts: dict[str, Any], at: Moment = MOMENT, **rules: Any
) -> dict[str, Any]:
    person = Person("p", household="h", more={"value:spring": 7.5, "tier": "gold"})
    judged = judge(
        people([person]), history(contacts), touches([of]), policy(**rules), at, salt=SALT
    )
    return judged.survivors.to_pylist()[0]


HOURLY = ({"name": "line", "per_hour": 10},)
OTHER = campaign("other")


def test_survivors_bear_what_limits_go_by() -> None:
    row = survivor(campaign(value="margin", strata="tier"))
    assert (row["household_id"], row["value"], row["stratum"]) == ("h", 7.5, "gold")
    assert row["movable_until"] == row["planned_at"], "no capacity by the hour"
    plain = survivor(campaign())
    assert (plain["value"], plain["stratum"]) == (None, None)


def test_a_message_may_move_within_hours_day_and_expiry() -> None:
    nights = ({"name": "nights", "quiet": "21:00-08:00"},)
    midnight, nine = (datetime(2026, 5, 12, hour, tzinfo=UTC) for hour in (22, 19))
    lasting = campaign(expires_after="2 days")
    assert survivor(lasting, capacity=HOURLY)["movable_until"] == midnight
    assert survivor(lasting, capacity=HOURLY, times=nights)["movable_until"] == nine
    brief = campaign(expires_after="3 hours")
    assert survivor(brief, capacity=HOURLY)["movable_until"] == NOW + timedelta(hours=3)
    other_channel = ({"name": "line", "per_hour": 10, "channel": "sms"},)
    assert survivor(lasting, capacity=other_channel)["movable_until"] == NOW
    late = Moment(datetime(2026, 5, 12, 20, tzinfo=UTC), date(2026, 5, 12), "Europe/Berlin")
    moved = survivor(lasting, capacity=HOURLY, times=nights, at=late)
    assert moved["planned_at"] == datetime(2026, 5, 13, 6, tzinfo=UTC)
    assert moved["movable_until"] == datetime(2026, 5, 13, 19, tzinfo=UTC)


def test_a_message_does_not_move_where_another_rule_might_break() -> None:
    of = campaign(tags=("discount",))
    later = contact("p", OTHER, NOW + DAY, state="planned")
    assert survivor(of, later, capacity=HOURLY)["movable_until"] == NOW
    ratio = ({"name": "r", "of": "discount", "share": "100%", "per": "9 days"},)
    assert survivor(of, capacity=HOURLY, ratios=ratio)["movable_until"] == NOW
    earlier = contact("p", OTHER, NOW - DAY)
    assert survivor(of, earlier, capacity=HOURLY)["movable_until"] > NOW
