"""Generated policies, people and histories: those who decide and those who audit agree, always.

And the moments at which clocks, calendars and zones bite, each as a case of its own.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from policy_cases import (
    CATEGORIES,
    SALT,
    Case,
    Person,
    Row,
    breaches,
    campaign,
    contact,
    decide,
    messages,
    moment,
    policy,
)
from policy_strategies import KINDS, Draw, a_campaign, a_policy, cases, local_time

from antiphon import keys
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Policy, PolicyRule

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
many = settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
few = settings(many, max_examples=50)


# ---------------------------------------------------------------- who decides and who audits


@many
@given(cases())
def test_the_auditor_finds_nothing_in_what_was_decided(case: Case) -> None:
    assert breaches(case, messages(case, decide(case))) == []


@few
@given(cases(), st.randoms(use_true_random=False), st.sampled_from([1, 2, 4, 8]))
def test_neither_the_order_of_rows_nor_the_buckets_change_a_decision(
    case: Case, chance: random.Random, buckets: int
) -> None:
    rows = {
        name: tuple(chance.sample(getattr(case, name), len(getattr(case, name))))
        for name in ("persons", "contacts", "responses", "orders", "events", "occasions")
    }
    assert decide(replace(case, **rows), buckets=buckets) == decide(case)


FREE: Row = {"control": 0.0, "strata": None, "test": None, "limits": {}, "variants": {}}


def asks_nothing_else(draw: Draw, name: str) -> Campaign:
    """A campaign that only the policy's named rules hold back."""
    drawn = a_campaign(draw, name).model_dump(by_alias=True, exclude_defaults=True)
    return Campaign.model_validate(drawn | {"expires_after": 3 * DAY} | FREE)


def is_a_chain(draw: Draw, name: str) -> Campaign:
    """A chain of one step that only the policy's named rules hold back."""
    step = {"step": "first", "after": "0 days", "message": "letter"}
    starts = {"start": {"where": "true"}, "steps": [step]}
    return campaign(name, audience=None, message=None, chain=starts, tags=("news",))


def has_strata(draw: Draw, name: str) -> Campaign:
    return campaign(name, control=0.5, strata="tier")


def has_nothing_else(draw: Draw, names: Any, kinds: Any) -> Policy:
    """A policy of these kinds of rules alone."""
    free: Row = {"winners_per_day": 9, "exempt": (), "uncounted": (), "universal_control": None}
    free["consent"] = dict.fromkeys(CATEGORIES, "none")
    return a_policy(draw, names, kinds).model_copy(update=free)


def first(found: Callable[[Case], bool], **how: Any) -> Case:
    """The first generated case of which that is true, always the same."""
    return find(
        cases(is_crowded=True, **how),
        found,
        settings=settings(
            max_examples=500,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=SLOW,
        ),
        random=random.Random(5),
    )


def titles(case: Case, planned: list[Row]) -> set[str]:
    """The rules that the auditor finds broken."""
    return {one.rule for one in breaches(case, planned)}


def without(case: Case, kind: str, rule: PolicyRule) -> Case:
    """The same without one rule."""
    rest = tuple(one for one in getattr(case.policy, kind) if one is not rule)
    return case.under(case.policy.model_copy(update={kind: rest}))


@pytest.mark.parametrize("kind", KINDS)
def test_whoever_decides_without_a_rule_fails_the_audit_of_the_whole_policy(kind: str) -> None:
    def is_missed(case: Case) -> bool:
        bound = {row["rule"] for row in decide(case).values()}
        for rule in getattr(case.policy, kind):
            if rule.title in bound:
                lax = without(case, kind, rule)
                if rule.title in titles(case, messages(lax, decide(lax))):
                    return True
        return False

    campaign_of = is_a_chain if kind == "chains" else asks_nothing_else
    case = first(is_missed, kinds=(kind,), campaign_of=campaign_of, policy_of=has_nothing_else)
    assert breaches(case, messages(case, decide(case))) == []


def each_campaign(**changes: Any) -> Callable[[Case], Case]:
    def lax(case: Case) -> Case:
        changed = tuple(one.model_copy(update=changes) for one in case.campaigns)
        return replace(case, campaigns=changed)

    return lax


def each_person(**changes: Any) -> Callable[[Case], Case]:
    return lambda case: replace(
        case, persons=tuple(replace(person, **changes) for person in case.persons)
    )


def the_policy(**changes: Any) -> Callable[[Case], Case]:
    return lambda case: case.under(case.policy.model_copy(update=changes))


NO_LIMITS = campaign().limits
LAX: dict[str, tuple[str, Callable[[Case], Case]]] = {
    "consent by category": ("consent", the_policy(consent=dict.fromkeys(CATEGORIES, "none"))),
    "messages a day": ("day_slot", the_policy(winners_per_day=9)),
    "universal control": ("universal_control", the_policy(universal_control=None)),
    "control": ("control", each_campaign(control=0.0)),
    "test groups": ("test_group", each_campaign(test=None)),
    "strata": ("strata", each_campaign(strata=None)),
    "limits": ("limit", each_campaign(limits=NO_LIMITS)),
    "suppression": ("suppressed", each_person(suppressed=frozenset())),
    "addresses": ("no_address", each_person(reachable=frozenset({"email", "sms"}))),
}


@pytest.mark.parametrize("what", LAX)
def test_whoever_decides_without_what_has_no_name_fails_the_audit_too(what: str) -> None:
    bound, lax_of = LAX[what]
    title = "control" if what.endswith("control") else bound

    def is_missed(case: Case) -> bool:
        rows = decide(case).values()
        if what != "strata" and not any(bound in (row["rule"], row["arm"]) for row in rows):
            return False
        lax = lax_of(case)
        return title in titles(case, messages(lax, decide(lax)))

    campaign_of = has_strata if what == "strata" else a_campaign
    case = first(is_missed, kinds=("gaps",), campaign_of=campaign_of)
    assert breaches(case, messages(case, decide(case))) == []


def of_a_customer(draw: Draw, names: Any, kinds: Any) -> Policy:
    """Rules on what one customer gets. What those of a household refuse at last may have made
    others give way, and their windows are then not full."""
    drawn = has_nothing_else(draw, names, kinds)
    alone = {"of": "customer"}
    return drawn.model_copy(
        update={
            "caps": tuple(cap.model_copy(update=alone) for cap in drawn.caps),
            "gaps": tuple(gap.model_copy(update=alone) for gap in drawn.gaps),
        }
    )


@few
@given(cases(("caps", "gaps"), asks_nothing_else, of_a_customer))
def test_one_more_message_in_a_full_window_is_refused_and_found(case: Case) -> None:
    decisions = decide(case)
    planned = messages(case, decisions)
    certain = {rule.title for rule in case.policy.gaps}
    certain |= {cap.title for cap in case.policy.caps if isinstance(cap.max, int)}
    for row in decisions.values():
        if row["outcome"] == "held" and row["rule"] in certain:
            assert row["rule"] in titles(case, [*planned, *forged(case, row)])


def forged(case: Case, row: Row) -> list[Row]:
    """The message that a held candidate would have been."""
    sent = {"outcome": "send", "anchor": "more", "attempt": 1, "arm": "default"}
    key = keys.occurrence_key(row["campaign"], row["step"], row["unit"], "more")
    return messages(case, {0: row | sent | {"occurrence_key": key}})


def test_one_more_message_in_a_household_s_full_window_is_refused_and_found() -> None:
    now = datetime(2026, 5, 12, 8, tzinfo=UTC)
    home = [Person(name, household="h") for name in "pqr"]
    told = contact("r", OTHER, now - 6 * DAY)
    rule = {"name": "home", "max": 2, "per": "7 days", "of": "household"}
    case = one_case(now, *home, caps=(rule,), contacts=(told,))
    decisions = decide(case)
    planned = messages(case, decisions)
    assert len(planned) == 1
    assert breaches(case, planned) == []
    held = [row for row in decisions.values() if row["outcome"] == "held"]
    assert [row["rule"] for row in held] == ["cap:home"] * 2
    for row in held:
        assert "cap:home" in titles(case, [*planned, *forged(case, row)])


# ---------------------------------------------------------------- clocks and calendars


def outcome(case: Case, name: str = "p") -> tuple[str, str | None, datetime]:
    """What became of the customer's one candidate: outcome, rule, planned moment (audited)."""
    decisions = decide(case)
    assert breaches(case, messages(case, decisions)) == []
    row = next(row for (_, _, customer), row in decisions.items() if customer == name)
    return row["outcome"], row["rule"], row["planned_at"]


def one_case(
    as_of: datetime, *persons: Person, zone: str = "Europe/Berlin", **changes: Any
) -> Case:
    """Customers meant by one campaign that has three days to leave."""
    told = changes.pop("contacts", ())
    mine = changes.pop("campaigns", (campaign(expires_after=3 * DAY),))
    return Case(persons, mine, policy(**changes), moment(as_of, zone), contacts=tuple(told))


BERLINER = Person("p")
OTHER = campaign("other")


def test_an_hour_that_the_clock_leaps_over_is_skipped() -> None:
    rule = {"name": "r", "hours": "02:00-03:00"}
    before = local_time("2026-03-29T01:30", "Europe/Berlin")
    case = one_case(before, BERLINER, times=(rule,))
    assert outcome(case) == ("send", None, local_time("2026-03-30T02:00", "Europe/Berlin"))
    hurried = replace(case, campaigns=(campaign(expires_after=12 * HOUR),))
    assert outcome(hurried)[:2] == ("held", "time:r")
    assert outcome(one_case(before, BERLINER, times=({"name": "r", "quiet": "01:00-03:00"},))) == (
        "send",
        None,
        local_time("2026-03-29T03:00", "Europe/Berlin"),
    )


@pytest.mark.parametrize("fold", [0, 1])
def test_an_hour_that_comes_twice_is_quiet_both_times(fold: int) -> None:
    quiet = {"name": "r", "quiet": "02:00-03:00"}
    now = local_time("2026-10-25T02:30", "Europe/Berlin", fold)
    assert outcome(one_case(now, BERLINER, times=(quiet,)))[2] == datetime(
        2026, 10, 25, 2, tzinfo=UTC
    )
    only_then = {"name": "r", "hours": "02:00-03:00"}
    assert outcome(one_case(now, BERLINER, times=(only_then,)))[2] == now


def test_a_day_of_25_hours_is_one_day_and_24_hours_are_no_day() -> None:
    now = local_time("2026-10-25T23:30", "Europe/Berlin")
    told = [contact("p", OTHER, local_time("2026-10-25T00:15", "Europe/Berlin"))]
    assert now - told[0]["contact_at"] > DAY
    by_day = {"name": "r", "max": 1, "per": "calendar day"}
    rolling = {"name": "r", "max": 1, "per": DAY}
    assert outcome(one_case(now, BERLINER, caps=(by_day,), contacts=told))[1] == "cap:r"
    assert outcome(one_case(now, BERLINER, caps=(rolling,), contacts=told))[0] == "send"


def test_a_day_of_23_hours_ends_an_hour_early() -> None:
    now = local_time("2026-03-30T00:00", "Europe/Berlin")
    told = [contact("p", OTHER, local_time("2026-03-29T00:30", "Europe/Berlin"))]
    assert now - told[0]["contact_at"] < DAY
    by_day = {"name": "r", "max": 1, "per": "calendar day"}
    rolling = {"name": "r", "max": 1, "per": DAY}
    assert outcome(one_case(now, BERLINER, caps=(by_day,), contacts=told))[0] == "send"
    assert outcome(one_case(now, BERLINER, caps=(rolling,), contacts=told))[1] == "cap:r"


def test_29_february_is_a_day_of_february() -> None:
    now = local_time("2028-02-29T12:00", "Europe/Berlin")
    told = [contact("p", OTHER, local_time("2028-02-01T00:00", "Europe/Berlin"))]
    monthly = {"name": "r", "max": 1, "per": "calendar month"}
    assert outcome(one_case(now, BERLINER, caps=(monthly,), contacts=told))[1] == "cap:r"
    earlier = [contact("p", OTHER, local_time("2028-01-31T23:59:59", "Europe/Berlin"))]
    assert outcome(one_case(now, BERLINER, caps=(monthly,), contacts=earlier))[0] == "send"
    silent = {"name": "r", "blackout": ("02-29",)}
    march = local_time("2028-03-01T00:00", "Europe/Berlin")
    assert outcome(one_case(now, BERLINER, times=(silent,))) == ("send", None, march)
    year_before = local_time("2027-02-28T12:00", "Europe/Berlin")
    assert outcome(one_case(year_before, BERLINER, times=(silent,)))[2] == year_before


EAST, WEST = Person("p", zone="Pacific/Kiritimati"), Person("q", zone="Etc/GMT+12")


def test_at_the_ends_of_the_world_days_are_26_hours_apart() -> None:
    now = datetime(2026, 5, 12, 10, 30, tzinfo=UTC)  # 13 May 00:30 and 11 May 22:30
    told = [contact(name, OTHER, now - HOUR) for name in "pq"]
    daily = {"name": "r", "max": 1, "per": "calendar day"}
    case = one_case(now, EAST, WEST, caps=(daily,), contacts=told)
    assert outcome(case, "p")[0] == "send"
    assert outcome(case, "q")[1] == "cap:r"
    waking = one_case(now, EAST, WEST, times=({"name": "r", "hours": "08:00-21:00"},))
    assert outcome(waking, "p")[2] == datetime(2026, 5, 12, 18, tzinfo=UTC)
    assert outcome(waking, "q")[2] == datetime(2026, 5, 12, 20, tzinfo=UTC)
    free_days = {"name": "r", "days": "wed"}
    tied = one_case(now, EAST, WEST, times=(free_days,))
    assert outcome(tied, "p")[2] == now
    assert outcome(tied, "q")[2] == datetime(2026, 5, 13, 12, tzinfo=UTC)


def test_who_moves_zone_is_judged_by_the_clock_of_today() -> None:
    told = [contact("p", OTHER, datetime(2026, 5, 12, 21, tzinfo=UTC))]  # 23:00 in Berlin
    now = datetime(2026, 5, 13, 5, tzinfo=UTC)
    daily = {"name": "r", "max": 1, "per": "calendar day"}
    stayed = one_case(now, BERLINER, caps=(daily,), contacts=told)
    assert outcome(stayed)[0] == "send"
    assert outcome(replace(stayed, persons=(EAST,)))[1] == "cap:r"
    rolling = {"name": "r", "max": 1, "per": 8 * HOUR + timedelta(microseconds=1)}
    for person in (BERLINER, EAST):  # a window is as long everywhere
        assert outcome(one_case(now, person, caps=(rolling,), contacts=told))[1] == "cap:r"


def test_a_run_a_second_before_midnight_plans_for_the_next_day_and_uses_its_slot() -> None:
    now = local_time("2026-12-31T23:59:59", "Europe/Berlin")
    told = [contact("p", OTHER, now - HOUR)]
    at_once = one_case(now, BERLINER, winners_per_day=1, contacts=told)
    assert outcome(at_once)[:2] == ("held", "day_slot")
    quiet = {"name": "r", "quiet": "21:00-08:00"}
    morning = local_time("2027-01-01T08:00", "Europe/Berlin")
    waits = one_case(now, BERLINER, winners_per_day=1, times=(quiet,), contacts=told)
    assert outcome(waits) == ("send", None, morning)
    taken = contact("p", OTHER, morning + HOUR, state="planned", anchor="2")
    assert outcome(replace(waits, contacts=(taken,)))[1] == "day_slot"
    yearly = {"name": "r", "max": 1, "per": "calendar year"}
    assert outcome(one_case(now, BERLINER, caps=(yearly,), contacts=told))[1] == "cap:r"
    next_year = one_case(now, BERLINER, caps=(yearly,), times=(quiet | {"name": "q"},))
    assert outcome(replace(next_year, contacts=tuple(told)))[0] == "send"


def held_out(unit: str, period: str) -> bool:
    return keys.number("control", SALT, "*", unit, period) < 0.5 * 2**64


def test_a_message_planned_past_the_period_s_end_meets_the_next_universal_control() -> None:
    names = [f"p{number}" for number in range(200)]
    leaves = next(n for n in names if held_out(n, "2026-Q2") and not held_out(n, "2026-Q3"))
    enters = next(n for n in names if held_out(n, "2026-Q3") and not held_out(n, "2026-Q2"))
    persons = [Person(leaves), Person(enters)]
    control = {"share": 0.5, "period": "quarter"}
    now = local_time("2026-06-30T23:00", "Europe/Berlin")
    at_once = one_case(now, *persons, universal_control=control)
    assert outcome(at_once, leaves)[0] == "control"
    assert outcome(at_once, enters)[0] == "send"
    quiet = {"name": "r", "quiet": "21:00-08:00"}
    waits = one_case(now, *persons, universal_control=control, times=(quiet,))
    assert outcome(waits, leaves)[0] == "send"
    assert outcome(waits, enters)[0] == "control"
