"""Less noise by what was known before: controlled experiments using pre-experiment data (CUPED).

Deng, Xu, Kohavi, Walker, Improving the Sensitivity of Online Controlled Experiments by Utilizing
Pre-Experiment Data, WSDM 2013: the outcome less theta times the same unit's number before has the
same difference between the arms in expectation, and a variance smaller by their squared
correlation (eq. 5). Only what was before the draw may be used: later numbers carry the effect.
"""

from dataclasses import replace

from antiphon.response.means import Moments


def theta(treated: Moments, control: Moments) -> float:
    """Cov(outcome, before) / Var(before), within the arms and pooled over them (eq. 4); 0 where
    the number before tells nobody from anybody."""
    pairs = [one.together for one in (treated, control)]
    own = sum(second for _, second in pairs)
    return sum(first for first, _ in pairs) / own if own > 0 else 0.0


def adjusted(treated: Moments, control: Moments) -> tuple[Moments, Moments, float]:
    """Both groups with the outcome less theta × (before − its mean over both groups), so that
    their means stay in the outcome's own scale; and the share of variance that it took away."""
    factor = theta(treated, control)
    if not factor:
        return treated, control, 0.0
    rows = treated.rows + control.rows
    before = sum(one.mean_before * one.rows for one in (treated, control)) / rows
    parts = [one.less(factor) for one in (treated, control)]
    lower = [replace(one, origin=one.origin + factor * before) for one in parts]
    was = treated.error**2 + control.error**2
    now = lower[0].error ** 2 + lower[1].error ** 2
    return lower[0], lower[1], 1 - now / was if 0 < was < float("inf") else 0.0
