"""Drift: how far customers have moved between the names of a dimension since another day.

The population stability index of two distributions a and b over the same names is
sum((a - b) * ln(a / b)), the symmetrised Kullback-Leibler divergence (Kullback & Leibler, On
Information and Sufficiency, 1951, eq. 2.6; as an index of stability with its usual limits 0.1 and
0.25: Siddiqi, Credit Risk Scorecards, 2006, ch. 10). A share below LEAST_SHARE counts as that, as a
name without customers would make the index infinite.
"""

from collections.abc import Mapping
from math import log

LEAST_SHARE = 0.0001


def stability_index(now: Mapping[str, int], before: Mapping[str, int]) -> float | None:
    """The index of two days' customers by name; None where names differ or a day has nobody."""
    if now.keys() != before.keys() or not sum(now.values()) or not sum(before.values()):
        return None
    pairs = [(_share(now, name), _share(before, name)) for name in now]
    return sum((a - b) * log(a / b) for a, b in pairs)


def _share(sizes: Mapping[str, int], name: str) -> float:
    return max(sizes[name] / sum(sizes.values()), LEAST_SHARE)
