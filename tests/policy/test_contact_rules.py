"""Each rule on contacts binds where it says, and not a microsecond beside it."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from policy_world import (
    NOW,
    Person,
    World,
    campaign,
    chain,
    contact,
    decide,
    occasion,
    policy,
)

from antiphon.campaigns.models import Campaign
from antiphon.policy.moment import Moment

DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
OTHER = campaign("other", repeat_after="1 hour")
NEWS = campaign("news", tags=("news",), repeat_after="1 hour")
SALE = campaign("sale", tags=("discount",), repeat_after="1 hour")


def one(
    rules: dict[str, Any],
    *contacts: dict[str, Any],
    of: Campaign = SALE,
    others: tuple[Campaign, ...] = (OTHER, NEWS),
    **person: Any,
) -> dict[str, Any]:
    """The decision on one person and one campaign; the slot of the day is never the reason."""
    world = World(
        (Person("p", **person),),
        (of,),
        policy(winners_per_day=9, **rules),
        contacts,
        others=others,
    )
    return decide(world)[of.campaign, "p"]


def sent(of: Campaign, ago: timedelta, **changes: Any) -> dict[str, Any]:
    return contact("p", of, NOW - ago, **{"anchor": str(ago)} | changes)


def held(row: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    return (row["rule"], json.loads(row["counters"])) if row["rule"] else None


# ---------------------------------------------------------------- caps and gaps


@pytest.mark.parametrize(
    ("per", "first", "next_"),
    [
        ("calendar day", "2026-05-12T00:00", "2026-05-12T22:00:00Z"),
        ("calendar week", "2026-05-11T00:00", "2026-05-17T22:00:00Z"),
        ("calendar month", "2026-05-01T00:00", "2026-05-31T22:00:00Z"),
        ("calendar quarter", "2026-04-01T00:00", "2026-06-30T22:00:00Z"),
        ("calendar year", "2026-01-01T00:00", "2026-12-31T23:00:00Z"),
    ],
)
def test_a_calendar_cap_counts_the_customer_s_own_period(per: str, first: str, next_: str) -> None:
    rules = {"caps": ({"name": "one", "max": 1, "per": per},)}
    offset = "+01:00" if per == "calendar year" else "+02:00"
    begin = datetime.fromisoformat(first + offset).astimezone(UTC)
    assert held(one(rules, contact("p", OTHER, begin - MICROSECOND, anchor="9"))) is None
    rule, counters = held(one(rules, contact("p", OTHER, begin, anchor="9"))) or ("", {})
    assert rule == "cap:one"
    assert counters == {
        "max": 1,
        "per": per,
        "contacts": [f"{begin:%Y-%m-%dT%H:%M:%SZ}"],
        "next": next_,
    }
    after = datetime.fromisoformat(next_)
    assert held(one(rules, contact("p", OTHER, after, anchor="9"))) is None
    assert held(one(rules, contact("p", OTHER, after - MICROSECOND, anchor="9"))) is not None


def test_days_of_a_calendar_cap_are_those_of_the_zone() -> None:
    rules = {"caps": ({"name": "one", "max": 1, "per": "calendar day"},)}
    yesterday_in_berlin = contact("p", OTHER, NOW - timedelta(hours=11), anchor="9")
    assert held(one(rules, yesterday_in_berlin)) is None
    assert held(one(rules, yesterday_in_berlin, zone="Etc/GMT+12")) is not None
    assert held(one(rules, yesterday_in_berlin, zone="Pacific/Kiritimati")) is not None


def test_a_calendar_day_has_25_hours_when_the_clock_falls_back() -> None:
    at = datetime(2026, 10, 25, 20, tzinfo=UTC)
    rules = policy(winners_per_day=9, caps=({"name": "one", "max": 1, "per": "calendar day"},))

    def rule(when: datetime) -> str | None:
        moment = Moment(at, date(2026, 10, 25), "Europe/Berlin")
        told = (contact("p", OTHER, when),)
        decisions = decide(World((Person("p"),), (SALE,), rules, told, moment=moment))
        return decisions["sale", "p"]["rule"]

    begin = datetime(2026, 10, 24, 22, tzinfo=UTC)
    assert (rule(begin - MICROSECOND), rule(begin)) == (None, "cap:one")
    end = begin + timedelta(hours=25)
    assert (rule(end - MICROSECOND), rule(end)) == ("cap:one", None)


def test_a_cap_for_ever_counts_the_same_offer_of_all_campaigns() -> None:
    offered = {"offer": {"code": "SPRING10"}, "repeat_after": "1 hour"}
    first, second = campaign("first", **offered), campaign("second", **offered)
    other = campaign("other", offer={"code": "OTHER"})
    rules = {"caps": ({"name": "once", "max": 1, "per": "ever", "each": "offer"},)}
    told = sent(first, 900 * DAY)
    row = one(rules, told, of=second, others=(first,))
    assert held(row) == (
        "cap:once",
        {
            "max": 1,
            "per": "ever",
            "contacts": [f"{NOW - 900 * DAY:%Y-%m-%dT%H:%M:%SZ}"],
            "next": None,
        },
    )
    assert held(one(rules, told, of=other, others=(first,))) is None
    assert held(one(rules, told, of=OTHER, others=(first,))) is None
    assert held(one(rules, told, of=second, others=())) is None, "a campaign that is gone has none"


@pytest.mark.parametrize(
    ("each", "same", "different"),
    [
        ("campaign", SALE, OTHER),
        ("channel", OTHER, campaign("text", channels=("sms",))),
        ("category", OTHER, campaign("life", category="lifecycle")),
    ],
)
def test_what_is_counted_apart_does_not_add_up(
    each: str, same: Campaign, different: Campaign
) -> None:
    rules = {"caps": ({"name": "two", "max": 2, "per": "7 days", "each": each},)}
    assert held(one(rules, sent(same, DAY), sent(same, 2 * DAY))) is not None
    assert held(one(rules, sent(same, DAY), sent(different, 2 * DAY))) is None


def test_a_maximum_may_be_each_customer_s_own_and_null_is_none_at_all() -> None:
    rules = {"caps": ({"name": "vip", "max": "case when x then 4 end", "per": "7 days"},)}
    told = [sent(OTHER, n * DAY) for n in (1, 2, 3)]
    for most in (1, 2, 3):
        own = {"more": {"max:vip": most}}
        assert held(one(rules, *told[: most - 1], **own)) is None
        rule, counters = held(one(rules, *told[:most], **own)) or ("", {})
        assert (rule, counters["max"], len(counters["contacts"])) == ("cap:vip", most, most)
    for most in (0, None, -1):
        row = one(rules, **{"more": {"max:vip": most}})
        assert held(row) == ("cap:vip", {"max": 0, "per": 604800, "contacts": [], "next": None})


def test_a_cap_says_when_the_next_message_fits_over_windows_that_overlap() -> None:
    rules = {"caps": ({"name": "two", "max": 2, "per": "7 days"},)}
    told = [sent(OTHER, n * DAY) for n in (6, 5, 1)]
    rule, counters = held(one(rules, *told)) or ("", {})
    assert rule == "cap:two"
    assert counters["next"] == f"{NOW + 2 * DAY:%Y-%m-%dT%H:%M:%SZ}"


def test_a_gap_is_a_least_time_between_two_contacts() -> None:
    rules = {"gaps": ({"name": "days", "at_least": "2 days", "each": "channel"},)}
    for ago, rule in ((2 * DAY, None), (2 * DAY - MICROSECOND, "gap:days")):
        assert one(rules, sent(OTHER, ago))["rule"] == rule
        assert one(rules, sent(OTHER, -ago, state="planned"))["rule"] == rule
    assert one(rules, sent(OTHER, DAY, channel="sms"))["rule"] is None


def test_a_scope_says_whom_and_what_a_rule_concerns() -> None:
    def rule(scope: dict[str, Any], told: Campaign = NEWS, **person: Any) -> str | None:
        rules = {"caps": ({"name": "one", "max": 1, "per": "7 days"} | scope,)}
        return one(rules, sent(told, DAY), **person)["rule"]

    assert rule({"tag": "news"}) is None, "the candidate has no such tag"
    assert rule({"tag": "discount"}) is None, "the contact has no such tag"
    assert rule({"tag": "news, discount"}) == "cap:one"
    assert rule({"campaign": "sale, news"}) == "cap:one"
    assert rule({"campaign": "sale"}) is None
    assert rule({"from": "2026-05-13"}) is None
    assert rule({"until": "2026-05-11"}) is None
    assert rule({"from": "2026-05-12", "until": "2026-05-12"}) == "cap:one"
    personal = {"where": "age < 20"}
    assert rule(personal, more={"in:one": False}) is None
    assert rule(personal, more={"in:one": True}) == "cap:one"


def test_uncounted_categories_fill_no_window() -> None:
    service = campaign("bill", category="service", repeat_after="1 hour")
    rules = {"caps": ({"name": "one", "max": 1, "per": "7 days"},), "exempt": ("service",)}
    assert one(rules, sent(service, DAY))["rule"] == "cap:one"
    assert one(rules | {"uncounted": ("service",)}, sent(service, DAY))["rule"] is None


# ---------------------------------------------------------------- rests


def test_a_pause_lasts_to_the_microsecond() -> None:
    rules = {"pauses": ({"name": "quiet", "after": "complaint", "rest": "30 days"},)}
    for ago, rule in ((30 * DAY, None), (30 * DAY - MICROSECOND, "pause:quiet")):
        row = one(rules, more={"pause:quiet": NOW - ago})
        assert row["rule"] == rule
    assert json.loads(row["counters"]) == {
        "after": "complaint",
        "at": "2026-04-12T08:00:00Z",
        "next": "2026-05-12T08:00:00Z",
    }
    assert one(rules, more={"pause:quiet": None})["rule"] is None


def test_a_cool_down_wants_all_of_the_last_messages_ignored() -> None:
    rules = {
        "cool_downs": ({"name": "rest", "ignored": 2, "within": "60 days", "rest": "10 days"},)
    }

    def rule(*ago: timedelta, answer: timedelta | None = None) -> str | None:
        answered = None if answer is None else NOW - answer
        told = [sent(OTHER, each) for each in ago]
        return one(rules, *told, more={"last_answer": answered})["rule"]

    assert rule(9 * DAY) is None, "one message only"
    assert rule(9 * DAY, 20 * DAY) == "cool_down:rest"
    assert rule(10 * DAY, 20 * DAY) is None, "rested"
    assert rule(10 * DAY - MICROSECOND, 20 * DAY) == "cool_down:rest"
    assert rule(9 * DAY, 60 * DAY) is None, "too old"
    assert rule(9 * DAY, 60 * DAY - MICROSECOND) == "cool_down:rest"
    assert rule(timedelta(0), 9 * DAY) is None, "nobody can have answered yet"
    assert rule(9 * DAY, 20 * DAY, answer=20 * DAY) is None
    assert rule(9 * DAY, 20 * DAY, answer=20 * DAY + MICROSECOND) == "cool_down:rest"
    assert rule(9 * DAY, 20 * DAY, 30 * DAY, answer=25 * DAY) == "cool_down:rest"
    row = one(rules, sent(OTHER, 9 * DAY), sent(OTHER, 20 * DAY), more={"last_answer": None})
    assert json.loads(row["counters"]) == {
        "ignored": 2,
        "last": "2026-05-03T08:00:00Z",
        "next": "2026-05-13T08:00:00Z",
    }


def test_a_ratio_counts_the_message_itself_and_allows_what_is_free() -> None:
    third = {"name": "third", "of": "discount", "share": "33.4%", "per": "90 days"}

    def rule(sales: int, news: int, **more: Any) -> str | None:
        told = [sent(SALE, (n + 2) * DAY) for n in range(sales)]
        told += [sent(NEWS, (n + 2) * DAY - timedelta(hours=1)) for n in range(news)]
        return one({"ratios": (third | more,)}, *told)["rule"]

    assert rule(0, 1) == "ratio:third"
    assert rule(0, 2) is None
    assert rule(1, 3) == "ratio:third"
    assert rule(1, 4) is None
    assert rule(0, 0, free=1) is None
    assert rule(1, 0, free=1) == "ratio:third"
    row = one({"ratios": (third,)}, sent(NEWS, 90 * DAY), sent(NEWS, DAY))
    assert held(row) == ("ratio:third", {"share": 0.334, "of": 0, "all": 1})
    edge = one({"ratios": (third,)}, sent(NEWS, 90 * DAY - MICROSECOND), sent(NEWS, DAY))
    assert edge["rule"] is None
    assert one({"ratios": (third,)}, of=NEWS, others=(SALE,))["rule"] is None


def test_a_ratio_protects_what_is_planned_later() -> None:
    half = {"name": "half", "of": "discount", "share": "50%", "per": "10 days", "free": 1}
    more = campaign("more", tags=("discount",))
    later = sent(more, -5 * DAY, state="planned")
    beside = {"others": (more, NEWS)}
    news = [sent(NEWS, n * DAY) for n in (1, 2)]
    assert one({"ratios": (half,)}, later, *news, **beside)["rule"] is None
    assert one({"ratios": (half,)}, later, news[0], **beside)["rule"] == "ratio:half"
    far = sent(more, -10 * DAY, state="planned")
    assert one({"ratios": (half,)}, far, news[0], **beside)["rule"] is None


# ---------------------------------------------------------------- one beside another


def test_an_exclusion_works_both_ways_in_time_and_not_on_itself() -> None:
    rules = {"exclusions": ({"name": "either", "campaigns": "sale, news", "per": "5 days"},)}
    for ago, rule in ((5 * DAY, None), (5 * DAY - MICROSECOND, "exclusion:either")):
        assert one(rules, sent(NEWS, ago))["rule"] == rule
        assert one(rules, sent(NEWS, -ago, state="planned"))["rule"] == rule
        assert one(rules, sent(SALE, ago))["rule"] is None
        assert one(rules, sent(OTHER, ago))["rule"] is None
    row = one(rules, sent(NEWS, 2 * DAY))
    assert json.loads(row["counters"]) == {
        "campaign": "news",
        "at": "2026-05-10T08:00:00Z",
        "next": "2026-05-15T08:00:00Z",
    }
    by_tag = {"exclusions": ({"name": "tags", "tags": "discount, news"},)}
    rule, counters = held(one(by_tag, sent(NEWS, 900 * DAY))) or ("", {})
    assert (rule, counters["next"]) == ("exclusion:tags", None)
    assert one(by_tag, sent(NEWS, DAY, state="control"))["rule"] is None
    same = campaign("same", tags=("discount",))
    assert one(by_tag, sent(same, DAY), others=(same, NEWS))["rule"] is None


def test_of_two_that_exclude_each_other_only_the_better_is_chosen() -> None:
    rules = policy(winners_per_day=9, exclusions=({"name": "either", "campaigns": "high, low"},))
    both = (campaign("high", priority=9), campaign("low", priority=1), campaign("free", priority=0))
    person = Person("p", wanted=frozenset({0, 1, 2}))
    decisions = decide(World((person,), both, rules))
    assert [decisions[c.campaign, "p"]["rule"] for c in both] == [None, "exclusion:either", None]


def test_a_sequence_wants_the_other_before_and_neither_too_long_nor_too_short_ago() -> None:
    rules = {
        "sequences": (
            {
                "name": "then",
                "campaign": "sale",
                "after": "news",
                "wait": "3 days",
                "within": "30 days",
            },
        )
    }
    assert held(one(rules)) == ("sequence:then", {"at": None, "next": None})
    for ago, rule in (
        (3 * DAY, None),
        (3 * DAY - MICROSECOND, "sequence:then"),
        (30 * DAY - MICROSECOND, None),
        (30 * DAY, "sequence:then"),
    ):
        assert one(rules, sent(NEWS, ago))["rule"] == rule
    assert one(rules, sent(NEWS, 5 * DAY, state="control"))["rule"] == "sequence:then"
    assert one(rules, of=OTHER, others=(NEWS,))["rule"] is None
    early = one(rules, sent(NEWS, 2 * DAY))
    assert json.loads(early["counters"]) == {
        "at": "2026-05-10T08:00:00Z",
        "next": "2026-05-13T08:00:00Z",
    }


# ---------------------------------------------------------------- chains


def test_a_chain_begins_only_while_the_customer_is_in_few_enough_others() -> None:
    rules = policy(winners_per_day=9, chains=({"name": "two", "max": 2},))
    welcome = chain()

    def rule(chains: list[str], step: int = 0, *contacts: dict[str, Any]) -> str | None:
        person = Person("p", wanted=frozenset(range(3)), more={"chains": chains})
        due = (occasion(step, "p"),)
        row = decide(World((person,), (welcome,), rules, contacts, occasions=due))
        return next(iter(row.values()))["rule"]

    assert rule(["a"]) is None
    assert rule(["a", "welcome"]) is None, "itself does not count"
    assert rule(["a", "b"]) == "chains:two"
    first = contact("p", welcome, NOW - 3 * DAY, step="first", anchor="1")
    assert rule(["a", "b"], 1, first) is None, "it has begun"
    old = contact("p", welcome, NOW - 99 * DAY, step="first", anchor="0")
    assert rule(["a", "b"], 1, old) == "chains:two", "another entry"


def test_chains_that_begin_in_one_run_count_for_each_other() -> None:
    rules = policy(winners_per_day=9, chains=({"name": "one", "max": 1},))
    person = Person("p", wanted=frozenset({0, 1}), more={"chains": []})
    due = (occasion(0, "p"), occasion(1, "p"))
    for control, outcome in ((0.0, "send"), (1.0, "control")):
        chains = tuple(
            chain(name, {"first": "0 days"}, priority=n, control=control)
            for n, name in enumerate("ab")
        )
        decisions = decide(World((person,), chains, rules, occasions=due))
        assert decisions["b/first", "p"]["outcome"] == outcome
        held_ = decisions["a/first", "p"]
        assert held(held_) == ("chains:one", {"max": 1, "in": ["b"]})
