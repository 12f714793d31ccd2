"""What a campaign was worth: treated less control, with how far the difference can be trusted."""

from dataclasses import dataclass
from enum import StrEnum
from math import inf, sqrt

from antiphon.response import sequential
from antiphon.response.cuped import adjusted
from antiphon.response.means import CONFIDENCE, Moments


class Method(StrEnum):
    """How an interval came about."""

    NEWCOMBE = "Newcombe"
    WELCH = "Welch"
    CUPED = "Welch, less noise by CUPED"


@dataclass(frozen=True, slots=True)
class Lift:
    """Treated less control, per row, in the outcome's own unit (fraction of conversions, money).

    `low`, `high`: the fixed-horizon interval, to be read once, at the end; `always_low`,
    `always_high` hold at every look. `p_value`: two-sided, of no difference. `treated` and
    `control` as counted, before any adjustment. `reduction`: the share of variance CUPED took away.
    """

    treated: Moments
    control: Moments
    difference: float
    low: float
    high: float
    always_low: float
    always_high: float
    p_value: float
    method: Method
    confidence: float = CONFIDENCE
    reduction: float = 0.0

    @property
    def is_clustered(self) -> bool:
        """Whether units of several rows widened the intervals."""
        return any(one.clusters < one.rows for one in (self.treated, self.control))


def of_rates(treated: Moments, control: Moments, confidence: float = CONFIDENCE) -> Lift | None:
    """Difference of two shares: outcomes are 0 or 1. None where a group is empty.

    Newcombe's hybrid score interval (R. G. Newcombe, Interval estimation for the difference
    between independent proportions, Statistics in Medicine 17, 1998, method 10). p-value: the
    score test, i.e. Pearson's chi-square without correction. Several rows a cluster count as so
    many fewer (J. N. K. Rao, A. J. Scott, Biometrics 48, 1992). The interval that holds at every
    look has the quantile of `sequential` in place of 1.96.
    """
    if not treated.rows or not control.rows:
        return None
    for one in (treated, control):
        if not 0 <= one.mean <= 1:
            total = one.mean * one.rows
            raise ValueError(f"{total:g} of {one.rows:,} is no share: outcomes are 0 or 1")
    first = (treated.mean, effective_size(treated))
    second = (control.mean, effective_size(control))
    low, high = newcombe(first, second, _quantile(confidence))
    always = sequential.quantile(first[1] + second[1], confidence)
    always_low, always_high = _wider(first, second, always)
    return Lift(
        treated,
        control,
        difference=first[0] - second[0],
        low=low,
        high=high,
        always_low=always_low,
        always_high=always_high,
        p_value=_score_test(first, second),
        method=Method.NEWCOMBE,
        confidence=confidence,
    )


def of_means(
    treated: Moments, control: Moments, confidence: float = CONFIDENCE, *, adjust: bool = True
) -> Lift | None:
    """Difference of two means, such as of money; None where a group is empty.

    Welch's interval (B. L. Welch, Biometrika 34, 1947; degrees of freedom after Satterthwaite) on
    errors by cluster. With `adjust`, noise that the numbers before explain is taken away (cuped).
    """
    if not treated.rows or not control.rows:
        return None
    first, second, reduction = adjusted(treated, control) if adjust else (treated, control, 0.0)
    difference, error = first.mean - second.mean, sqrt(first.error**2 + second.error**2)
    half, p_value = _welch(difference, first, second, confidence)
    always = error * sequential.quantile(first.clusters + second.clusters, confidence)
    return Lift(
        treated,
        control,
        difference,
        low=difference - half,
        high=difference + half,
        always_low=difference - always,
        always_high=difference + always,
        p_value=p_value,
        method=Method.CUPED if reduction else Method.WELCH,
        confidence=confidence,
        reduction=reduction,
    )


def newcombe(
    first: tuple[float, float], second: tuple[float, float], z: float
) -> tuple[float, float]:
    """The hybrid score interval of a difference of two shares, each with the size it is out of;
    `z`: how many standard errors to each side."""
    (share_1, size_1), (share_2, size_2) = first, second
    low_1, high_1 = wilson(share_1, size_1, z)
    low_2, high_2 = wilson(share_2, size_2, z)
    difference = share_1 - share_2
    return (
        difference - sqrt((share_1 - low_1) ** 2 + (high_2 - share_2) ** 2),
        difference + sqrt((high_1 - share_1) ** 2 + (share_2 - low_2) ** 2),
    )


def wilson(share: float, size: float, z: float) -> tuple[float, float]:
    """Wilson's score interval (JASA 22, 1927) of a share out of a size, which may be a fraction."""
    spread = z * z / size
    middle = share + spread / 2
    half = z * sqrt((share * (1 - share) + spread / 4) / size)
    low = (middle - half) / (1 + spread) if share > 0 else 0.0
    high = (middle + half) / (1 + spread) if share < 1 else 1.0
    return low, high


def _wider(
    first: tuple[float, float], second: tuple[float, float], z: float
) -> tuple[float, float]:
    """Newcombe's interval or that of A. Agresti, B. Caffo (American Statistician 54, 2000: a
    success and a failure added to each group), whichever reaches farther to each side.

    An early look sees a handful of conversions, where the one takes a lucky customer of a small
    control group for a harm, the other an unlucky group for a gain; far out in the tails, where
    looks at any time are judged, neither is right alone.
    """
    low, high = newcombe(first, second, z)
    shares = [(share * size + 1) / (size + 2) for share, size in (first, second)]
    error = sqrt(
        sum(
            share * (1 - share) / (size + 2)
            for share, (_, size) in zip(shares, (first, second), strict=True)
        )
    )
    middle = shares[0] - shares[1]
    return max(min(low, middle - z * error), -1.0), min(max(high, middle + z * error), 1.0)


def effective_size(moments: Moments) -> float:
    """Rows that were randomised one by one and would tell a share as well as these do.

    The rows over the design effect, the variance by clusters over the binomial one (Rao & Scott
    1992); never more than the rows, and of all failures or all successes the clusters.
    """
    share = moments.mean
    binomial = share * (1 - share) / moments.rows
    if moments.clusters >= moments.rows:
        return float(moments.rows)
    if not binomial or moments.clusters < 2:
        return float(moments.clusters)
    return moments.rows / max(moments.error**2 / binomial, 1.0)


def _score_test(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Two-sided p-value of equal shares, on the pooled share."""
    (share_1, size_1), (share_2, size_2) = first, second
    pooled = (share_1 * size_1 + share_2 * size_2) / (size_1 + size_2)
    error = sqrt(pooled * (1 - pooled) * (1 / size_1 + 1 / size_2))
    return _two_sided(share_1 - share_2, error)


def _welch(
    difference: float, first: Moments, second: Moments, confidence: float
) -> tuple[float, float]:
    """Half the interval's width, and the p-value of no difference."""
    from scipy.special import stdtr, stdtrit  # noqa: PLC0415 (slow to import)

    parts = [one.error**2 for one in (first, second)]
    error = sqrt(sum(parts))
    if error in (0.0, inf):
        return error, 1.0 if error or not difference else 0.0
    freedom = sum(parts) ** 2 / sum(
        part**2 / (one.clusters - 1) for part, one in zip(parts, (first, second), strict=True)
    )
    return (
        float(stdtrit(freedom, (1 + confidence) / 2)) * error,
        2 * float(stdtr(freedom, -abs(difference) / error)),
    )


def _two_sided(difference: float, error: float) -> float:
    from statistics import NormalDist  # noqa: PLC0415

    if not error:
        return 1.0 if not difference else 0.0
    return 2 * NormalDist().cdf(-abs(difference) / error)


def _quantile(confidence: float) -> float:
    from statistics import NormalDist  # noqa: PLC0415

    return NormalDist().inv_cdf((1 + confidence) / 2)
