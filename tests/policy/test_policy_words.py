"""Decisions in plain words, and the table of the day."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from policy_world import (
    NOW,
    Person,
    World,
    campaign,
    chain,
    contact,
    decide,
    label,
    occasion,
    policy,
    tables,
    triggered,
    worlds,
)

from antiphon.campaigns.touches import Touch
from antiphon.policy.words.explain import explain
from antiphon.policy.words.summary import CampaignSummary, Count, day_csv, summarise

DAY = timedelta(days=1)
ZONE = "Europe/Berlin"


def said(world: World, of: str = "spring") -> str:
    """What is said of the person p and a campaign."""
    decision = decide(world)[of, "p"]
    chosen = next(each for each in world.touches if label(each.name, each.step) == of)
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
        " sent or planned on 3 and 7 May; next possible moment: 13 May 11:00"
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
        "on 30 December 2025, 30 April, 1 and 2 May 2026; next possible moment: "
        "25 September 2028 11:00"
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
        "on 3 May, and waits 30 days before it speaks again; next possible moment: 2 June 11:00"
    )
    dead = [contact("p", once, last, attempt=n, state="refused") for n in (1, 2, 3)]
    assert said(world(*dead)) == "not written to: 3 attempts did not reach them"
    earlier = contact("p", campaign("other"), NOW - timedelta(hours=1))
    assert said(world(earlier)) == (
        "not written to: a customer gets at most 1 message a day; that day has 1 already; "
        "next possible moment: 13 May"
    )
    rival = campaign("rival", priority=99)
    both = (Person("p", wanted=frozenset({0, 1})),)
    assert said(world(persons=both, campaigns=(once, rival))) == (
        "not written to: rival won this customer's day; next possible moment: 13 May"
    )
    limited = campaign(limits={"messages_per_day": 0})
    assert said(world(campaigns=(limited,))) == (
        "not written to: the campaign may send 0 messages a day, and chance chose others; "
        "next possible moment: 13 May"
    )
    ended = campaign(runs={"from": "2026-01-01", "until": "2026-05-11"})
    assert said(world(campaigns=(ended,))) == (
        "not written to: the campaign does not run on this day"
    )


def test_who_is_written_to_or_held_out() -> None:
    assert said(world()) == "written to by e-mail on 12 May 10:00"
    varied = campaign(variants={"gift": "1"}, channels=("sms",))
    assert said(world(campaigns=(varied,))) == "written to by SMS on 12 May 10:00 (variant gift)"
    assert said(world(campaigns=(campaign(control="100%"),))) == (
        "not written to: held out in this campaign's control group, to measure the effect"
    )
    rules = policy(universal_control={"share": "100%"})
    assert said(world(policy=rules)) == (
        "not written to: held out in the universal control group, to measure the effect"
    )


def counted(world_: World) -> list[Count]:
    """What came out over four buckets."""
    rows = [row for table in tables(world_, buckets=4) for row in table.to_pylist()]
    names = ("campaign", "step", "cell", "outcome", "rule")
    counts = Counter(tuple(row[name] for name in names) for row in rows)
    return [Count(*key, count) for key, count in counts.items()]


def test_a_value_that_would_be_printed_and_is_missing_is_named() -> None:
    row = {
        "outcome": "held",
        "rule": "missing_value",
        "counters": '{"variable":"customer.first_name"}',
        "cell": "",
        "anchor": None,
        "due_at": None,
        "planned_at": NOW,
    }
    assert explain(row, policy(), Touch(campaign())) == (
        "not written to: the message would print customer.first_name, which is not known of them"
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(worlds())
def test_every_decision_can_be_explained_and_counted(given_: World) -> None:
    decisions = decide(given_)
    known = {(each.name, each.step): each for each in given_.touches}
    campaigns = [each.campaign for each in given_.campaigns]
    for row in decisions.values():
        touch = known[row["campaign"], row["step"]]
        words = explain(row, given_.policy, touch, zone=ZONE)
        assert ("not written to: " not in words) == (row["outcome"] == "send")
        assert "  " not in words
        assert not words.endswith(": ")
        assert words.startswith(f"step {touch.step}") == bool(touch.step)
        assert (f"cell {row['cell']}: " in words) == bool(row["cell"])
    summaries = {each.campaign: each for each in summarise(counted(given_), campaigns)}
    assert set(summaries) == set(campaigns)
    for name, summary in summaries.items():
        rows = [row for row in decisions.values() if row["campaign"] == name]
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


def test_a_step_says_which_entry_it_is_and_until_when_it_is_tried_again() -> None:
    welcome = chain(priority=10, repeat_after=None)
    rival = campaign("rival", priority=99)
    person = (Person("p", wanted=frozenset({1, 3})),)

    def lost(grace: str, **of: Any) -> str:
        slow = welcome.model_copy(
            update={"chain": welcome.chain.model_copy(update={"grace": timedelta(days=int(grace))})}
        )
        due = (occasion(1, "p", due_at=NOW - timedelta(hours=9), **of),)
        return said(world(persons=person, campaigns=(slow, rival), occasions=due), "welcome/second")

    held = "not written to: rival won this customer's day"
    tomorrow = "next possible moment: 13 May"
    assert lost("2", anchor="1") == (
        f"step second: {held}; {tomorrow}; it is tried again until 14 May"
    )
    assert lost("2", anchor="3").startswith("step second, entry 3: not written to: ")
    assert lost("0", anchor="1") == f"step second: {held}; its time is over after today"


def test_an_occasion_is_named_with_what_it_started_from() -> None:
    speaks = {"audience": None}
    birthday = campaign(anniversary={"of": "birthday"}, **speaks)
    notice = campaign(on={"notice": "back_in_stock", "did": "wishlist"}, **speaks)
    by_order = chain(
        "spring",
        {"thanks": "1 day"},
    )
    by_order = by_order.model_copy(
        update={"chain": by_order.chain.model_copy(update={"start": ORDERED})}
    )
    for of, anchor, words in (
        (birthday, "2026", "birthday of 2026: written to by e-mail on 12 May 10:00"),
        (triggered("spring"), "e17", "cart_abandoned e17: written to by e-mail on 12 May 10:00"),
        (notice, "n3", "back_in_stock n3: written to by e-mail on 12 May 10:00"),
        (by_order, "o9", "step thanks, entered by order o9: written to by e-mail on 12 May 10:00"),
    ):
        name = "spring/thanks" if of is by_order else "spring"
        due = (occasion(0, "p", anchor),)
        assert said(world(campaigns=(of,), occasions=due), name) == words


ORDERED = chain().chain.start.model_copy(update={"where": None, "event": "order"})


def test_what_keeps_a_second_word_on_an_occasion_back_is_told() -> None:
    cart, due = triggered("spring"), (occasion(0, "p", "e1"),)
    once = contact("p", cart, datetime(2026, 5, 11, 9, tzinfo=UTC), anchor="e1")
    assert said(world(once, campaigns=(cart,), occasions=due)) == (
        "cart_abandoned e1: not written to: the campaign has already spoken to them on 11 May,"
        " and it speaks once of each occasion"
    )
    today = contact("p", cart, NOW - timedelta(hours=1), anchor="e0")
    assert said(world(today, campaigns=(cart,), occasions=due)).endswith("and it speaks once a day")
    paused = triggered("spring", repeat_after="7 days")
    lately = contact("p", paused, datetime(2026, 5, 9, 9, tzinfo=UTC), anchor="e0")
    assert said(world(lately, campaigns=(paused,), occasions=due)).endswith(
        "on 9 May, and waits 7 days before it speaks again"
    )


def test_an_earlier_step_comes_first_and_the_cell_is_named() -> None:
    welcome = chain(for_each="grid")
    person = (Person("p", wanted=frozenset({0, 1, 2}), cell="new/*"),)
    due = tuple(occasion(k, "p", due_at=NOW - k * DAY / 24) for k in (0, 1))
    given_ = world(persons=person, campaigns=(welcome,), occasions=due)
    assert (
        said(given_, "welcome/second")
        == "step second, cell new/*: written to by e-mail on 12 May 10:00"
    )
    assert said(given_, "welcome/first").startswith(
        "step first, cell new/*: not written to: an earlier step of this campaign comes first;"
    )


def test_the_table_of_the_day_tells_steps_and_cells_apart() -> None:
    welcome, quiet = chain(for_each="grid"), campaign("quiet")
    persons = tuple(
        Person(f"p{n}", wanted=frozenset({0, 1}), cell="a" if n < 3 else "b", email=n != 4)
        for n in range(5)
    )
    due = tuple(occasion(n % 2, f"p{n}") for n in range(5))
    given_ = world(persons=persons, campaigns=(welcome, quiet), occasions=due)
    assert day_csv(counted(given_), ["welcome", "quiet"]).splitlines() == [
        "campaign,step,cell,outcome,reason,customers",
        "quiet,,,sent,,0",
        "quiet,,,control,,0",
        "welcome,first,a,sent,,2",
        "welcome,first,a,control,,0",
        "welcome,first,b,sent,,0",
        "welcome,first,b,control,,0",
        "welcome,first,b,held,no_address,1",
        "welcome,second,a,sent,,1",
        "welcome,second,a,control,,0",
        "welcome,second,b,sent,,1",
        "welcome,second,b,control,,0",
    ]
    (summary, _) = summarise(counted(given_), ["welcome", "quiet"])
    assert summary == CampaignSummary("welcome", 4, 0, {"no_address": 1})
