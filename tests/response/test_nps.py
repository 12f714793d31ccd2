"""Claims on the Net Promoter Score and its interval."""

from itertools import product
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.response.nps import NetPromoter

counts = st.integers(0, 10_000)


def test_the_score_is_promoters_less_detractors() -> None:
    assert NetPromoter(50, 30, 20).score == pytest.approx(0.3)
    assert NetPromoter(0, 7, 0).score == 0
    assert NetPromoter(0, 0, 0).score is None
    assert NetPromoter(0, 0, 0).interval() is None


def test_the_interval_is_that_of_the_paper_worked_by_hand() -> None:
    """Of 40 answers 22 and 8: (22.75 − 8.75) / 43 = 0.3256; the variance is
    (31.5 / 43 − 0.1060) / 43 = 0.014571, its root 0.12071, times 1.95996 0.23659."""
    low, high = NetPromoter(22, 10, 8).interval() or (0, 0)
    assert (low, high) == pytest.approx((0.0890, 0.5622), abs=1e-4)
    assert str(NetPromoter(22, 10, 8)) == "+35 (+9 to +56, n 40)"


@pytest.mark.parametrize("n", [5, 12, 30])
@pytest.mark.parametrize(
    "shares", [(0.5, 0.3, 0.2), (0.8, 0.15, 0.05), (0.1, 0.2, 0.7), (0.33, 0.34, 0.33)]
)
def test_the_interval_covers_the_true_score_in_95_of_100_surveys(
    n: int, shares: tuple[float, float, float]
) -> None:
    """Worked out over all possible surveys of n answers, not simulated."""
    p, q, d = shares
    covered = 0.0
    for promoters, detractors in product(range(n + 1), repeat=2):
        passives = n - promoters - detractors
        if passives < 0:
            continue
        chance = comb(n, promoters) * comb(n - promoters, passives)
        low, high = NetPromoter(promoters, passives, detractors).interval() or (0, 0)
        if low <= p - d <= high:
            covered += chance * p**promoters * q**passives * d**detractors
    assert 0.925 <= covered <= 0.995


@given(counts, counts, counts)
def test_score_and_interval_stay_within_their_bounds(p: int, q: int, d: int) -> None:
    if p + q + d:
        found = NetPromoter(p, q, d)
        low, high = found.interval() or (0, 0)
        assert -1 <= low < high <= 1
        assert low <= (found.score or 0) <= high
        mirrored = NetPromoter(d, q, p).interval() or (0, 0)
        assert mirrored == pytest.approx((-high, -low))
