"""Whether the groups are as large as they were declared to be.

A sample ratio that chance does not explain means that something took more of one group than of the
other: their difference would compare unlike with unlike. Fabijan et al., Diagnosing Sample Ratio
Mismatch in Online Controlled Experiments, KDD 2019.
"""

from collections.abc import Mapping

ALARM = 0.001  # of a thousand sound campaigns one warns by chance
FEWEST_EXPECTED = 5.0  # below, the chi-square distribution is no good approximation


def chance(counts: Mapping[str, int], shares: Mapping[str, float]) -> float | None:
    """How likely a worse ratio is if nothing is wrong (Pearson's chi-square test).

    `counts`: group → randomised units; `shares`: group → declared share, in any measure. None
    where there are too few to say, or fewer than two groups.
    """
    planned = {name: share for name, share in shares.items() if share > 0}
    size, whole = sum(counts.get(name, 0) for name in planned), sum(planned.values())
    expected = {name: size * share / whole for name, share in planned.items()}
    if len(expected) < 2 or min(expected.values()) < FEWEST_EXPECTED:
        return None
    from scipy.special import chdtrc  # noqa: PLC0415 (slow to import)

    statistic = sum(
        (counts.get(name, 0) - wanted) ** 2 / wanted for name, wanted in expected.items()
    )
    return float(chdtrc(len(expected) - 1, statistic))
