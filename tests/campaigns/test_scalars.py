"""What a marketer types becomes what was meant, or an error that says what to write."""

import contextlib
from datetime import date, timedelta
from datetime import time as clock
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from antiphon.campaigns import scalars
from antiphon.campaigns.conversions import Calendar, DaySpan, duration_text


def _convert(kind: str, text: object) -> Any:
    return TypeAdapter(getattr(scalars, kind)).validate_python(text)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("Text", " no ", "no"),
        ("Text", "7:30", "7:30"),
        ("Whole", "012", 12),
        ("Whole", "-3", -3),
        ("Number", "1e3", Decimal(1000)),
        ("Number", "0.1", Decimal("0.1")),
        ("Flag", "no", False),
        ("Flag", "Yes", True),
        ("Flag", "true", True),
        ("Share", "10%", 0.1),
        ("Share", "0.1", 0.1),
        ("Share", "12.5 %", 0.125),
        ("Share", "100%", 1.0),
        ("Share", "1/3", 1 / 3),
        ("Share", "0 / 4", 0.0),
        ("Window", "7 days", timedelta(days=7)),
        ("Window", "Calendar  Week", Calendar.WEEK),
        ("Window", "ever", Calendar.EVER),
        ("Maximum", "2", 2),
        ("Maximum", "case when a then 4 else 2 end", "case when a then 4 else 2 end"),
        ("Hours", "8:00-21:00", (clock(8), clock(21))),
        ("Hours", "21:30 - 24:00", (clock(21, 30), clock(0))),
        ("DaySpan", "2026-12-24", DaySpan(date(2026, 12, 24), date(2026, 12, 24))),
        ("DaySpan", "12-24..01-06", DaySpan((12, 24), (1, 6))),
        ("DaySpan", "02-29", DaySpan((2, 29), (2, 29))),
        ("Day", "2028-02-29", date(2028, 2, 29)),
        ("Duration", "90 days", timedelta(days=90)),
        ("Duration", "1 Week", timedelta(days=7)),
        ("Duration", "30minutes", timedelta(minutes=30)),
        ("Duration", "0 days", timedelta(0)),
        ("Weekdays", "weekdays", frozenset(range(5))),
        ("Weekdays", "weekends", frozenset({5, 6})),
        ("Weekdays", "Mon, tuesday", frozenset({0, 1})),
        ("Weekdays", ["mon", "sun"], frozenset({0, 6})),
        ("Zone", "Europe/Berlin", "Europe/Berlin"),
        ("Buckets", "16", 16),
        ("Encoding", "CP1251", "cp1251"),
        ("Delimiter", "tab", "\t"),
        ("Delimiter", "\t", "\t"),
        ("Delimiter", ";", ";"),
        ("DateFormat", "%d.%m.%Y", "%d.%m.%Y"),
        ("SmsSender", "+4930123456", "+4930123456"),
        ("SmsSender", "Linden", "Linden"),
        ("Country", "DE", "DE"),
        ("Memory", "1.5GiB", "1.5GiB"),
        ("WebAddress", "https://a.example/b", "https://a.example/b"),
    ],
)
def test_what_is_typed_means_what_it_says(kind: str, text: object, value: object) -> None:
    assert _convert(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("Text", ""),
        ("Line", "a\nb"),
        ("Whole", "1_000"), ("Whole", "1e3"), ("Whole", "١٢"), ("Whole", "9" * 5000), ("Whole", ""),
        ("Number", "nan"), ("Number", "inf"), ("Number", "1e999"), ("Number", "1_0"),
        ("Weight", "0"), ("Weight", "-1"), ("Weight", "1e99"),
        ("Flag", "1"), ("Flag", "~"), ("Flag", "nein"),
        ("Share", "10"), ("Share", "101%"), ("Share", "-1%"), ("Share", "nan"), ("Share", "nan%"),
        ("Day", "2026-02-29"), ("Day", "20260101"), ("Day", "2026-W01-1"), ("Day", "1.1.2026"),
        ("Duration", "90"), ("Duration", "1 month"), ("Duration", "999999999 weeks"),
        ("LongerThanZero", "0 days"),
        ("Weekdays", "monkey"), ("Weekdays", ""), ("Weekdays", "mon,"), ("Weekdays", []),
        ("Zone", "Europe"), ("Zone", "../etc/passwd"), ("Zone", "\x00"), ("Zone", "x" * 5000),
        ("Buckets", "3"), ("Buckets", "0"), ("Buckets", "8192"),
        ("Encoding", "utf-9"), ("Encoding", "rot13"), ("Encoding", "\x00"),
        ("Share", "1/0"), ("Share", "0/0"), ("Share", "4/3"), ("Share", "1/"),
        ("Window", "month"), ("Window", "0 days"), ("Maximum", "-1"), ("Maximum", ""),
        ("Hours", "8-21"), ("Hours", "8:00"), ("Hours", "25:00-26:00"), ("Hours", "8:00-08:00"),
        ("DaySpan", "12-24..2026-12-26"), ("DaySpan", "04-31"), ("DaySpan", "02-30"),
        ("DaySpan", "2026-12-26..2026-12-24"), ("DaySpan", "1..2..3"),
        ("Delimiter", ""), ("Delimiter", ";;"), ("Delimiter", '"'), ("Delimiter", "\n"),
        ("DateFormat", "%Q"), ("DateFormat", "day"), ("DateFormat", "%"),
        ("Name", "Spring"), ("Name", "a--b"), ("Name", "1a"), ("Name", "a|b"), ("Name", "a/b"),
        ("EnvironmentName", "sqlite:///x"), ("EnvironmentName", "password"),
        ("WebAddress", "shop.example"), ("WebAddress", "https://user:pw@shop.example"),
        ("MailAddress", "shop"), ("MailAddress", "a@b"), ("MailAddress", "a b@c.de"),
        ("SmsSender", "12345678901"), ("SmsSender", "A name that is too long"),
        ("Country", "de"), ("Language", "deu"), ("Currency", "€"), ("Memory", "4"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(kind: str, text: object) -> None:
    with pytest.raises(ValidationError):
        _convert(kind, text)


KINDS = [name for name, value in vars(scalars).items() if hasattr(value, "__metadata__")]


@given(st.sampled_from(KINDS), st.text() | st.text("0123456789.%eE+-: daysweek\x00"))
def test_no_text_breaks_a_scalar(kind: str, text: str) -> None:
    with contextlib.suppress(ValidationError):
        assert _convert(kind, text) is not None


@given(st.integers(0, 36_500 * 24 * 60))
def test_a_duration_written_out_reads_as_itself(minutes: int) -> None:
    duration = timedelta(minutes=minutes)
    assert _convert("Duration", duration_text(duration)) == duration


def test_a_wrong_time_zone_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(ValidationError, match="did you mean Europe/Berlin"):
        _convert("Zone", "Europe/Brelin")
