"""Rates of small groups, drawn towards their parents as far as their size does not speak for them.

Of three clicks in four contacts nobody should conclude 75 %. Each group's rate is taken for a draw
from a beta distribution around its parent's; the mean of what is then known of it is
(its successes + M × its parent's rate) / (its contacts + M). M, worth so many contacts, is
estimated from how much siblings really differ: the moment estimator of J. C. Kleinman, Proportions
with Extraneous Variance, JASA 68, 1973, pooled over the parents of a level.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

Counted = tuple[float, float]  # successes, and of how many
Group = tuple[str, ...]  # names, the coarsest level first


def strength(families: Iterable[Sequence[Counted]]) -> float:
    """M: how many contacts a parent's rate is worth to its children; infinite where these differ
    no more than chance lets them. A family are the children of one parent."""
    spread, siblings, room = 0.0, 0, 0.0
    for family in families:
        seen = [(part, whole) for part, whole in family if whole > 0]
        total = sum(whole for _, whole in seen)
        rate = sum(part for part, _ in seen) / total if total else 0.0
        if not 0 < rate < 1:
            continue
        noise = rate * (1 - rate)
        spread += sum(whole * (part / whole - rate) ** 2 for part, whole in seen) / noise
        siblings += len(seen) - 1
        room += sum((1 - whole / total) * (whole - 1) for _, whole in seen)
    if room <= 0 or spread <= siblings:
        return inf
    within = min((spread - siblings) / room, 1.0)
    return 1 / within - 1


def shrunk_rates(groups: Mapping[Group, Counted]) -> dict[Group, float]:
    """The rate (0–1) of every group and of all its parents, `()` being everybody; nothing without
    a single contact.

    All groups have names of equal length. The coarsest are drawn towards the rate of all, each
    finer level towards the drawn rate of the level above it.
    """
    depth = max(map(len, groups), default=0)
    levels: list[dict[Group, Counted]] = [defaultdict(lambda: (0.0, 0.0)) for _ in range(depth + 1)]
    for group, (part, whole) in groups.items():
        for place, level in enumerate(levels):
            parts, wholes = level[group[:place]]
            level[group[:place]] = (parts + part, wholes + whole)
    part, whole = levels[0][()]
    if not whole:
        return {}
    rates: dict[Group, float] = {(): part / whole}
    for level in levels[1:]:
        families: dict[Group, list[Counted]] = defaultdict(list)
        for group, counted in level.items():
            families[group[:-1]].append(counted)
        weight = strength(families.values())
        for group, (part, whole) in level.items():
            above = rates[group[:-1]]
            rates[group] = above if weight == inf else _drawn(part, whole, weight, above)
    return rates


def _drawn(part: float, whole: float, weight: float, above: float) -> float:
    return (part + weight * above) / (whole + weight) if whole + weight else above


def shrink(
    frame: "pd.DataFrame", levels: Sequence[str], *, part: str = "part", whole: str = "whole"
) -> "pd.DataFrame":
    """One row per group of all `levels`, the coarsest first, with `rate` and `shrunk_rate` (0–1);
    for notebooks. Without a single contact both are null."""
    groups = frame.groupby(list(levels), dropna=False, as_index=False)[[part, whole]].sum()
    names = [tuple(map(str, row)) for row in groups[list(levels)].itertuples(index=False)]
    counted = zip(groups[part].astype(float), groups[whole].astype(float), strict=True)
    rates = shrunk_rates(dict(zip(names, counted, strict=True)))
    size = groups[whole].where(groups[whole] > 0)
    return groups.assign(
        rate=groups[part] / size, shrunk_rate=[rates.get(name, float("nan")) for name in names]
    )
