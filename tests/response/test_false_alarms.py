"""What intervals promise, over many simulated campaigns: coverage, and alarms at daily looks."""

from math import sqrt

import numpy as np
import pytest

from antiphon.response.lift import Lift, of_means, of_rates
from antiphon.response.means import Moments
from antiphon.response.verdicts import Finding, verdict

DAYS = 30


def _upper(share: float, runs: int) -> float:
    """What the share of so many runs exceeds once in a thousand times."""
    return share + 3.1 * sqrt(share * (1 - share) / runs)


def _days(rng: np.random.Generator, a_day: int, share: float, lift: float = 0.0) -> list[Lift]:
    """The comparison at the end of every day of a campaign with a tenth of control."""
    control = rng.binomial(a_day, 0.1, DAYS)
    bought = rng.binomial(a_day - control, share + lift), rng.binomial(control, share)
    sums = [np.cumsum(one) for one in (bought[0], a_day - control, bought[1], control)]
    found = [
        of_rates(Moments.of_counts(int(t), int(n)), Moments.of_counts(int(c), int(m)))
        for t, n, c, m in zip(*sums, strict=True)
    ]
    return [one for one in found if one is not None]


@pytest.mark.parametrize(("a_day", "share"), [(100, 0.3), (500, 0.02), (3_000, 0.005)])
def test_daily_looks_call_campaigns_without_effect_effective_in_five_of_a_hundred_at_most(
    a_day: int, share: float
) -> None:
    rng, runs = np.random.default_rng(20261123), 400
    early, called, effective, naive = 0, 0, 0, 0
    for _ in range(runs):
        looks = _days(rng, a_day, share)
        told = [verdict(one, day=day, days=DAYS) for day, one in enumerate(looks, 1)]
        effects = [one for one in told if one.finding is Finding.EFFECT]
        early += any(one.finding is Finding.EFFECT for one in told[:-1])
        called += bool(effects)
        effective += any(one.low is not None and one.low > 0 for one in effects)
        naive += any(one.low > 0 or one.high < 0 for one in looks)
    assert early / runs <= 0.03
    assert effective / runs <= 0.05
    assert called / runs <= _upper(0.05, runs)  # as harmful too
    assert naive / runs > 0.18  # what the usual interval would have called


@pytest.mark.parametrize(("size", "share", "lift"), [(2_000, 0.04, 0.01), (20_000, 0.01, 0.003)])
def test_intervals_of_shares_hold_the_truth_in_95_of_100(
    size: int, share: float, lift: float
) -> None:
    rng, runs = np.random.default_rng(7), 4_000
    treated, control = int(size * 0.9), int(size * 0.1)
    held = 0
    for t, c in zip(
        rng.binomial(treated, share + lift, runs), rng.binomial(control, share, runs), strict=True
    ):
        found = of_rates(Moments.of_counts(int(t), treated), Moments.of_counts(int(c), control))
        assert found is not None
        held += found.low <= lift <= found.high
    assert held / runs == pytest.approx(0.95, abs=0.015)


def test_intervals_of_households_hold_the_truth_where_those_of_persons_do_not() -> None:
    rng, runs, homes = np.random.default_rng(8), 300, 400
    unit, held, alone = np.repeat(np.arange(homes), 3), 0, 0
    for _ in range(runs):
        mood = rng.beta(1, 3, homes)
        bought = (rng.random((homes, 3)) < mood[:, None]).ravel()
        treated = (rng.random(homes) < 0.5)[unit]
        groups = [(bought[who], unit[who]) for who in (treated, ~treated)]
        by_home = of_rates(*(Moments.of_arrays(*one) for one in groups))
        by_person = of_rates(*(Moments.of_arrays(one) for one, _ in groups))
        assert by_home is not None
        assert by_person is not None
        held += by_home.low <= 0 <= by_home.high
        alone += by_person.low <= 0 <= by_person.high
    assert held / runs == pytest.approx(0.95, abs=0.04)
    assert alone / runs < 0.93


def test_intervals_of_money_hold_the_truth_and_every_look_may_be_believed() -> None:
    """Spending as shops see it: most spend nothing, few spend much; adjusted by spending before."""
    rng, runs = np.random.default_rng(9), 200
    held, early = 0, 0
    for _ in range(runs):
        size = 6_000
        before = rng.gamma(0.5, 40, size)
        spent = np.where(rng.random(size) < 0.15, rng.gamma(1.2, 30, size) + 0.5 * before, 0)
        treated, day = rng.random(size) < 0.8, rng.integers(0, DAYS, size)
        alarm = False
        for last in range(1, DAYS, 4):
            seen = day <= last
            found = of_means(
                *(
                    Moments.of_arrays(spent[seen & who], None, before[seen & who])
                    for who in (treated, ~treated)
                )
            )
            assert found is not None
            alarm |= found.always_low > 0 or found.always_high < 0
        early += alarm
        held += found.low <= 0 <= found.high
    assert early / runs <= 0.05
    assert held / runs == pytest.approx(0.95, abs=0.045)
