"""Any table of an experiment, a row per unit: the comparison that reports make, for notebooks."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from antiphon.response import sample_ratio
from antiphon.response.lift import Lift, of_means, of_rates
from antiphon.response.means import CONFIDENCE, Moments
from antiphon.response.verdicts import PLAIN, POINTS, Unit, Verdict, verdict

if TYPE_CHECKING:
    import pandas as pd

CONTROL = "control"
# The columns of the table that `table` gives, and what they hold.
COLUMNS = {
    "arm": "the group compared with control",
    "units": "randomised units of the arm (customers, households)",
    "rows": "rows of the arm, more than units where these come several times",
    "mean": "outcome per row: a fraction, or an amount",
    "control_units": "randomised units of control",
    "control_mean": "outcome per row of control",
    "lift": "mean less control_mean",
    "low": "fixed-horizon interval: lower end",
    "high": "fixed-horizon interval: upper end",
    "always_low": "interval that holds at every look: lower end",
    "always_high": "interval that holds at every look: upper end",
    "p_value": "two-sided, of no difference",
    "method": "Newcombe (shares), Welch (amounts), CUPED",
    "reduction": "share of variance that CUPED took away",
    "ratio_chance": "chance of a worse sample ratio; null where it was not asked",
    "verdict": "the plain sentence",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One arm against control, told in `unit`. `lift` is None where one of them is empty."""

    arm: str
    treated: Moments
    control: Moments
    lift: Lift | None
    ratio_chance: float | None
    verdict: Verdict
    unit: Unit

    def row(self) -> dict[str, Any]:
        """The comparison as a row with the columns of COLUMNS; null where too few units tell an
        interval."""
        lift = self.lift
        is_told = lift is not None and isfinite(lift.low) and isfinite(lift.high)
        bounds = lift if is_told else None
        values = (
            self.arm,
            self.treated.clusters,
            self.treated.rows,
            self.treated.mean if self.treated.rows else None,
            self.control.clusters,
            self.control.mean if self.control.rows else None,
            lift and lift.difference,
            bounds and bounds.low,
            bounds and bounds.high,
            bounds and bounds.always_low,
            bounds and bounds.always_high,
            bounds and bounds.p_value,
            lift and lift.method.value,
            lift and lift.reduction,
            self.ratio_chance,
            self.verdict.text,
        )
        return dict(zip(COLUMNS, values, strict=True))


def compare(
    groups: Mapping[str, Moments],
    *,
    control: str = CONTROL,
    is_share: bool,
    shares: Mapping[str, float] | None = None,
    confidence: float = CONFIDENCE,
    unit: Unit | None = None,
    day: int | None = None,
    days: int | None = None,
) -> list[Comparison]:
    """Every arm against control, by the arms' names.

    `groups`: arm → its sums, as `moments_sql` or `grouped` give them; `is_share`: outcomes are 0
    or 1; `shares`: arm → declared share of the units, for the sample-ratio check; `unit`: absent
    points of a share, the plain number of an amount; `day` of `days` of one that still runs.
    """
    held = groups.get(control, Moments(0, 0, 0.0, 0.0, 0.0, 0.0))
    counts = {name: one.clusters for name, one in groups.items()}
    chance = sample_ratio.chance(counts, shares) if shares else None
    found = []
    for name in sorted(groups):
        if name == control:
            continue
        has_before = held.before_before > 0 and groups[name].before_before > 0
        of = of_rates if is_share and not has_before else of_means
        lift = of(groups[name], held, confidence)
        told_in = unit or (POINTS if is_share else PLAIN)
        told = verdict(lift, unit=told_in, day=day, days=days, ratio_chance=chance)
        found.append(Comparison(name, groups[name], held, lift, chance, told, told_in))
    return found


def grouped(
    frame: "pd.DataFrame",
    *,
    arm: str,
    outcome: str,
    cluster: str | None = None,
    before: str | None = None,
) -> dict[str, Moments]:
    """Arm → its sums, of a table with a row per occurrence."""
    return {
        str(name): Moments.of_arrays(
            rows[outcome].to_numpy(dtype=float),
            rows[cluster].to_numpy() if cluster else None,
            rows[before].to_numpy(dtype=float) if before else None,
        )
        for name, rows in frame.groupby(arm, sort=True)
    }


def is_share(frame: "pd.DataFrame", outcome: str) -> bool:
    """Whether the outcomes are 0 or 1."""
    return bool(frame[outcome].dropna().astype(float).isin((0.0, 1.0)).all())


def table(comparisons: list[Comparison]) -> "pd.DataFrame":
    """The comparisons, a row each; columns as COLUMNS says."""
    import pandas as pd  # noqa: PLC0415 (slow to import)

    return pd.DataFrame([one.row() for one in comparisons], columns=list(COLUMNS))
