"""Lift over control: who is compared with whom, and what is said of it."""

from datetime import timedelta

import numpy as np
import pytest
from report_world import NOW, ORDER, World, at

from antiphon.project import Project
from antiphon.reports.lifts import COLUMNS, CampaignLift, lifts, rows
from antiphon.reports.session import Scope
from antiphon.response.lift import of_means, of_rates
from antiphon.response.means import Moments
from antiphon.response.verdicts import Finding


def company(
    world: World, treated: int, control: int, buys: tuple[int, int], days: float = 0
) -> None:
    """So many written to and held out, of whom so many order for 20 the day after."""
    for group, size, bought in (("t", treated, buys[0]), ("c", control, buys[1])):
        for number in range(size):
            customer = f"{group}{number}"
            if group == "t":
                world.message(f"m-{customer}", customer, days, arm=("discount", "gift")[number % 2])
            else:
                world.control(f"m-{customer}", customer, days)
            if number < bought:
                world.order(f"o-{customer}", customer, days + 1, "20")


def only(project: Project) -> CampaignLift:
    """The one comparison there is."""
    (found,) = lifts(project)
    return found


def test_the_difference_is_newcombes_of_the_rows_counted_by_hand(world: World) -> None:
    company(world, 90, 10, (27, 1))
    found = only(world.open())
    by_hand = of_rates(Moments.of_counts(27, 90), Moments.of_counts(1, 10))
    assert by_hand is not None
    assert found.rate == by_hand
    assert found.rate.difference == pytest.approx(0.2)
    assert (found.treated.total, found.control.total, found.not_left, found.waiting) == (
        27,
        1,
        0,
        0,
    )


def test_money_is_welchs_with_less_noise_by_what_was_spent_before(world: World) -> None:
    company(world, 18, 12, (18, 12))
    plain = only(world.open()).money
    for group, size in (("t", 18), ("c", 12)):
        for number in range(size):
            customer = f"{group}{number}"
            world.order(f"more-{customer}", customer, 2, str(10 * (number % 3)))
            world.order(f"before-{customer}", customer, -30, str(100 * (number % 3)))
            world.order(f"long-ago-{customer}", customer, -400, str(7 * number))
    found = only(world.open())
    spent = [[20.0 + 10 * (n % 3) for n in range(size)] for size in (18, 12)]
    before = [[100.0 * (n % 3) for n in range(size)] for size in (18, 12)]
    treated, control = (
        Moments.of_arrays(np.array(outcome), before=np.array(prior))
        for outcome, prior in zip(spent, before, strict=True)
    )
    by_hand = of_means(treated, control)
    assert plain is not None
    assert by_hand is not None
    assert found.money is not None
    assert plain.reduction == 0
    assert found.money.reduction == pytest.approx(by_hand.reduction) == pytest.approx(1)
    assert found.money.difference == pytest.approx(by_hand.difference)


@pytest.mark.parametrize("size", [1, 4])
def test_households_widen_the_interval(world: World, size: int) -> None:
    for number in range(96):
        add = world.control if number >= 72 else world.message
        add(f"m{number}", f"c{number}", 0, unit=f"h{number // size}")
        if number // 4 % 2:  # whole homes of four buy, or nobody there
            world.order(f"o{number}", f"c{number}", 1, "20")
    found = only(world.open()).rate
    alone = of_rates(Moments.of_counts(36, 72), Moments.of_counts(12, 24))
    assert found is not None
    assert alone is not None
    assert found.is_clustered == (size > 1)
    assert found.difference == alone.difference
    wider = (found.high - found.low) / (alone.high - alone.low)
    assert wider == pytest.approx(1) if size == 1 else wider > 1.5


def test_messages_that_never_left_stay_in_the_comparison_and_are_told(world: World) -> None:
    company(world, 8, 2, (4, 0))
    for number, state in enumerate(("refused", "withdrawn", "expired")):
        world.message(f"m-{state}", f"x{number}", 0, state=state)
    world.order("theirs", "x0", 1, "20")
    found = only(world.open())
    assert (found.treated.rows, found.treated.total, found.not_left) == (11, 5, 3)


def test_a_run_that_was_never_released_is_left_out_on_both_sides(world: World) -> None:
    company(world, 8, 2, (4, 0))
    project = world.open()
    run = project.ledger.runs.begin("daily", at(1).date(), at(1), at(1))
    world.message("m-off", "x", 1, run_id=run.run_id, state="withdrawn")
    world.control("c-off", "y", 1, run_id=run.run_id)
    found = only(world.open())
    assert (found.treated.rows, found.control.rows) == (8, 2)


def test_forgotten_people_are_left_out_on_both_sides_as_their_orders_are_gone(
    world: World,
) -> None:
    company(world, 8, 2, (4, 0))
    world.message("m-gone", "forgotten-1", 1)
    world.control("c-gone", "forgotten-2", 1)
    found = only(world.open())
    assert (found.treated.rows, found.control.rows) == (8, 2)


def test_people_of_the_universal_control_are_no_comparison(world: World) -> None:
    company(world, 8, 2, (4, 0))
    world.control("u", "x", 0, arm="universal_control")
    assert only(world.open()).control.rows == 2


def test_only_complete_windows_count_and_the_others_are_told(world: World) -> None:
    company(world, 8, 2, (4, 0))
    world.message("late", "x", 10)
    world.control("held late", "y", 10)
    found = only(world.open(at(20)))
    assert (found.treated.rows, found.control.rows, found.waiting) == (8, 2, 2)


def test_before_the_first_window_is_over_it_is_too_early(world: World) -> None:
    company(world, 90, 10, (80, 0))
    found = only(world.open(at(3.5)))
    assert (found.verdict.finding, found.verdict.text) == (
        Finding.TOO_EARLY,
        "too early: 3 of 14 days",
    )


def test_a_campaign_without_an_end_is_judged_by_the_interval_for_every_look(world: World) -> None:
    company(world, 450, 50, (270, 22))
    found = only(world.open())
    assert found.rate is not None
    assert found.rate.low > 0 > found.rate.always_low
    assert found.verdict.finding is Finding.NO_EFFECT


def test_at_its_end_the_fixed_interval_is_told(world: World) -> None:
    world.campaign("spring", ORDER, runs={"from": "2026-03-01", "until": "2026-03-20"})
    company(world, 450, 50, (270, 22))
    running, over = (only(world.open(moment)).verdict for moment in (at(30), NOW))
    assert (running.finding, running.text) == (Finding.TOO_EARLY, "too early: 30 of 34 days")
    assert over.finding is Finding.EFFECT
    assert over.text.startswith("+16 points, between +")


def test_groups_out_of_proportion_are_not_trusted(world: World) -> None:
    company(world, 60, 60, (50, 5))
    found = only(world.open())
    assert found.verdict.finding is Finding.OUT_OF_PROPORTION


def test_variants_are_compared_with_the_same_control(world: World) -> None:
    for number in range(40):
        world.message(f"m{number}", f"t{number}", 0, arm=("gift", "discount")[number % 2])
        if number % 4 == 0:
            world.order(f"o{number}", f"t{number}", 1, "10")
    world.control("held", "c", 0)
    found = lifts(world.open(), by_variant=True)
    shown = [(one.arm, one.treated.total, one.treated.rows, one.control.rows) for one in found]
    assert shown == [("all", 10, 40, 1), ("discount", 0, 20, 1), ("gift", 10, 20, 1)]


def test_a_goal_that_nobody_held_out_can_reach_is_not_compared(world: World) -> None:
    world.campaign("spring", {"event": "code", "within": "14 days"})
    company(world, 8, 2, (4, 0))
    assert lifts(world.open()) == []


def test_a_campaign_without_control_rows_is_not_compared(world: World) -> None:
    company(world, 8, 0, (4, 0))
    assert lifts(world.open()) == []


def test_a_scope_narrows_both_sides(world: World) -> None:
    company(world, 8, 2, (4, 0))
    (found,) = lifts(world.open(at(20)), Scope(days=30))
    assert (found.treated.rows, found.control.rows) == (8, 2)
    assert lifts(world.open(at(20)), Scope(days=3)) == []


def test_the_columns_of_the_table_are_those_that_are_explained(world: World) -> None:
    company(world, 8, 2, (4, 0))
    (row,) = rows(lifts(world.open()))
    assert list(row) == list(COLUMNS)
    assert (row["rows"], row["converted"], row["rate"], row["lift"]) == (8, 4, 0.5, 0.5)


def test_what_was_returned_after_it_was_counted_is_gone_from_both_sides(world: World) -> None:
    company(world, 8, 2, (4, 2))
    before = only(world.open(NOW))
    world.order("back-t", "t0", 40, "-20")
    world.order("back-c", "c0", 40, "-5")
    after = only(world.open(NOW + timedelta(days=1)))
    assert (before.treated.total, before.control.total) == (4, 2)
    assert (after.treated.total, after.control.total) == (3, 2)
    assert after.money is not None
    assert (after.money.treated.total, after.money.control.total) == (60, 35)
