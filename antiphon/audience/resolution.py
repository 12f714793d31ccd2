"""What builds on what: segments parsed as they are asked for, layers, and cycles."""

from collections.abc import Callable, Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from antiphon.audience.conditions import Condition

NOBODY = Condition("", "FALSE", frozenset())  # a segment that is wrong, or part of a cycle


class LazySegments(Mapping[str, Condition]):
    """Segments by name, each parsed when a condition first names it; a cycle ends in nobody."""

    def __init__(self, names: Collection[str], parse_one: Callable[[str], Condition]) -> None:
        self.names = names
        self.parse_one = parse_one
        self.parsed: dict[str, Condition] = {}
        self.asked: list[set[str]] = []  # names that the conditions being parsed ask for directly
        self.open: set[str] = set()

    def __getitem__(self, name: str) -> Condition:
        if name not in self.names:
            raise KeyError(name)
        if self.asked:
            self.asked[-1].add(name)
        if name not in self.parsed:
            if name in self.open:
                return NOBODY
            self.open.add(name)
            self.parsed[name] = self.parse_one(name)
            self.open.remove(name)
        return self.parsed[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def in_layers(
    graph: Mapping[str, Collection[str]],
) -> tuple[list[frozenset[str]], list[tuple[str, ...]]]:
    """The nodes in layers, each needing only those before it, and the cycles among them.

    `graph`: node → what it needs; names that are no node are no matter here. A cycle begins with
    the member that comes first in the graph, and each member needs the next. Those of a cycle are
    in no layer's way: it is taken apart.
    """
    places = {node: place for place, node in enumerate(graph)}
    needs = {node: {one for one in wanted if one in graph} for node, wanted in graph.items()}
    cycles = []
    while True:
        sorter = TopologicalSorter(needs)
        try:
            sorter.prepare()
            break
        except CycleError as error:
            cycle = error.args[1][:0:-1]  # it lists what is needed first, and one node twice
            first = min(range(len(cycle)), key=lambda place: places[cycle[place]])
            cycles.append((*cycle[first:], *cycle[:first]))
            for node in cycle:
                needs[node] -= set(cycle)
    layers = []
    while sorter.is_active():
        ready = sorter.get_ready()
        sorter.done(*ready)
        layers.append(frozenset(ready))
    return layers, cycles
