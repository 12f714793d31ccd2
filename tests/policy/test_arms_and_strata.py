"""Who is held out, in which test group, and in which variant: drawn, not chosen."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_world import SALT, campaign, policy
from settling import AS_OF, TODAY, settled, survivor

from antiphon import keys
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Policy
from antiphon.policy.arms import Arms
from antiphon.policy.chance import keyed_numbers
from antiphon.policy.columns import Instants
from antiphon.policy.moment import microseconds

UNITS = [f"u{n}" for n in range(3000)]
DAY = timedelta(days=1)


def arms_of(rules: Policy, *campaigns: Campaign) -> Arms:
    return Arms(campaigns, rules, TODAY, SALT, keyed_numbers)


def planned(at: datetime, count: int = len(UNITS)) -> Instants:
    return np.full(count, microseconds(at), np.int64)


def first(count: int = len(UNITS)) -> Any:
    return np.zeros(count, np.int16)


# ---------------------------------------------------------------- universal control


@pytest.mark.parametrize(
    ("period", "before", "after"),
    [  # midnight of the business zone (Berlin), not of UTC
        ("month", datetime(2026, 5, 31, 21, 59, tzinfo=UTC), datetime(2026, 5, 31, 22, tzinfo=UTC)),
        ("quarter", datetime(2026, 6, 30, 21, tzinfo=UTC), datetime(2026, 6, 30, 23, tzinfo=UTC)),
        ("year", datetime(2026, 12, 31, 22, tzinfo=UTC), datetime(2026, 12, 31, 23, tzinfo=UTC)),
    ],
)
def test_the_universal_control_changes_with_the_period_of_the_planned_moment(
    period: str, before: datetime, after: datetime
) -> None:
    rules = policy(universal_control={"share": "20%", "period": period})
    arms = arms_of(rules, campaign())
    units = pa.array(UNITS)
    old, new = (arms.control(first(), units, planned(at)) == 0 for at in (before, after))
    assert 500 < old.sum() < 700
    assert 500 < new.sum() < 700
    assert 60 < (old & new).sum() < 190  # a draw of its own: a fifth of the fifth
    assert (old == (arms.control(first(), units, planned(before - DAY)) == 0)).all()
    mixed = np.where(np.arange(len(UNITS)) % 2 == 0, planned(before), planned(after))
    both = arms.control(first(), units, mixed) == 0
    assert (both == np.where(np.arange(len(UNITS)) % 2 == 0, old, new)).all()


def test_the_universal_control_is_the_keyed_hash_of_its_period() -> None:
    rules = policy(universal_control={"share": "20%", "period": "quarter"})
    held_out = arms_of(rules, campaign()).control(first(), pa.array(UNITS), planned(AS_OF)) == 0
    edge = int(0.2 * 2**64)
    expected = [keys.number("control", SALT, "*", unit, "2026-Q2") < edge for unit in UNITS]
    assert held_out.tolist() == expected


# ---------------------------------------------------------------- test groups

LAYERS = {
    "offers": {"groups": {"a": "1", "b": "2", "rest": "1"}, "period": "quarter"},
    "tone": {"groups": {"warm": "1", "cool": "1"}},
}


def test_groups_of_a_layer_never_overlap_and_leave_nobody_out() -> None:
    groups = [
        campaign(f"c{k}", test={"layer": "offers", "group": name})
        for k, name in enumerate(("a", "b", "rest"))
    ]
    arms = arms_of(policy(tests=LAYERS), *groups)
    units = pa.array(UNITS)
    asked = [arms.groups(first() + k, units, planned(AS_OF)) == k for k in range(3)]
    assert (np.sum(asked, axis=0) == 1).all()
    sizes = [int(one.sum()) for one in asked]
    assert np.abs(np.array(sizes) - [750, 1500, 750]).max() < 120
    again = arms.groups(first(), units, planned(AS_OF + 60 * DAY)) == 0  # in the next quarter
    assert 130 < (asked[0] & again).sum() < 260


def test_a_layer_without_a_period_is_for_ever_and_layers_do_not_depend_on_each_other() -> None:
    warm = campaign("warm", test={"layer": "tone", "group": "warm"})
    offer = campaign("offer", test={"layer": "offers", "group": "b"})
    arms = arms_of(policy(tests=LAYERS), warm, offer)
    units = pa.array(UNITS)
    now = arms.groups(first(), units, planned(AS_OF)) == 0
    later = arms.groups(first(), units, planned(AS_OF + 400 * DAY)) == 0
    assert (now == later).all()
    both = now & (arms.groups(first() + 1, units, planned(AS_OF)) == 1)
    assert 650 < both.sum() < 850


# ---------------------------------------------------------------- strata


def stratified(**changes: Any) -> Campaign:
    return campaign("spring", **{"strata": "tier", "control": "20%"} | changes)


def drawn(rows: list[dict[str, Any]], one: Campaign) -> Counter[tuple[str | None, str]]:
    stratum = {row["customer_id"]: row.get("stratum") for row in rows}
    return Counter((stratum[row["customer_id"]], row["arm"]) for row in settled(rows, [one]))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["gold", "silver", None]), max_size=60),
    st.sampled_from([{}, {"a": "1", "b": "1"}, {"a": "1", "b": "2", "c": "4"}]),
    st.sampled_from(["0%", "10%", "33%", "100%"]),
)
def test_each_share_of_each_stratum_is_exact_to_one(
    strata: list[str | None], variants: dict[str, str], control: str
) -> None:
    one = stratified(variants=variants, control=control)
    rows = [survivor(f"p{n}", one, stratum=name) for n, name in enumerate(strata)]
    found = drawn(rows, one)
    assert sum(found.values()) == len(rows)
    assert drawn(rows[::-1], one) == found
    for name, size in Counter(strata).items():
        held_out = found[name, "control"]
        assert abs(held_out - one.control * size) < 1
        for arm, share in one.arms.items():
            assert abs(found[name, arm] - share * (size - held_out)) < 1


def test_many_small_strata_do_not_all_round_alike() -> None:
    one = stratified(control="25%")
    rows = [survivor(f"p{n}", one, stratum=f"s{n}") for n in range(2000)]
    held_out = sum(count for (_, arm), count in drawn(rows, one).items() if arm == "control")
    assert 430 < held_out < 570


def test_who_is_in_the_universal_control_stays_there_and_is_not_drawn() -> None:
    one = stratified(control="50%")
    out = {"arm": "universal_control", "outcome": "control"}
    rows = [survivor(f"u{n}", one, stratum="gold", **out) for n in range(30)]
    rows += [survivor(f"p{n}", one, stratum="gold") for n in range(40)]
    found = drawn(rows, one)
    assert found["gold", "universal_control"] == 30
    assert found["gold", "control"] == 20
    decisions = settled(rows, [one])
    assert Counter(row["outcome"] for row in decisions) == {"control": 50, "send": 20}


def test_a_limit_cuts_before_strata_are_drawn() -> None:
    one = stratified(control="50%", limits={"messages_per_day": 10})
    rows = [survivor(f"p{n}", one, stratum="gold") for n in range(40)]
    decisions = settled(rows, [one])
    assert Counter(row["outcome"] for row in decisions) == {"held": 30, "control": 5, "send": 5}


def test_repeating_and_exempt_campaigns_are_drawn_by_their_hashes() -> None:
    for one in (
        stratified(repeat_after="30 days"),
        stratified(category="service"),
    ):
        rules = policy(exempt=("service",))
        rows = [survivor(f"p{n}", one, stratum="gold") for n in range(40)]
        assert {row["arm"] for row in settled(rows, [one], rules)} == {"default"}
    repeating = arms_of(policy(), stratified(repeat_after="30 days"))
    control = repeating.control(first(), pa.array(UNITS), planned(AS_OF)) == 1
    assert 520 < control.sum() < 680
    once = arms_of(policy(), stratified())
    assert (once.control(first(), pa.array(UNITS), planned(AS_OF)) == -1).all()
