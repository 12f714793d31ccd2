"""Occasions, chains and cells under the policy, by example."""

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from policy_world import (
    MOMENT,
    NOW,
    Person,
    World,
    campaign,
    chain,
    contact,
    decide,
    history,
    messages,
    occasion,
    people,
    policy,
    triggered,
)

from antiphon import keys
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.touches import touches
from antiphon.policy.cells import Cells
from antiphon.policy.decide import judge
from antiphon.policy.occasions import OCCASIONS

DAY = timedelta(days=1)
CART = triggered()
WELCOME = chain()
P = Person("p", wanted=frozenset(range(5)))


def world(*campaigns: Campaign, **changes: Any) -> World:
    return World(**({"persons": (P,), "policy": policy()} | changes), campaigns=campaigns)


def test_only_who_has_an_occasion_and_meets_the_condition_is_a_candidate() -> None:
    persons = (P, Person("no occasion"), Person("not meant", wanted=frozenset()))
    due = (occasion(0, "p"), occasion(0, "not meant"), occasion(0, "of another bucket"))
    assert set(decide(world(CART, persons=persons, occasions=due))) == {("cart", "p")}


def test_an_occasion_is_used_once_and_the_next_one_follows_on_another_day() -> None:
    first, second = occasion(0, "p", "e1", NOW - DAY), occasion(0, "p", "e2", NOW - DAY / 2)
    decision = decide(world(CART, occasions=(second, first)))["cart", "p"]
    assert (decision["outcome"], decision["anchor"]) == ("send", "e1")
    assert decision["occurrence_key"] == keys.occurrence_key("cart", "", "p", "e1")
    assert (decision["due_at"], decision["attempt"]) == (NOW - DAY, 1)
    told = contact("p", CART, NOW - DAY, anchor="e1")
    assert decide(world(CART, occasions=(first, second), contacts=(told,)))["cart", "p"][
        "anchor"
    ] == ("e2")
    done = (told, contact("p", CART, NOW - 2 * DAY, anchor="e2", state="control"))
    held = decide(world(CART, occasions=(first, second), contacts=done))["cart", "p"]
    assert (held["rule"], held["anchor"]) == ("already_sent", "e1")
    assert json.loads(held["counters"]) == {
        "last": "2026-05-11T08:00:00Z",
        "repeat_after": None,
        "bound": "occasion",
    }


def test_of_occasions_due_at_once_the_first_by_anchor_speaks() -> None:
    due = tuple(occasion(0, "p", anchor) for anchor in ("e3", "e1", "e2"))
    assert decide(world(CART, occasions=due))["cart", "p"]["anchor"] == "e1"


def test_an_occasion_that_reached_nobody_is_tried_three_times_then_the_next() -> None:
    due = (occasion(0, "p", "e1", NOW - DAY), occasion(0, "p", "e2"))
    tried = tuple(
        contact("p", CART, NOW - (4 - n) * DAY, anchor="e1", attempt=n, state="refused")
        for n in (1, 2, 3)
    )
    again = decide(world(CART, occasions=due, contacts=tried[:2]))["cart", "p"]
    assert (again["anchor"], again["attempt"]) == ("e1", 3)
    after = decide(world(CART, occasions=due, contacts=tried))["cart", "p"]
    assert (after["anchor"], after["attempt"]) == ("e2", 1)
    last = decide(world(CART, occasions=due[:1], contacts=tried))["cart", "p"]
    assert (last["rule"], last["anchor"]) == ("attempts", "e1")


def test_a_campaign_of_occasions_speaks_once_a_day_to_a_customer() -> None:
    earlier = contact("p", CART, NOW - timedelta(hours=2), anchor="e0")
    held = decide(
        world(CART, occasions=(occasion(0, "p", "e1"),), contacts=(earlier,), policy=MANY)
    )["cart", "p"]
    assert (held["rule"], json.loads(held["counters"])["bound"]) == ("already_sent", "day")
    yesterday = contact("p", CART, NOW - timedelta(hours=11), anchor="e0")
    given = world(CART, occasions=(occasion(0, "p", "e1"),), contacts=(yesterday,))
    assert decide(given)["cart", "p"]["outcome"] == "send"


MANY = policy(winners_per_day=9)


def test_repeat_after_is_a_least_pause_between_occasions_but_not_between_steps() -> None:
    paused, last = triggered(repeat_after="7 days"), NOW - 7 * DAY
    due = (occasion(0, "p", "e2"),)
    for at, outcome in ((last, "send"), (last + DAY / 86_400, "held")):
        told = contact("p", paused, at, anchor="e1")
        held = decide(world(paused, occasions=due, contacts=(told,)))["cart", "p"]
        assert held["outcome"] == outcome
    assert json.loads(held["counters"]) == {
        "last": "2026-05-05T08:00:01Z",
        "repeat_after": 7 * 86_400,
        "bound": "pause",
    }
    steps = chain(repeat_after="30 days")
    told = contact("p", steps, NOW - 3 * DAY, step="first", anchor="1")
    given = world(steps, occasions=(occasion(1, "p"),), contacts=(told,))
    assert decide(given)["welcome/second", "p"]["outcome"] == "send"


def test_a_step_is_an_occurrence_of_its_own() -> None:
    told = contact("p", WELCOME, NOW - 3 * DAY, step="first", anchor="1")
    given = world(WELCOME, occasions=(occasion(1, "p"),), contacts=(told,))
    decision = decide(given)["welcome/second", "p"]
    assert (decision["step"], decision["anchor"]) == ("second", "1")
    assert decision["occurrence_key"] == keys.occurrence_key("welcome", "second", "p", "1")
    again = decide(world(WELCOME, occasions=(occasion(0, "p"),), contacts=(told,)))
    assert again["welcome/first", "p"]["rule"] == "already_sent"
    entry = decide(world(WELCOME, occasions=(occasion(0, "p", "2"),), contacts=(told,)))
    assert entry["welcome/first", "p"]["outcome"] == "send"


@pytest.mark.parametrize("exempt", [(), ("promo",)])
def test_of_two_steps_due_at_once_the_one_due_longest_comes_first(exempt: tuple[str]) -> None:
    due = (occasion(0, "p", due_at=NOW - DAY / 2), occasion(1, "p", "2", NOW - DAY))
    rules = policy(winners_per_day=9, exempt=exempt)
    decisions = decide(world(WELCOME, occasions=due, policy=rules))
    assert decisions["welcome/second", "p"]["outcome"] == "send"
    first = decisions["welcome/first", "p"]
    assert (first["rule"], first["lost_to"]) == ("lost_to", "welcome")


def test_a_step_has_its_own_channels_and_the_campaign_s_otherwise() -> None:
    steps = chain(channels=("email",))
    first = steps.chain.steps[0].model_copy(update={"channels": ("sms", "email")})
    steps = steps.model_copy(
        update={"chain": steps.chain.model_copy(update={"steps": (first, *steps.chain.steps[1:])})}
    )
    assert decide(world(steps, occasions=(occasion(0, "p"),)))["welcome/first", "p"]["channel"] == (
        "sms"
    )
    later = decide(world(steps, occasions=(occasion(1, "p"),)))["welcome/second", "p"]
    assert later["channel"] == "email"


def test_the_steps_of_a_chain_share_arm_and_limit() -> None:
    steps = chain(control=0.5, variants={"a": "1", "b": "1"})
    persons = tuple(Person(f"p{n}", wanted=frozenset(range(3))) for n in range(60))

    def arms(step: int) -> dict[str, str]:
        due = tuple(occasion(step, person.name) for person in persons)
        decisions = decide(world(steps, persons=persons, occasions=due))
        return {name: row["arm"] for (_, name), row in decisions.items()}

    assert arms(0) == arms(1) == arms(2)
    assert len(set(arms(0).values())) == 3
    limited = chain(limits={"messages_per_day": 10})
    due = tuple(occasion(n % 3, person.name) for n, person in enumerate(persons))
    earlier = tuple(
        contact(f"q{n}", limited, NOW - DAY / 24, step="third", anchor="1") for n in range(4)
    )
    given = world(limited, persons=persons, occasions=due, contacts=earlier)
    decisions = decide(given, buckets=4)
    assert len(messages(decisions, given)) == 6
    cut = [row for row in decisions.values() if row["rule"] == "limit"]
    assert {(row["anchor"], row["due_at"]) for row in cut} == {("1", NOW)}


def test_a_parent_speaks_once_whatever_the_cell_which_every_decision_names() -> None:
    grid = campaign(for_each="grid", control=0.5)
    person = Person("p", cell="loyal/25-50k")
    decision = decide(world(grid, persons=(person,)))["spring", "p"]
    assert decision["cell"] == "loyal/25-50k"
    assert decision["occurrence_key"] == keys.occurrence_key("spring", "", "p", "once")
    moved = Person("p", cell="vip/*")
    told = contact("p", grid, NOW - 90 * DAY, cell="loyal/25-50k")
    held = decide(world(grid, persons=(moved,), contacts=(told,)))["spring", "p"]
    assert (held["rule"], held["cell"]) == ("already_sent", "vip/*")
    assert decide(world(grid, persons=(moved,)))["spring", "p"]["arm"] == decision["arm"]
    nowhere = Person("p", cell=None)
    assert decide(world(grid, persons=(nowhere,)))["spring", "p"]["cell"] == ""
    plain = decide(world(campaign(), persons=(person,)))["spring", "p"]
    assert plain["cell"] == ""


def test_thousands_of_cells_are_told_apart() -> None:
    persons = tuple(Person(f"p{n}", cell=f"cell-{n}") for n in range(3000))
    decisions = decide(world(campaign(for_each="grid"), persons=persons))
    assert all(decisions["spring", person.name]["cell"] == person.cell for person in persons)


def test_an_occasion_may_not_stand_twice() -> None:
    due = pa.Table.from_pylist([occasion(0, "p"), occasion(0, "p")], schema=OCCASIONS)
    with pytest.raises(ValueError, match="only once"):
        judge(people([P]), history(), touches([CART]), policy(), MOMENT, salt="s", occasions=due)


def test_each_of_many_touches_reads_its_own_bit() -> None:
    long = chain("long", {f"s{n}": f"{n} days" for n in range(70)})
    wanted = {3, 20, 61, 62, 69}
    person = Person("p", wanted=frozenset(wanted))
    for place, expected in ((place, place in wanted) for place in (3, 4, 15, 20, 61, 62, 63, 69)):
        given = world(long, persons=(person,), occasions=(occasion(place, "p"),))
        assert ((f"long/s{place}", "p") in decide(given)) is expected


def test_campaigns_through_different_crosses_keep_their_cells_apart() -> None:
    both = touches([campaign("one", for_each="grid"), campaign("two", for_each="ages"), CART])
    table = pa.table({"grid": ["a", None, "b"], "ages": ["b", "c", "a"]})
    touch = np.array([0, 0, 0, 1, 1, 1, 2], np.int16)
    cells = Cells(table, both).of(touch, np.array([0, 1, 2, 0, 1, 2, 0], np.int32))
    assert cells.to_pylist() == ["a", "", "b", "b", "c", "a", ""]
