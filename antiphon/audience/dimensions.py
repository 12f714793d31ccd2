"""Dimensions: what divides all customers, each under exactly one name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from antiphon.audience.conditions import Condition
from antiphon.audience.expressions import RELATION
from antiphon.audience.values import written_number
from antiphon.campaigns.models import Band, Dimension
from antiphon.quoting import literal, quoted


@dataclass(frozen=True, slots=True)
class Division:
    """A dimension of config/segments.yaml, resolved: the first branch that holds gives the name.

    `names`: every name, in the order of the file. `of`: the feature it reads, if one; `cases`: the
    conditions it asks. `rest` None: the branches hold for everybody.
    """

    name: str
    names: tuple[str, ...]
    branches: tuple[tuple[str, str], ...]
    rest: str | None
    of: str | None = None
    cases: tuple[Condition, ...] = ()

    def sql(self) -> str:
        """The name as an expression over `frame`, never null."""
        branches = list(self.branches)
        last = self.rest if self.rest is not None else branches.pop()[0]
        written = " ".join(f"WHEN {sql} THEN {literal(name)}" for name, sql in branches)
        return f"CASE {written} ELSE {literal(last)} END" if written else literal(last)


def division(name: str, model: Dimension, cases: Mapping[str, Condition]) -> Division:
    """The dimension of a model without faults; `cases`: its conditions, in their order."""
    branches: Iterable[tuple[str, str]]
    value = f"{RELATION}.{quoted(model.of or '')}"
    if model.bands is not None:
        ordered = sorted_bands(model.bands)
        branches = ((band_name, _within(value, band)) for band_name, band in ordered)
    elif model.values is not None:
        branches = (
            (value_name, f"{value} IN ({', '.join(map(literal, texts))})")
            for value_name, texts in model.values.items()
        )
    else:
        branches = ((case, condition.sql) for case, condition in cases.items())
    conditions = tuple(cases.values())
    return Division(name, model.names, tuple(branches), model.rest, model.of, conditions)


def sorted_bands(bands: Mapping[str, Band]) -> list[tuple[str, Band]]:
    """Name and band, the lowest first."""

    def start(item: tuple[str, Band]) -> tuple[bool, Decimal, bool, Decimal]:
        low, high = item[1].from_, item[1].below
        return low is not None, low or Decimal(), high is None, high or Decimal()

    return sorted(bands.items(), key=start)


def _within(value: str, band: Band) -> str:
    ends = ((">=", band.from_), ("<", band.below))
    parts = [f"{value} {sign} {number_sql(end)}" for sign, end in ends if end is not None]
    return " AND ".join(parts) or f"{value} IS NOT NULL"


def number_sql(value: Decimal) -> str:
    """An end of a band; raises ValueError where it has too many digits."""
    written = written_number(f"{abs(value):f}").sql
    return f"(-{written})" if value < 0 else written
