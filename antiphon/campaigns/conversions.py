"""What a marketer typed → values; ValueError says what to write instead."""

import codecs
import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

VERSION = "1"
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAY_GROUPS = {"daily": range(7), "weekdays": range(5), "weekends": range(5, 7)}
_FULL_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DURATION = re.compile(r"([0-9]{1,9})\s*(minute|hour|day|week)s?", re.IGNORECASE)
_LONGEST = timedelta(days=36_500)
_SHARE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(%?)")
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


def share(text: str) -> float:
    """'10%' or 0.1."""
    match = _SHARE.fullmatch(text)
    if not match:
        raise ValueError("write a percentage: '10%'")
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
