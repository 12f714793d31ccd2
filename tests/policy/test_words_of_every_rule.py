"""Every kind of rule has words of its own: why it held a message back, and what it demands."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from policy_cases import Case, decide
from policy_strategies import cases
from policy_world import campaign, policy

from antiphon.campaigns.rules import RULES, Policy, PolicyRule
from antiphon.campaigns.touches import Touch
from antiphon.policy.rules import Rule
from antiphon.policy.times import forbidding
from antiphon.policy.words.explain import explain, upcoming
from antiphon.policy.words.reasons import _NAMED, _OWN
from antiphon.policy.words.titles import _DEMANDS, OWN, demand, title

NOW = datetime(2026, 5, 12, 8, tzinfo=UTC)  # a Tuesday, 10:00 in Berlin
ZONE = "Europe/Berlin"
NEXT = "2026-05-14T07:12:00Z"
THEN = "next possible moment: 14 May 09:12"
LAST = "2026-05-03T10:00:00Z"

# kind → its section of the file, keys of the rule, counters, the sentence and the title
NAMED: dict[str, tuple[str, dict[str, Any], dict[str, Any] | None, str, str]] = {
    "cap": (
        "caps",
        {"max": 2, "per": "7 days", "category": "promo"},
        {"max": 2, "per": 604800, "contacts": [LAST, "2026-05-07T10:00:00Z"], "next": NEXT},
        "you may send 2 promo messages in 7 days (rule r); sent or planned on 3 and 7 May; " + THEN,
        "at most 2 promo messages in 7 days",
    ),
    "gap": (
        "gaps",
        {"at_least": "3 days", "channel": "email"},
        {"max": 1, "per": 259200, "contacts": [LAST], "next": NEXT},
        "3 days must lie between two e-mail messages (rule r); sent or planned on 3 May; " + THEN,
        "3 days between e-mail messages",
    ),
    "pause": (
        "pauses",
        {"after": "survey", "below": "3", "rest": "14 days"},
        {"after": "survey", "at": LAST, "next": NEXT},
        "14 days of rest follow a survey's answer of less than 3, which was on 3 May (rule r); "
        + THEN,
        "14 days of rest after a survey's answer of less than 3",
    ),
    "cool_down": (
        "cool_downs",
        {"ignored": 5, "rest": "30 days"},
        {"ignored": 5, "last": LAST, "next": NEXT},
        "the last 5 messages were all ignored, and 30 days of rest follow the last of them, "
        "which was on 3 May (rule r); " + THEN,
        "30 days of rest after 5 ignored messages",
    ),
    "ratio": (
        "ratios",
        {"of": ["sale"], "share": "1/3", "per": "90 days"},
        {"share": 1 / 3, "of": 2, "all": 5},
        "at most 33.3% of messages in 90 days may be tagged sale: so far 2 of 5 are (rule r)",
        "at most 33.3% of the messages in 90 days tagged sale",
    ),
    "exclusion": (
        "exclusions",
        {"campaigns": ["spring", "summer"], "per": "30 days"},
        {"campaign": "summer", "at": LAST, "next": NEXT},
        "summer, sent or planned on 3 May, excludes it for 30 days (rule r); " + THEN,
        "spring and summer exclude each other for 30 days",
    ),
    "sequence": (
        "sequences",
        {"campaign": "spring", "after": ["welcome"], "wait": "2 days"},
        {"at": LAST, "next": NEXT},
        "it comes only 2 days after welcome; that wrote on 3 May (rule r); " + THEN,
        "only 2 days after welcome",
    ),
    "chains": (
        "chains",
        {"max": 2},
        {"max": 2, "in": ["cart", "welcome"]},
        "a customer is in at most 2 chains at a time, and they are in cart and welcome (rule r)",
        "at most 2 chains at a time",
    ),
    "time": (
        "times",
        {"days": "sun"},
        {"next": None, "expires": "2026-05-13T08:00:00Z"},
        "no moment is allowed before the message is stale, 13 May 10:00: only sun (rule r)",
        "only sun",
    ),
    "brake": (
        "brakes",
        {"response": "complaint", "warn": "0.1%", "stop": "0.3%"},
        {"share": 0.0035, "stop": 0.003, "contacts": 12000, "responses": 42},
        "all messages are stopped: 42 complaints to 12,000 messages in 30 days are 0.35%, "
        "and 0.3% is the limit (rule r)",
        "stopped while 0.3% or more are answered by a complaint",
    ),
    "suppress": (
        "suppress",
        {"segment": "minors"},
        None,
        "nobody of the segment minors is written to (rule r)",
        "no messages to the segment minors",
    ),
    "consent": (
        "consents",
        {"needs": "double_opt_in", "proof": True},
        {"email": "not_confirmed", "sms": "not_proven"},
        "they have not confirmed that they agree to promo messages by e-mail; their agreement to "
        "promo messages by SMS is not on record as it must be (rule r)",
        "messages only after agreement that was confirmed, with evidence",
    ),
    "capacity": (
        "capacity",
        {"channel": "sms", "per_day": 500},
        {"max": 500, "used": 500, "per": "day"},
        "500 SMS messages a day can be sent, and 500 are taken (rule r); "
        "next possible moment: 13 May",
        "at most 500 SMS messages a day",
    ),
    "warm_up": (
        "warm_up",
        {"from": "2026-05-10", "per_day": [10, 20, 40]},
        {"max": 40, "used": 40, "per": "day"},
        "40 messages may be sent on day 3 of the warm-up, and 40 are taken (rule r); "
        "next possible moment: 13 May",
        "messages grow for 3 days",
    ),
    "budget": (
        "budgets",
        {"money": "50.00", "per": "month"},
        {"money": "50.00", "spent": "49.99", "per": "month"},
        "50.00 may be spent on messages a month, and 49.99 are spent (rule r); "
        "next possible moment: 1 June",
        "at most 50.00 for messages a month",
    ),
    "one_click": (
        "one_click",
        {"channel": "email"},
        None,
        "the message could not be unsubscribed from by one click (rule r)",
        "e-mail messages can be unsubscribed from by one click",
    ),
}

OWN_ROWS: dict[Rule, tuple[dict[str, Any] | None, str]] = {
    Rule.NOT_RUNNING: (None, "the campaign does not run on this day"),
    Rule.PAUSED: (
        {"kind": "cancelled", "since": LAST, "reason": "wrong price"},
        "the campaign is cancelled since 3 May (wrong price)",
    ),
    Rule.TEST_GROUP: (
        {"layer": "tone", "group": "b"},
        "they are in the group b of the test tone, and the campaign asks a alone",
    ),
    Rule.CONSENT: ({"email": "objected"}, "they objected to promo messages by e-mail"),
    Rule.SUPPRESSED: ({"email": "suppressed"}, "their e-mail address is suppressed"),
    Rule.NO_ADDRESS: ({"sms": "no_address"}, "no valid phone number is known"),
    Rule.ALREADY_SENT: (
        {"last": LAST, "repeat_after": None},
        "the campaign has already spoken to them on 3 May, and it speaks once",
    ),
    Rule.ATTEMPTS: ({"max": 3}, "3 attempts did not reach them"),
    Rule.DAY_SLOT: (
        {"max": 1, "used": 1},
        "a customer gets at most 1 message a day; that day has 1 already; "
        "next possible moment: 13 May",
    ),
    Rule.LOST_TO: (None, "rival won this customer's day; next possible moment: 13 May"),
    Rule.LIMIT: (
        {"max": 1000, "used": 7, "per": "all"},
        "the campaign may send 1,000 messages in all, and chance chose others",
    ),
    Rule.BUDGET: (
        {"money": "50.00", "spent": "49.99", "per": "day"},
        "the campaign may spend 50.00 a day, and 49.99 are spent; next possible moment: 13 May",
    ),
    Rule.OFFER: (
        {"codes": 1000, "issued": 990},
        "the campaign may issue 1,000 codes, and 990 were out before",
    ),
    Rule.MISSING_VALUE: (
        {"variable": "customer.city"},
        "the message would print customer.city, which is not known of them",
    ),
}


def row(rule: str, counters: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    """A held decision."""
    return {
        "outcome": "held",
        "rule": rule,
        "counters": None if counters is None else json.dumps(counters),
        "lost_to": "rival" if rule == Rule.LOST_TO else None,
        "cell": "",
        "anchor": None,
        "due_at": None,
        "planned_at": NOW,
        "channel": None,
    } | changes


def with_rule(kind: str) -> Policy:
    section, keys, *_ = NAMED[kind]
    return policy(**{section: ({"name": "r", **keys},)})


def said(decision: dict[str, Any], rules: Policy, **changes: Any) -> str:
    words = explain(decision, rules, Touch(campaign(**changes)), zone=ZONE)
    return words.removeprefix("not written to: ")


def test_every_kind_of_rule_and_every_rule_of_our_own_has_words() -> None:
    kinds = {_kind(section) for section in RULES}
    assert set(NAMED) == set(_NAMED) == kinds
    assert {one.kind for one in _DEMANDS} == kinds
    assert set(OWN_ROWS) == set(_OWN) == set(OWN) == set(Rule)


def _kind(section: str) -> str:
    (rule, _) = get_args(Policy.model_fields[section].annotation)
    assert issubclass(rule, PolicyRule)
    return rule.kind


@pytest.mark.parametrize("kind", sorted(NAMED))
def test_a_named_rule_says_what_it_demands_and_what_it_saw(kind: str) -> None:
    _, _, counters, words, demanded = NAMED[kind]
    rules = with_rule(kind)
    assert said(row(f"{kind}:r", counters), rules) == words
    assert title(f"{kind}:r", rules) == demanded


@pytest.mark.parametrize("kind", sorted(NAMED))
def test_a_rule_that_is_gone_from_the_policy_is_still_explained(kind: str) -> None:
    words = said(row(f"{kind}:r", NAMED[kind][2]), policy())
    assert words
    assert "None" not in words
    assert title(f"{kind}:r", policy()) == f"{kind}:r"


@pytest.mark.parametrize("rule", list(Rule))
def test_a_rule_of_our_own_says_what_it_saw(rule: Rule) -> None:
    counters, words = OWN_ROWS[rule]
    assert said(row(rule, counters), policy(), test={"layer": "tone", "group": "a"}) == words
    assert title(rule, policy()) == OWN[rule]


def test_no_sentence_lacks_a_value_or_doubles_a_word() -> None:
    for kind in NAMED:
        sentence = f"{NAMED[kind][3]} {demand(next(with_rule(kind).rules()))}"
        for wrong in ("None", "  ", "; ;", "()", "rule r) (rule"):
            assert wrong not in sentence


@pytest.mark.parametrize(
    ("per", "words"),
    [
        ("calendar week", "in a calendar week"),
        ("ever", "ever"),
        (3600, "in 1 hour"),
    ],
)
def test_a_cap_says_its_window_of_any_kind(per: object, words: str) -> None:
    rules = policy(caps=({"name": "r", "max": 1, "per": "7 days"},))
    counters = {"max": 1, "per": per, "contacts": [LAST], "next": None}
    assert said(row("cap:r", counters), rules) == (
        f"you may send 1 message {words} (rule r); sent or planned on 3 May"
    )


def test_a_cap_says_whose_messages_and_which_are_counted() -> None:
    rule = {"name": "r", "max": 1, "per": "ever", "each": "offer", "of": "household", "tag": "sale"}
    counters = {"max": 1, "per": "ever", "contacts": [LAST], "next": None}
    assert said(row("cap:r", counters), policy(caps=(rule,))).startswith(
        "you may send 1 message tagged sale of one offer to a household ever (rule r)"
    )


def test_a_channel_that_a_rule_closes_is_named_with_the_others() -> None:
    rule = {"name": "r", "segment": "minors", "channel": "sms"}
    rules = policy(suppress=(rule,))
    stops = {"sms": "suppress:r", "email": "no_address"}
    words = "the rule r allows them no SMS; no valid e-mail address is known"
    assert said(row("no_address", stops), rules) == words
    assert said(row("suppress:r", {"sms": "suppress:r"}), rules) == (
        "the rule r allows them no SMS (rule r)"
    )


def test_a_cap_by_expression_says_the_customers_own_maximum() -> None:
    rule = {"name": "r", "max": "case when city = 'Bonn' then 4 else 2 end", "per": "7 days"}
    counters = {"max": 4, "per": 604800, "contacts": [LAST], "next": None}
    rules = policy(caps=(rule,))
    assert said(row("cap:r", counters), rules).startswith("you may send 4 messages in 7 days")
    assert title("cap:r", rules).startswith("at most as many messages as `case when city")


# ---------------------------------------------------------------- next possible moment

HELD = row("cap:r", {"max": 1, "per": 3600, "contacts": [], "next": "2026-05-12T19:30:00Z"})


def when(rules: Policy, decision: dict[str, Any] = HELD, **changes: Any) -> datetime | None:
    places = {key: changes.pop(key) for key in ("own_zone", "country") if key in changes}
    touch = Touch(campaign(**changes))
    return upcoming(decision, rules, touch, zone=ZONE, **places)


def rules_with(*times: dict[str, Any], **more: Any) -> Policy:
    named = tuple({"name": f"t{place}", **one} for place, one in enumerate(times))
    return policy(caps=({"name": "r", "max": 1, "per": "1 hour"},), times=named, **more)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_after_the_rule_the_clock_is_asked() -> None:
    assert when(rules_with()) == at("2026-05-12 19:30")
    night = {"quiet": "21:00-08:00"}  # 21:30 in Berlin
    assert when(rules_with(night)) == at("2026-05-13 06:00")
    assert when(rules_with(night, {"days": "fri"})) == at("2026-05-15 06:00")
    assert when(rules_with({"quiet": "21:00-08:00", "channel": "sms"}, night)) is not None


def test_the_clock_is_the_customers_own() -> None:
    night = rules_with({"quiet": "21:00-08:00"})
    assert when(night, own_zone="America/New_York") == at("2026-05-12 19:30")
    assert when(night, own_zone="Asia/Tokyo") == at("2026-05-12 23:00")
    words = explain(HELD, night, Touch(campaign()), zone=ZONE, own_zone="Asia/Tokyo", country="JP")
    assert words.endswith("next possible moment: 13 May 01:00 (08:00 in Asia/Tokyo)")


def test_rules_on_some_customers_or_on_other_days_do_not_delay() -> None:
    quiet = {"quiet": "21:00-08:00"}
    assert when(rules_with({**quiet, "segment": "loyal"})) == at("2026-05-12 19:30")
    assert when(rules_with({**quiet, "until": "2026-05-11"})) == at("2026-05-12 19:30")
    assert when(rules_with(quiet, exempt=("promo",))) == at("2026-05-12 19:30")


def test_the_campaign_must_run_then() -> None:
    fridays = {"from": "2026-01-01", "days": "fri"}
    assert when(rules_with(), runs=fridays) == at("2026-05-14 22:00")  # Friday in Berlin
    ended = {"from": "2026-01-01", "until": "2026-05-11"}
    assert when(rules_with(), runs=ended) is None


def test_an_occasion_that_is_over_by_then_has_no_next_moment() -> None:
    triggered = {"audience": None, "on": {"event": "cart", "grace": "2 hours"}}
    assert when(rules_with(), {**HELD, "due_at": NOW}, **triggered) is None
    triggered["on"] = {"event": "cart", "grace": "1 day"}
    assert when(rules_with(), {**HELD, "due_at": NOW}, **triggered) == at("2026-05-12 19:30")


def test_a_campaign_that_repeats_may_speak_again_after_its_pause() -> None:
    spoken = row(Rule.ALREADY_SENT, {"last": LAST, "repeat_after": 2592000})
    assert when(policy(), spoken, repeat_after="30 days") == at("2026-06-02 10:00")
    assert when(policy(), spoken) is None


# ---------------------------------------------------------------- when it was sent


def sent(planned: datetime, rules: Policy, **places: Any) -> str:
    decision = row("", None, outcome="send", planned_at=planned, channel="email", arm="default")
    return explain(decision, rules, Touch(campaign()), zone=ZONE, as_of=NOW, **places)


def test_a_message_says_when_it_leaves_and_what_moved_it() -> None:
    quiet = policy(times=({"name": "early", "hours": "12:00-20:00"},))
    assert sent(NOW, quiet) == "written to by e-mail on 12 May 10:00"
    moved = NOW + timedelta(hours=2)
    assert sent(moved, quiet) == (
        "written to by e-mail on 12 May 12:00; moved from 12 May 10:00 "
        "(only 12:00-20:00; rule early)"
    )
    slow = policy(capacity=({"name": "slow", "per_hour": 100},))
    assert sent(moved, slow) == (
        "written to by e-mail on 12 May 12:00; moved from 12 May 10:00, "
        "as 100 an hour go out (rule slow)"
    )


# ---------------------------------------------------------------- what really was decided


def touch_of(case: Case, row: dict[str, Any]) -> Touch:
    return next(
        one for one in case.touches if (one.name, one.step) == (row["campaign"], row["step"])
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cases())
def test_whatever_was_decided_is_said_with_a_next_moment_that_the_clock_allows(case: Case) -> None:
    lives = {one.name: one for one in case.persons}
    for row in decide(case).values():
        touch, person = touch_of(case, row), lives[row["customer_id"]]
        places = {"zone": case.moment.zone, "own_zone": person.zone, "country": person.country}
        words = explain(row, case.policy, touch, as_of=case.moment.as_of, **places)
        assert ("not written to: " in words) == (row["outcome"] != "send")
        assert "None" not in words
        assert "  " not in words
        following = upcoming(row, case.policy, touch, **places)
        if following is None:
            assert "next possible moment" not in words
            continue
        assert following > row["planned_at"]
        rules = [
            rule
            for rule in case.policy.times
            if not rule.is_personal
            and rule.concerns(touch.campaign, row["channel"])
            and rule.holds_on(following.astimezone(ZoneInfo(case.moment.zone)).date())
        ]
        if touch.campaign.category not in case.policy.exempt:
            assert forbidding(following, person.zone, person.country, rules) is None
        assert touch.campaign.runs.includes(following.astimezone(ZoneInfo(case.moment.zone)).date())
