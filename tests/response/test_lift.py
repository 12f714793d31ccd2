import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.response.lift import Lift, Method, effective_size, of_means, of_rates
from antiphon.response.means import Moments

# R. G. Newcombe, Interval estimation for the difference between independent proportions,
# Statistics in Medicine 17 (1998), 873–890, table II, method 10.
NEWCOMBE = [
    ((56, 70), (48, 80), (0.0524, 0.3339)),
    ((9, 10), (3, 10), (0.1705, 0.8090)),
    ((6, 7), (2, 7), (0.0582, 0.8062)),
    ((5, 56), (0, 29), (-0.0381, 0.1926)),
    ((0, 10), (0, 20), (-0.1611, 0.2775)),
    ((0, 10), (0, 10), (-0.2775, 0.2775)),
    ((10, 10), (0, 20), (0.6791, 1.0000)),
    ((10, 10), (0, 10), (0.6075, 1.0000)),
]
# Student (1908), as in R: t.test(extra ~ group, data = sleep).
SLEEP_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SLEEP_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


@pytest.mark.parametrize(("treated", "control", "interval"), NEWCOMBE)
def test_differences_of_shares_are_those_of_newcombes_paper(
    treated: tuple[int, int], control: tuple[int, int], interval: tuple[float, float]
) -> None:
    found = of_rates(Moments.of_counts(*treated), Moments.of_counts(*control))
    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == interval
    assert found.method is Method.NEWCOMBE


def test_the_p_value_of_shares_is_pearsons_chi_square_without_correction() -> None:
    from scipy.stats import chi2_contingency

    found = of_rates(Moments.of_counts(56, 70), Moments.of_counts(48, 80))
    assert found is not None
    wanted = chi2_contingency([[56, 14], [48, 32]], correction=False).pvalue
    assert found.p_value == pytest.approx(wanted, rel=1e-9)


def test_differences_of_amounts_are_those_of_welch_in_students_sleep_data() -> None:
    found = of_means(Moments.of_arrays(np.array(SLEEP_1)), Moments.of_arrays(np.array(SLEEP_2)))
    assert found is not None
    assert found.low == pytest.approx(-3.3654832, abs=1e-7)
    assert found.high == pytest.approx(0.2054832, abs=1e-7)
    assert found.p_value == pytest.approx(0.07939, abs=5e-6)


def test_an_empty_group_is_compared_with_nothing() -> None:
    nothing, some = Moments.of_counts(0, 0), Moments.of_counts(1, 5)
    assert of_rates(some, nothing) is None
    assert of_means(nothing, some) is None


def test_a_share_above_one_is_refused() -> None:
    with pytest.raises(ValueError, match="is no share"):
        of_rates(Moments(2, 2, 3.0, 2.0, 3.0, 5.0), Moments.of_counts(1, 2))


def test_a_single_unit_tells_nothing_of_an_amount() -> None:
    found = of_means(Moments.of_arrays(np.array([3.0])), Moments.of_arrays(np.array([1.0, 2.0])))
    assert found is not None
    assert (found.low, found.high, found.p_value) == (-np.inf, np.inf, 1.0)


def test_the_error_of_a_clustered_mean_is_the_sandwich_of_the_clusters() -> None:
    rng = np.random.default_rng(3)
    household = np.repeat(np.arange(60), rng.integers(1, 5, 60))
    spent = rng.gamma(2, 20, 60)[household] + rng.normal(0, 3, len(household))
    residual = spent - spent.mean()
    meat = sum(residual[household == one].sum() ** 2 for one in range(60))
    wanted = np.sqrt(meat * 60 / 59) / len(household)
    assert Moments.of_arrays(spent, household).error == pytest.approx(wanted, rel=1e-9)


def test_households_that_decide_as_one_count_once() -> None:
    bought = np.random.default_rng(4).random(500) < 0.3
    alone = Moments.of_arrays(bought)
    fourfold = Moments.of_arrays(np.repeat(bought, 4), np.repeat(np.arange(500), 4))
    assert effective_size(alone) == 500
    assert effective_size(fourfold) == pytest.approx(500, rel=0.01)
    control = Moments.of_counts(100, 500)
    one, four = of_rates(alone, control), of_rates(fourfold, control)
    assert one is not None
    assert four is not None
    assert four.high - four.low == pytest.approx(one.high - one.low, rel=0.01)
    assert four.is_clustered
    assert not one.is_clustered


@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=60),
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=60),
)
def test_an_interval_holds_its_difference_and_the_one_for_every_look_is_wider(
    treated: list[tuple[int, bool]], control: list[tuple[int, bool]]
) -> None:
    groups = [
        Moments.of_arrays(np.array([y for _, y in one]), np.array([unit for unit, _ in one]))
        for one in (treated, control)
    ]
    found = of_rates(*groups)
    assert found is not None
    assert -1 <= found.low <= found.difference <= found.high <= 1
    assert found.always_low <= found.low or found.always_low == -1
    assert found.always_high >= found.high or found.always_high == 1
    assert 0 <= found.p_value <= 1
    turned = of_rates(*reversed(groups))
    assert turned is not None
    assert turned.low == pytest.approx(-found.high)


def test_sums_of_two_groups_are_the_sums_of_both_together() -> None:
    rng = np.random.default_rng(5)
    y, x, unit = rng.normal(size=40), rng.normal(size=40), np.arange(40) // 2
    parts = [Moments.of_arrays(y[s], unit[s], x[s]) for s in (slice(0, 20), slice(20, 40))]
    whole, both = Moments.of_arrays(y, unit, x), parts[0] + parts[1]
    assert both.error == pytest.approx(whole.error)
    assert both.together == pytest.approx(whole.together)


@pytest.mark.parametrize("far", [1e8, -1e10])
def test_a_common_number_far_above_the_spread_changes_no_interval(far: float) -> None:
    rng = np.random.default_rng(11)
    spent, before, unit = rng.normal(50, 10, 600), rng.normal(40, 10, 600), np.arange(600) // 2
    who = unit % 2 == 0

    def found(shift: float, prior: float) -> Lift:
        lift = of_means(
            *(
                Moments.of_arrays(spent[one] + shift, unit[one], before[one] + prior)
                for one in (who, ~who)
            )
        )
        assert lift is not None
        return lift

    near, shifted = found(0, 0), found(far, 2 * far)
    for name in ("difference", "low", "high", "always_low", "p_value", "reduction"):
        assert getattr(shifted, name) == pytest.approx(getattr(near, name), rel=1e-3), name
    assert shifted.treated.mean - far == pytest.approx(near.treated.mean, abs=1e-4)
    parts = [Moments.of_arrays(spent[s] + far, unit[s]) for s in (slice(0, 300), slice(300, 600))]
    whole, both = Moments.of_arrays(spent + far, unit), parts[0] + parts[1]
    assert both.error == pytest.approx(whole.error, rel=1e-3)
    assert both.mean == pytest.approx(whole.mean)
