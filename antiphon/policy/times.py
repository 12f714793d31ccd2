"""When a message may leave: hours, weekdays and days of silence, on the customer's own clock.

Whether a moment is allowed depends on what the clock on the wall shows, and on nothing else: of an
hour that the clock repeats both passes are judged alike, and one that it leaps over has no moment.
What is allowed changes only at a few readings of a day and where the clock itself is moved, so
these moments are all that has to be tried.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from antiphon.campaigns.rules import Times

OWN = "own"  # holidays of the customer's own country
_DAYS = 366  # a rule that forbids a whole year forbids for ever
_ONE_DAY = timedelta(days=1)
_ONE_SECOND = timedelta(seconds=1)


def next_allowed(at: datetime, zone: str, country: str, times: Sequence[Times]) -> datetime | None:
    """The first moment from `at` on (aware) that every rule allows, in UTC; None: none in a year.

    `zone` (IANA) and `country` (ISO 3166-1) are the customer's. Scopes are not looked at.
    """
    if forbidding(at, zone, country, times) is None:
        return at.astimezone(UTC)
    changes = _changes_after(at, ZoneInfo(zone), times)
    return next((one for one in changes if forbidding(one, zone, country, times) is None), None)


def allowed_until(at: datetime, zone: str, country: str, times: Sequence[Times]) -> datetime | None:
    """The first moment after `at` that some rule forbids, in UTC; None: none in a year."""
    changes = _changes_after(at, ZoneInfo(zone), times)
    return next((one for one in changes if forbidding(one, zone, country, times)), None)


def forbidding(at: datetime, zone: str, country: str, times: Sequence[Times]) -> Times | None:
    """The first of the rules that forbids this moment; None: it is allowed."""
    local = at.astimezone(ZoneInfo(zone))
    return next((rule for rule in times if _forbids(rule, local, country)), None)


@lru_cache(maxsize=4096)
def public_holidays(place: str, year: int) -> frozenset[date]:
    """Public holidays of a country (DE) or a part of one (DE-BY), those moved from a weekend too;
    none where the place is not known."""
    import holidays  # noqa: PLC0415 (slow to import, and few policies ask)

    country, _, part = place.partition("-")
    try:
        return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))
    except NotImplementedError:
        return frozenset()


def _forbids(rule: Times, local: datetime, country: str) -> bool:
    day, now = local.date(), local.time()
    return (
        local.weekday() not in rule.days
        or (rule.hours is not None and not _within(now, rule.hours))
        or (rule.quiet is not None and _within(now, rule.quiet))
        or any(span.includes(day) for span in rule.blackout)
        or any(
            day in public_holidays(country if place == OWN else place, day.year)
            for place in rule.holidays
        )
    )


def _within(now: time, hours: tuple[time, time]) -> bool:
    """From the first (included) to the last (excluded), over midnight where the last is less."""
    first, last = hours
    return first <= now < last if first < last else now >= first or now < last


def _changes_after(at: datetime, zone: ZoneInfo, times: Sequence[Times]) -> Iterator[datetime]:
    """Moments after `at` at which what is allowed may change, in order, for a year (UTC)."""
    edges = {time(0)}
    for rule in times:
        edges.update(rule.hours or ())
        edges.update(rule.quiet or ())
    first = at.astimezone(zone).date()
    for days in range(_DAYS + 1):
        day = first + days * _ONE_DAY
        found = {*_moments(day, edges, zone), *_leaps(day, zone)}
        yield from sorted(one for one in found if one > at)


def _moments(day: date, readings: set[time], zone: ZoneInfo) -> Iterator[datetime]:
    """When the clock shows these times on that day: never, once or twice each."""
    for reading in readings:
        shown = datetime.combine(day, reading)
        for fold in (0, 1):
            moment = shown.replace(tzinfo=zone, fold=fold).astimezone(UTC)
            if moment.astimezone(zone).replace(tzinfo=None, fold=0) == shown:
                yield moment


def _leaps(day: date, zone: ZoneInfo) -> Iterator[datetime]:
    """The moment of that day at which the clock is moved, if there is one."""
    before, after = (
        datetime.combine(one, time(), zone).astimezone(UTC) for one in (day, day + _ONE_DAY)
    )

    def offset(at: datetime) -> timedelta | None:
        return at.astimezone(zone).utcoffset()

    old = offset(before)
    if old == offset(after):
        return
    while after - before > _ONE_SECOND:
        middle = before + (after - before) // (2 * _ONE_SECOND) * _ONE_SECOND
        before, after = (middle, after) if offset(middle) == old else (before, middle)
    yield after
