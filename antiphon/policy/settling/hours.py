"""Clock hours and days of the business zone, for many instants at once.

A clock hour is all instants in a row with the same local day, hour and distance from UTC: of an
hour that the clock repeats each pass is one of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from antiphon.policy.columns import Indices, Instants
from antiphon.policy.moment import EPOCH, microseconds

_QUARTER = timedelta(minutes=15)  # zones change at whole quarters of an hour, and differ by them
_DAY = 24 * 3_600_000_000


@dataclass(frozen=True)
class Hours:
    """A run of clock hours without a gap.

    `starts`: of each its first microsecond, rising; `days`: of each its local day, as a number
    (date.toordinal).
    """

    starts: Instants
    days: Indices

    def of(self, at: Instants) -> npt.NDArray[np.intp]:
        """The position of the clock hour that holds each instant."""
        return np.searchsorted(self.starts, at, side="right") - 1

    def day_of(self, at: Instants) -> Indices:
        """The local day of each instant, as a number."""
        return self.days[self.of(at)]


def hours_around(zone: str, at: Instants | Sequence[int]) -> Hours:
    """The clock hours of whole local days from the earliest of the instants to the latest, and a
    day more at each end; those of now where there are none."""
    instants = np.asarray(at, np.int64)
    if not len(instants):
        instants = np.zeros(1, np.int64)
    first, last = int(instants.min()) // _DAY - 2, int(instants.max()) // _DAY + 2
    return _hours(zone, first, last)


def period_of(day: date, length: str) -> str:
    """Name of the day's month, quarter or year: 2026-05, 2026-Q2, 2026."""
    return {
        "month": f"{day.year:04d}-{day.month:02d}",
        "quarter": f"{day.year:04d}-Q{(day.month + 2) // 3}",
        "year": f"{day.year:04d}",
    }[length]


def first_of_month(day: date, zone: str) -> int:
    """The first microsecond of the day's month in the zone."""
    return microseconds(datetime(day.year, day.month, 1, tzinfo=ZoneInfo(zone)))


@lru_cache(maxsize=32)
def _hours(zone: str, first_day: int, last_day: int) -> Hours:
    tz = ZoneInfo(zone)
    starts, days = [], []
    before = None
    at = EPOCH + timedelta(days=first_day)
    end = EPOCH + timedelta(days=last_day + 1)
    while at < end:
        local = at.astimezone(tz)
        key = (local.toordinal(), local.hour, local.utcoffset())
        if key != before:
            starts.append(microseconds(at.astimezone(UTC)))
            days.append(key[0])
            before = key
        at += _QUARTER
    return Hours(np.array(starts, np.int64), np.array(days, np.int32))
