"""The one clock, made at the edge (commands, flows) and handed inwards; no other asks for now."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from time import monotonic
from zoneinfo import ZoneInfo

from antiphon.errors import UserFilesError

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The machine's time, aware UTC."""
    return datetime.now(UTC)


def clock_from(start: datetime) -> Clock:
    """A clock that shows `start` now and goes on from there: rehearsals, demos, replays."""
    began = monotonic()
    return lambda: start.astimezone(UTC) + timedelta(seconds=monotonic() - began)


@lru_cache(maxsize=4)
def no_earlier(clock: Clock, start: datetime) -> Clock:
    """The clock, showing `start` until then: a run's time never goes back, even rehearsed again."""
    return clock if clock() >= start else lambda: max(clock(), start)


def business_day(instant: datetime, zone: str) -> date:
    """The day of `instant` in the business time zone."""
    return instant.astimezone(ZoneInfo(zone)).date()


def edge_clock(environment: Mapping[str, str]) -> Clock:
    """The machine's clock; in a rehearsal one that showed ANTIPHON_AT when this process asked.

    Raises UserFilesError where ANTIPHON_AT is no instant with an offset.
    """
    at = environment.get("ANTIPHON_AT", "")
    return _rehearsal(at) if at else system_clock


@lru_cache(maxsize=1)
def _rehearsal(at: str) -> Clock:
    try:
        start = datetime.fromisoformat(at)
    except ValueError:
        raise UserFilesError(f"ANTIPHON_AT is {at!r}: write 2026-05-12T10:00+02:00.") from None
    if start.tzinfo is None:
        raise UserFilesError(f"ANTIPHON_AT is {at!r}: add the offset, as in +02:00.")
    return clock_from(start)
