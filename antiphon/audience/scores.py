"""Scores: equal parts of the customers by one feature, such as RFM quintiles.

Customers are ranked by (value, number), where the number is a hash of their id: of n ranked, the
one at rank r (from 0) is in part floor(r * parts / n) + 1, so that parts differ by one customer at
most. Part k + 1 therefore begins at rank ceil(k * n / parts), and all that a frame needs to know is
who stands there: its thresholds. They depend on neither buckets, threads nor the order of rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from antiphon import keys
from antiphon.audience.conditions import Condition
from antiphon.audience.enquiry import Enquiry
from antiphon.audience.expressions import RELATION
from antiphon.entities import ColumnType
from antiphon.quoting import literal, quoted

RANKED_TYPES = (
    ColumnType.INTEGER,
    ColumnType.NUMBER,
    ColumnType.MONEY,
    ColumnType.DAY,
    ColumnType.INSTANT,
)


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where a part begins: at this value (as the engine writes it) and at least this number."""

    value: str
    number: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """A score of config/segments.yaml, resolved. `where` None: everybody with a value is ranked."""

    name: str
    of: str
    type: ColumnType
    where: Condition | None
    parts: int
    high_is_best: bool

    @property
    def meaning(self) -> str:
        """Another text for every score that would divide otherwise."""
        where = self.where.sql if self.where else ""
        return f"{self.name} {self.of} {self.parts} {self.high_is_best} {where}"

    @property
    def _value(self) -> str:
        return f"{RELATION}.{quoted(self.of)}"

    @property
    def _ranked(self) -> str:
        known = f"{self._value} IS NOT NULL"
        return f"({known} AND {self.where.sql})" if self.where else known

    @property
    def _number(self) -> str:
        return keys.number_sql("score", literal(self.name), f"{RELATION}.customer_id")

    def _at(self, value: str) -> str:
        return f"CAST({literal(value)} AS {self.type.value})"

    def sql(self, thresholds: Sequence[Threshold] | None) -> str:
        """The score as an expression over `frame`; null where `thresholds` are not known.

        The hash is computed only for customers whose value is a threshold's.
        """
        if thresholds is None:
            return "CAST(NULL AS BIGINT)"
        branches = [f"WHEN ({self._ranked}) IS NOT TRUE THEN NULL"]
        part = 1
        before = "<" if self.high_is_best else ">"
        for value, group in groupby(thresholds, key=lambda one: one.value):
            numbers = [threshold.number for threshold in group]
            branches.append(f"WHEN {self._value} {before} {self._at(value)} THEN {part}")
            tied = " ".join(
                f"WHEN {self._number} < {number}::UBIGINT THEN {part + place}"
                for place, number in enumerate(numbers)
            )
            part += len(numbers)
            branches.append(
                f"WHEN {self._value} = {self._at(value)} THEN CASE {tied} ELSE {part} END"
            )
        return f"CAST(CASE {' '.join(branches)} ELSE {part} END AS BIGINT)"

    def enquire(self) -> Enquiry[list[Threshold]]:
        """Find the thresholds; fewer than `parts` - 1 where fewer customers are ranked."""
        (size,) = yield [f"count(*) FILTER (WHERE {self._ranked})"]
        ranks = [rank for k in range(1, self.parts) if (rank := -(-k * size // self.parts)) < size]
        if not ranks:
            return []
        (values,) = yield [self._at_ranks(ranks, size)]
        distinct = list(dict.fromkeys(values))
        before = "<" if self.high_is_best else ">"
        counts = yield [
            f"count(*) FILTER (WHERE {self._ranked} AND {self._value} {sign} {self._at(value)})"
            for value in distinct
            for sign in (before, "=")
        ]
        ahead = dict(zip(distinct, counts[::2], strict=True))
        equal = dict(zip(distinct, counts[1::2], strict=True))
        places = [(value, rank - ahead[value]) for value, rank in zip(values, ranks, strict=True)]
        tied = [(value, place) for value, place in places if place]
        numbers = yield [
            f"quantile_disc({self._number}, {_fraction(place, equal[value])}) "
            f"FILTER (WHERE {self._ranked} AND {self._value} = {self._at(value)})"
            for value, place in tied
        ]
        found: Iterator[Any] = iter(numbers)
        return [Threshold(value, next(found) if place else 0) for value, place in places]

    def _at_ranks(self, ranks: Sequence[int], size: int) -> str:
        """The values at these ranks (from 0), as texts."""
        if not self.high_is_best:  # the engine counts from the other end
            ranks = [size - 1 - rank for rank in ranks]
        fractions = ", ".join(_fraction(rank, size) for rank in ranks)
        quantiles = f"quantile_disc({self._value}, [{fractions}]) FILTER (WHERE {self._ranked})"
        return f"CAST({quantiles} AS VARCHAR[])"


def _fraction(rank: int, size: int) -> str:
    """For quantile_disc, whose index is ceil(fraction * size) - 1: the middle of that rank."""
    return f"{(rank + 0.5) / size!r}::DOUBLE"
