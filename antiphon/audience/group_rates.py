"""Rates of groups: how often the people of a customer's micro-segment do what is counted.

`part` of `of`, two counts of each customer, are added up over each group of a dimension or cross
and drawn towards the rate of its parents (antiphon.response.shrinkage). The parents of a cell are
what is left of it when its dimensions are given up in the order of its cross's `roll_up`.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from antiphon.audience.crosses import BETWEEN
from antiphon.audience.enquiry import Enquiry
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

    def enquire(self) -> Enquiry[Rates]:
        """Add up over all customers."""
        group = f"{RELATION}.{quoted(self.by)}"
        part, of = (f"greatest({RELATION}.{quoted(name)}, 0)" for name in (self.part, self.of))
        # few customers differ in all three, so this is small however many there are
        seen = f"concat({part}, ' ', {of}, ' ', {group})"
        (counts,) = yield [f"histogram({seen})"]
        return self.rates(counts or {})

    def rates(self, counts: Mapping[str, int]) -> dict[str, float]:
        """Group → its rate, '' → that of everybody. `counts`: 'PART OF GROUP' → customers."""
        groups: dict[str, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
        for text, customers in counts.items():
            part, of, group = text.split(" ", 2)
            parts, wholes = groups[group]
            # nobody answers more messages than were sent, whatever a file of features says
            more = min(float(part), float(of)) * customers
            groups[group] = (parts + more, wholes + float(of) * customers)
        rates = shrunk_rates({self._path(group): counted for group, counted in groups.items()})
        found = {group: rates[self._path(group)] for group in sorted(groups) if rates}
        return found | ({"": rates[()]} if rates else {})

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
