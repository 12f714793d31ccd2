"""Rates of groups: how often the people of a customer's micro-segment do what is counted.

`part` of `of`, two counts of each customer, are added up over each group of a dimension or cross
and drawn towards the rate of its parents (antiphon.response.shrinkage). The parents of a cell are
what is left of it when its dimensions are given up in the order of its cross's `roll_up`.
"""

# ruff: noqa: S608  (names are checked)

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from antiphon.audience.crosses import BETWEEN
from antiphon.audience.expressions import RELATION
from antiphon.quoting import literal, quoted
from antiphon.response.shrinkage import shrunk_rates

Rates = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class GroupRate:
    """A rate of config/segments.yaml, resolved. `levels`: places in the names of a cell, the
    coarsest first; (0,) of a dimension."""

    name: str
    part: str
    of: str
    by: str
    levels: tuple[int, ...]

    @property
    def meaning(self) -> str:
        """Another text for every rate that would come out otherwise."""
        return f"{self.name} {self.part} {self.of} {self.by} {self.levels}"

    def query(self, relation: str) -> str:
        """Adds up over all customers: one row with the groups, their `part` and their `of`, all
        three as lists. Of more answers than messages all messages count as answered."""
        group = f"{RELATION}.{quoted(self.by)}"
        part, of = (
            f"greatest(coalesce({RELATION}.{quoted(name)}, 0), 0)" for name in (self.part, self.of)
        )
        return (
            f"SELECT list(name), list(parts), list(wholes) FROM (SELECT {group} AS name, "
            f"sum(least({part}, {of}))::DOUBLE AS parts, sum({of})::DOUBLE AS wholes "
            f"FROM {relation} AS {RELATION} WHERE {group} IS NOT NULL GROUP BY ALL) AS counted"
        )

    def rates(self, counted: Sequence[Any]) -> dict[str, float]:
        """Group → its rate, '' → that of everybody, of what `query` answered."""
        names, parts, wholes = (one or [] for one in counted)
        paths = {name: self._path(name) for name in names}
        groups = {
            paths[name]: (part, whole)
            for name, part, whole in zip(names, parts, wholes, strict=True)
        }
        rates = shrunk_rates(groups)
        if not rates:
            return {}
        return {name: rates[paths[name]] for name in sorted(names)} | {"": rates[()]}

    def _path(self, group: str) -> tuple[str, ...]:
        names = group.split(BETWEEN)
        return tuple(names[place] for place in self.levels)

    def sql(self, rates: Rates | None) -> tuple[str, str]:
        """The rate as an expression over `frame`, and the join it needs (or '').

        A group that was empty then has everybody's; null where nothing is known at all.
        """
        if not rates:
            return "CAST(NULL AS DOUBLE)", ""
        alias = quoted(f"rates of {self.name}")
        rows = ", ".join(f"({literal(group)}, {rate!r}::DOUBLE)" for group, rate in rates.items())
        join = (
            f'LEFT JOIN (VALUES {rows}) AS {alias}("group", rate) '
            f'ON {alias}."group" = {RELATION}.{quoted(self.by)}'
        )
        return f"coalesce({alias}.rate, {rates['']!r}::DOUBLE)", join
