"""When a bucket's messages leave: the planned moments under each set of rules on time.

Customers in one place (time zone, country, and for whom a rule holds) leave together, so that each
moment is found once for a place and not for each customer.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import pyarrow as pa

from antiphon.campaigns.conversions import Calendar
from antiphon.campaigns.rules import Times
from antiphon.policy.columns import FOREVER, Indices, Instants, numbered, texts
from antiphon.policy.moment import EPOCH, MICROSECOND, Moment, microseconds
from antiphon.policy.periods import bounds
from antiphon.policy.setting import Setting
from antiphon.policy.times import OWN, allowed_until, forbidding, next_allowed

NOT_FORBIDDEN = -1


@dataclass(frozen=True)
class Place:
    """Where some customers are, and the rules on time that hold for them."""

    zone: str
    country: str
    times: tuple[Times, ...]


@dataclass(frozen=True)
class Departures:
    """Planned moments under one set of rules; `place` is by row of people, into `places`."""

    place: Indices
    places: tuple[Place, ...]
    moment: Moment

    @cached_property
    def at_places(self) -> Instants:
        """The first allowed moment from the run's on, by place; FOREVER: none in a year."""
        return self._by_place(next_allowed)

    @cached_property
    def until_places(self) -> Instants:
        """The end of the time that is allowed then, by place; FOREVER: none in a year."""
        known = [_instant(at) for at in self.at_places.tolist()]
        ends = [
            allowed_until(at, one.zone, one.country, one.times) if at and one.times else None
            for at, one in zip(known, self.places, strict=True)
        ]
        return _instants(ends)

    @cached_property
    def forbidden_by(self) -> list[Times | None]:
        """The first rule that forbids the run's moment itself, by place."""
        as_of = self.moment.as_of
        return [forbidding(as_of, one.zone, one.country, one.times) for one in self.places]

    @cached_property
    def at(self) -> Instants:
        """The planned moment of each customer."""
        return self.at_places[self.place]

    def period(self, calendar: Calendar) -> tuple[Instants, Instants]:
        """For each customer the first moment of the period of their own calendar that holds the
        planned one, and the first after it."""
        ends = [
            bounds(calendar, _instant(at) or self.moment.as_of, one.zone)
            for at, one in zip(self.at_places.tolist(), self.places, strict=True)
        ]
        first, after = (np.array([end[side] for end in ends], np.int64) for side in (0, 1))
        return first[self.place], after[self.place]

    def _by_place(self, find: Callable[..., datetime | None]) -> Instants:
        as_of = self.moment.as_of
        return _instants(find(as_of, one.zone, one.country, one.times) for one in self.places)


class Leaving:
    """The departures of a bucket, by the positions of the rules on time that hold for a message."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._times = setting.policy.times
        here = {"timezone": setting.moment.zone, "country": ""}
        zones, countries = (
            _column(setting.people, name, otherwise).dictionary_encode()
            for name, otherwise in here.items()
        )
        self._zones, self._countries = (
            zones.dictionary.to_pylist(),
            countries.dictionary.to_pylist(),
        )
        self._zone = zones.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        self._country = countries.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        self._known: dict[tuple[int, ...], Departures] = {}

    def under(self, rules: tuple[int, ...]) -> Departures:
        """When messages leave that these rules (positions in policy.times) concern."""
        if rules not in self._known:
            self._known[rules] = self._departures(rules)
        return self._known[rules]

    def _departures(self, rules: tuple[int, ...]) -> Departures:
        times = [self._times[rule] for rule in rules]
        is_local = any(OWN in rule.holidays for rule in times)
        personal = [rule for rule in times if rule.is_personal]
        code, countries = self._zone, self._countries if is_local else [""]
        below = len(self._zones) * len(countries) * 2 ** len(personal)
        if is_local:
            code = code * len(countries) + self._country
        for rule in personal:
            bound = self._setting.bound(rule)
            code = code * 2 + bound
        found, place = numbered(code, below)
        places = []
        for number in found.tolist():
            holds, rest = {}, number
            for rule in reversed(personal):
                rest, holds[rule.name] = divmod(rest, 2)
            zone, country = divmod(rest, len(countries))
            mine = tuple(rule for rule in times if holds.get(rule.name, 1))
            places.append(Place(self._zones[zone], countries[country], mine))
        return Departures(place, tuple(places), self._setting.moment)


def _column(people: pa.Table, name: str, otherwise: str) -> pa.Array:
    """The column; people without one are all in the same place."""
    if name in people.column_names:
        return texts(people, name)
    return pa.array([otherwise] * people.num_rows, pa.string())


def _instant(at: int) -> datetime | None:
    return None if at >= FOREVER else EPOCH + at * MICROSECOND


def _instants(moments: Iterable[datetime | None]) -> Instants:
    return np.array(
        [FOREVER if moment is None else microseconds(moment) for moment in moments], np.int64
    )
