"""Caps and gaps of households among the survivors: members are asked in turn, in one order.

Who comes first in a household is asked first, and what is chosen counts for those after it. A
turn asks one row of every household at once, so that there are as many turns as the largest
household has rows. Control rows are asked like others and count for nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from antiphon.campaigns.conversions import Calendar
from antiphon.campaigns.models import CHANNELS, Campaign
from antiphon.campaigns.rules import Cap
from antiphon.policy.columns import (
    FOREVER,
    Bools,
    Indices,
    Instants,
    flags,
    instant_json,
    instants,
    instants_json,
    json_object,
    nullable_wholes,
    positions,
    texts,
)
from antiphon.policy.kinds import NO_GROUP, Kind, Kinds
from antiphon.policy.moment import EPOCH, MICROSECOND
from antiphon.policy.periods import bounds
from antiphon.policy.settling.households import household_rules
from antiphon.policy.settling.survivors import Chosen, Survivors

Wholes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sent:
    """Contacts that count: household, moment, and the number of their kind."""

    household: Indices
    at: Instants
    kind: Indices

    def where(self, chosen: Bools) -> "Sent":
        """Some of them."""
        return Sent(self.household[chosen], self.at[chosen], self.kind[chosen])

    def plus(self, more: "Sent") -> "Sent":
        """These and more."""
        return Sent(
            np.concatenate([self.household, more.household]),
            np.concatenate([self.at, more.at]),
            np.concatenate([self.kind, more.kind]),
        )


@dataclass(frozen=True)
class Refused:
    """Rows asked (positions) that a cap refuses: how many contacts fill the window of each, the
    moments of these one after another, and from when it is free (FOREVER: never)."""

    row: Chosen
    counts: Wholes
    times: Instants
    free: Instants


class Households:
    """The survivors that share a household, and what its members got before."""

    def __init__(self, rows: Survivors, shared: pa.Table, known: Mapping[str, Campaign]) -> None:
        self._rows = rows
        self._rules = list(household_rules(rows.policy, rows.moment))
        if not self._rules or not rows.table.num_rows:
            return
        ids = texts(rows.table, "household_id").dictionary_encode()
        self._of = ids.indices.to_numpy(zero_copy_only=False).astype(np.int32)
        theirs = positions(texts(shared, "household_id"), ids.dictionary)
        shared, theirs = shared.filter(pa.array(theirs >= 0)), theirs[theirs >= 0]
        members = np.bincount(self._of, minlength=len(ids.dictionary))
        members += np.bincount(theirs, minlength=len(ids.dictionary))
        self._is_shared = (members > 1)[self._of]
        own, code = np.unique(
            rows.campaign.astype(np.int32) * len(CHANNELS) + rows.channel, return_inverse=True
        )
        pairs = [divmod(int(number), len(CHANNELS)) for number in own]
        candidates = [
            Kind(rows.campaigns[k].campaign, CHANNELS[channel], rows.campaigns[k].category)
            for k, channel in pairs
        ]
        sent, place = _kinds_of(shared)
        self._kinds = Kinds([*candidates, *sent], known)
        numbers = np.array([self._kinds.number(one) for one in candidates], np.int32)
        self._kind: Indices = numbers[code]
        kinds = np.array([self._kinds.number(one) for one in sent], np.int32)[place]
        self._past = Sent(theirs, instants(shared, "contact_at"), kinds)

    def refuse(self, moved: Bools | None = None) -> None:
        """Hold whom a rule refuses; with `moved` only households of these rows are asked."""
        rows = self._rows
        if not self._rules or not rows.table.num_rows:
            return
        mine = self._is_shared & rows.open
        if moved is not None:
            mine &= np.isin(self._of, self._of[moved])
        bound = np.flatnonzero(mine & ~rows.is_exempt)
        if not len(bound):
            return
        sent = self._past.plus(self._sent(np.flatnonzero(mine & rows.is_exempt)))
        bound = bound[np.lexsort((rows.place.of[bound], self._of[bound]))]
        turn = _turns(self._of[bound])
        by_turn = np.argsort(turn, kind="stable")
        edges = np.searchsorted(turn[by_turn], np.arange(int(turn.max()) + 2))
        asked = np.full(int(self._of.max()) + 1, -1, np.int32)
        for number in range(len(edges) - 1):
            asking = bound[by_turn[edges[number] : edges[number + 1]]]
            asked[:] = -1
            asked[self._of[asking]] = np.arange(len(asking), dtype=np.int32)
            sent = sent.where(asked[sent.household] >= 0)
            self._ask(asking, asked[sent.household], sent)
            sent = sent.plus(self._sent(asking[rows.open[asking]]))

    def _sent(self, chosen: Chosen) -> Sent:
        """What these rows are as contacts."""
        rows = self._rows
        counted = chosen[~rows.is_control[chosen] & ~rows.is_uncounted[chosen]]
        return Sent(self._of[counted], rows.planned[counted], self._kind[counted])

    def _ask(self, asking: Chosen, whose: Indices, sent: Sent) -> None:
        """One row of each household; `whose`: for each contact the position of its row."""
        rows = self._rows
        for title, cap in self._rules:
            groups = self._kinds.groups(cap.each)
            group = np.where(self._kinds.in_scope(cap), groups, NO_GROUP)
            mine = group[self._kind[asking]]
            bound = (mine != NO_GROUP) & rows.open[asking]
            if cap.is_personal:
                bound &= flags(rows.table, f"in:{cap.name}", null=False)[asking]
            near = bound[whose] & (group[sent.kind] == mine[whose])
            most = self._most(cap, asking)
            if isinstance(cap.per, timedelta):
                length = cap.per // MICROSECOND
                found = too_close(rows.planned[asking], most, whose[near], sent.at[near], length)
            else:
                periods = self._periods(cap.per, asking)
                found = too_many(periods, most, whose[near], sent.at[near])
            found = _only(found, bound)
            if len(found.row):
                at = asking[found.row]
                rows.hold(at, title, np.arange(len(at)), _told(cap, most[found.row], found))

    def _most(self, cap: Cap, asking: Chosen) -> Wholes:
        if isinstance(cap.max, int):
            return np.full(len(asking), cap.max, np.int64)
        table = self._rows.table.select([f"max:{cap.name}"]).take(pa.array(asking))
        return np.maximum(nullable_wholes(table, f"max:{cap.name}", null=0), 0)

    def _periods(self, calendar: Calendar, asking: Chosen) -> tuple[Instants, Instants]:
        """First moment of each row's period of the calendar in its zone, and the first after."""
        if calendar is Calendar.EVER:
            ever = np.full(len(asking), FOREVER)
            return -ever, ever
        zones = texts(self._rows.table.select(["timezone"]).take(pa.array(asking)), "timezone")
        encoded = zones.dictionary_encode()
        zone = encoded.indices.to_numpy(zero_copy_only=False)
        at = self._rows.planned[asking]
        known, place = np.unique(np.stack([zone.astype(np.int64), at]), axis=1, return_inverse=True)
        names = encoded.dictionary.to_pylist()
        ends = [
            bounds(calendar, EPOCH + int(moment) * MICROSECOND, names[one])
            for one, moment in known.T
        ]
        first, after = (np.array([end[side] for end in ends], np.int64) for side in (0, 1))
        place = place.reshape(-1)
        return first[place], after[place]


def too_close(at: Instants, most: Wholes, whose: Indices, times: Instants, length: int) -> Refused:
    """Of rows with these moments those that, with `most` of their contacts, lie closer than
    `length`. `whose`: for each contact the position of its row."""
    near = np.abs(times - at[whose]) < length
    row = np.concatenate([whose[near], np.arange(len(at), dtype=np.int32)])
    time = np.concatenate([times[near], at])
    is_own = np.arange(len(row)) >= int(near.sum())
    order = np.lexsort((is_own, time, row))
    row, time, is_own = row[order], time[order], is_own[order]
    own = np.flatnonzero(is_own)
    after = np.searchsorted(row, np.arange(len(at)), side="right")
    first = np.arange(len(row))
    last = first + most[row]
    full = (first <= own[row]) & (own[row] <= last) & (last < after[row])
    full[full] = time[last[full]] - time[first[full]] < length
    begin = np.flatnonzero(full)
    begin = begin[np.concatenate([np.ones(1, np.bool_), np.diff(row[begin]) > 0])[: len(begin)]]
    counts = most[row[begin]]
    window = _ranges(begin, counts + 1)
    others = window[~is_own[window]]
    starts = np.cumsum(counts) - counts
    free = np.full(len(begin), FOREVER)
    some = counts > 0
    free[some] = time[others[starts[some]]] + length
    return Refused(row[begin].astype(np.intp), counts, time[others], free)


def too_many(
    periods: tuple[Instants, Instants], most: Wholes, whose: Indices, times: Instants
) -> Refused:
    """The rows in whose period (first moment, first after it) their contacts leave no room."""
    first, after = periods
    inside = (first[whose] <= times) & (times < after[whose])
    whose, times = whose[inside], times[inside]
    used = np.bincount(whose, minlength=len(most))
    refused = used >= most
    told = refused[whose]
    order = np.lexsort((times[told], whose[told]))
    free = np.where(most > 0, after, FOREVER)
    return Refused(
        np.flatnonzero(refused), used[refused].astype(np.int64), times[told][order], free[refused]
    )


def _only(found: Refused, bound: Bools) -> Refused:
    """Those of the refused rows that the rule binds."""
    kept = bound[found.row]
    times = found.times[np.repeat(kept, found.counts)]
    return Refused(found.row[kept], found.counts[kept], times, found.free[kept])


def _told(cap: Cap, most: Wholes, found: Refused) -> pa.Array:
    per = cap.per
    written = f'"{per.value}"' if isinstance(per, Calendar) else str(per // timedelta(seconds=1))
    return json_object(
        max=pa.array(most).cast(pa.string()),
        per=written,
        contacts=instants_json(found.counts, found.times),
        next=instant_json(found.free),
    )


def _kinds_of(shared: pa.Table) -> tuple[list[Kind], npt.NDArray[np.intp]]:
    """The kinds of some contacts (SHARED), and for each contact the position of its own."""
    names = ("campaign", "channel", "category")
    columns = [texts(shared, name).dictionary_encode() for name in names]
    code = np.zeros(shared.num_rows, np.int64)
    for column in columns:
        code = code * max(len(column.dictionary), 1)
        code += column.indices.to_numpy(zero_copy_only=False)
    _, first, place = np.unique(code, return_index=True, return_inverse=True)
    rows = shared.select(list(names)).take(pa.array(first)).to_pylist()
    return [Kind(row["campaign"], row["channel"], row["category"]) for row in rows], place


def _turns(household: Indices) -> npt.NDArray[np.intp]:
    """The how-manieth row of its household each is (0, 1, …); rows of one stand together."""
    first = np.flatnonzero(np.diff(household, prepend=-1))
    return np.arange(len(household)) - np.repeat(first, np.diff(np.append(first, len(household))))


def _ranges(first: Chosen, counts: Wholes) -> npt.NDArray[Any]:
    before = np.cumsum(counts) - counts
    return np.repeat(first - before, counts) + np.arange(int(counts.sum()))
