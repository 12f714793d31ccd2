"""Periods of the calendar on a customer's own clock, as exact moments."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from antiphon.campaigns.conversions import Calendar
from antiphon.policy.columns import FOREVER
from antiphon.policy.moment import microseconds


def bounds(calendar: Calendar, at: datetime, zone: str) -> tuple[int, int]:
    """First moment of the day, week (Monday to Sunday), … that holds `at` in that zone, and the
    first after it, in microseconds since 1970; of `ever`: all time."""
    if calendar == Calendar.EVER:
        return -FOREVER, FOREVER
    where = ZoneInfo(zone)
    first, after = _days(calendar, at.astimezone(where).date())
    begin, end = (datetime.combine(day, time(), where) for day in (first, after))
    return microseconds(begin), microseconds(end)


def _days(calendar: Calendar, day: date) -> tuple[date, date]:
    """First day of the period that holds this day, and the first of the next period."""
    match calendar:
        case Calendar.DAY:
            return day, day + timedelta(days=1)
        case Calendar.WEEK:
            monday = day - timedelta(days=day.weekday())
            return monday, monday + timedelta(days=7)
        case Calendar.MONTH:
            return _months(day.year, day.month - 1, 1)
        case Calendar.QUARTER:
            return _months(day.year, (day.month - 1) // 3 * 3, 3)
        case _:
            return _months(day.year, 0, 12)


def _months(year: int, month: int, length: int) -> tuple[date, date]:
    """Of so many months from a month on (0: January): the first day, and the first after them."""
    end = month + length
    return date(year, month + 1, 1), date(year + end // 12, end % 12 + 1, 1)
