"""Caps and gaps of a customer: never more than `max` contacts in any window of `per`.

A rolling window is half open: two contacts exactly `per` apart do not share one. With `max`
contacts t₁ … tₘ inside one window, a further one at p makes a window too many exactly when all
m + 1 lie closer than `per`: max(p, tₘ) − min(p, t₁) < per, that is tₘ − per < p < t₁ + per. So
every run of `max` neighbouring contacts forbids one open interval of time, and a planned moment is
refused when it lies in any of its customer's, whether the contacts are before or after it.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import timedelta
from typing import get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from antiphon.campaigns.conversions import Calendar
from antiphon.campaigns.models import Category
from antiphon.campaigns.rules import Cap, Gap
from antiphon.policy.columns import (
    FOREVER,
    Indices,
    Instants,
    instant_json,
    instants_json,
    json_object,
    nullable_wholes,
)
from antiphon.policy.contacts import Contacts, first_of_each, ranges
from antiphon.policy.kinds import NO_GROUP
from antiphon.policy.leaving import Departures
from antiphon.policy.moment import MICROSECOND
from antiphon.policy.refusals import Refusals
from antiphon.policy.setting import Setting

CATEGORIES: tuple[Category, ...] = get_args(Category)
Wholes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Windows:
    """Times at which one contact more would be too many: after `begin` and before `end`.

    In order of customer and time. `first` and `length` say which neighbouring contacts fill the
    window; a customer who may have none has one window without end or contacts.
    """

    customer: Indices
    begin: Instants
    end: Instants
    first: npt.NDArray[np.intp]
    length: Wholes

    def around(self, at: Instants) -> npt.NDArray[np.intp]:
        """The first window of each customer that holds their moment (`at`: by customer)."""
        mine = at[self.customer]
        holds = np.flatnonzero((self.begin < mine) & (mine < self.end))
        return holds[first_of_each(self.customer[holds])]

    def where(self, chosen: slice) -> "Windows":
        """Some of the windows."""
        return Windows(
            self.customer[chosen],
            self.begin[chosen],
            self.end[chosen],
            self.first[chosen],
            self.length[chosen],
        )

    def plus(self, more: "Windows") -> "Windows":
        """These and those of other customers."""
        if not len(more.customer):
            return self
        return Windows(
            np.concatenate([self.customer, more.customer]),
            np.concatenate([self.begin, more.begin]),
            np.concatenate([self.end, more.end]),
            np.concatenate([self.first, more.first]),
            np.concatenate([self.length, more.length]),
        )

    def ends(self, windows: npt.NDArray[np.integer]) -> Instants:
        """When each of these customers may be written to again: the end of the window, and of
        those that begin before it ends."""
        at: Instants = self.end[windows]
        place, open_ = windows + 1, np.arange(len(windows))
        while len(open_):
            inside = place[open_] < len(self.customer)
            open_ = open_[inside]
            here = place[open_]
            goes_on = (self.customer[here] == self.customer[windows[open_]]) & (
                self.begin[here] < at[open_]
            )
            open_, here = open_[goes_on], here[goes_on]
            at[open_] = np.maximum(at[open_], self.end[here])
            place[open_] += 1
        return at


def full_windows(contacts: Contacts, group: Indices, per: timedelta, most: Wholes) -> Windows:
    """The rolling windows that are full, of contacts group by group (`most`: by customer)."""
    length, count = per // MICROSECOND, len(contacts.at)
    allowed = most[contacts.customer]
    first = np.flatnonzero(allowed > 0)
    last = first + allowed[first] - 1
    first, last = first[last < count], last[last < count]
    is_full = contacts.customer[first] == contacts.customer[last]
    is_full &= group[first] == group[last]
    is_full &= contacts.at[last] - contacts.at[first] < length
    first, last = first[is_full], last[is_full]
    return Windows(
        contacts.customer[first],
        contacts.at[last] - length,
        contacts.at[first] + length,
        first,
        last - first + 1,
    )


def shut_windows(customer: Indices) -> Windows:
    """Windows without end, of customers who may have no contact at all."""
    never, nothing = np.full(len(customer), FOREVER), np.zeros(len(customer), np.int64)
    return Windows(customer, -never, never, nothing, nothing)


class CapRule:
    """A cap, or a gap as the cap that it is, facing the contacts there are."""

    def __init__(self, rule: Cap | Gap, setting: Setting, contacts: Contacts) -> None:
        self.rule = rule
        self._cap = rule.cap if isinstance(rule, Gap) else rule
        self._most = most_of(self._cap, setting)
        in_scope = setting.kinds.in_scope(self._cap)
        self._groups = np.where(in_scope, setting.kinds.groups(self._cap.each), NO_GROUP)
        counts = self._groups[contacts.kind] != NO_GROUP
        if isinstance(self._cap.per, timedelta):  # nothing leaves before the run's moment
            counts &= contacts.at > setting.moment.planned_at - self._cap.per // MICROSECOND
        counted = contacts.where(counts)
        group = self._groups[counted.kind]
        if self._cap.each is not None:  # one group after another, each in order
            order = np.argsort(group, kind="stable")
            counted, group = counted.where(order), group[order]
        self._counted, self._group = counted, group
        if isinstance(self._cap.per, timedelta):
            self._windows = full_windows(counted, group, self._cap.per, self._most)
            self._shut = shut_windows(np.flatnonzero(self._most == 0).astype(np.int32))

    def key(self, kind: int, begins: bool) -> Hashable | None:
        """The group of what is counted apart."""
        group = int(self._groups[kind])
        return None if group == NO_GROUP else group

    def refused(self, key: Hashable, departures: Departures) -> Refusals:
        """Whose window is full at their moment."""
        assert isinstance(key, int)
        if isinstance(self._cap.per, Calendar):
            return self._beyond(key, departures)
        of = self._group[self._windows.first]
        windows = self._windows.where(slice(*np.searchsorted(of, [key, key + 1])))
        windows = windows.plus(self._shut)
        around = windows.around(departures.at)
        return Refusals(
            windows.customer[around], lambda places: self._texts(windows, around[places])
        )

    def _beyond(self, key: int, departures: Departures) -> Refusals:
        """Whose period of the calendar is full."""
        assert isinstance(self._cap.per, Calendar)
        contacts = self._counted.where(slice(*np.searchsorted(self._group, [key, key + 1])))
        first, after = departures.period(self._cap.per)
        inside = (first[contacts.customer] <= contacts.at) & (
            contacts.at < after[contacts.customer]
        )
        inside_of = contacts.where(inside)
        used = np.diff(inside_of.starts)
        customer = np.flatnonzero(used >= self._most).astype(np.int32)

        def write(places: npt.NDArray[np.int64]) -> pa.Array:
            whose = customer[places]
            mine, counts = inside_of.of(whose)
            next_ = np.where(self._most[whose] > 0, after[whose], FOREVER)
            return self._json(self._most[whose], counts, inside_of.at[mine], next_)

        return Refusals(customer, write)

    def _texts(self, windows: Windows, chosen: npt.NDArray[np.intp]) -> pa.Array:
        counts = windows.length[chosen]
        times = self._counted.at[ranges(windows.first[chosen], counts)]
        return self._json(counts, counts, times, windows.ends(chosen))

    def _json(self, most: Wholes, counts: Wholes, times: Instants, next_: Instants) -> pa.Array:
        per = self._cap.per
        written = f'"{per.value}"' if isinstance(per, Calendar) else str(seconds(per))
        return json_object(
            max=pa.array(most).cast(pa.string()),
            per=written,
            contacts=instants_json(counts, times),
            next=instant_json(next_),
        )


def most_of(cap: Cap, setting: Setting) -> Wholes:
    """How many contacts the cap allows each customer; an expression that is null or negative
    allows none."""
    if isinstance(cap.max, int):
        return np.full(setting.customers, cap.max, np.int64)
    return np.maximum(nullable_wholes(setting.people, f"max:{cap.name}", null=0), 0)


def seconds(length: timedelta) -> int:
    """Whole seconds."""
    return int(length // timedelta(seconds=1))
