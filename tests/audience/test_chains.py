"""Chains: each step once, in order, one a day, within its grace; nobody is forgotten."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any

import pytest
from chain_world import FRAME, Story, day_of, due_at, is_over
from occasions_world import Tables, at, days, local

from antiphon.audience.chains import grace_of
from antiphon.campaigns.models import Chain

WELCOME = {
    "start": {"where": "x"},
    "steps": [
        {"step": "first", "after": "3 days", "message": "m"},
        {"step": "second", "after": "5 days", "message": "m"},
        {"step": "third", "after": "10 days", "message": "m"},
    ],
    "exits": {"ordered": "x"},
    "grace": "1 day",
}
BEGIN = date(2026, 5, 4)
STARTS = {"a": {"starts": True}}


@pytest.fixture(scope="module")
def tables() -> Iterator[Tables]:
    with Tables(FRAME) as made:
        yield made


def story(tables: Tables, **changes: Any) -> Story:
    return Story(tables, Chain.model_validate({**WELCOME, **changes}))


def lived(story: Story, run_days: list[int], people: dict[str, dict[str, bool]]) -> dict[str, int]:
    """Step → number of the day it was told on, of one customer; a run at nine on those days."""
    found: dict[str, int] = {}
    for number in run_days:
        for _, _, step in story.run(local(BEGIN + timedelta(days=number)), people):
            assert step not in found, "told twice"
            found[step] = number
    return found


def test_each_step_comes_on_its_day_and_then_the_chain_is_finished(tables: Tables) -> None:
    chain = story(tables)
    assert lived(chain, [*range(14)], STARTS) == {"first": 3, "second": 5, "third": 10}
    [enrolment] = chain.enrolments().values()
    assert enrolment["left_for"] == "finished"
    assert enrolment["anchor"] == "1"
    assert enrolment["missed"] is None


def test_a_run_a_little_earlier_than_on_the_first_day_finds_the_step_due(tables: Tables) -> None:
    chain = story(tables)
    chain.run(at("2026-05-04 09:00:05"), STARTS)
    assert chain.run(at("2026-05-07 08:59:59"), STARTS) == [("a", "1", "first")]


def test_who_orders_leaves_and_gets_no_further_step(tables: Tables) -> None:
    chain = story(tables)
    assert lived(chain, [0, 1, 2, 3, 4], STARTS) == {"first": 3}
    ordered = {"a": {"starts": True, "ordered": True}}
    assert lived(chain, [5, 6, 7, 8, 9, 10], ordered) == {}
    [enrolment] = chain.enrolments().values()
    assert (enrolment["left_for"], day_of(enrolment["left_at"])) == ("ordered", date(2026, 5, 9))
    assert (enrolment["reached"], enrolment["missed"]) == ("first", None)


def test_nobody_enters_while_an_exit_holds(tables: Tables) -> None:
    chain = story(tables)
    chain.run(local(BEGIN), {"a": {"starts": True, "ordered": True}})
    assert chain.enrolments() == {}


def test_missed_days_are_made_up_for_within_grace_one_step_a_day(tables: Tables) -> None:
    assert lived(story(tables), [0, 4, *range(5, 14)], STARTS) == {
        "first": 4,
        "second": 5,
        "third": 10,
    }
    chain = story(tables, grace="3 days")
    assert lived(chain, [0, 6, 7, 8, 13, 14], STARTS) == {"first": 6, "second": 7, "third": 13}


def test_what_is_later_than_its_grace_is_missed_with_its_reason(tables: Tables) -> None:
    chain = story(tables)
    assert lived(chain, [0, 6, 7, 8, 9, 10, 11], STARTS) == {"second": 6, "third": 10}
    [enrolment] = chain.enrolments().values()
    assert enrolment["missed"] == "first:late"


def test_after_a_long_pause_everything_may_be_missed(tables: Tables) -> None:
    chain = story(tables)
    assert lived(chain, [0, 40, 41], STARTS) == {}
    [enrolment] = chain.enrolments().values()
    assert enrolment["missed"] == "first:late,second:late,third:late"
    assert (enrolment["left_for"], enrolment["reached"]) == ("finished", "third")


def test_a_step_whose_condition_never_held_is_missed_for_it(tables: Tables) -> None:
    steps = [{**step, **({"where": "x"} if step["step"] == "first" else {})} for step in STEPS]
    chain = story(tables, steps=steps)
    assert lived(chain, [*range(6)], STARTS) == {"second": 5}
    [enrolment] = chain.enrolments().values()
    assert enrolment["missed"] == "first:condition"


def test_a_step_waits_for_its_condition_within_its_grace_but_not_into_the_next_step(
    tables: Tables,
) -> None:
    steps = [{**step, **({"where": "x"} if step["step"] == "first" else {})} for step in STEPS]
    chain = story(tables, steps=steps, grace="4 days")
    assert lived(chain, [0, 1, 2, 3], STARTS) == {}
    assert lived(chain, [4], {"a": {"starts": True, "fits": True}}) == {"first": 4}
    chain = story(tables, steps=steps, grace="4 days")
    assert lived(chain, [*range(6)], STARTS) == {"second": 5}


def test_a_step_that_has_not_left_yet_keeps_the_next_one_waiting(tables: Tables) -> None:
    chain = story(tables, grace="5 days")
    chain.run(local(BEGIN), STARTS)
    chain.tell(local(date(2026, 5, 7)), "a", "1", "first", is_waiting=True)
    assert chain.run(local(date(2026, 5, 9)), STARTS) == []
    chain.tables.fill("told", [{**row, "is_waiting": False} for row in chain.told])
    assert chain.run(local(date(2026, 5, 10)), STARTS) == [("a", "1", "second")]


def test_a_step_whose_message_came_to_nothing_is_tried_again(tables: Tables) -> None:
    chain = story(tables, grace="3 days")
    assert lived(chain, [0, 3, 4], STARTS) == {"first": 3}
    chain.tables.fill("told", [])  # withdrawn: it does not count any more
    assert chain.run(local(date(2026, 5, 9)), STARTS) == [("a", "1", "first")]


STEPS: list[dict[str, Any]] = WELCOME["steps"]  # type: ignore[assignment]
CHANGES: dict[str, list[dict[str, Any]]] = {
    "renamed": [{**STEPS[0]}, {**STEPS[1], "step": "zweite"}, {**STEPS[2]}],
    "inserted before": [{**STEPS[0], "step": "zeroth", "after": "1 day"}, *STEPS],
    "removed": [STEPS[0], STEPS[2]],
    "later": [STEPS[0], {**STEPS[1], "after": "8 days"}, STEPS[2]],
    "earlier": [{**STEPS[0], "after": "1 day"}, {**STEPS[1], "after": "2 days"}, STEPS[2]],
    "swapped": [{**STEPS[1], "after": "3 days"}, {**STEPS[0], "after": "5 days"}, STEPS[2]],
}


@pytest.mark.parametrize("changed", CHANGES)
def test_a_changed_file_restarts_nobody_and_repeats_no_step(tables: Tables, changed: str) -> None:
    chain = story(tables)
    assert lived(chain, [*range(6)], STARTS) == {"first": 3, "second": 5}
    chain.chain = Chain.model_validate({**WELCOME, "steps": CHANGES[changed]})
    assert lived(chain, [*range(6, 14)], STARTS) == {"third": 10}


def test_a_renamed_step_that_the_enrolment_knows_by_its_old_name_is_not_sent_again(
    tables: Tables,
) -> None:
    chain = story(tables, grace="9 days")
    assert lived(chain, [*range(7)], STARTS) == {"first": 3, "second": 5}
    assert [row["reached"] for row in chain.enrolments().values()] == ["second"]
    chain.chain = Chain.model_validate({**WELCOME, "steps": CHANGES["renamed"], "grace": "9 days"})
    assert lived(chain, [*range(7, 14)], STARTS) == {"third": 10}


def test_a_step_added_at_the_end_reaches_those_who_are_still_in(tables: Tables) -> None:
    chain = story(tables)
    lived(chain, [*range(6)], STARTS)
    chain.chain = Chain.model_validate(
        {**WELCOME, "steps": [*STEPS, {"step": "fourth", "after": "12 days", "message": "m"}]}
    )
    assert lived(chain, [*range(6, 14)], STARTS) == {"third": 10, "fourth": 12}


def test_once_ever_or_again_so_long_after_leaving(tables: Tables) -> None:
    chain = story(tables)
    lived(chain, [0, 3, 5, 10, 11, 12, 30, 60], STARTS)
    assert len(chain.enrolments()) == 1
    chain = story(tables, enter_again="20 days")
    for number in [0, 3, 5, 10, *range(11, 36)]:
        chain.run(local(BEGIN + timedelta(days=number)), STARTS)
    entered = {anchor: day_of(row["entered_at"]) for (_, anchor), row in chain.enrolments().items()}
    left = [day_of(row["left_at"]) for row in chain.enrolments().values() if row["left_at"]]
    assert entered["2"] == left[0] + timedelta(days=20)
    assert [row["step"] for row in chain.told].count("first") == len(entered)


def test_who_is_no_customer_any_more_leaves_as_removed(tables: Tables) -> None:
    chain = story(tables)
    lived(chain, [0, 1], STARTS)
    chain.run(local(date(2026, 5, 7)), {})
    [enrolment] = chain.enrolments().values()
    assert enrolment["left_for"] == "removed"


def event(tables: Tables, text: str, event_id: str, customer: str = "a") -> None:
    tables.add(
        "events", event_id=event_id, customer_id=customer, event="cart", occurred_at=at(text)
    )


def cart(tables: Tables, **changes: Any) -> Story:
    start = {"event": "cart", **changes.pop("start", {})}
    steps = [
        {"step": "soon", "after": "1 hour", "message": "m", "grace": "6 hours"},
        {"step": "later", "after": "2 days", "message": "m"},
    ]
    return story(tables, start=start, steps=steps, **changes)


ALONE: dict[str, dict[str, bool]] = {"a": {}}


def test_an_event_starts_a_chain_and_its_steps_count_from_it(tables: Tables) -> None:
    chain = cart(tables)
    event(tables, "2026-05-04 10:00", "e1")
    assert chain.run(at("2026-05-04 10:30"), ALONE) == []
    assert chain.run(at("2026-05-04 11:01"), ALONE) == [("a", "e1", "soon")]
    assert chain.run(at("2026-05-06 09:59"), ALONE) == []
    assert chain.run(at("2026-05-06 10:01"), ALONE) == [("a", "e1", "later")]


def test_a_grace_in_hours_ends_to_the_second_and_one_in_days_with_the_day(tables: Tables) -> None:
    chain = cart(tables)
    event(tables, "2026-05-04 10:00", "e1")
    assert chain.run(at("2026-05-04 17:01"), ALONE) == []
    [enrolment] = chain.enrolments().values()
    assert enrolment["missed"] == "soon:late"
    assert chain.run(at("2026-05-07 23:59"), ALONE) == [("a", "e1", "later")]


def test_an_event_is_seen_for_so_long_and_one_event_starts_one_entry(tables: Tables) -> None:
    chain = cart(tables)
    event(tables, "2026-05-04 10:00", "e1")
    event(tables, "2026-05-04 12:00", "e2")
    assert chain.look(at("2026-05-06 00:01"), ALONE) == []
    chain.run(at("2026-05-05 09:00"), ALONE)
    assert [*chain.enrolments()] == [("a", "e1")]
    for hour in range(10, 20):
        chain.run(at(f"2026-05-05 {hour}:00"), ALONE)
    assert [*chain.enrolments()] == [("a", "e1")]


def test_an_event_that_has_not_happened_yet_starts_nothing(tables: Tables) -> None:
    chain = cart(tables)
    event(tables, "2026-05-04 10:00", "e1")
    assert chain.look(at("2026-05-04 09:00"), ALONE) == []


def test_an_event_within_an_entry_or_its_rest_starts_no_other(tables: Tables) -> None:
    chain = cart(tables, enter_again="3 days")
    event(tables, "2026-05-04 10:00", "e1")
    chain.run(at("2026-05-04 11:30"), ALONE)
    event(tables, "2026-05-05 10:00", "e2")
    for hour in (10, 11, 13):
        chain.run(at(f"2026-05-06 {hour}:00"), ALONE)
    [left] = [row["left_at"] for row in chain.enrolments().values()]
    assert day_of(left) == date(2026, 5, 6)
    event(tables, "2026-05-08 10:00", "e3")
    chain.run(at("2026-05-08 11:30"), ALONE)
    assert [*chain.enrolments()] == [("a", "e1")]
    event(tables, "2026-05-09 10:00", "e4")
    assert chain.run(at("2026-05-09 11:30"), ALONE) == [("a", "e4", "soon")]


def test_a_narrow_look_leaves_all_others_as_they_are(tables: Tables) -> None:
    chain = cart(tables)
    event(tables, "2026-05-04 10:00", "e1", "a")
    event(tables, "2026-05-04 10:00", "e2", "b")
    chain.run(at("2026-05-04 10:30"), {"a": {}, "b": {}})
    chain.run(at("2026-05-04 11:30"), ALONE, everybody=False)
    left = {customer: row["left_for"] for (customer, _), row in chain.enrolments().items()}
    assert left == {"a": None, "b": None}


def test_a_look_done_again_finds_the_same(tables: Tables) -> None:
    chain = story(tables)
    lived(chain, [0, 1, 2], STARTS)
    first = chain.look(local(date(2026, 5, 7)), STARTS)
    chain.keep(first)
    again = chain.look(local(date(2026, 5, 7)), STARTS)
    hide = ("is_new", "is_changed")
    assert [{k: v for k, v in row.items() if k not in hide} for row in again] == [
        {k: v for k, v in row.items() if k not in hide} for row in first
    ]


# ---------------------------------------------------------------- any history

DAYS = 24
CUSTOMERS = 40


def any_chain(chance: Random) -> Chain:
    """Some chain of one to four steps."""
    by_event, lead, after = chance.random() < 0.5, chance.randint(0, 2), 0
    steps = []
    for place in range(chance.randint(1, 4)):
        step = {"step": f"s{place}", "message": "m", "grace": f"{chance.randint(0, 5)} days"}
        step["after"] = f"{(lead + after) * 24 + (5 if by_event else 0)} hours"
        steps.append(step | ({"where": "x"} if chance.random() < 0.4 else {}))
        after += chance.randint(1, 4)
    again = {"enter_again": f"{chance.randint(1, 6)} days"} if chance.random() < 0.7 else {}
    start = {"event": "cart", "since": "2 days"} if by_event else {"where": "x"}
    return Chain.model_validate(
        {"start": start, "steps": steps, "exits": {"ordered": "x"}, **again}
    )


@dataclass
class Life:
    """What becomes of one customer, and what each run saw of it."""

    order_day: int
    seen: list[tuple[datetime, dict[str, bool], bool]] = field(default_factory=list)


@pytest.mark.parametrize("seed", range(10))
def test_whatever_happens_no_promise_is_broken(tables: Tables, seed: int) -> None:
    chance = Random(seed)
    chain = any_chain(chance)
    told = Story(tables, chain)
    lives = {f"c{number}": Life(chance.randint(5, 60)) for number in range(CUSTOMERS)}
    happenings = [
        {
            "event_id": f"e{number}",
            "customer_id": chance.choice([*lives]),
            "event": "cart",
            "occurred_at": local(BEGIN) + timedelta(minutes=chance.randint(0, 1440 * DAYS)),
        }
        for number in range(CUSTOMERS * 2)
    ]
    tables.fill("events", happenings)
    for number, day in enumerate(days(BEGIN, DAYS)):
        for turn in range(chance.choice([0, 1, 1, 1, 2])):
            now, people, held = local(day, time(9 + 6 * turn)), {}, set()
            for customer, life in lives.items():
                flags = {"starts": chance.random() < 0.3, "fits": chance.random() < 0.5}
                people[customer] = flags | {"ordered": number >= life.order_day}
                if is_held := chance.random() < 0.2:
                    held.add(customer)
                life.seen.append((now, people[customer], is_held))
            told.run(now, people, held=frozenset(held))
    assert told.told, "nobody was told anything: this proves nothing"
    for customer, life in lives.items():
        check_promises(told, customer, life)


def check_promises(story: Story, customer: str, life: Life) -> None:
    chain = story.chain
    order = {step.step: place for place, step in enumerate(chain.steps)}
    told = [row for row in story.told if row["customer_id"] == customer]
    per_day = Counter(day_of(row["contact_at"]) for row in told)
    assert max(per_day.values(), default=0) <= 1, "two steps on one day"
    enrolments = {a: row for (c, a), row in story.enrolments().items() if c == customer}
    assert sum(row["left_at"] is None for row in enrolments.values()) <= 1
    assert {row["anchor"] for row in told} <= enrolments.keys()
    for anchor, enrolment in enrolments.items():
        mine = [row for row in told if row["anchor"] == anchor]
        places = [order[row["step"]] for row in mine]
        assert places == sorted(set(places)), "a step twice, or out of order"
        missed = dict(entry.split(":") for entry in (enrolment["missed"] or "").split(",") if entry)
        assert not missed.keys() & {row["step"] for row in mine}, "missed and told"
        for row in mine:
            step = chain.steps[order[row["step"]]]
            due = due_at(enrolment["entered_at"], step.after)
            assert due <= row["contact_at"], "too early"
            assert not is_over(due, grace_of(chain, step), row["contact_at"]), "beyond grace"
        check_nobody_forgotten(chain, enrolment, mine, missed, told, life)


def check_nobody_forgotten(
    chain: Chain,
    enrolment: dict[str, Any],
    mine: list[dict[str, Any]],
    missed: dict[str, str],
    told: list[dict[str, Any]],
    life: Life,
) -> None:
    """At every run while in the chain: the first step that is neither told nor over is told,
    unless it is not due, its condition fails, the day is used, or the policy holds it."""
    left, entered = enrolment["left_at"], enrolment["entered_at"]
    dues = [due_at(entered, step.after) for step in chain.steps]
    place = 0  # of the first step ahead
    is_in = False
    for now, flags, held in life.seen:
        if (left and now > left) or now < entered or (not is_in and flags["ordered"]):
            continue
        is_in = is_in or chain.start.event is not None or flags["starts"]
        if not is_in:
            continue
        if flags["ordered"]:
            assert (left, enrolment["left_for"]) == (now, "ordered")
            return
        while place < len(dues):
            step = chain.steps[place]
            fits = not step.where or flags["fits"]
            overtaken = not fits and place + 1 < len(dues) and dues[place + 1] <= now
            if not overtaken and not is_over(dues[place], grace_of(chain, step), now):
                break
            assert missed[step.step] == ("late" if fits else "condition")
            place += 1
        if place == len(dues):
            assert (left, enrolment["left_for"]) == (now, "finished")
            return
        step = chain.steps[place]
        fits = not step.where or flags["fits"]
        used = any(
            day_of(row["contact_at"]) == day_of(now) and row["contact_at"] < now for row in told
        )
        expected = [step.step] if dues[place] <= now and fits and not used and not held else []
        assert [row["step"] for row in mine if row["contact_at"] == now] == expected
        place += len(expected)
