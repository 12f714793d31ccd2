"""Rates of small groups, drawn towards their parents as far as their size does not speak for them.

Of three clicks in four contacts nobody should conclude 75 %. Each group's rate is taken for a draw
from a beta distribution around its parent's; the mean of what is then known of it is
(its successes + M × its parent's rate) / (its contacts + M). M, worth so many contacts, is
estimated from how much siblings really differ: the moment estimator of J. C. Kleinman, Proportions
with Extraneous Variance, JASA 68, 1973, pooled over the parents of a level.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


def strength(
    part: "NDArray[np.float64]",
    whole: "NDArray[np.float64]",
    parent: "NDArray[np.int64]",
) -> float:
    """M: how many contacts a parent's rate is worth to its children; infinite where these differ
    no more than chance lets them.

    `part` of `whole` by group; `parent`: the number, from 0, of each group's parent.
    """
    import numpy as np  # noqa: PLC0415

    seen = whole > 0
    part, whole, parent = part[seen], whole[seen], parent[seen]
    if not len(part):
        return float("inf")
    parts, wholes = np.bincount(parent, part), np.bincount(parent, whole)
    rate = np.divide(parts, wholes, out=np.zeros(len(wholes)), where=wholes > 0)
    noise = rate * (1 - rate)
    usable = noise[parent] > 0
    part, whole, parent = part[usable], whole[usable], parent[usable]
    spread = float((whole * (part / whole - rate[parent]) ** 2 / noise[parent]).sum())
    siblings = len(part) - len(np.unique(parent))
    room = float(((1 - whole / wholes[parent]) * (whole - 1)).sum())
    if room <= 0 or spread <= siblings:
        return float("inf")
    within = min((spread - siblings) / room, 1.0)
    return 1 / within - 1


def shrink(
    frame: "pd.DataFrame", levels: Sequence[str], *, part: str = "part", whole: str = "whole"
) -> "pd.DataFrame":
    """One row per group of all `levels`, the coarsest first, with `rate` and `shrunk_rate` (0–1)
    and `strength`, how many contacts its parent's rate was worth.

    The coarsest groups are drawn towards the rate of all, each finer level towards the shrunk rate
    of the level above it. Without a single contact everything is null.
    """
    import numpy as np  # noqa: PLC0415

    groups = frame.groupby(list(levels), dropna=False, as_index=False)[[part, whole]].sum()
    total = float(groups[whole].sum())
    above = np.full(len(groups), float(groups[part].sum()) / total if total else np.nan)
    parents = groups[part].to_numpy(dtype=np.int64) * 0
    weight = float("inf")
    for depth in range(1, len(levels) + 1):
        numbered = groups.groupby(list(levels[:depth]), dropna=False, sort=False).ngroup()
        own = numbered.to_numpy(dtype=np.int64)
        parts, wholes = (np.bincount(own, groups[one]).astype(np.float64) for one in (part, whole))
        first = np.unique(own, return_index=True)[1]
        weight = strength(parts, wholes, parents[first])
        prior = above[first]
        drawn = prior if weight == float("inf") else (parts + weight * prior) / (wholes + weight)
        above, parents = drawn[own], own
    size = groups[whole].where(groups[whole] > 0)
    return groups.assign(rate=groups[part] / size, shrunk_rate=above, strength=weight)
