"""Scores, dimensions, crosses and rates as columns: layers of SQL over the frame.

Nothing of this is stored with the customers. A day's constants (thresholds of scores, cells of
crosses, rates of groups) are found in a few scans over the whole frame; with them each column is an
expression over one customer's row, the same in every bucket.
"""

# ruff: noqa: S608  (names are checked, values are literals)

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from antiphon.audience.crosses import Cells
from antiphon.audience.definitions import Definitions
from antiphon.audience.enquiry import Enquiry, answered
from antiphon.audience.expressions import RELATION
from antiphon.audience.group_rates import Rates
from antiphon.audience.scores import Threshold
from antiphon.quoting import quoted


@dataclass(frozen=True, slots=True)
class Constants:
    """What the derived columns of a day must know.

    `meanings`: of the definitions they were found for; those of a changed one are not used.
    """

    thresholds: Mapping[str, Sequence[Threshold]] = field(default_factory=dict)
    cells: Mapping[str, Cells] = field(default_factory=dict)
    meanings: Mapping[str, str] = field(default_factory=dict)
    rates: Mapping[str, Rates] = field(default_factory=dict)

    def of(self, definitions: Definitions) -> "Constants":
        """Those that still belong to the definitions."""

        def current(name: str) -> bool:
            return name in definitions.derived and (
                definitions.meaning(name) == self.meanings.get(name)
            )

        return Constants(
            {name: found for name, found in self.thresholds.items() if current(name)},
            {name: found for name, found in self.cells.items() if current(name)},
            {name: found for name, found in self.meanings.items() if current(name)},
            {name: found for name, found in self.rates.items() if current(name)},
        )

    def json(self) -> dict[str, Any]:
        """As `from_json` reads it."""
        return {
            "thresholds": {
                name: [[one.value, one.number] for one in found]
                for name, found in self.thresholds.items()
            },
            "cells": {
                name: {"sizes": dict(found.sizes), "moved": dict(found.moved)}
                for name, found in self.cells.items()
            },
            "meanings": dict(self.meanings),
            "rates": {name: dict(found) for name, found in self.rates.items()},
        }

    @staticmethod
    def from_json(kept: Mapping[str, Any]) -> "Constants":
        """What `json` wrote."""
        return Constants(
            {
                name: [Threshold(value, number) for value, number in found]
                for name, found in kept["thresholds"].items()
            },
            {name: Cells(one["sizes"], one["moved"]) for name, one in kept["cells"].items()},
            kept["meanings"],
            kept.get("rates", {}),
        )


def derived_sql(
    source: str,
    definitions: Definitions,
    constants: Constants,
    columns: Collection[str] | None = None,
) -> str:
    """A relation with the columns of `source` and the derived ones: all, or what `columns` need.

    Read it as `FROM {it} AS frame`. Without its constants a score or a rate is null and a cell what
    the dimensions say.
    """
    for layer in _layers(definitions, columns):
        source = _layer(source, definitions, constants, layer)
    return source


def find_constants(
    source: str,
    definitions: Definitions,
    scan: Callable[[str], Sequence[Any]],
    columns: Collection[str] | None = None,
    known: Constants | None = None,
) -> Constants:
    """The constants of the frame `source`; `scan` runs a query of one row over all its customers.

    With `known`, those are kept, and only combinations of dimensions that it did not meet are
    given cells, among its own; nothing is found that it does not know.
    """
    known = known.of(definitions) if known else None
    found = Constants({}, {}, {}, {})
    thresholds: dict[str, Sequence[Threshold]] = {}
    cells: dict[str, Cells] = {}
    rates: dict[str, Rates] = {}
    meanings: dict[str, str] = {}
    for layer in _layers(definitions, columns):

        def ask(expressions: list[str], relation: str = source) -> Sequence[Any]:
            return scan(f"SELECT {', '.join(expressions)} FROM {relation} AS {RELATION}")

        if known is None:
            scores = {n: definitions.scores[n].enquire() for n in layer if n in definitions.scores}
            thresholds |= answered(scores, ask)
            rated = {n: definitions.rates[n] for n in layer if n in definitions.rates}
            rates |= {n: one.rates(scan(one.query(source))) for n, one in rated.items()}
        crosses = {n: e for n in layer if (e := _cross_enquiry(definitions, n, known))}
        cells |= answered(crosses, ask)
        thresholds |= {n: known.thresholds[n] for n in layer if known and n in known.thresholds}
        rates |= {n: known.rates[n] for n in layer if known and n in known.rates}
        settled = thresholds.keys() | cells.keys() | rates.keys()
        meanings |= {n: definitions.meaning(n) for n in layer if n in settled}
        found = Constants(thresholds, cells, meanings, rates)
        source = _layer(source, definitions, found, layer)
    return found


def _cross_enquiry(
    definitions: Definitions, name: str, known: Constants | None
) -> Enquiry[Cells] | None:
    if name not in definitions.crosses or (known and name not in known.cells):
        return None
    return definitions.crosses[name].enquire(known.cells[name] if known else None)


def _layers(definitions: Definitions, columns: Collection[str] | None) -> Iterator[list[str]]:
    wanted = definitions.derived if columns is None else definitions.closure(columns)
    for layer in definitions.layers:
        if names := [name for name in layer if name in wanted]:
            yield names


def _layer(source: str, definitions: Definitions, constants: Constants, names: list[str]) -> str:
    columns, joins = [f"{RELATION}.*"], []
    for name in names:
        if name in definitions.crosses:
            sql, join = definitions.crosses[name].sql(constants.cells.get(name))
            joins += [join] if join else []
        elif name in definitions.rates:
            sql, join = definitions.rates[name].sql(constants.rates.get(name))
            joins += [join] if join else []
        elif name in definitions.dimensions:
            sql = definitions.dimensions[name].sql()
        else:
            sql = definitions.scores[name].sql(constants.thresholds.get(name))
        columns.append(f"{sql} AS {quoted(name)}")
    return f"(SELECT {', '.join(columns)} FROM {' '.join([f'{source} AS {RELATION}', *joins])})"
