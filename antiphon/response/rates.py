"""Rates with their sample and interval: no number without how far it can be trusted."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Rate:
    """So many of so many: `part` of `whole`."""

    part: int
    whole: int

    @property
    def rate(self) -> float | None:
        """The share, 0–1; None of nothing."""
        return self.part / self.whole if self.whole else None

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """Wilson's score interval of the share (E. B. Wilson, JASA 22, 1927); None of nothing.

        It stays within 0 and 1 and holds for small samples and for shares near the ends, where
        the usual normal interval does not (Brown, Cai, DasGupta, Statistical Science 16, 2001).
        Written out, as importing scipy.stats takes a second, which whoever looks would wait.
        """
        if not self.whole:
            return None
        z = NormalDist().inv_cdf((1 + confidence) / 2)
        share, spread = self.part / self.whole, z * z / self.whole
        middle = share + spread / 2
        half = z * sqrt((share * (1 - share) + spread / 4) / self.whole)
        low = (middle - half) / (1 + spread) if self.part else 0.0
        high = (middle + half) / (1 + spread) if self.part < self.whole else 1.0
        return low, high

    def __str__(self) -> str:
        """`4.2% (3.1–5.6, n 1,234)`; `` of nothing."""
        found = self.interval()
        if found is None:
            return ""
        low, high = (100 * end for end in found)
        return f"{self.part / self.whole:.1%} ({low:.1f}–{high:.1f}, n {self.whole:,})"
