"""Caps over exact rolling windows: no window of `per` may hold more than `max` contacts.

A window is half open: two contacts exactly `per` apart do not share one. With `max` contacts
t₁ … tₘ inside one window, a further one at p makes a window too many exactly when all m + 1 lie
closer than `per`: max(p, tₘ) − min(p, t₁) < per, that is tₘ − per < p < t₁ + per. So every run
of `max` neighbouring contacts forbids one open interval of time, and a planned moment is refused
when it lies in any of its customer's intervals, whether the contacts are before or after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from antiphon.campaigns.models import Category, Channel
from antiphon.campaigns.rules import Cap
from antiphon.policy.columns import Bools, Codes, Indices, Instants, instant_texts
from antiphon.policy.moment import MICROSECOND

CHANNELS: tuple[Channel, ...] = get_args(Channel)
CATEGORIES: tuple[Category, ...] = get_args(Category)


@dataclass(frozen=True)
class Contacts:
    """Contacts (of history, or planned): customer's row, moment, channel and category codes."""

    customer: Indices
    at: Instants
    channel: Codes
    category: Codes

    def where(self, chosen: Bools | npt.NDArray[np.integer[Any]]) -> "Contacts":
        """Some of the contacts, by mask or by position."""
        return Contacts(
            self.customer[chosen], self.at[chosen], self.channel[chosen], self.category[chosen]
        )

    def plus(self, more: "Contacts") -> "Contacts":
        """These and more."""
        return Contacts(
            np.concatenate([self.customer, more.customer]),
            np.concatenate([self.at, more.at]),
            np.concatenate([self.channel, more.channel]),
            np.concatenate([self.category, more.category]),
        )

    def in_order(self) -> "Contacts":
        """By customer, then by moment."""
        return self.where(np.lexsort((self.at, self.customer)))

    def in_scope(self, cap: Cap) -> Bools:
        """Which of them the cap counts."""
        counted = np.ones(len(self.customer), np.bool_)
        if cap.channel is not None:
            counted &= np.isin(self.channel, [CHANNELS.index(one) for one in cap.channel])
        if cap.category is not None:
            counted &= np.isin(self.category, [CATEGORIES.index(one) for one in cap.category])
        return counted


class FullWindows:
    """The intervals of time that one cap forbids, by customer; the contacts come in order."""

    def __init__(self, cap: Cap, contacts: Contacts, customers: int) -> None:
        self._cap = cap
        counted = contacts.where(contacts.in_scope(cap))
        customer, self._at = counted.customer, counted.at
        per = cap.per // MICROSECOND
        runs = max(len(customer) - cap.max + 1, 0) if cap.max else 0
        first = np.arange(runs)
        last = first + cap.max - 1
        full = first[(customer[first] == customer[last]) & (self._at[last] - self._at[first] < per)]
        self._first = full
        self._from = self._at[full + cap.max - 1] - per
        self._until = self._at[full] + per
        ends = np.cumsum(np.bincount(customer[full], minlength=customers))
        self._ends = ends.astype(np.int32)

    def refused(self, candidates: Contacts) -> tuple[Bools, Indices]:
        """Which candidates the cap refuses, and the interval that refuses each (−1: none)."""
        found = np.full(len(candidates.customer), -1, np.int32)
        in_scope = candidates.in_scope(self._cap)
        if self._cap.max == 0:
            return in_scope, found
        open_ = np.flatnonzero(in_scope)
        interval = self._starts[candidates.customer[open_]]
        while len(open_):
            within = interval < self._ends[candidates.customer[open_]]
            open_, interval = open_[within], interval[within]
            at = candidates.at[open_]
            hit = (self._from[interval] < at) & (at < self._until[interval])
            found[open_[hit]] = interval[hit]
            open_, interval = open_[~hit], interval[~hit] + 1
        return found >= 0, found

    @property
    def _starts(self) -> Indices:
        return np.concatenate([np.zeros(1, np.int32), self._ends[:-1]])

    def texts(self, intervals: Indices) -> tuple[Indices, pa.Array]:
        """The counters (JSON) of the intervals: for each the position of its text; the texts."""
        used, place = np.unique(intervals, return_inverse=True)
        head = f'{{"max":{self._cap.max},"per":{self._cap.per // MICROSECOND // 1_000_000}'
        if self._cap.max == 0:
            return place.astype(np.int32), pa.array([head + ',"contacts":[]}'])
        first = self._first[used]
        times = [instant_texts(self._at[first + step]) for step in range(self._cap.max)]
        joined = pc.binary_join_element_wise(*times, '","')
        text = pc.binary_join_element_wise(head + ',"contacts":["', joined, '"]}', "")
        return place.astype(np.int32), text


def relevant(contacts: Contacts, caps: Sequence[Cap], planned: Instants) -> Contacts:
    """Those contacts that can share a window with any planned moment."""
    reach = max((cap.per // MICROSECOND for cap in caps), default=0)
    if not len(planned) or not reach:
        return contacts.where(np.zeros(len(contacts.at), np.bool_))
    near = (contacts.at > planned.min() - reach) & (contacts.at < planned.max() + reach)
    return contacts.where(near)
