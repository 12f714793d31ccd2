"""Statistics, against a declared truth: hundreds of campaigns whose effect is known."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from scipy.stats import binom

from antiphon.response.lift import Lift
from antiphon.response.verdicts import Finding
from antiphon.town.behaviour import Behaviour
from antiphon.town.reactions import caused_within
from antiphon.town.trial import Design, Trial, tried

SEEDS = 500
ERROR = 0.001  # chance that a right claim fails by bad luck


def likely(share: float, count: int = SEEDS) -> tuple[int, int]:
    """Between how many of so many something of that probability happens, but for ERROR."""
    return int(binom.ppf(ERROR / 2, count, share)), int(binom.ppf(1 - ERROR / 2, count, share))


def test_intervals_cover_the_true_lift_in_95_of_100_campaigns_of_conversions_and_of_money() -> None:
    trials = [tried(Behaviour(), Design(), seed) for seed in range(SEEDS)]
    lifts = [(one.at_the_end(), one.true_lift) for one in trials]
    money = [(one.money_at_the_end(), one.true_money) for one in trials]
    for found in (lifts, money):
        covered = sum(lift.low <= truth <= lift.high for lift, truth in found)
        few, many = likely(0.95)
        assert few <= covered <= many


def test_a_campaign_without_effect_is_called_effective_in_5_of_100_though_looked_at_every_day() -> (
    None
):
    alarms = early = days = 0
    for seed in range(SEEDS):
        looks = list(tried(Behaviour(), Design(effect=0.0), seed).looks())
        is_alarm = [one.finding is Finding.EFFECT for one in looks]
        alarms += any(is_alarm)
        early += any(is_alarm[:-1])
        days += len(looks)
    assert days > 10 * SEEDS  # it was looked at
    assert alarms <= likely(0.05)[1]
    assert early <= likely(0.02)[1]


def test_a_strong_effect_is_seen_before_the_end_and_more_often_at_it() -> None:
    """What keeps false alarms away must not keep effects away."""
    looks = [list(tried(Behaviour(), Design(effect=0.15), seed).looks()) for seed in range(60)]
    early = sum(any(one.finding is Finding.EFFECT for one in each[:-1]) for each in looks)
    late = sum(each[-1].finding is Finding.EFFECT for each in looks)
    assert early > 40
    assert late >= 58


def test_what_the_naive_interval_would_do_is_seen_here() -> None:
    """The proof can fail: read every day, the fixed-horizon interval raises many more alarms."""
    alarms = 0
    for seed in range(200):
        trial = tried(Behaviour(), Design(effect=0.0), seed)
        alarms += any(one.low > 0 or one.high < 0 for one in _naive(trial))
    assert alarms > likely(0.05, 200)[1]


def _naive(trial: Trial) -> Iterator[Lift]:
    """Every look as if it were the last one."""
    window = trial.design.window.total_seconds()
    for day in range(1, trial.design.length + 1):
        counted = trial.contacted + window <= day * 86_400
        if counted[trial.treated].any() and counted[~trial.treated].any():
            yield trial.lift(counted)


@pytest.mark.parametrize("effect", [0.05, 0.15])
def test_the_truth_of_a_trial_is_what_its_people_did_on_average(effect: float) -> None:
    design = Design(customers=4_000, effect=effect, window=timedelta(days=5))
    trials = [tried(Behaviour(), design, seed) for seed in range(60)]
    mean = sum(one.at_the_end().difference for one in trials) / len(trials)
    assert mean == pytest.approx(trials[0].true_lift, rel=0.05)


def test_of_the_orders_a_message_causes_none_comes_after_the_latest_and_half_by_the_median() -> (
    None
):
    behaviour = Behaviour()
    latest = behaviour.shopping.latest.total_seconds()
    assert caused_within(behaviour, latest) == caused_within(behaviour, 10 * latest) == 1
    assert caused_within(behaviour, 0) == 0
    assert 0.3 < caused_within(behaviour, behaviour.shopping.soon.total_seconds()) < 0.7
