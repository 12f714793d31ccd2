"""What a group of an experiment leaves behind: sums, from which every mean and interval follows.

Rows are counted in clusters, the units that were randomised: customers, or households. A cluster
brings how many rows it has and the sums of their outcome and of what was known before. With one
row a cluster everything below is the textbook's; with more, intervals widen as they must.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf, sqrt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over one group. `rows`: occurrences; `total`: Σ outcome; `before`: Σ of the same unit's
    number before the experiment. The products are sums over clusters of what each sums up.

    All of them are of what is left after `origin` was taken from every row's outcome, and
    `before_origin` from every number before: next to a mean a million times as large as the spread
    the squares would have no digit left for the spread. 0 of what SQL summed.
    """

    clusters: int
    rows: int
    total: float
    rows_rows: float
    rows_total: float
    total_total: float
    before: float = 0.0
    rows_before: float = 0.0
    total_before: float = 0.0
    before_before: float = 0.0
    origin: float = 0.0
    before_origin: float = 0.0

    @classmethod
    def of_counts(cls, part: int, whole: int) -> "Moments":
        """Of `part` successes among `whole` units that were randomised one by one."""
        return cls(whole, whole, part, whole, part, part)

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "Moments":
        """Of a row that `moments_sql` gave; other columns of the row do not matter."""
        clusters, rows, *sums = (row.get(name) or 0 for name in MOMENTS)
        return cls(int(clusters), int(rows), *map(float, sums))

    @classmethod
    def of_arrays(
        cls,
        outcome: "np.ndarray[Any, Any]",
        clusters: "np.ndarray[Any, Any] | None" = None,
        before: "np.ndarray[Any, Any] | None" = None,
    ) -> "Moments":
        """Of one row each: outcome, the randomised unit (absent: each row is one), and the same
        unit's number before."""
        import numpy as np  # noqa: PLC0415 (slow to import)

        y = np.asarray(outcome, dtype=float)
        x = np.zeros_like(y) if before is None else np.asarray(before, dtype=float)
        m = np.ones_like(y)
        origin, before_origin = _origin(y), _origin(x)
        y, x = y - origin, x - before_origin
        if clusters is not None and len(y):
            _, which = np.unique(np.asarray(clusters), return_inverse=True)
            y, x, m = (np.bincount(which, weights=one) for one in (y, x, m))
        return cls(
            clusters=len(y),
            rows=int(m.sum()),
            total=float(y.sum()),
            rows_rows=float(m @ m),
            rows_total=float(m @ y),
            total_total=float(y @ y),
            before=float(x.sum()),
            rows_before=float(m @ x),
            total_before=float(y @ x),
            before_before=float(x @ x),
            origin=origin,
            before_origin=before_origin,
        )

    @property
    def mean(self) -> float:
        """Outcome per row; 0 of nothing."""
        return self.origin + self._local if self.rows else 0.0

    @property
    def mean_before(self) -> float:
        """The number before, per row; 0 of nothing."""
        return self.before_origin + self._local_before if self.rows else 0.0

    @property
    def _local(self) -> float:
        """The mean less its origin."""
        return self.total / self.rows if self.rows else 0.0

    @property
    def _local_before(self) -> float:
        return self.before / self.rows if self.rows else 0.0

    @property
    def error(self) -> float:
        """Standard error of the mean, by clusters; infinite below two of them.

        A ratio of two sums over clusters, linearised (Deng, Knoblich, Lu, Applying the Delta
        Method in Metric Analytics, KDD 2018, eq. 4; the same as the cluster-robust error of a
        mean). With one row a cluster it is the usual s / √n.
        """
        if self.clusters < 2 or not self.rows:
            return inf
        return sqrt(self.spread * self.clusters / (self.clusters - 1)) / self.rows

    @property
    def spread(self) -> float:
        """Σ over clusters of (their total less their rows times the mean)²."""
        mean = self._local
        raw = self.total_total - 2 * mean * self.rows_total + mean * mean * self.rows_rows
        return raw if raw > 1e-12 * self.total_total else 0.0  # below it is rounding

    @property
    def together(self) -> tuple[float, float]:
        """Σ of residuals' products of outcome with before, and of before with itself (CUPED)."""
        mean, prior = self._local, self._local_before
        cross = (
            self.total_before
            - mean * self.rows_before
            - prior * self.rows_total
            + mean * prior * self.rows_rows
        )
        own = self.before_before - 2 * prior * self.rows_before + prior * prior * self.rows_rows
        return cross, own if own > 1e-12 * self.before_before else 0.0

    def less(self, theta: float) -> "Moments":
        """Of outcome − theta × before, in place of the outcome."""
        return Moments(
            clusters=self.clusters,
            rows=self.rows,
            total=self.total - theta * self.before,
            rows_rows=self.rows_rows,
            rows_total=self.rows_total - theta * self.rows_before,
            total_total=self.total_total
            - 2 * theta * self.total_before
            + theta * theta * self.before_before,
            origin=self.origin - theta * self.before_origin,
        )

    def about(self, origin: float, before_origin: float) -> "Moments":
        """The same group with sums about other origins."""
        up, prior = self.origin - origin, self.before_origin - before_origin
        return Moments(
            clusters=self.clusters,
            rows=self.rows,
            total=self.total + up * self.rows,
            rows_rows=self.rows_rows,
            rows_total=self.rows_total + up * self.rows_rows,
            total_total=self.total_total + up * (2 * self.rows_total + up * self.rows_rows),
            before=self.before + prior * self.rows,
            rows_before=self.rows_before + prior * self.rows_rows,
            total_before=self.total_before
            + up * self.rows_before
            + prior * self.rows_total
            + up * prior * self.rows_rows,
            before_before=self.before_before
            + prior * (2 * self.rows_before + prior * self.rows_rows),
            origin=origin,
            before_origin=before_origin,
        )

    def __add__(self, other: "Moments") -> "Moments":
        """Of both groups together, which share no cluster."""
        same = other.about(self.origin, self.before_origin)
        both = {name: getattr(self, name) + getattr(same, name) for name in MOMENTS}
        return replace(self, **both)


MOMENTS = tuple(name for name in Moments.__dataclass_fields__ if not name.endswith("origin"))
DROWNED = 100.0  # so many times the spread a mean costs the sums of squares four of 16 digits


def _origin(values: "np.ndarray[Any, Any]") -> float:
    """The mean where it is far larger than the spread; else 0, so that counts stay counts."""
    if not len(values):
        return 0.0
    mean = float(values.mean())
    return mean if abs(mean) > DROWNED * float(values.std()) else 0.0


def moments_sql(
    relation: str, by: str, *, outcome: str, cluster: str, before: str | None = None
) -> str:
    """A SELECT with one row per group of `by` (columns, separated by commas) and the columns of
    Moments, out of a relation with a row per occurrence. `outcome` and `before` are expressions
    over it, `cluster` the randomised unit's. Plain sums: good for amounts whose mean is up to some
    ten thousand times their spread, as money of contacts is; beyond, see `of_arrays`."""
    prior = before or "0"
    return f"""
SELECT {by},
    count(*) AS clusters, sum(m)::BIGINT AS rows, sum(y) AS total,
    sum(m * m) AS rows_rows, sum(m * y) AS rows_total, sum(y * y) AS total_total,
    sum(b) AS before, sum(m * b) AS rows_before, sum(y * b) AS total_before,
    sum(b * b) AS before_before
FROM (
    SELECT {by}, {cluster} AS cluster, count(*)::DOUBLE AS m,
        sum(({outcome})::DOUBLE) AS y, sum(({prior})::DOUBLE) AS b
    FROM {relation} GROUP BY {by}, {cluster}
) AS clustered
GROUP BY {by}"""  # noqa: S608 - columns and expressions of our own reports
