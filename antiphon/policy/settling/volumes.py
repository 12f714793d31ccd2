"""Limits on how much leaves: of a campaign, of a channel by day and hour, of a new sender."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Capacity, PolicyRule, WarmUp
from antiphon.policy.columns import Bools, Indices, positions, texts
from antiphon.policy.rules import Rule
from antiphon.policy.settling.hours import Hours
from antiphon.policy.settling.survivors import Chosen, Survivors, fitting

Counts = npt.NDArray[np.int64]
UNLIMITED = 2**62


@dataclass(frozen=True)
class Earlier:
    """What earlier runs used (USED): `hour` is a position among `hours`, −1: long ago."""

    used: pa.Table
    hours: Hours
    hour: npt.NDArray[np.intp]

    @classmethod
    def of(cls, used: pa.Table, hours: Hours) -> "Earlier":
        """`hours` must reach from the earliest dated row to the latest."""
        known = used["hour_at"].is_valid().to_numpy(zero_copy_only=False)
        at = np.where(known, pc.fill_null(used["hour_at"].cast(pa.int64()), 0).to_numpy(), 0)
        return cls(used, hours, np.where(known, hours.of(at), -1))

    def in_scope(
        self, rule: PolicyRule, known: Mapping[str, Campaign], uncounted: Sequence[str]
    ) -> Bools:
        """Which rows are messages (no control rows) that the rule counts."""
        names = ("campaign", "channel", "category")
        keys = list(zip(*(texts(self.used, name).to_pylist() for name in names), strict=True))
        answers = {key: counts(rule, key, known) for key in set(keys)}
        inside: Bools = np.array([answers[key] for key in keys], np.bool_)
        inside &= positions(texts(self.used, "category"), uncounted) < 0
        inside &= ~self.used["is_control"].to_numpy().astype(np.bool_)
        inside &= self.hour >= 0
        return inside

    def by(
        self, rows: Bools, group: npt.NDArray[np.integer[Any]], groups: int, what: str
    ) -> Counts:
        """Sums of `messages` or `cost_e4` of these rows by their group."""
        weights = self.used[what].to_numpy()[rows]
        sums = np.zeros(groups, np.int64)
        np.add.at(sums, group[rows], weights)
        return sums


def counts(rule: PolicyRule, kind: tuple[str, str, str], known: Mapping[str, Campaign]) -> bool:
    """Whether the rule counts a message of this campaign, channel and category; tags are those that
    the campaign has now."""
    campaign, channel, category = kind
    one = known.get(campaign)
    return (
        (rule.channel is None or channel in rule.channel)
        and (rule.category is None or category in rule.category)
        and (rule.campaign is None or campaign in rule.campaign)
        and (rule.tag is None or (one is not None and bool(set(rule.tag) & set(one.tags))))
    )


@dataclass(frozen=True)
class Limit:
    """So many messages, of which so many are used; both by group (a day, a campaign's day, …)."""

    rule: str
    per: str
    most: Counts
    used: Counts


class Volumes:
    """The survivors under the limits on volume, rule after rule."""

    def __init__(self, rows: Survivors, earlier: Earlier, known: Mapping[str, Campaign]) -> None:
        self._rows, self._earlier, self._known = rows, earlier, known
        hours = earlier.hours
        self._hours, self._first_day = hours, int(hours.days[0])
        self._days = int(hours.days[-1]) - self._first_day + 1

    def cut(self) -> Bools:
        """Hold what is beyond a limit; which rows were moved to another hour."""
        self._limit_campaigns()
        rows, day = self._rows, self._rows.moment.business_day
        for warm_up in rows.policy.warm_up:
            if warm_up.holds_on(day):
                self._cut_days(warm_up, self._warm(warm_up))
        capacity = [one for one in rows.policy.capacity if one.holds_on(day)]
        for one in capacity:
            if one.per_day is not None:
                self._cut_days(one, np.full(self._days, one.per_day, np.int64))
        hourly = [one for one in capacity if one.per_hour is not None]
        return Hourly(rows, self._hours, hourly, self._used_hours(hourly)).move()

    def _limit_campaigns(self) -> None:
        """Control rows count as messages; exempt campaigns keep their own limits too: who wrote
        `messages_per_day: 0` means it."""
        rows, earlier = self._rows, self._earlier
        names = [one.campaign for one in rows.campaigns]
        said = positions(texts(earlier.used, "campaign"), names)
        of_day = (said >= 0) & (earlier.hour >= 0)
        slot = said * self._days + self._day_of_use()
        day = self._day_of(rows.planned)
        limits = [one.limits for one in rows.campaigns]
        by_day = (
            np.array([_most(limit.messages_per_day) for limit in limits]).repeat(self._days),
            earlier.by(of_day, slot, len(names) * self._days, "messages"),
            rows.campaign.astype(np.int64) * self._days + day,
        )
        in_all = (
            np.array([_most(limit.messages) for limit in limits], np.int64),
            earlier.by(said >= 0, said, len(names), "messages"),
            rows.campaign.astype(np.int64),
        )
        everyone = np.ones(len(rows.rule), np.bool_)
        for per, (most, used, group) in (("day", by_day), ("all", in_all)):
            self._cut(Limit(Rule.LIMIT, per, most, used), group, bound=everyone, counted=everyone)

    def _warm(self, rule: WarmUp) -> Counts:
        assert rule.from_ is not None, "the check refuses a warm-up without its first day"
        ordinal = np.arange(self._days) + self._first_day - rule.from_.toordinal()
        steps = np.array([*rule.per_day, UNLIMITED], np.int64)
        most: Counts = steps[np.clip(ordinal, 0, len(rule.per_day))]
        return most

    def _cut_days(self, rule: PolicyRule, most: Counts) -> None:
        rows = self._rows
        inside = rows.concerned(rule) & ~rows.is_uncounted
        used = self._earlier.in_scope(rule, self._known, rows.policy.uncounted)
        before = self._earlier.by(used, self._day_of_use(), self._days, "messages")
        day = self._day_of(rows.planned)
        before += np.bincount(day[inside & rows.is_exempt & rows.open], minlength=self._days)
        self._cut(
            Limit(rule.title, "day", most, before),
            day,
            bound=inside & ~rows.is_exempt,
            counted=~rows.is_control,
        )

    def _cut(
        self, limit: Limit, group: npt.NDArray[np.integer[Any]], *, bound: Bools, counted: Bools
    ) -> None:
        rows, room = self._rows, np.maximum(limit.most - limit.used, 0)
        mine = np.flatnonzero(bound & rows.open & (limit.most[group] < UNLIMITED))
        wanted = np.bincount(group[mine], minlength=len(room))
        mine = mine[wanted[group[mine]] > room[group[mine]]]
        if not len(mine):
            return
        ones = np.ones(len(mine), np.int64)
        cut = mine[~fitting(group[mine], rows.place.of[mine], ones, counted[mine], room)]
        if len(cut):
            groups, counter = np.unique(group[cut], return_inverse=True)
            told = [_told(limit.most[one], limit.used[one], limit.per) for one in groups]
            rows.hold(cut, limit.rule, counter, told)

    def _used_hours(self, rules: Sequence[Capacity]) -> list[Counts]:
        """By rule and hour: what earlier runs used, and what of this run nothing can move."""
        rows, count = self._rows, len(self._hours.starts)
        found = []
        for rule in rules:
            mine = self._earlier.in_scope(rule, self._known, rows.policy.uncounted)
            used = self._earlier.by(mine, np.maximum(self._earlier.hour, 0), count, "messages")
            fixed = rows.concerned(rule) & rows.is_exempt & ~rows.is_uncounted & rows.open
            found.append(used + np.bincount(self._hours.of(rows.planned[fixed]), minlength=count))
        return found

    def _day_of(self, at: npt.NDArray[np.int64]) -> Indices:
        return self._hours.day_of(at) - np.int32(self._first_day)

    def _day_of_use(self) -> npt.NDArray[np.int64]:
        day = self._hours.days[self._earlier.hour] - self._first_day
        return np.where(self._earlier.hour >= 0, day, 0).astype(np.int64)


class Hourly:
    """Survivors under what can leave in an hour: what is more waits for the next hour with room,
    within its day.

    Hour by hour, of all that could leave in it those that come first in the order: the same as
    placing row after row of the order into the first hour with room.
    """

    def __init__(
        self, rows: Survivors, hours: Hours, rules: Sequence[Capacity], used: Sequence[Counts]
    ) -> None:
        self._rows, self._hours, self._rules, self._used = rows, hours, rules, used
        self._most = [one.per_hour or 0 for one in rules]
        self._room = [
            np.maximum(most - taken, 0) for most, taken in zip(self._most, used, strict=True)
        ]
        self._scopes = [rows.concerned(one) & ~rows.is_uncounted for one in rules]
        self._native = hours.of(rows.planned)
        self._refuser = np.full(len(rows.rule), -1, np.int16)
        self._moved = np.zeros(len(rows.rule), np.bool_)

    def move(self) -> Bools:
        """Move and hold; which rows were moved."""
        rows, starts = self._rows, self._hours.starts
        if not self._rules:
            return self._moved
        bound = np.flatnonzero(np.logical_or.reduce(self._scopes) & ~rows.is_exempt & rows.open)
        wanted = np.bincount(self._native[bound], minlength=len(starts))
        if not (wanted > np.minimum.reduce(self._room)).any():
            return self._moved
        bound = bound[np.argsort(self._native[bound], kind="stable")]
        edges = np.concatenate([np.zeros(1, np.int64), np.cumsum(wanted)])
        waiting = np.zeros(0, np.intp)
        for hour in range(int(self._native[bound[0]]), len(starts) - 1):
            native = bound[edges[hour] : edges[hour + 1]]
            waiting = self._fill(hour, waiting, native)
            waiting = self._give_up(hour, waiting)
        return self._moved

    def _fill(self, hour: int, waiting: Chosen, native: Chosen) -> Chosen:
        """Let leave in the hour what has room; the rest."""
        rows = self._rows
        asking = np.concatenate([waiting, native])
        kept = np.ones(len(asking), np.bool_)
        for position, (scope, room) in enumerate(zip(self._scopes, self._room, strict=True)):
            mine = np.flatnonzero(scope[asking] & kept)
            if len(mine) <= room[hour]:
                continue
            who = asking[mine]
            nothing, one = np.zeros(len(who), np.int8), np.ones(len(who), np.int64)
            counted = ~rows.is_control[who]
            fits = fitting(nothing, rows.place.of[who], one, counted, room[hour : hour + 1])
            kept[mine[~fits]] = False
            self._refuser[who[~fits]] = position
        late = waiting[kept[: len(waiting)]]
        rows.planned[late] = self._hours.starts[hour]
        self._moved[late] = True
        rest: Chosen = asking[~kept]
        return rest

    def _give_up(self, hour: int, waiting: Chosen) -> Chosen:
        """Hold what may not wait for the next hour; the others."""
        rows, hours = self._rows, self._hours
        may = hours.starts[hour + 1] < rows.latest[waiting]
        may &= hours.days[hour + 1] == hours.days[hour]
        over = waiting[~may]
        for position, rule in enumerate(self._rules):
            mine = over[self._refuser[over] == position]
            if len(mine):
                at, counter = np.unique(self._native[mine], return_inverse=True)
                used, most = self._used[position], self._most[position]
                told = [_told(most, used[one], "hour") for one in at]
                rows.hold(mine, rule.title, counter, told)
        rest: Chosen = waiting[may]
        return rest


def _most(limit: int | None) -> int:
    return UNLIMITED if limit is None else limit


def _told(most: int, used: int, per: str) -> str:
    return json.dumps({"max": int(most), "used": int(used), "per": per}, separators=(",", ":"))
