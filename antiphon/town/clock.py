"""The time of a town: it stands still until somebody moves it."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo


class TownClock:
    """A clock (antiphon.clock.Clock) that is moved by hand, forwards only."""

    def __init__(self, now: datetime, zone: str) -> None:
        self._now, self._zone = now.astimezone(UTC), ZoneInfo(zone)

    def __call__(self) -> datetime:
        """The moment, aware UTC."""
        return self._now

    def move(self, to: datetime) -> None:
        """Let time go on; a moment that is past changes nothing."""
        self._now = max(self._now, to.astimezone(UTC))

    @property
    def day(self) -> date:
        """The day in the town."""
        return self._now.astimezone(self._zone).date()

    def at(self, day: date, hour: int, minute: int = 0) -> datetime:
        """The instant at which the clocks of the town show that time of that day."""
        return datetime.combine(day, time(hour, minute), self._zone).astimezone(UTC)

    def wall(self, instant: datetime) -> datetime:
        """What the clocks of the town show at an instant, to the second, without a zone."""
        return instant.astimezone(self._zone).replace(tzinfo=None, microsecond=0)

    def instant(self, wall: datetime) -> datetime:
        """The instant of a wall-clock time."""
        return wall.replace(tzinfo=self._zone).astimezone(UTC)
