"""Chain limit: a customer is in at most so many chains at a time; another one does not begin."""

from collections.abc import Hashable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from antiphon import keys
from antiphon.campaigns.rules import ChainLimit
from antiphon.policy.candidates import Candidates
from antiphon.policy.columns import Bools, Indices, json_object, positions, texts
from antiphon.policy.contacts import ranges
from antiphon.policy.leaving import Departures
from antiphon.policy.occasions import Occasions
from antiphon.policy.past import Past
from antiphon.policy.refusals import Refusals
from antiphon.policy.setting import Setting


class ChainRule:
    """A chain limit facing the chains that customers are in.

    `begun`: those that this run has begun, as customers and names of campaigns.
    """

    def __init__(self, rule: ChainLimit, setting: Setting, begun: tuple[Indices, pa.Array]) -> None:
        self.rule = rule
        kinds = setting.kinds
        in_scope = kinds.in_scope(rule)
        self._campaigns = [
            kind.campaign if in_scope[number] else None for number, kind in enumerate(kinds.all)
        ]
        column = setting.people.column("chains").cast(pa.list_(pa.string()))
        lists = pa.concat_arrays([pa.array([], column.type), *column.chunks])
        names = pa.concat_arrays([lists.flatten(), begun[1].cast(pa.string())])
        customer = np.concatenate([pc.list_parent_indices(lists).to_numpy(), begun[0]])
        encoded = names.dictionary_encode()
        self._names = encoded.dictionary.to_pylist()
        counted = np.array([kinds.concerns(rule, name) for name in self._names], np.bool_)
        name = encoded.indices.to_numpy(zero_copy_only=False)
        chain = np.unique(customer * max(len(counted), 1) + name)  # each once, by customer
        chain = chain[counted[chain % max(len(counted), 1)]] if len(chain) else chain
        self._customer, self._name = np.divmod(chain, max(len(counted), 1))
        self._customers = setting.customers

    def key(self, kind: int, begins: bool) -> Hashable | None:
        """The chain that would begin; of one that has begun the rule says nothing."""
        return self._campaigns[kind] if begins else None

    def refused(self, key: Hashable, departures: Departures) -> Refusals:
        """Who is in so many other chains already."""
        is_other = np.array([name != key for name in self._names], np.bool_)
        others = np.flatnonzero(is_other[self._name]) if len(self._name) else self._name
        counts = np.bincount(self._customer[others], minlength=self._customers)
        customer = np.flatnonzero(counts >= self.rule.max).astype(np.int32)
        starts = np.cumsum(counts) - counts
        names = pa.array([f'"{name}"' for name in self._names], pa.string())

        def write(places: npt.NDArray[np.int64]) -> pa.Array:
            whose = customer[places]
            mine = names.take(pa.array(self._name[others[ranges(starts[whose], counts[whose])]]))
            ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts[whose])])
            lists = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), mine)
            joined = pc.binary_join_element_wise("[", pc.binary_join(lists, ","), "]", "")
            return json_object(**{"max": str(self.rule.max), "in": joined})

        return Refusals(customer, write)


def beginnings(pairs: Candidates, occasions: Occasions, history: pa.Table, past: Past) -> Bools:
    """Which candidates would be the first message of their entry into a chain."""
    begins = np.zeros(len(pairs.customer), np.bool_)
    asked = pairs.asked
    is_chain = np.array([touch.chain_step is not None for touch in asked.touches], np.bool_)
    rows = np.flatnonzero(is_chain[pairs.touch])
    if not len(rows):
        return begins
    names = pa.array([touch.name for touch in asked.touches], pa.string())
    chains = names.filter(pa.array(is_chain))
    told = past.is_occurrence & (positions(texts(history, "campaign"), chains) >= 0)
    told_rows = history.filter(pa.array(told))
    spoken = [texts(told_rows, name) for name in ("campaign", "anchor", "unit")]
    anchors = occasions.anchor.take(pa.array(pairs.occasion[rows]))
    units = asked.units.take(pa.array(pairs.customer[rows]))
    entries = [names.take(pa.array(pairs.touch[rows])), anchors, units]
    known, mine = (
        pc.binary_join_element_wise(*parts, keys.SEPARATOR) for parts in (spoken, entries)
    )
    begins[rows] = ~pc.is_in(mine, value_set=known).to_numpy(zero_copy_only=False)
    return begins
