"""Intervals that hold at every look: who watches a running campaign raises no false alarms.

Asymptotic confidence sequences of Robbins' normal mixture: Waudby-Smith, Arbour, Sinha, Kennedy,
Ramdas, Time-uniform central limit theory and asymptotic confidence sequences, Annals of Statistics
52(6), 2024, Theorem 2.2, on the estimate's own error (section 3: differences of randomised means).
A fixed 95 % interval looked at for sixty days excludes the truth at some look in a third of all
campaigns; one of these in at most 5 %, whenever and however often one looks.
"""

from math import inf, log, sqrt

# The number of units at which the interval is the tightest. Chosen before any data; it may be far
# off: a hundred times as many units widen the interval by a sixth beyond the best choice.
TIGHTEST_AT = 1_000.0


def quantile(units: float, confidence: float, tightest_at: float = TIGHTEST_AT) -> float:
    """How many standard errors the interval that holds at every look reaches to each side of an
    estimate out of so many randomised units of both arms: in place of 1.96."""
    if units <= 0:
        return inf
    alpha = 1 - confidence
    spread = units * mixture(alpha, tightest_at)
    return sqrt(2 * (spread + 1) / spread * log(sqrt(spread + 1) / alpha))


def mixture(alpha: float, tightest_at: float) -> float:
    """ρ² of Theorem 2.2 for about the tightest interval after so many units (their appendix on
    the choice of ρ)."""
    return (-2 * log(alpha) + log(-2 * log(alpha) + 1)) / tightest_at
