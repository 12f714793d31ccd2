"""Rates carry their sample and an interval that means something for small samples too."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from antiphon.response.rates import Rate


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [  # computed by hand from Wilson's formula with z = 1.959964
        (0, 10, 0.0, 0.27753),
        (5, 10, 0.23659, 0.76341),
        (10, 10, 0.72247, 1.0),
        (42, 1000, 0.03122, 0.05628),
    ],
)
def test_the_interval_is_wilsons(part: int, whole: int, low: float, high: float) -> None:
    assert Rate(part, whole).interval() == pytest.approx((low, high), abs=2e-5)


@given(st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_that_of_scipy(counts: tuple[int, int]) -> None:
    theirs = binomtest(*counts).proportion_ci(0.95, method="wilson")
    ours = Rate(*counts).interval() or (2, -1)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_a_rate_of_nothing_is_no_number() -> None:
    nothing = Rate(0, 0)
    assert nothing.rate is None
    assert nothing.interval() is None
    assert str(nothing) == ""


def test_a_rate_is_told_with_its_interval_and_sample() -> None:
    assert str(Rate(42, 1000)) == "4.2% (3.1–5.6, n 1,000)"


@given(st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_rate_and_more_data_narrow_it(counts: tuple[int, int]) -> None:
    part, whole = counts
    low, high = Rate(part, whole).interval() or (2, -1)
    assert 0 <= low <= part / whole <= high <= 1
    narrow = Rate(part * 4, whole * 4).interval() or (2, -1)
    assert narrow[1] - narrow[0] < high - low
