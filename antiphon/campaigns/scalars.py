"""Scalars a marketer types, converted from text: durations, shares, days, weekdays, yes and no."""

import codecs
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

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


@dataclass(frozen=True, eq=False)
class Kind:
    """A scalar: what it takes in words, how its text is converted, what editors are told.

    `convert` sees every value that is not yet of the Python type and raises ValueError with the
    text for the marketer; `show` is its inverse, for defaults in schemas and the reference.
    """

    words: str
    convert: Callable[[Any], object]
    schema: Mapping[str, Any]
    show: Callable[[Any], str] | None = None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Pydantic's hook: convert first, then check the Python type."""
        return core_schema.no_info_before_validator_function(self.convert, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Pydantic's hook: the editor's schema is ours."""
        return dict(self.schema)


def _of_text(convert: Callable[[str], object]) -> Callable[[Any], object]:
    """Convert text; values of any other type (defaults, tests) pass as they are."""
    return lambda value: convert(value.strip()) if isinstance(value, str) else value


def _pattern(pattern: str, words: str, wanted: str, example: str) -> Kind:
    """A kind of text with one pattern, the same for us and for editors."""
    compiled = re.compile(pattern)

    def convert(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(wanted)
        return text

    schema = {"type": "string", "pattern": f"^({pattern})$", "examples": [example]}
    return Kind(words, _of_text(convert), schema)


def _text(text: str) -> str:
    if not text:
        raise ValueError("write something")
    return text


def _line(text: str) -> str:
    if len(text.splitlines()) > 1:
        raise ValueError("write it in one line")
    return _text(text)


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError("write a number and a unit: '90 days', '3 hours', '2 weeks', '30 minutes'")
    duration = timedelta(**{f"{match[2].lower()}s": int(match[1])})
    if duration > _LONGEST:
        raise ValueError(f"a duration is at most {_LONGEST.days} days")
    return duration


def duration_text(duration: timedelta) -> str:
    """The duration as one would type it: '90 days'."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count, rest = divmod(int(duration.total_seconds()), length)
        if rest == 0:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{duration.total_seconds():g} seconds"


def _share(text: str) -> float:
    match = _SHARE.fullmatch(text)
    if not match:
        raise ValueError("write a percentage: '10%'")
    share = Decimal(match[1]) / (100 if match[2] else 1)
    if share > 1:
        raise ValueError(
            "a share lies between 0% and 100%" + ("" if match[2] else f": write '{text}%'")
        )
    return float(share)


def _day(text: str) -> date:
    if not _DAY.fullmatch(text):
        raise ValueError("write a day as 2026-01-31")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"there is no day {text}") from None


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError("write a whole number")
    return int(text)


def _number(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise ValueError("write a number")
    return Decimal(text)


def _flag(text: str) -> bool:
    words = {"true": True, "yes": True, "false": False, "no": False}
    if text.lower() not in words:
        raise ValueError("write yes or no")
    return words[text.lower()]


def _weekdays(value: Any) -> Any:
    if isinstance(value, list) and value and all(isinstance(day, str) for day in value):
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
            f"unknown day {unknown[0]!r}: write weekdays, weekends, daily or mon, tue, … sun"
        )
    return frozenset(known[day] for day in days)


def _weekdays_text(days: frozenset[int]) -> str:
    for name, group in _WEEKDAY_GROUPS.items():
        if days == frozenset(group):
            return name
    return ", ".join(WEEKDAYS[day] for day in sorted(days))


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = get_close_matches(text, available_timezones(), n=1)
        meant = f"did you mean {near[0]}?" if near else "write an IANA name such as Europe/Berlin"
        raise ValueError(f"no time zone {text!r}: {meant}") from None
    return text


def _buckets(text: str) -> int:
    count = _whole(text)
    if not 1 <= count <= 4096 or count & (count - 1):
        raise ValueError("write a power of two: 1, 2, 4, 8, … 4096")
    return count


def _encoding(text: str) -> str:
    try:
        "a".encode(text).decode(text)
    except (LookupError, ValueError):
        raise ValueError(f"no encoding {text!r}: write utf-8, cp1251, latin-1, …") from None
    return codecs.lookup(text).name


def _delimiter(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value == "tab":
        return "\t"
    if len(value) != 1 or value in '\r\n"':
        raise ValueError("write one character in quotes, or tab")
    return value


def _date_format(text: str) -> str:
    try:
        datetime.strptime(datetime(2026, 1, 31, tzinfo=UTC).strftime(text), text)  # noqa: DTZ007
    except (ValueError, re.error):
        raise ValueError("write a format such as '%d.%m.%Y' or '%d.%m.%Y %H:%M'") from None
    if "%" not in text:
        raise ValueError("write a format such as '%d.%m.%Y' or '%d.%m.%Y %H:%M'")
    return text


def _version(text: str) -> str:
    if text != VERSION:
        raise ValueError(f"version {text!r} is not {VERSION}")
    return text


# Editors read plain 2026 or true as a number or a boolean; for us they are text.
_ANY_SCALAR = {"type": ["string", "a number", "boolean"]}

Text = Annotated[str, Kind("text", _of_text(_text), _ANY_SCALAR)]
Line = Annotated[str, Kind("text in one line", _of_text(_line), _ANY_SCALAR)]
Whole = Annotated[int, Kind("a whole number", _of_text(_whole), {"type": "integer"})]
Number = Annotated[Decimal, Kind("a number", _of_text(_number), {"type": "number"})]
Weight = Annotated[Number, Field(gt=0, le=1_000_000)]
Flag = Annotated[
    bool,
    Kind(
        "yes or no",
        _of_text(_flag),
        {"enum": [True, False, "yes", "no"]},
        lambda flag: "yes" if flag else "no",
    ),
]
Day = Annotated[
    date,
    Kind(
        "a day, such as 2026-01-31",
        _of_text(_day),
        {"type": "string", "format": "date", "examples": ["2026-01-31"]},
    ),
]
Duration = Annotated[
    timedelta,
    Kind(
        "a duration, such as 90 days, 3 hours, 2 weeks, 30 minutes",
        _of_text(_duration),
        {
            "type": "string",
            "pattern": r"^[0-9]{1,9}\s*([Mm]inute|[Hh]our|[Dd]ay|[Ww]eek)s?$",
            "examples": ["90 days", "3 hours"],
        },
        duration_text,
    ),
]
LongerThanZero = Annotated[Duration, Field(gt=timedelta(0))]
Share = Annotated[
    float,
    Kind(
        "a percentage, such as 10%",
        _of_text(_share),
        {
            "type": ["string", "number"],
            "pattern": r"^[0-9]+(\.[0-9]+)?\s*%?$",
            "minimum": 0,
            "maximum": 1,
            "examples": ["10%"],
        },
        lambda share: f"{share * 100:g}%",
    ),
]
Weekdays = Annotated[
    frozenset[int],
    Kind(
        "weekdays, weekends, daily, or days such as mon, wed, fri",
        _weekdays,
        {
            "type": ["string", "array"],
            "items": {"type": "string"},
            "examples": ["weekdays", "weekends", "daily", "mon, wed, fri"],
        },
        _weekdays_text,
    ),
]
Zone = Annotated[
    str,
    Kind(
        "an IANA time zone, such as Europe/Berlin",
        _of_text(_zone),
        {"type": "string", "examples": ["Europe/Berlin"]},
    ),
]
Buckets = Annotated[
    int,
    Kind(
        "a power of two, 1 to 4096",
        _of_text(_buckets),
        {"enum": [2**power for power in range(13)]},
    ),
]
Encoding = Annotated[
    str,
    Kind(
        "the name of an encoding, such as utf-8 or cp1251",
        _of_text(_encoding),
        {"type": "string", "examples": ["utf-8", "cp1251", "latin-1"]},
    ),
]
Delimiter = Annotated[
    str,
    Kind(
        "one character, or tab",
        _delimiter,
        {"type": "string", "examples": [",", ";", "|", "tab"]},
    ),
]
DateFormat = Annotated[
    str,
    Kind(
        "a strptime format, such as '%d.%m.%Y'",
        _of_text(_date_format),
        {"type": "string", "examples": ["%d.%m.%Y", "%d.%m.%Y %H:%M"]},
    ),
]
Version = Annotated[
    str,
    Kind(
        "the version of the file's format, now 1",
        _of_text(_version),
        {"enum": [1, "1"]},
    ),
]
Name = Annotated[
    str,
    _pattern(
        "[a-z][a-z0-9]*([_-][a-z0-9]+)*",
        "a name of a-z, 0-9, - and _",
        "a name is made of a-z, 0-9, - and _, and begins with a letter",
        "winback-lost-loyal",
    ),
]
EnvironmentName = Annotated[
    str,
    _pattern(
        "[A-Z][A-Z0-9_]*",
        "the name of an environment variable",
        "write the name of an environment variable, such as SHOP_DATABASE_URL, never its value",
        "SHOP_DATABASE_URL",
    ),
]
WebAddress = Annotated[
    str,
    _pattern(
        r"https?://[^\s/@]+(/\S*)?",
        "an address with https://",
        "write the whole address, with https://",
        "https://example.com",
    ),
]
MailAddress = Annotated[
    str,
    _pattern(
        r"[^@\s]+@[^@\s]+\.[^@\s.]+",
        "an e-mail address",
        "write an e-mail address, such as hello@example.com",
        "hello@example.com",
    ),
]
SmsSender = Annotated[
    str,
    _pattern(
        r"\+[1-9][0-9]{6,14}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}",
        "a telephone number in E.164, or a name of at most 11 letters and digits",
        "write a number such as +4930123456, or a name of at most 11 letters and digits",
        "+4930123456",
    ),
]
Country = Annotated[
    str,
    _pattern("[A-Z]{2}", "an ISO 3166-1 country", "write two capital letters, such as DE", "DE"),
]
Language = Annotated[
    str,
    _pattern("[a-z]{2}", "an ISO 639-1 language", "write two small letters, such as de", "de"),
]
Currency = Annotated[
    str,
    _pattern("[A-Z]{3}", "an ISO 4217 currency", "write three capital letters, such as EUR", "EUR"),
]
Memory = Annotated[
    str,
    _pattern(
        "[0-9]+(\\.[0-9]+)? ?[KMGT]i?B",
        "an amount of memory, such as 4GB",
        "write an amount of memory, such as 4GB",
        "4GB",
    ),
]
