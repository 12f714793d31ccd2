"""Durations in SQL, as a shop counts them: whole days by its calendar, the rest by the clock.

A run comes once a day and never at the same second. So what is late by whole days counts business
days (`grace: 1 day` holds until the end of the next one), and only 3 hours are 3 hours.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from antiphon.policy.moment import Moment
from antiphon.quoting import literal

ONE_DAY = timedelta(days=1)


def is_whole_days(duration: timedelta) -> bool:
    """Whether it counts days of the calendar (none, too: the same day)."""
    return not duration % ONE_DAY


@dataclass(frozen=True)
class Window:
    """SQL expressions about instants (TIMESTAMPTZ expressions) as of one moment."""

    moment: Moment

    @property
    def as_of(self) -> str:
        """The moment itself."""
        return instant(self.moment.as_of)

    @cached_property
    def local_day(self) -> str:
        """The business's calendar day that holds the moment: a DATE."""
        return self.day(self.as_of)

    @property
    def day_begins(self) -> str:
        """When that day began."""
        return f"timezone({self._zone}, {self.local_day}::TIMESTAMP)"

    @property
    def facts_until(self) -> str:
        """Facts at or after this instant do not count, by the rule of the customer frame."""
        after = f"timezone({self._zone}, (DATE '{self.moment.business_day}' + 1)::TIMESTAMP)"
        return f"least({self.as_of} + to_microseconds(1), {after})"

    def day(self, at: str) -> str:
        """The business's calendar day of an instant."""
        return f"timezone({self._zone}, {at})::DATE"

    def later(self, at: str, duration: timedelta) -> str:
        """So long after `at`."""
        return self.later_by(at, str(duration.days), str(duration.seconds))

    def later_by(self, at: str, days: str, seconds: str) -> str:
        """As `later`, with the days and the rest as SQL."""
        moved = f"timezone({self._zone}, timezone({self._zone}, {at}) + to_days({days}))"
        return f"({moved} + to_seconds({seconds}))"

    def is_over(self, at: str, duration: timedelta) -> str:
        """Whether more than that has passed since `at`."""
        if is_whole_days(duration):
            return f"({self.local_day} > {self.day(at)} + {duration.days})"
        return f"({self.as_of} > {self.later(at, duration)})"

    def may_concern(self, at: str, duration: timedelta) -> str:
        """A cheap condition on a raw instant: true of all that is not over, and of little else."""
        return f"{at} >= {instant(self.moment.as_of - duration - 2 * ONE_DAY)}"

    @property
    def _zone(self) -> str:
        return literal(self.moment.zone)


def instant(at: datetime) -> str:
    """A TIMESTAMPTZ literal."""
    return f"TIMESTAMPTZ '{at.isoformat()}'"
