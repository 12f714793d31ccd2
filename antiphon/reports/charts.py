"""Charts of a page without network or script: small SVG, one to a row of a table, on one scale.

The row's words and numbers stand beside it, so the picture is an aid and nobody needs to see it.
Drawn by hand: what is drawn are bars and intervals, three shapes; libraries that draw them bring
tens of megabytes, scripts or fonts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor, isfinite, log10

from markupsafe import Markup, escape

WIDTH, HEIGHT = 260, 18
MIDDLE = HEIGHT / 2
MARGIN = 4.0
SMALLEST = 1e-9  # less is no difference anybody would look at


@dataclass(frozen=True, slots=True)
class Scale:
    """From which value to which the width of a chart reaches."""

    low: float
    high: float

    @classmethod
    def over(cls, values: Iterable[float | None], *, zero: bool = True) -> "Scale":
        """Wide enough for the values, and for zero; of nothing from 0 to 1."""
        known = [value for value in values if value is not None and isfinite(value)]
        if zero:
            known.append(0.0)
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        return cls(low, high if high - low > SMALLEST else low + 1.0)

    def x(self, value: float) -> float:
        """Where the value lies; beyond the ends at the end."""
        share = (value - self.low) / (self.high - self.low)
        return round(MARGIN + min(max(share, 0.0), 1.0) * (WIDTH - 2 * MARGIN), 1)

    def ticks(self) -> list[float]:
        """Three to seven round values within it."""
        rough = (self.high - self.low) / 4
        power = 10.0 ** floor(log10(rough))
        step = next(power * by for by in (1, 2, 5, 10) if power * by >= rough)
        first = -floor(-self.low / step)
        last = floor(self.high / step)
        return [round(k * step, 12) for k in range(first, last + 1)]


def bar(scale: Scale, value: float | None, kind: str = "") -> Markup:
    """From zero to the value."""
    if value is None:
        return _svg("")
    start, end = sorted((scale.x(0.0), scale.x(value)))
    shape = (
        f'<rect class="bar {escape(kind)}" x="{start}" y="3" width="{round(end - start, 1)}" '
        f'height="{HEIGHT - 6}"/>'
    )
    return _svg(_zero(scale) + shape)


def interval(
    scale: Scale, low: float | None, value: float | None, high: float | None, kind: str = ""
) -> Markup:
    """A point with its interval; one that reaches beyond the scale ends at its end."""
    if value is None or low is None or high is None:
        return _svg(_zero(scale))
    a, b = scale.x(low), scale.x(high)
    shape = (
        f'<line class="whisker {escape(kind)}" x1="{a}" y1="{MIDDLE}" x2="{b}" y2="{MIDDLE}"/>'
        f'<line class="whisker {escape(kind)}" x1="{a}" y1="5" x2="{a}" y2="{HEIGHT - 5}"/>'
        f'<line class="whisker {escape(kind)}" x1="{b}" y1="5" x2="{b}" y2="{HEIGHT - 5}"/>'
        f'<circle class="point {escape(kind)}" cx="{scale.x(value)}" cy="{MIDDLE}" r="3.5"/>'
    )
    return _svg(_zero(scale) + shape)


def axis(scale: Scale, factor: float = 1.0, unit: str = "") -> Markup:
    """The scale's round values times `factor`, to stand below the column."""
    ticks = scale.ticks()
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    places = max(0, -floor(log10(step * factor) + 1e-9))
    marks = "".join(
        f'<line class="tick" x1="{scale.x(tick)}" y1="0" x2="{scale.x(tick)}" y2="4"/>'
        f'<text x="{scale.x(tick)}" y="15" text-anchor="{_anchor(scale, tick)}">'
        f"{_words(tick * factor, places)}{escape(unit)}</text>"
        for tick in ticks
    )
    return _svg(marks)


def _words(value: float, places: int) -> str:
    return f"{value:,.{places}f}".replace("-", "−")


def _anchor(scale: Scale, tick: float) -> str:
    """Labels at the ends stay within the picture."""
    x = scale.x(tick)
    return "start" if x < 2 * MARGIN else "end" if x > WIDTH - 4 * MARGIN else "middle"


def _zero(scale: Scale) -> str:
    if not scale.low < 0 < scale.high:
        return ""
    return f'<line class="zero" x1="{scale.x(0)}" y1="0" x2="{scale.x(0)}" y2="{HEIGHT}"/>'


def _svg(shapes: str) -> Markup:
    return Markup(  # noqa: S704 (numbers, and words that were escaped)
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'aria-hidden="true" focusable="false">{shapes}</svg>'
    )
