"""The Net Promoter Score: of answers from 0 to 10 the share of 9–10 less the share of 0–6.

F. F. Reichheld, "The One Number You Need to Grow", Harvard Business Review 81 (2003).
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from antiphon.response.rates import CONFIDENCE

PROMOTERS_FROM = 9
DETRACTORS_UP_TO = 6
_ADDED = (0.75, 1.5, 0.75)  # promoters, passives, detractors


@dataclass(frozen=True, slots=True)
class NetPromoter:
    """Answers by what their authors are; scores and ends of intervals lie within −1 and 1."""

    promoters: int
    passives: int
    detractors: int

    @property
    def answers(self) -> int:
        """All of them."""
        return self.promoters + self.passives + self.detractors

    @property
    def score(self) -> float | None:
        """Share of promoters less share of detractors; None of nothing."""
        return (self.promoters - self.detractors) / self.answers if self.answers else None

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """Adjusted Wald interval AW(3, T); None of nothing.

        Three answers are added, ¾ to promoters and detractors and 1½ to passives; then the normal
        interval by the variance of a multinomial's difference, p + d − (p − d)². Of the intervals
        compared by B. Rocks, "Interval Estimation for the Net Promoter Score", The American
        Statistician 70 (2016), those of this kind cover best, for small samples too. Widened to
        hold the score itself, which it may miss where all answers are alike.
        """
        if not self.answers:
            return None
        seen = (self.promoters, self.passives, self.detractors)
        p, _, d = weights = [one + added for one, added in zip(seen, _ADDED, strict=True)]
        n = sum(weights)
        middle = (p - d) / n
        half = NormalDist().inv_cdf((1 + confidence) / 2) * sqrt(
            ((p + d) / n - middle * middle) / n
        )
        score = (self.promoters - self.detractors) / self.answers
        return max(-1.0, min(middle - half, score)), min(1.0, max(middle + half, score))

    def __str__(self) -> str:
        """`+35 (+12 to +52, n 40)`, in hundredths; `` of nothing."""
        found = self.interval()
        if self.score is None or found is None:
            return ""
        low, high = found
        return (
            f"{100 * self.score:+.0f} ({100 * low:+.0f} to {100 * high:+.0f}, n {self.answers:,})"
        )
