"""How many messages a customer may still get on each day, and who took the last of them."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from antiphon.policy.columns import Bools, Indices, Instants
from antiphon.policy.moment import EPOCH, MICROSECOND, Moment, microseconds

Chosen = npt.NDArray[np.intp]

_FEW_DAYS = 12  # up to so many comparing with each is faster than searching


class Slots:
    """Slots by customer and business day, of those days on which something is planned."""

    def __init__(self, moment: Moment, planned: Instants, customers: int, per_day: int) -> None:
        self._starts = day_starts(moment, int(planned.max(initial=moment.planned_at)))
        days = self._day(planned)
        is_used = np.bincount(days, minlength=len(self._starts)) > 0
        self._days = int(is_used.sum())
        self._place = np.where(is_used, np.cumsum(is_used) - 1, -1).astype(np.int32)
        self.per_day = per_day
        self.used = np.zeros(customers * self._days, np.int32)
        self._winner = np.full(customers * self._days, -1, np.int64)

    def places(self, customer: Indices, at: Instants) -> npt.NDArray[np.int64]:
        """The place of each one's customer and day; −1 on another day."""
        day = self._day(at)
        mine = np.append(self._place, np.int32(-1))[day]  # before the first day: −1, the last
        return np.where(mine >= 0, customer.astype(np.int64) * self._days + mine, -1)

    def _day(self, at: Instants) -> npt.NDArray[np.intp]:
        """The number of each one's day; −1 before the first."""
        if len(self._starts) > _FEW_DAYS:
            return np.searchsorted(self._starts, at, side="right") - 1
        day = np.full(len(at), -1, np.intp)
        for start in self._starts.tolist():
            day += at >= start
        return day

    def take(self, places: npt.NDArray[np.int64], winners: Chosen | None = None) -> None:
        """Use a slot at each place (−1: at none); `winners` are remembered as who took it last."""
        taken = places >= 0
        self.used += np.bincount(places[taken], minlength=len(self.used)).astype(np.int32)
        if winners is not None:
            self._winner[places[taken]] = winners[taken]

    def is_full(self, places: npt.NDArray[np.int64]) -> Bools:
        """Where no slot is left."""
        full: Bools = self.used[places] >= self.per_day
        return full

    def last_winner(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Who took the last slot."""
        return self._winner[places]


def day_starts(moment: Moment, last: int) -> Instants:
    """First moments of the business days from that of the run to the one that holds `last`, and of
    the next."""
    zone = ZoneInfo(moment.zone)
    day = moment.as_of.astimezone(zone).date()
    end = (EPOCH + last * MICROSECOND).astimezone(zone).date() + timedelta(days=1)
    count = (end - day).days + 1
    days = (datetime.combine(day + timedelta(days=n), time(), zone) for n in range(count))
    return np.array([microseconds(one) for one in days], np.int64)
