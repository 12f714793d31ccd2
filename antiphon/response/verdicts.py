"""One plain sentence on what a campaign was worth: +0.68 points, between +0.50 and +0.86."""

from dataclasses import dataclass
from enum import StrEnum
from math import floor, inf, isfinite, log10

from antiphon.response.lift import Lift, Method
from antiphon.response.sample_ratio import ALARM

NOTHING_EXCLUDED = "no effect shown, and none excluded: too few to tell"
WIDEST = 0.5  # an interval of shares that is wider excludes nothing anybody would have believed


class Finding(StrEnum):
    """What a comparison came to."""

    EFFECT = "effect"
    NO_EFFECT = "no effect shown"
    TOO_EARLY = "too early"
    OUT_OF_PROPORTION = "out of proportion"
    NO_COMPARISON = "no comparison"


@dataclass(frozen=True, slots=True)
class Unit:
    """How a difference is told: times `scale`, in the words of `name`, '' of a bare number."""

    name: str
    scale: float

    @property
    def words(self) -> str:
        """The name after a number, with its space."""
        return f" {self.name}" if self.name else ""


POINTS = Unit("points", 100.0)
PLAIN = Unit("", 1.0)


def per_thousand(currency: str) -> Unit:
    """Money of a thousand contacts: `EUR per 1,000`."""
    return Unit(f"{currency} per 1,000", 1000.0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found, and the sentence. `low`, `high`: the interval it rests on, in the outcome's
    own unit; None where nothing was compared."""

    finding: Finding
    text: str
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        return self.text


def verdict(
    lift: Lift | None,
    *,
    unit: Unit = POINTS,
    day: int | None = None,
    days: int | None = None,
    ratio_chance: float | None = None,
) -> Verdict:
    """What may be said of a comparison on day `day` of `days` (absent: it is over).

    While it runs the interval that holds at every look decides, at its end the fixed-horizon one.
    `ratio_chance`: of `sample_ratio.chance`; below its alarm no effect is told at all.
    """
    if lift is None:
        return Verdict(Finding.NO_COMPARISON, "nothing to compare: one of the groups is empty")
    if ratio_chance is not None and ratio_chance < ALARM:
        times = 1 / max(ratio_chance, 1e-12)
        return Verdict(
            Finding.OUT_OF_PROPORTION,
            "not to be trusted: the groups are out of proportion, which chance alone does once in "
            f"{times:,.0f} times",
        )
    few = min(lift.treated.clusters, lift.control.clusters) < 2
    if few or (lift.method is not Method.NEWCOMBE and lift.low == lift.high):
        why = "too few units" if few else "within each group every outcome is the same"
        return Verdict(Finding.NO_COMPARISON, f"nothing to compare: {why}", -inf, inf)
    runs = day is not None and days is not None and day < days
    low, high = (lift.always_low, lift.always_high) if runs else (lift.low, lift.high)
    if low > 0 or high < 0:
        return Verdict(Finding.EFFECT, effect_text(lift.difference, low, high, unit), low, high)
    if runs:
        return Verdict(Finding.TOO_EARLY, f"too early: {day} of {days} days", low, high)
    says_nothing = lift.method is Method.NEWCOMBE and high - low > WIDEST
    text = NOTHING_EXCLUDED if says_nothing else _no_effect_text(low, high, unit)
    return Verdict(Finding.NO_EFFECT, text, low, high)


def effect_text(difference: float, low: float, high: float, unit: Unit = POINTS) -> str:
    """`+0.68 points, between +0.50 and +0.86`."""
    middle, low, high = (value * unit.scale for value in (difference, low, high))
    places = _places((high - low) / 2)
    return (
        f"{_signed(middle, places)}{unit.words}, "
        f"between {_signed(low, places)} and {_signed(high, places)}"
    )


def figures(lift: Lift, unit: Unit = POINTS) -> tuple[str, str, str]:
    """The difference, its interval and the one that holds at every look, for a table: `+0.68`,
    `+0.50 to +0.86`, `+0.36 to +1.01`; no intervals of too few units."""
    if not (isfinite(lift.low) and isfinite(lift.high)):
        return _signed(lift.difference * unit.scale, 2), "", ""
    ends = [value * unit.scale for value in (lift.low, lift.high)]
    places = _places((ends[1] - ends[0]) / 2)
    always = [value * unit.scale for value in (lift.always_low, lift.always_high)]
    return (
        _signed(lift.difference * unit.scale, places),
        " to ".join(_signed(value, places) for value in ends),
        " to ".join(_signed(value, places) for value in always),
    )


def _no_effect_text(low: float, high: float, unit: Unit) -> str:
    """What can be excluded: gains above the interval, and losses where these might be larger."""
    low, high = low * unit.scale, high * unit.scale
    places = _places((high - low) / 2)
    text = f"no effect shown; an effect above {high:,.{places}f}{unit.words} is excluded"
    return text if -low <= high else f"{text}, a loss above {-low:,.{places}f} too"


def _places(half: float) -> int:
    """Decimals that show two significant digits of half an interval's width."""
    return max(0, 1 - floor(log10(half))) if 0 < half < inf else 2


def _signed(value: float, places: int) -> str:
    """`+0.50`, `−0.86`, `0.00`, with the true minus sign."""
    rounded = round(value, places)
    sign = "+" if rounded > 0 else "−" if rounded < 0 else ""
    return f"{sign}{abs(rounded):,.{places}f}"
