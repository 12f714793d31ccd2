"""Scalars a marketer types, converted from text: durations, shares, days, weekdays, yes and no."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, WithJsonSchema

T = TypeVar("T")

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DURATION = re.compile(r"(\d+)\s*(minute|hour|day|week)s?", re.IGNORECASE)
_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")


def _from_text(convert: Callable[[str], T]) -> BeforeValidator:
    """Convert text; values of any other type (defaults, tests) pass as they are."""
    return BeforeValidator(lambda value: convert(value.strip()) if isinstance(value, str) else value)


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError("write a number and a unit: '90 days', '3 hours', '2 weeks', '30 minutes'")
    return timedelta(**{f"{match[2].lower()}s": int(match[1])})


def _share(text: str) -> float:
    number = text.removesuffix("%")
    try:
        share = Decimal(number.strip()) / (100 if text.endswith("%") else 1)
    except InvalidOperation:
        raise ValueError("write a percentage: '10%'") from None
    if not 0 <= share <= 1:
        raise ValueError("a share lies between 0% and 100%")
    return float(share)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"write a day as 2026-01-31 ({error})") from None


def _whole(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d+", text):
        raise ValueError("write a whole number")
    return int(text)


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError("write a number") from None
    if not number.is_finite():
        raise ValueError("write a finite number")
    return number


def _flag(text: str) -> bool:
    words = {"true": True, "yes": True, "false": False, "no": False}
    if text.lower() not in words:
        raise ValueError("write yes or no")
    return words[text.lower()]


def _weekdays(text: str) -> frozenset[int]:
    named = {"daily": range(7), "weekdays": range(5), "weekends": range(5, 7)}
    if text in named:
        return frozenset(named[text])
    days = [part.strip().lower()[:3] for part in text.split(",")]
    if unknown := [day for day in days if day not in WEEKDAYS]:
        raise ValueError(f"unknown day {unknown[0]!r}: write weekdays, weekends, daily or mon, tue, …")
    return frozenset(WEEKDAYS.index(day) for day in days)


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("a name is made of a-z, 0-9, - and _, and begins with a letter")
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"no time zone {text!r}: write an IANA name such as Europe/Berlin") from None
    return text


def _text_schema(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


Text = Annotated[str, _from_text(str)]
Name = Annotated[str, _from_text(_name), _text_schema("^[a-z][a-z0-9_-]*$", "winback")]
Whole = Annotated[int, _from_text(_whole), WithJsonSchema({"type": "integer"})]
Number = Annotated[Decimal, _from_text(_number), WithJsonSchema({"type": "number"})]
Flag = Annotated[bool, _from_text(_flag), WithJsonSchema({"type": "boolean"})]
Day = Annotated[
    date, _from_text(_day), WithJsonSchema({"type": "string", "format": "date"})
]
Duration = Annotated[
    timedelta,
    _from_text(_duration),
    _text_schema(r"^\d+\s*(minute|hour|day|week)s?$", "90 days"),
]
Share = Annotated[float, _from_text(_share), _text_schema(r"^\d+(\.\d+)?%?$", "10%")]
Weekdays = Annotated[
    frozenset[int], _from_text(_weekdays), _text_schema("^[a-z, ]+$", "weekdays")
]
Zone = Annotated[str, _from_text(_zone), _text_schema("^[A-Za-z_+/-]+[0-9]*$", "Europe/Berlin")]
