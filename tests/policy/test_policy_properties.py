"""What holds of every decision, whatever the policy, the people and the history."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policy_world import (
    MOMENT,
    Person,
    World,
    breaches,
    campaign,
    contact,
    decide,
    engine_numbers,
    label,
    messages,
    policy,
    tables,
    worlds,
)

from antiphon.campaigns.rules import Cap
from antiphon.states import CONTACT_STATES, OCCURRENCE_STATES

many = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
few = settings(many, max_examples=30)


def fullest_window(times: Iterable[datetime], cap: Cap, around: datetime) -> int:
    """The most contacts in any half-open window of the cap that holds `around`, by trying all."""
    times = sorted(times)
    return max(
        (sum(begin <= at < begin + cap.per for at in times) if cap.per else 1)
        for begin in times
        if begin == around or begin <= around < begin + cap.per
    )


def in_scope(cap: Cap, row: Mapping[str, Any]) -> bool:
    return cap.channel in (None, row["channel"]) and cap.category in (None, row["category"])


@many
@given(worlds())
def test_no_window_ever_holds_more_than_its_cap(world: World) -> None:
    planned = messages(decide(world), world)
    alive = [row for row in [*world.contacts, *planned] if row["state"] in CONTACT_STATES]
    for message in planned:
        if message["state"] == "control" or message["category"] in world.policy.exempt:
            continue
        for cap in world.policy.caps:
            if in_scope(cap, message):
                times = [
                    row["contact_at"]
                    for row in alive
                    if row["customer_id"] == message["customer_id"] and in_scope(cap, row)
                ]
                assert fullest_window(times, cap, message["contact_at"]) <= cap.max


@many
@given(worlds())
def test_a_cap_refuses_only_what_would_overfill_a_window(world: World) -> None:
    decisions = decide(world)
    planned = messages(decisions, world)
    campaigns = {each.campaign: each for each in world.campaigns}
    caps = {f"cap:{cap.name}": cap for cap in world.policy.caps}
    alive = [row for row in [*world.contacts, *planned] if row["state"] in CONTACT_STATES]
    cut = [row for row in decisions.values() if row["rule"] == "limit"]
    for row in decisions.values():
        if row["rule"] not in caps:
            continue
        candidate = row | {"category": campaigns[row["campaign"]].category}
        # a winner that its campaign's limit cut later had been counted
        others = [
            other
            | {"category": campaigns[other["campaign"]].category, "contact_at": other["planned_at"]}
            for other in cut
        ]
        times = [
            other["contact_at"]
            for other in [*alive, *others]
            if other["customer_id"] == row["customer_id"] and in_scope(caps[row["rule"]], other)
        ]
        assert in_scope(caps[row["rule"]], candidate)
        full = fullest_window([*times, row["planned_at"]], caps[row["rule"]], row["planned_at"])
        assert full > caps[row["rule"]].max


@many
@given(worlds())
def test_the_auditor_finds_nothing_in_what_was_decided(world: World) -> None:
    planned = messages(decide(world), world)
    assert breaches(world, planned) == []


@many
@given(worlds())
def test_the_same_day_decided_again_adds_nothing(world: World) -> None:
    planned = messages(decide(world), world)
    again = world.with_contacts(planned)
    assert messages(decide(again), again) == []


@many
@given(worlds(), st.randoms(use_true_random=False), st.sampled_from([1, 2, 4, 8]))
def test_neither_the_order_of_rows_nor_the_buckets_matter(
    world: World, chance: random.Random, buckets: int
) -> None:
    persons, contacts = list(world.persons), list(world.contacts)
    chance.shuffle(persons)
    chance.shuffle(contacts)
    occasions = list(world.occasions)
    chance.shuffle(occasions)
    shuffled = replace(
        world, persons=tuple(persons), contacts=tuple(contacts), occasions=tuple(occasions)
    )
    assert decide(shuffled, buckets=buckets) == decide(world)


@few
@given(worlds())
def test_a_repeated_decision_is_the_same_bit_for_bit(world: World) -> None:
    first, second = tables(world), tables(world)
    assert all(one.equals(other) for one, other in zip(first, second, strict=True))


@few
@given(worlds())
def test_the_engine_s_hashes_decide_as_ours(world: World) -> None:
    assert decide(world, numbers=engine_numbers) == decide(world)


@many
@given(worlds())
def test_every_candidate_has_one_decision_with_its_reason(world: World) -> None:
    decisions = decide(world)
    due = {(row["touch"], row["customer_id"]) for row in world.occasions}
    asked = {
        (label(touch.name, touch.step), person.name)
        for person in world.persons
        for position, touch in enumerate(world.touches)
        if position in person.wanted and (not touch.is_occasional or (position, person.name) in due)
    }
    assert set(decisions) == asked
    for row in decisions.values():
        assert (row["rule"] is not None) == (row["outcome"] == "held")
        assert (row["lost_to"] is not None) == (row["rule"] == "lost_to")
        assert (row["occurrence_key"] is None) == (row["outcome"] == "held")


@many
@given(worlds())
def test_no_customer_gets_more_than_the_day_s_winners(world: World) -> None:
    planned = messages(decide(world), world)
    earlier = [
        row
        for row in world.contacts
        if row["state"] in OCCURRENCE_STATES
        and (row["contact_at"] + timedelta(hours=2)).date() == MOMENT.business_day  # Berlin in May
    ]
    used = Counter(
        row["customer_id"]
        for row in [*planned, *earlier]
        if row["category"] not in world.policy.exempt
    )
    for message in planned:
        if message["category"] not in world.policy.exempt:
            assert used[message["customer_id"]] <= world.policy.winners_per_day


@many
@given(worlds())
def test_who_lost_lost_to_a_campaign_that_won_and_is_not_below(world: World) -> None:
    decisions = decide(world)
    priority = {each.campaign: each.priority for each in world.campaigns}
    for row in decisions.values():
        if row["rule"] == "lost_to" and row["lost_to"] != row["campaign"]:
            of = (row["lost_to"], row["customer_id"])
            winners = [
                other
                for other in decisions.values()
                if (other["campaign"], other["customer_id"]) == of
            ]
            assert any(w["outcome"] != "held" or w["rule"] == "limit" for w in winners)
            assert priority[row["lost_to"]] >= priority[row["campaign"]]


@many
@given(worlds())
def test_exempt_campaigns_meet_no_slot_no_cap_and_no_control(world: World) -> None:
    exempt = {each.campaign for each in world.campaigns if each.category in world.policy.exempt}
    for row in decide(world).values():
        if row["campaign"] in exempt:
            assert row["outcome"] != "control"
            assert row["rule"] not in ("day_slot", "lost_to")
            assert not str(row["rule"]).startswith("cap:")


@few
@given(st.lists(st.integers(-200, 200), max_size=8), st.integers(1, 4), st.integers(1, 100))
def test_windows_are_exact_on_both_sides_of_the_planned_moment(
    hours: list[int], most: int, per: int
) -> None:
    one, letter = campaign("one"), campaign("letter")
    cap = Cap(name="exact", max=most, per=timedelta(hours=per))
    longer = Cap(name="longer", max=99, per=timedelta(hours=400))
    times = [MOMENT.as_of + timedelta(hours=hour) for hour in hours]
    world = World(
        (Person("p"),),
        (one,),
        policy(caps=(cap, longer), winners_per_day=100),
        tuple(contact("p", letter, at, anchor=str(k)) for k, at in enumerate(times)),
    )
    fits = fullest_window([*times, MOMENT.as_of], cap, MOMENT.as_of) <= most
    assert (decide(world)["one", "p"]["outcome"] == "send") == fits
