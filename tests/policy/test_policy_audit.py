"""The auditor finds a planted breach of every kind of rule, and names the message."""

from datetime import timedelta
from typing import Any

import pytest
from policy_world import (
    NOW,
    Person,
    World,
    breaches,
    campaign,
    chain,
    contact,
    decide,
    messages,
    occasion,
    policy,
    triggered,
)

from antiphon.audit.auditor import audit
from antiphon.campaigns.touches import touches

DAY = timedelta(days=1)


def planned(name: str = "p", of: Any = None, **changes: Any) -> dict[str, Any]:
    """One message of this run."""
    return contact(name, of or campaign(), NOW, **({"state": "planned"} | changes))


def world(*contacts: dict[str, Any], **changes: Any) -> World:
    given = {"persons": (Person("p"),), "campaigns": (campaign(),), "policy": policy()} | changes
    return World(**given, contacts=contacts)


OTHER = campaign("other")
BOTH = {"campaigns": (campaign(), OTHER)}
OBJECTED = Person("p", acts=(("*", "promo", True, NOW - 2 * DAY), ("email", "*", False, NOW - DAY)))
UNDATED = Person("p", acts=(("email", "promo", False, NOW - DAY), ("email", "promo", True, None)))
WEEKLY = ({"name": "weekly", "max": 1, "per": "7 days"},)
PAUSED = campaign(repeat_after="30 days")
WELCOME, CART = chain(), triggered()
PAUSED_CART = triggered(repeat_after="7 days")
DUE = {"occasions": tuple(occasion(k, "p", a) for k in range(3) for a in ("1", "2", "e1", "e2"))}


def told(step: str, days_ago: float, anchor: str = "1", **changes: Any) -> dict[str, Any]:
    """A step of the chain, said so long ago."""
    return contact("p", WELCOME, NOW - days_ago * DAY, step=step, anchor=anchor, **changes)


def cart(anchor: str, days_ago: float = 0, of: Any = CART, **changes: Any) -> dict[str, Any]:
    """A message of the triggered campaign."""
    return contact("p", of, NOW - days_ago * DAY, anchor=anchor, **changes)


PLANTED = {
    "consent: the person objected last": ("consent", world(persons=(OBJECTED,)), [planned()]),
    "consent: an undated import overrides nothing": (
        "consent",
        world(persons=(UNDATED,)),
        [planned()],
    ),
    "consent: never agreed": (
        "consent",
        world(policy=policy(consent={"promo": "opt_in"})),
        [planned()],
    ),
    "consent: a category without a rule": (
        "consent",
        world(policy=policy(consent={})),
        [planned()],
    ),
    "suppressed": (
        "suppressed",
        world(persons=(Person("p", suppressed=frozenset({"email"})),)),
        [planned()],
    ),
    "no address": ("no_address", world(persons=(Person("p", email=False),)), [planned()]),
    "unknown customer": ("no_address", world(persons=(Person("q"),)), [planned()]),
    "occurrence alive in history": (
        "occurrence",
        world(contact("p", campaign(), NOW - 900 * DAY)),
        [planned(attempt=2)],
    ),
    "occurrence twice in the run": (
        "occurrence",
        world(),
        [planned(), planned(message_id="m2", attempt=2)],
    ),
    "the same attempt again": (
        "occurrence",
        world(contact("p", campaign(), NOW - DAY, state="refused")),
        [planned(message_id="m2")],
    ),
    "a fourth attempt": ("attempts", world(), [planned(attempt=4)]),
    "once ever": (
        "already_sent",
        world(contact("p", campaign(), NOW - 900 * DAY, anchor="1")),
        [planned()],
    ),
    "within the pause": (
        "already_sent",
        world(contact("p", PAUSED, NOW - 29 * DAY), campaigns=(PAUSED,)),
        [planned(of=PAUSED, anchor="2")],
    ),
    "once, though the cell is another": (
        "already_sent",
        world(
            contact("p", campaign(), NOW - 9 * DAY, cell="new/*", anchor="1"),
            campaigns=(campaign(for_each="grid"),),
        ),
        [planned(cell="loyal/*")],
    ),
    "a key that names the cell": (
        "occurrence",
        world(campaigns=(campaign(for_each="grid"),)),
        [planned(cell="loyal/*", occurrence_key="spring|loyal/*|once|p")],
    ),
    "no occasion": ("no_occasion", world(campaigns=(CART,)), [cart("e1", state="planned")]),
    "the occasion of another step": (
        "no_occasion",
        world(campaigns=(WELCOME,), occasions=(occasion(0, "p"),)),
        [told("second", 0, state="planned")],
    ),
    "a step that the chain has not got": (
        "not_running",
        world(campaigns=(WELCOME,), **DUE),
        [told("fourth", 0, state="planned")],
    ),
    "an occasion twice": (
        "occasion",
        world(cart("e1", 5, occurrence_key="other"), campaigns=(CART,), **DUE),
        [cart("e1", state="planned")],
    ),
    "a step twice in one entry": (
        "occasion",
        world(told("first", 5, occurrence_key="other"), campaigns=(WELCOME,), **DUE),
        [told("first", 0, state="planned")],
    ),
    "an occasion within the pause": (
        "already_sent",
        world(cart("e1", 6), campaigns=(PAUSED_CART,), **DUE),
        [cart("e2", of=PAUSED_CART, state="planned")],
    ),
    "two occasions of a campaign on one day": (
        "campaign_day",
        world(cart("e1", 1 / 24), campaigns=(CART,), **DUE),
        [cart("e2", state="planned")],
    ),
    "two steps on one day": (
        "campaign_day",
        world(campaigns=(WELCOME,), policy=policy(winners_per_day=2), **DUE),
        [told("first", 0, state="planned"), told("second", 0, state="planned")],
    ),
    "a step after a later one": (
        "chain_order",
        world(told("second", 2), campaigns=(WELCOME,), **DUE),
        [told("first", 0, state="planned")],
    ),
    "a step before an earlier one": (
        "chain_order",
        world(told("first", -2, state="planned"), campaigns=(WELCOME,), **DUE),
        [told("third", 0, state="planned")],
    ),
    "two on one day": ("day_slot", world(**BOTH), [planned(), planned(of=OTHER)]),
    "one more after an earlier run's control": (
        "day_slot",
        world(contact("p", OTHER, NOW - timedelta(hours=3), state="control"), **BOTH),
        [planned()],
    ),
    "cap, contact before": (
        "cap:weekly",
        world(contact("p", OTHER, NOW - 6 * DAY), policy=policy(caps=WEEKLY), **BOTH),
        [planned()],
    ),
    "cap, contact after": (
        "cap:weekly",
        world(contact("p", OTHER, NOW + 6 * DAY), policy=policy(caps=WEEKLY), **BOTH),
        [planned()],
    ),
    "cap, two in the run": (
        "cap:weekly",
        world(policy=policy(caps=WEEKLY, winners_per_day=2), **BOTH),
        [planned(), planned(of=OTHER)],
    ),
    "cap of nothing": (
        "cap:never",
        world(policy=policy(caps=({"name": "never", "max": 0, "per": "1 day"},))),
        [planned()],
    ),
    "campaign control written to": (
        "control",
        world(campaigns=(campaign(control="100%"),)),
        [planned()],
    ),
    "universal control written to": (
        "control",
        world(policy=policy(universal_control={"share": "100%"})),
        [planned()],
    ),
    "held out without being control": (
        "control",
        world(),
        [planned(state="control", arm="control")],
    ),
    "universal control filed under the campaign's": (
        "control",
        world(policy=policy(universal_control={"share": "100%"})),
        [planned(state="control", arm="control")],
    ),
    "another variant than drawn": ("arm", world(), [planned(arm="b")]),
    "planned for after it is stale": ("stale", world(), [planned(contact_at=NOW + DAY)]),
    "may leave when it is stale": ("stale", world(), [planned(expires_at=NOW + 2 * DAY)]),
    "planned for before the run": ("stale", world(), [planned(contact_at=NOW - DAY)]),
    "campaign on hold": ("paused", world(held=("spring",)), [planned()]),
    "campaign ended": (
        "not_running",
        world(campaigns=(campaign(runs={"from": "2026-01-01", "until": "2026-05-11"}),)),
        [planned()],
    ),
    "campaign not begun": (
        "not_running",
        world(campaigns=(campaign(runs={"from": "2026-05-13"}),)),
        [planned()],
    ),
    "campaign on other weekdays": (
        "not_running",
        world(campaigns=(campaign(runs={"from": "2026-01-01", "days": "mon, wed, thu"}),)),
        [planned()],
    ),
    "unknown campaign": ("not_running", world(), [planned(of=OTHER)]),
    "another category than the campaign's": ("not_running", world(), [planned(category="service")]),
    "limit": (
        "limit",
        world(
            contact("q", campaign(), NOW - timedelta(hours=1)),
            campaigns=(campaign(limits={"messages_per_day": 1}),),
        ),
        [planned()],
    ),
}


@pytest.mark.parametrize("case", PLANTED)
def test_a_planted_breach_is_found(case: str) -> None:
    rule, given, run = PLANTED[case]
    found = [breach for breach in breaches(given, run) if breach[0] == rule]
    assert found, breaches(given, run)
    for _, message, count, allowed in found:
        assert message in {row["message_id"] for row in run} or (rule == "limit" and not message)
        assert count != allowed


def test_every_kind_of_rule_has_a_planted_breach() -> None:
    rules = policy(caps=WEEKLY)
    limited = campaign(limits={"messages_per_day": 1})
    every = [*touches([limited, WELCOME, CART])]
    kinds = {query.rule for query in audit(every, rules, world().moment, salt="s")}
    kinds.discard("")  # of the tables
    assert kinds - {"cap:weekly"} <= {rule for rule, _, _ in PLANTED.values()}
    assert "cap:weekly" in kinds


@pytest.mark.parametrize(
    ("given", "run"),
    [
        (world(), [planned()]),
        (world(contact("p", campaign(), NOW - DAY, state="refused")), [planned(attempt=2)]),
        (world(contact("p", PAUSED, NOW - 30 * DAY), campaigns=(PAUSED,)),
         [planned(of=PAUSED, anchor="2")]),
        (world(contact("p", OTHER, NOW - 7 * DAY), policy=policy(caps=WEEKLY), **BOTH),
         [planned()]),
        (world(contact("p", OTHER, NOW + 7 * DAY), policy=policy(caps=WEEKLY), **BOTH),
         [planned()]),
        (world(contact("p", OTHER, NOW - DAY, state="control"), policy=policy(caps=WEEKLY), **BOTH),
         [planned()]),
        (world(contact("p", OTHER, NOW - timedelta(hours=11)), **BOTH), [planned()]),
        (world(told("first", 3), told("second", 1, "2"), campaigns=(WELCOME,), **DUE),
         [told("second", 0, state="planned")]),
        (world(told("gone", 3), told("third", 9, state="expired"), campaigns=(WELCOME,), **DUE),
         [told("first", 0, state="planned")]),
        (world(cart("e1", 7), campaigns=(PAUSED_CART,), **DUE),
         [cart("e2", of=PAUSED_CART, state="planned")]),
        (world(cart("e1", 11 / 24), campaigns=(CART,), **DUE), [cart("e2", state="planned")]),
        (world(told("first", 2), campaigns=(chain(repeat_after="30 days"),), **DUE),
         [told("second", 0, state="planned")]),
        (world(cart("e1", 3, state="refused"), campaigns=(CART,), **DUE),
         [cart("e1", attempt=2, state="planned")]),
    ],
)  # fmt: skip
def test_what_just_fits_is_no_breach(given: World, run: list[dict[str, Any]]) -> None:
    assert breaches(given, run) == []


def test_a_breach_of_an_earlier_run_is_not_held_against_this_one() -> None:
    earlier = [contact("p", OTHER, NOW - 6 * DAY), contact("p", campaign(), NOW - 5 * DAY)]
    given = world(*earlier, policy=policy(caps=WEEKLY), persons=(Person("p"), Person("q")), **BOTH)
    assert breaches(given, [planned("q")]) == []


@pytest.mark.parametrize(
    "lifted", ["caps", "consent", "winners", "suppression", "repeat", "limit", "control"]
)
def test_a_decision_made_without_one_rule_fails_the_audit_with_it(lifted: str) -> None:
    strict = World(
        persons=tuple(
            Person(
                f"p{n}",
                wanted=frozenset({0, 1}),
                suppressed=frozenset({"email"}) if n == 3 else frozenset(),
                acts=(("email", "promo", False, NOW - DAY),) if n == 4 else (),
            )
            for n in range(30)
        ),
        campaigns=(
            campaign("one", limits={"messages_per_day": 25}, control="20%", priority=90),
            campaign("two"),
        ),
        policy=policy(caps=WEEKLY),
        contacts=(
            contact("p1", campaign("one"), NOW - 90 * DAY),
            contact("p2", OTHER, NOW - 2 * DAY),
        ),
    )
    changes: dict[str, dict[str, Any]] = {
        "caps": {"policy": policy()},
        "consent": {"policy": policy(caps=WEEKLY, consent={"promo": "none"})},
        "winners": {"policy": policy(winners_per_day=2)},
        "suppression": {
            "persons": tuple(Person(p.name, p.wanted, acts=p.acts) for p in strict.persons)
        },
        "repeat": {"contacts": strict.contacts[1:]},
        "limit": {"campaigns": (campaign("one", control="20%", priority=90), campaign("two"))},
        "control": {
            "campaigns": (
                campaign("one", limits={"messages_per_day": 25}, priority=90),
                campaign("two"),
            )
        },
    }
    fields = {name: getattr(strict, name) for name in strict.__dataclass_fields__}
    lax = World(**(fields | changes[lifted]))
    assert breaches(strict, messages(decide(strict), strict)) == []
    assert breaches(strict, messages(decide(lax), lax)) != []
