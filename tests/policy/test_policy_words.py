"""Decisions in plain words, and the table of the day."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from policy_world import NOW, Person, World, campaign, contact, decide, policy, tables, worlds

from antiphon.policy.explain import explain
from antiphon.policy.summary import CampaignSummary, summarise

DAY = timedelta(days=1)
ZONE = "Europe/Berlin"


def said(world: World, of: str = "spring") -> str:
    """What is said of the person p and a campaign."""
    decision = decide(world)[of, "p"]
    chosen = next(each for each in world.campaigns if each.campaign == of)
    return explain(decision, world.policy, chosen, zone=ZONE)


def world(*contacts: dict[str, Any], **changes: Any) -> World:
    given_ = {"persons": (Person("p"),), "campaigns": (campaign(),), "policy": policy()} | changes
    return World(**given_, contacts=contacts)


def test_a_cap_says_what_is_allowed_and_what_was_sent() -> None:
    rules = policy(caps=({"name": "promo-week", "max": 2, "per": "10 days", "category": "promo"},))
    sent = [
        contact("p", campaign("other"), datetime(2026, 5, day, 9, tzinfo=UTC), anchor=str(day))
        for day in (3, 7)
    ]
    assert said(world(*sent, policy=rules)) == (
        "not written to: you may send 2 promo messages in 10 days (rule promo-week);"
        " sent or planned on 3 and 7 May"
    )


def test_a_cap_of_nothing_says_so() -> None:
    rules = policy(caps=({"name": "none", "max": 0, "per": "36 hours", "channel": "email"},))
    assert said(world(policy=rules)) == (
        "not written to: you may send 0 e-mail messages in 36 hours (rule none)"
    )


def test_days_are_those_of_the_zone_with_months_and_years_said_once() -> None:
    rules = policy(caps=({"name": "year", "max": 4, "per": "1000 days"},))
    moments = ("2025-12-30T09", "2026-04-30T09", "2026-04-30T22", "2026-05-02T09")
    sent = [
        contact("p", campaign("other"), datetime.fromisoformat(f"{m}:00:00+00:00"), anchor=m)
        for m in moments
    ]
    assert said(world(*sent, policy=rules)).endswith(
        "on 30 December 2025, 30 April, 1 and 2 May 2026"
    )


@pytest.mark.parametrize(
    ("person", "rules", "words"),
    [
        (
            Person("p", acts=(("email", "promo", False, NOW - DAY),)),
            policy(),
            "they objected to promo messages by e-mail",
        ),
        (
            Person("p"),
            policy(consent={"promo": "opt_in"}),
            "they have not agreed to promo messages by e-mail",
        ),
        (
            Person("p", suppressed=frozenset({"email"})),
            policy(),
            "their e-mail address is suppressed",
        ),
        (Person("p", email=False), policy(), "no valid e-mail address is known"),
    ],
)
def test_who_cannot_be_reached_is_told_why(person: Person, rules: Any, words: str) -> None:
    assert said(world(persons=(person,), policy=rules)) == f"not written to: {words}"


def test_every_channel_gives_its_own_reason() -> None:
    person = Person("p", sms=False, suppressed=frozenset({"email"}))
    both = campaign(channels=("email", "sms"))
    assert said(world(persons=(person,), campaigns=(both,))) == (
        "not written to: their e-mail address is suppressed; no valid phone number is known"
    )


def test_the_other_rules_in_words() -> None:
    once, again = campaign(), campaign(repeat_after="30 days")
    last = datetime(2026, 5, 3, 9, tzinfo=UTC)
    assert said(world(contact("p", once, last))) == (
        "not written to: the campaign has already spoken to them on 3 May, and it speaks once"
    )
    assert said(world(contact("p", again, last), campaigns=(again,))).endswith(
        "on 3 May, and waits 30 days before it speaks again"
    )
    dead = [contact("p", once, last, attempt=n, state="refused") for n in (1, 2, 3)]
    assert said(world(*dead)) == "not written to: 3 attempts did not reach them"
    earlier = contact("p", campaign("other"), NOW - timedelta(hours=1))
    assert said(world(earlier)) == (
        "not written to: a customer gets at most 1 message a day; today has 1 already"
    )
    rival = campaign("rival", priority=99)
    both = (Person("p", wanted=frozenset({0, 1})),)
    assert said(world(persons=both, campaigns=(once, rival))) == (
        "not written to: rival won this customer's day"
    )
    limited = campaign(limits={"messages_per_day": 0})
    assert said(world(campaigns=(limited,))) == (
        "not written to: the campaign may send 0 messages a day, and chance chose others"
    )
    ended = campaign(runs={"from": "2026-01-01", "until": "2026-05-11"})
    assert said(world(campaigns=(ended,))) == (
        "not written to: the campaign does not run on this day"
    )


def test_who_is_written_to_or_held_out() -> None:
    assert said(world()) == "written to by e-mail"
    varied = campaign(variants={"gift": "1"}, channels=("sms",))
    assert said(world(campaigns=(varied,))) == "written to by SMS (variant gift)"
    assert said(world(campaigns=(campaign(control="100%"),))) == (
        "not written to: held out in this campaign's control group, to measure the effect"
    )
    rules = policy(universal_control={"share": "100%"})
    assert said(world(policy=rules)) == (
        "not written to: held out in the universal control group, to measure the effect"
    )


def counted(world_: World) -> list[tuple[str, str, str | None, int]]:
    """(campaign, outcome, rule, decisions) over four buckets."""
    rows = [row for table in tables(world_, buckets=4) for row in table.to_pylist()]
    counts = Counter((row["campaign"], row["outcome"], row["rule"]) for row in rows)
    return [(*key, count) for key, count in counts.items()]


def test_a_value_that_would_be_printed_and_is_missing_is_named() -> None:
    row = {
        "outcome": "held",
        "rule": "missing_value",
        "counters": '{"variable":"customer.first_name"}',
    }
    assert explain(row, policy(), campaign()) == (
        "not written to: the message would print customer.first_name, which is not known of them"
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(worlds())
def test_every_decision_can_be_explained_and_counted(given_: World) -> None:
    decisions = decide(given_)
    campaigns = {each.campaign: each for each in given_.campaigns}
    for row in decisions.values():
        words = explain(row, given_.policy, campaigns[row["campaign"]], zone=ZONE)
        assert words.startswith("written to by ") == (row["outcome"] == "send")
        assert "  " not in words
        assert not words.endswith(": ")
    summaries = {each.campaign: each for each in summarise(counted(given_), list(campaigns))}
    assert set(summaries) == set(campaigns)
    for name, summary in summaries.items():
        rows = [row for (of, _), row in decisions.items() if of == name]
        assert summary.audience == len(rows)
        assert summary.sent == sum(row["outcome"] == "send" for row in rows)
        assert summary.control == sum(row["outcome"] == "control" for row in rows)
        for rule, count in summary.held.items():
            assert count == sum(row["rule"] == rule for row in rows)


def test_the_table_of_the_day_lists_the_commonest_reason_first() -> None:
    persons = (
        *(Person(f"a{n}", email=False) for n in range(3)),
        *(Person(f"b{n}", suppressed=frozenset({"email"})) for n in range(4)),
        Person("c"),
    )
    [summary] = summarise(counted(world(persons=persons)), ["spring"])
    assert summary == CampaignSummary("spring", 1, 0, {"suppressed": 4, "no_address": 3})
    assert list(summary.held) == ["suppressed", "no_address"]
