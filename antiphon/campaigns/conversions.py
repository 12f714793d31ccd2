"""What a marketer typed → values; ValueError says what to write instead."""

import codecs
import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

VERSION = "1"
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAY_GROUPS = {"daily": range(7), "weekdays": range(5), "weekends": range(5, 7)}
_FULL_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DURATION = re.compile(r"([0-9]{1,9})\s*(minute|hour|day|week)s?", re.IGNORECASE)
_LONGEST = timedelta(days=36_500)
_SHARE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(%?)")
_FRACTION = re.compile(r"([0-9]{1,4})\s*/\s*([0-9]{1,4})")
_HOURS = re.compile(r"([0-9]{1,2}:[0-9]{2})\s*-\s*([0-9]{1,2}:[0-9]{2})")
_YEARLY = re.compile(r"([0-9]{2})-([0-9]{2})")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?")


def filled(text: str) -> str:
    """Text that is not empty."""
    if not text:
        raise ValueError("write something")
    return text


def one_line(text: str) -> str:
    """Text without a line break."""
    if len(text.splitlines()) > 1:
        raise ValueError("write it in one line")
    return filled(text)


def duration(text: str) -> timedelta:
    """'90 days' and the like."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError("write a number and a unit: '90 days', '3 hours', '2 weeks', '30 minutes'")
    unit = timedelta(**{f"{match[2].lower()}s": 1})
    if int(match[1]) > _LONGEST / unit:
        raise ValueError(f"a duration is at most {_LONGEST.days} days: write a shorter one")
    return int(match[1]) * unit


def duration_text(duration: timedelta) -> str:
    """The duration as one would type it: '90 days'."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count, rest = divmod(int(duration.total_seconds()), length)
        if rest == 0:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{duration.total_seconds():g} seconds"


class Calendar(StrEnum):
    """A window that follows the calendar, or none at all."""

    DAY = "calendar day"
    WEEK = "calendar week"
    MONTH = "calendar month"
    QUARTER = "calendar quarter"
    YEAR = "calendar year"
    EVER = "ever"


_CALENDAR_LENGTHS = {
    "day": "1 day",
    "week": "7 days",
    "month": "30 days",
    "quarter": "90 days",
    "year": "365 days",
}


def window(text: str) -> timedelta | Calendar:
    """'7 days', 'calendar week' or 'ever'."""
    words = " ".join(text.lower().split())
    if words in set(Calendar):
        return Calendar(words)
    if words in _CALENDAR_LENGTHS:
        length_text = _CALENDAR_LENGTHS[words]
        raise ValueError(f"write 'calendar {words}', or '{length_text}' for any window so long")
    try:
        length = duration(text)
    except ValueError as error:
        listed = ", ".join(Calendar)
        raise ValueError(f"{error}; or {listed}") from None
    if not length:
        raise ValueError("a window is longer than nothing")
    return length


def window_text(window: timedelta | Calendar) -> str:
    """The window as one would type it."""
    return window.value if isinstance(window, Calendar) else duration_text(window)


def maximum(text: str) -> int | str:
    """A whole number from 0, or an expression as it was typed."""
    if not _WHOLE.fullmatch(text):
        return filled(text)
    if int(text) < 0:
        raise ValueError("write 0 or more: a maximum is not negative")
    return int(text)


def hours(text: str) -> tuple[time, time]:
    """'21:00-08:00'; 24:00 is midnight."""
    match = _HOURS.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        ends = [
            time.fromisoformat(f"{one:0>5}".replace("24:00", "00:00")) for one in match.groups()
        ]
    except ValueError:
        raise ValueError("write two times of day: 21:00-08:00") from None
    if ends[0] == ends[1]:
        raise ValueError("both times are the same: that is a whole day, or nothing")
    return ends[0], ends[1]


def hours_text(hours: tuple[time, time]) -> str:
    """The hours as one would type them."""
    return "-".join(f"{one:%H:%M}" for one in hours)


@dataclass(frozen=True, slots=True)
class DaySpan:
    """Days from `first` to `last`, both included: dates, or month and day of every year (which
    may run over the turn of the year)."""

    first: date | tuple[int, int]
    last: date | tuple[int, int]

    def includes(self, day: date) -> bool:
        """Whether it is one of them."""
        if isinstance(self.first, date) and isinstance(self.last, date):
            return self.first <= day <= self.last
        now, first, last = (day.month, day.day), self.first, self.last
        assert isinstance(first, tuple)
        assert isinstance(last, tuple)
        return first <= now <= last if first <= last else now >= first or now <= last


def day_span(text: str) -> DaySpan:
    """'2026-12-24', '2026-12-24..2026-12-26', '12-24', '12-24..01-06'."""
    parts = [part.strip() for part in text.split("..")]
    yearly = [_YEARLY.fullmatch(part) for part in parts]
    if len(parts) > 2 or (any(yearly) and not all(yearly)):
        raise ValueError("write days as 2026-12-24..2026-12-26, or of every year as 12-24..12-26")
    if all(yearly):
        for part in parts:
            day(f"2024-{part}")  # a leap year: 02-29 is a day
        ends = [(int(one[1]), int(one[2])) for one in yearly if one]
        return DaySpan(ends[0], ends[-1])
    days = [day(part) for part in parts]
    if days[0] > days[-1]:
        raise ValueError(f"{days[-1]} is before {days[0]}: write the earlier day first")
    return DaySpan(days[0], days[-1])


def day_span_text(span: DaySpan) -> str:
    """The days as one would type them."""
    ends = [
        str(one) if isinstance(one, date) else "{:02d}-{:02d}".format(*one)
        for one in (span.first, span.last)
    ]
    return "..".join(dict.fromkeys(ends))


def several(value: Any) -> Any:
    """One text as a list of one; what is separated by commas as several."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    if value == []:  # no word is not every word: what would the rule concern?
        raise ValueError("the list is empty: write at least one, or remove the line")
    return value


def share(text: str) -> float:
    """'10%', 0.1 or 1/10."""
    fraction = _FRACTION.fullmatch(text)
    if fraction and 0 < int(fraction[2]) >= int(fraction[1]):
        return int(fraction[1]) / int(fraction[2])
    match = _SHARE.fullmatch(text)
    if not match:
        raise ValueError("write a percentage, such as '10%', or a fraction, such as 1/3")
    share = Decimal(match[1]) / (100 if match[2] else 1)
    if share > 1:
        is_percentage = not match[2] and Decimal(match[1]) <= 100
        meant = f"'{text}%'" if is_percentage else "a percentage, such as 10%"
        raise ValueError(f"a share lies between 0% and 100%: write {meant}")
    return float(share)


def day(text: str) -> date:
    """2026-01-31."""
    if not _DAY.fullmatch(text):
        raise ValueError("write a day as 2026-01-31")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"there is no day {text}: {_day_instead(text)}") from None


def _day_instead(text: str) -> str:
    """What to write for a day that looks right and does not exist."""
    year, month, _ = map(int, text.split("-"))
    if year and 1 <= month <= 12 and not text.endswith("-00"):
        return f"the last day of that month is {text[:8]}{monthrange(year, month)[1]}"
    return "write year, month and day, as 2026-01-31"


def whole(text: str) -> int:
    """A whole number."""
    if not _WHOLE.fullmatch(text):
        raise ValueError("write a whole number in digits, such as 50")
    return int(text)


def number(text: str) -> Decimal:
    """An exact number."""
    if not _NUMBER.fullmatch(text):
        raise ValueError("write a number in digits, such as 50 or 0.5")
    return Decimal(text)


def flag(text: str) -> bool:
    """Yes or no."""
    words = {"true": True, "yes": True, "false": False, "no": False}
    if text.lower() not in words:
        raise ValueError("write yes or no")
    return words[text.lower()]


def weekdays(value: Any) -> Any:
    """The weekdays (0: Monday) of 'weekdays', 'mon, tue' or a list of such words."""
    if isinstance(value, list) and all(isinstance(day, str) for day in value):
        value = ",".join(value)
    if not isinstance(value, str):
        return value
    text = value.strip().lower()
    if text in _WEEKDAY_GROUPS:
        return frozenset(_WEEKDAY_GROUPS[text])
    known = {
        name: number for names in (WEEKDAYS, _FULL_WEEKDAYS) for number, name in enumerate(names)
    }
    days = [part.strip() for part in text.split(",")]
    if unknown := [day for day in days if day not in known]:
        raise ValueError(
            f"unknown day {unknown[0][:60]!r}: write weekdays, weekends, daily or mon, tue, … sun"
        )
    return frozenset(known[day] for day in days)


def weekdays_text(days: frozenset[int]) -> str:
    """The weekdays as one would type them."""
    for name, group in _WEEKDAY_GROUPS.items():
        if days == frozenset(group):
            return name
    return ", ".join(WEEKDAYS[day] for day in sorted(days))


def zone(text: str) -> str:
    """A time zone that exists."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = get_close_matches(text, available_timezones(), n=1)
        meant = f"did you mean {near[0]}?" if near else "write an IANA name such as Europe/Berlin"
        raise ValueError(f"no time zone {text[:60]!r}: {meant}") from None
    return text


def buckets(text: str) -> int:
    """A power of two."""
    count = whole(text)
    if not 1 <= count <= 4096 or count & (count - 1):
        raise ValueError("write a power of two: 1, 2, 4, 8, … 4096")
    return count


def encoding(text: str) -> str:
    """The encoding's usual name."""
    try:
        "a".encode(text).decode(text)
    except (LookupError, ValueError):
        raise ValueError(f"no encoding {text[:60]!r}: write utf-8, cp1251, latin-1, …") from None
    return codecs.lookup(text).name


def delimiter(value: Any) -> Any:
    """One character, blanks included."""
    if not isinstance(value, str):
        return value
    if value == "tab":
        return "\t"
    if len(value) != 1 or value in '\r\n"':
        raise ValueError("write one character in quotes, or tab")
    return value


def date_format(text: str) -> str:
    """A format that dates can be written in and read back."""
    try:
        datetime.strptime(datetime(2026, 1, 31, tzinfo=UTC).strftime(text), text)  # noqa: DTZ007
    except (ValueError, re.error):
        raise ValueError("write a format such as '%d.%m.%Y' or '%d.%m.%Y %H:%M'") from None
    if "%" not in text:
        raise ValueError("write a format such as '%d.%m.%Y' or '%d.%m.%Y %H:%M'")
    return text


def version(text: str) -> str:
    """The version this Antiphon reads."""
    if text != VERSION:
        raise ValueError(f"version {text[:60]!r} is not read: write {VERSION}")
    return text
