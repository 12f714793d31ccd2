"""Less noise by what was known before, against the regression it is an identity of."""

import numpy as np
import pytest

from antiphon.response.cuped import theta
from antiphon.response.lift import Method, of_means
from antiphon.response.means import Moments

RNG = np.random.default_rng(11)
SIZE = 4_000
TREATED = RNG.random(SIZE) < 0.8
BEFORE = RNG.gamma(1.5, 30, SIZE)
SPENT = 0.6 * BEFORE + RNG.normal(0, 12, SIZE) + 2.0 * TREATED


def _groups(before: np.ndarray | None = BEFORE) -> list[Moments]:
    return [
        Moments.of_arrays(SPENT[who], None, None if before is None else before[who])
        for who in (TREATED, ~TREATED)
    ]


def test_the_adjusted_difference_is_the_coefficient_of_the_regression_on_arm_and_before() -> None:
    design = np.column_stack([np.ones(SIZE), TREATED, BEFORE])
    _, effect, slope = np.linalg.lstsq(design, SPENT, rcond=None)[0]
    found = of_means(*_groups())
    assert found is not None
    assert found.difference == pytest.approx(effect, rel=1e-9)
    assert theta(*_groups()) == pytest.approx(slope, rel=1e-9)
    assert found.method is Method.CUPED


def test_the_variance_shrinks_by_the_squared_correlation() -> None:
    """Deng et al. 2013, eq. 5; per arm the correlation differs by chance."""
    found, raw = of_means(*_groups()), of_means(*_groups(), adjust=False)
    assert found is not None
    assert raw is not None
    within = SPENT - np.where(TREATED, SPENT[TREATED].mean(), SPENT[~TREATED].mean())
    correlation = np.corrcoef(within, BEFORE)[0, 1]
    assert found.reduction == pytest.approx(correlation**2, abs=0.02)
    assert ((found.high - found.low) / (raw.high - raw.low)) ** 2 == pytest.approx(
        1 - found.reduction, rel=0.01
    )
    assert raw.low < 2.0 < raw.high


def test_the_means_stay_in_the_outcomes_own_scale() -> None:
    found = of_means(*_groups())
    assert found is not None
    assert found.treated.mean == pytest.approx(SPENT[TREATED].mean())


def test_a_number_before_that_tells_nobody_apart_changes_nothing() -> None:
    same, raw = of_means(*_groups(np.full(SIZE, 7.0))), of_means(*_groups(None))
    assert same is not None
    assert raw is not None
    assert (same.low, same.high) == pytest.approx((raw.low, raw.high))
    assert same.method is Method.WELCH


def test_households_are_adjusted_as_households() -> None:
    unit = np.arange(SIZE) // 2
    treated = TREATED[unit * 2]
    spent = 0.6 * BEFORE + RNG.normal(0, 12, SIZE // 2)[unit] + 2.0 * treated
    groups = [Moments.of_arrays(spent[who], unit[who], BEFORE[who]) for who in (treated, ~treated)]
    found = of_means(*groups)
    assert found is not None
    assert found.low < 2.0 < found.high
    alone = of_means(
        *(Moments.of_arrays(spent[who], None, BEFORE[who]) for who in (treated, ~treated))
    )
    assert alone is not None
    assert found.high - found.low > 1.2 * (alone.high - alone.low)
