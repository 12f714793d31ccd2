"""Crosses: micro-segments, the cells of some dimensions, small ones joined.

A cell's id is the names of its dimensions joined by '/', in the order of the cross; a dimension
that was given up is written *. A cell smaller than `min_size` gives up the first dimension of
`roll_up`, and what then has the same id is one cell and counted anew; if that is small too, it
gives up the next. What is small in the end stays as it is, so everybody is in exactly one cell.
A combination's cell follows from today's sizes: it changes on the day a size crosses the limit.
Campaigns are not disturbed by that, as key, repeat rule and arm are the parent's.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from antiphon.audience.enquiry import Enquiry
from antiphon.audience.expressions import RELATION
from antiphon.quoting import literal, quoted

BETWEEN = "/"
GIVEN_UP = "*"


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of a cross on a day: id → customers; combinations that became part of another."""

    sizes: Mapping[str, int] = field(default_factory=dict)
    moved: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Crossing:
    """A cross of config/segments.yaml, resolved."""

    name: str
    dimensions: tuple[str, ...]
    min_size: int
    roll_up: tuple[str, ...]

    @property
    def combination(self) -> str:
        """Names of all dimensions, joined: an expression over `frame`."""
        columns = [f"{RELATION}.{quoted(name)}" for name in self.dimensions]
        return f" || {literal(BETWEEN)} || ".join(columns)

    @property
    def coarsest_first(self) -> tuple[int, ...]:
        """Places of the dimensions, those that are given up first last."""
        kept = [one for one in self.dimensions if one not in self.roll_up]
        return tuple(map(self.dimensions.index, (*kept, *reversed(self.roll_up))))

    def enquire(self, known: Cells | None = None) -> Enquiry[Cells]:
        """Count the combinations and find their cells; see `cells`."""
        (counts,) = yield [f"histogram({self.combination})"]
        return self.cells(counts or {}, known)

    def cells(self, counts: Mapping[str, int], known: Cells | None = None) -> Cells:
        """The cells of these combinations. With `known`, a cell is large where it was one there."""
        sizes: dict[str, int] = {}
        moved: dict[str, str] = {}
        waiting = list(counts)
        for given_up in range(len(self.roll_up) + 1):
            cells = defaultdict(list)
            for combination in waiting:
                cells[self._id(combination, given_up)].append(combination)
            waiting = []
            for cell, combinations in cells.items():
                size = sum(counts[combination] for combination in combinations)
                is_large = size >= self.min_size if known is None else cell in known.sizes
                if is_large or given_up == len(self.roll_up):
                    sizes[cell] = size
                    moved |= dict.fromkeys(combinations if given_up else (), cell)
                else:
                    waiting += combinations
        return Cells(dict(sorted(sizes.items())), dict(sorted(moved.items())))

    def _id(self, combination: str, given_up: int) -> str:
        names = combination.split(BETWEEN)
        for dimension in self.roll_up[:given_up]:
            names[self.dimensions.index(dimension)] = GIVEN_UP
        return BETWEEN.join(names)

    def sql(self, cells: Cells | None) -> tuple[str, str]:
        """The cell as an expression over `frame`, and the join it needs (or '')."""
        if not (cells and cells.moved):
            return self.combination, ""
        alias = quoted(f"cells of {self.name}")
        rows = ", ".join(f"({literal(old)}, {literal(new)})" for old, new in cells.moved.items())
        join = (
            f"LEFT JOIN (VALUES {rows}) AS {alias}(combination, cell) "
            f"ON {alias}.combination = {self.combination}"
        )
        return f"coalesce({alias}.cell, {self.combination})", join
