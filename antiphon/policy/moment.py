"""When a decision is made: the run's instant, its business day, and the day's bounds."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """The run's time: `as_of` is aware, `zone` the business time zone (IANA name)."""

    as_of: datetime
    business_day: date
    zone: str

    @property
    def planned_at(self) -> int:
        """The moment messages are planned for, in microseconds since 1970 (UTC)."""
        return microseconds(self.as_of)

    def day_bounds(self) -> tuple[int, int]:
        """The local day that holds `as_of`: first microsecond, and first of the next day.

        23 or 25 hours where the clock changes.
        """
        zone = ZoneInfo(self.zone)
        day = self.as_of.astimezone(zone).date()
        first, after = (
            datetime.combine(day + timedelta(days=days), time(), zone) for days in (0, 1)
        )
        return microseconds(first), microseconds(after)

    def period(self, length: str) -> str:
        """Name of the business day's month, quarter or year: 2026-05, 2026-Q2, 2026."""
        day = self.business_day
        return {
            "month": f"{day.year:04d}-{day.month:02d}",
            "quarter": f"{day.year:04d}-Q{(day.month + 2) // 3}",
            "year": f"{day.year:04d}",
        }[length]


def microseconds(at: datetime) -> int:
    """Exact microseconds since 1970 of an aware datetime."""
    return (at.astimezone(UTC) - EPOCH) // MICROSECOND
