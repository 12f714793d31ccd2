"""Numbers, days and lists as sentences say them."""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from antiphon.campaigns.conversions import Calendar

CHANNEL_WORDS = {"email": "e-mail", "sms": "SMS"}
ADDRESS_WORDS = {"email": "e-mail address", "sms": "phone number"}


def channel_word(channel: str) -> str:
    """e-mail, SMS."""
    return CHANNEL_WORDS.get(channel, channel)


def count(number: int, noun: str) -> str:
    """1 message, 20,000 messages."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def percent(share: float) -> str:
    """33%, 0.35%: three digits that say something."""
    return f"{share * 100:.3g}%"


def listed(words: Iterable[str], last: str = "and") -> str:
    """a, b and c."""
    every = list(words)
    return f"{', '.join(every[:-1])} {last} {every[-1]}" if len(every) > 1 else "".join(every)


def span(length: timedelta) -> str:
    """7 days, 36 hours: in the largest unit that needs no fraction."""
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        number, rest = divmod(int(length.total_seconds()), size)
        if not rest and number:
            return count(number, unit)
    return count(int(length.total_seconds()), "second")


def within(per: timedelta | Calendar | int | str) -> str:
    """in 7 days, in a calendar week, ever; `per` as a rule or its counters (seconds) have it."""
    if isinstance(per, str):
        return "ever" if per == Calendar.EVER else f"in a {per}"
    return f"in {span(per if isinstance(per, timedelta) else timedelta(seconds=per))}"


def instant(text: str) -> datetime:
    """The instant that counters (JSON) have as text."""
    return datetime.fromisoformat(text)


def days(instants: Iterable[str], zone: ZoneInfo) -> str:
    """3 May, 3 and 7 May, 30 April and 3 May 2026: each month and year said once."""
    found = sorted({instant(text).astimezone(zone).date() for text in instants})
    words = []
    for day, after in zip(found, [*found[1:], None], strict=True):
        word = str(day.day)
        if after is None or (day.year, day.month) != (after.year, after.month):
            word += f" {day:%B}"
        if after is not None and day.year != after.year:
            word += f" {day.year}"
        words.append(word)
    text = listed(words)
    return f"{text} {found[-1].year}" if len({day.year for day in found}) > 1 else text


def day_word(day: date, today: date) -> str:
    """14 May; with its year where that is another one."""
    return f"{day.day} {day:%B}" + (f" {day.year}" if day.year != today.year else "")


def date_word(at: datetime, zone: str) -> str:
    """14 May 2026."""
    day = at.astimezone(ZoneInfo(zone)).date()
    return f"{day.day} {day:%B %Y}"


def moment_word(at: datetime, zone: ZoneInfo, today: date, own: str | None = None) -> str:
    """10 May 09:12, and what the customer's clock shows then, where it shows something else.

    Midnight, at which a day's count begins anew, is the day alone.
    """
    local = at.astimezone(zone)
    word = day_word(local.date(), today)
    if local.time() != time():
        word += f" {local:%H:%M}"
    if own is None:
        return word
    theirs = at.astimezone(ZoneInfo(own))
    if theirs.utcoffset() == local.utcoffset():
        return word
    shown = f"{theirs:%H:%M}"
    if theirs.date() != local.date():
        shown = f"{day_word(theirs.date(), today)} {shown}"
    return f"{word} ({shown} in {own})"
