"""The types of the models' scalars: what each takes, in words, for us and for editors."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from antiphon.campaigns import conversions


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


class Several:
    """One value or a list: `channel: sms`, `channel: [email, sms]`, `channel: email, sms`."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Pydantic's hook: make a list of one value."""
        return core_schema.no_info_before_validator_function(conversions.several, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Pydantic's hook: editors take both."""
        listed = handler(schema)
        return {"anyOf": [listed["items"], listed, {"type": "string", "pattern": ","}]}


T = TypeVar("T")
OneOrMore = Annotated[tuple[T, ...], Several()]


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


# Editors read plain 2026 or true as a number or a boolean; for us they are text.
_ANY_SCALAR = {"type": ["string", "number", "boolean"]}

Text = Annotated[str, Kind("text", _of_text(conversions.filled), _ANY_SCALAR)]
Line = Annotated[str, Kind("text in one line", _of_text(conversions.one_line), _ANY_SCALAR)]
Whole = Annotated[int, Kind("a whole number", _of_text(conversions.whole), {"type": "integer"})]
Number = Annotated[Decimal, Kind("a number", _of_text(conversions.number), {"type": "number"})]
Weight = Annotated[Number, Field(gt=0, le=1_000_000)]
Flag = Annotated[
    bool,
    Kind(
        "yes or no",
        _of_text(conversions.flag),
        {"enum": [True, False, "yes", "no"]},
        lambda flag: "yes" if flag else "no",
    ),
]
Day = Annotated[
    date,
    Kind(
        "a day, such as 2026-01-31",
        _of_text(conversions.day),
        {"type": "string", "format": "date", "examples": ["2026-01-31"]},
    ),
]
Duration = Annotated[
    timedelta,
    Kind(
        "a duration, such as 90 days, 3 hours, 2 weeks, 30 minutes",
        _of_text(conversions.duration),
        {
            "type": "string",
            "pattern": r"^[0-9]{1,9}\s*([Mm]inute|[Hh]our|[Dd]ay|[Ww]eek)s?$",
            "examples": ["90 days", "3 hours"],
        },
        conversions.duration_text,
    ),
]
LongerThanZero = Annotated[Duration, Field(gt=timedelta(0))]
Share = Annotated[
    float,
    Kind(
        "a percentage, such as 10%, or a fraction, such as 1/3",
        _of_text(conversions.share),
        {
            "type": ["string", "number"],
            "pattern": r"^([0-9]+(\.[0-9]+)?\s*%?|[0-9]+\s*/\s*[0-9]+)$",
            "minimum": 0,
            "maximum": 1,
            "examples": ["10%", "1/3"],
        },
        lambda share: f"{share * 100:g}%",
    ),
]
Window = Annotated[
    timedelta | conversions.Calendar,
    Kind(
        "a duration (exact), calendar day, week, month, quarter or year, or ever",
        _of_text(conversions.window),
        {"type": "string", "examples": ["7 days", "calendar week", "ever"]},
        conversions.window_text,
    ),
]
Maximum = Annotated[
    int | str,
    Kind(
        "a whole number, or an expression over features",
        _of_text(conversions.maximum),
        {"type": ["integer", "string"], "examples": [2]},
    ),
]
Hours = Annotated[
    tuple[time, time],
    Kind(
        "two times of day, such as 21:00-08:00",
        _of_text(conversions.hours),
        {"type": "string", "examples": ["21:00-08:00"]},
        conversions.hours_text,
    ),
]
DaySpan = Annotated[
    conversions.DaySpan,
    Kind(
        "a day or several: 2026-12-24..2026-12-26, or of every year 12-24..12-26",
        _of_text(conversions.day_span),
        {"type": "string", "examples": ["12-24..12-26"]},
        conversions.day_span_text,
    ),
]
Weekdays = Annotated[
    frozenset[int],
    Kind(
        "weekdays, weekends, daily, or days such as mon, wed, fri",
        conversions.weekdays,
        {
            "type": ["string", "array"],
            "items": {"type": "string"},
            "examples": ["weekdays", "weekends", "daily", "mon, wed, fri"],
        },
        conversions.weekdays_text,
    ),
]
Zone = Annotated[
    str,
    Kind(
        "an IANA time zone, such as Europe/Berlin",
        _of_text(conversions.zone),
        {"type": "string", "examples": ["Europe/Berlin"]},
    ),
]
Buckets = Annotated[
    int,
    Kind(
        "a power of two, 1 to 4096",
        _of_text(conversions.buckets),
        {"enum": [2**power for power in range(13)]},
    ),
]
Encoding = Annotated[
    str,
    Kind(
        "the name of an encoding, such as utf-8 or cp1251",
        _of_text(conversions.encoding),
        {"type": "string", "examples": ["utf-8", "cp1251", "latin-1"]},
    ),
]
Delimiter = Annotated[
    str,
    Kind(
        "one character, or tab",
        conversions.delimiter,
        {"type": "string", "examples": [",", ";", "|", "tab"]},
    ),
]
DateFormat = Annotated[
    str,
    Kind(
        "a strptime format, such as '%d.%m.%Y'",
        _of_text(conversions.date_format),
        {"type": "string", "examples": ["%d.%m.%Y", "%d.%m.%Y %H:%M"]},
    ),
]
Version = Annotated[
    str,
    Kind(
        "the version of the file's format, now 1",
        _of_text(conversions.version),
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
FeatureName = Annotated[
    str,
    _pattern(
        "[a-z][a-z0-9_]*",
        "a name of a-z, 0-9 and _",
        "a feature's name is made of a-z, 0-9 and _, and begins with a letter",
        "lifecycle",
    ),
]
CellName = Annotated[
    str,
    _pattern(
        "[a-z0-9]+([._-][a-z0-9]+)*",
        "a name of a-z, 0-9, -, _ and .",
        "write a-z, 0-9, -, _ and . only: the name becomes part of a cell's id",
        "25-50",
    ),
]
CodePrefix = Annotated[
    str,
    _pattern(
        "[A-Z0-9]{1,8}",
        "1 to 8 capital letters and digits",
        "write 1 to 8 of A-Z and 0-9: people type it at the till",
        "WB",
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
CountryOrRegion = Annotated[
    str,
    _pattern(
        "own|[A-Z]{2}(-[A-Z0-9]{1,3})?",
        "a country or a part of one, such as DE or DE-BY, or own",
        "write a country such as DE, a part of one such as DE-BY, or own",
        "DE",
    ),
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
