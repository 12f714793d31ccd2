"""Accounts of providers: one rate for all dispatchers, what was used, and who is paused."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, select, update

from antiphon.ledger.engine import reading, writing
from antiphon.ledger.inserting import insert_new
from antiphon.ledger.schema import accounts

HOUR = timedelta(hours=1)
FAR_AHEAD = HOUR  # nobody reserves so far ahead: it was written by a clock that was wrong
HALF_OPEN = frozenset({"network", "account"})  # after the pause one request tries, then all


@dataclass(frozen=True, slots=True)
class Reservation:
    """The right to send `granted` messages: the first at `start_at`, the next each `spacing` later.

    Nothing granted: ask again at `start_at`.
    """

    granted: int
    start_at: datetime
    spacing: timedelta


@dataclass(frozen=True, slots=True)
class AccountStanding:
    """How an account stands. `pause_kind` is '' while it is not paused; a pause that is over
    stays on record until something was sent (see `Accounts.admit`)."""

    name: str
    next_at: datetime | None
    hour_at: datetime | None
    hour_used: int
    day: date | None
    day_used: int
    paused_until: datetime | None
    pause_reason: str
    pause_kind: str
    failures: int
    updated_at: datetime

    def is_paused(self, now: datetime) -> bool:
        """Whether nothing may be sent by it now."""
        return self.paused_until is not None and self.paused_until > now


class Accounts:
    """The accounts of one ledger; one is there as soon as it is spoken of."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def reserve(
        self,
        name: str,
        n: int,
        now: datetime,
        *,
        per_second: float | None = None,
        per_hour: int | None = None,
        day: date | None = None,
        per_day: int | None = None,
    ) -> Reservation:
        """The right to send up to `n` messages, of all dispatchers together within the limits.

        The rate is a virtual schedule (GCRA, ITU-T I.371, without tolerance): each reservation
        begins where the last one ended. `per_hour` counts clock hours, `per_day` the business day
        `day`. Where nothing is left the account is asked again at the next hour.
        """
        if per_second is None and per_hour is None and per_day is None:
            return Reservation(n, now, timedelta(0))
        hour = now.replace(minute=0, second=0, microsecond=0)
        with writing(self._engine) as connection:
            row = _locked(connection, name, now)
            hour = _counted_on(row.hour_at, hour, HOUR)
            hour_used = row.hour_used if row.hour_at == hour else 0
            on = _counted_on(row.day, day, timedelta(days=1))
            day_used = row.day_used if row.day == on else 0
            left = [n]
            if per_hour is not None:
                left.append(per_hour - hour_used)
            if per_day is not None:
                left.append(per_day - day_used)
            granted = max(0, min(left))
            if not granted:
                return Reservation(0, hour + HOUR, timedelta(0))
            spacing = timedelta(seconds=1 / float(per_second)) if per_second else timedelta(0)
            start = now
            if per_second and row.next_at is not None and now < row.next_at <= now + FAR_AHEAD:
                start = row.next_at
            values = {
                "next_at": start + granted * spacing if per_second else row.next_at,
                "hour_at": hour,
                "hour_used": hour_used + granted,
                "day": on,
                "day_used": day_used + granted,
            }
            _set(connection, name, values, now)
            return Reservation(granted, start, spacing)

    def give_back(self, name: str, n: int, now: datetime) -> None:
        """Of what was reserved last, `n` messages were not sent: hour and day have them again."""
        with writing(self._engine) as connection:
            row = _locked(connection, name, now)
            values = {
                "hour_used": max(0, row.hour_used - n),
                "day_used": max(0, row.day_used - n),
            }
            _set(connection, name, values, now)

    def pause(self, name: str, until: datetime, reason: str, kind: str, now: datetime) -> bool:
        """Nobody sends by the account before `until`; whether it was not paused before.

        `kind`: busy, account, network (antiphon.providers.Blame) or person. Of two pauses the
        later end counts, with its reason.
        """
        with writing(self._engine) as connection:
            row = _locked(connection, name, now)
            was_open = row.paused_until is None or row.paused_until <= now
            if was_open or until > row.paused_until:
                values = {"paused_until": until, "pause_reason": reason, "pause_kind": kind}
                _set(connection, name, values, now)
            return was_open

    def resume(self, name: str, now: datetime) -> bool:
        """Ends a pause, and forgets failures; whether it was paused."""
        with writing(self._engine) as connection:
            row = _locked(connection, name, now)
            _set(connection, name, _OPEN, now)
            return row.paused_until is not None and row.paused_until > now

    def failed(self, name: str, now: datetime) -> int:
        """One more request failed; how many did, one after the other."""
        with writing(self._engine) as connection:
            row = _locked(connection, name, now)
            _set(connection, name, {"failures": row.failures + 1}, now)
            return int(row.failures) + 1

    def succeeded(self, name: str, now: datetime) -> None:
        """A request was answered: failures are forgotten, and a pause for failures that is over
        is off the record. Costs no writing where there is nothing to forget."""
        standing = self.get(name)
        if standing is None or not (standing.failures or standing.pause_kind):
            return
        with writing(self._engine) as connection:
            row = _locked(connection, name, now)
            is_over = row.paused_until is None or row.paused_until <= now
            still_half = row.pause_kind in HALF_OPEN  # `admit` keeps the others waiting
            _set(connection, name, _OPEN if is_over or still_half else {"failures": 0}, now)

    def admit(self, name: str, now: datetime, trial: timedelta) -> bool:
        """Whether a request may be sent by the account now.

        After a pause for failures, or for the account itself, one dispatcher is let through, and
        the others wait for `trial` longer, or until it has `succeeded`.
        """
        standing = self.get(name)
        if standing is None or not standing.pause_kind:
            return True
        if standing.is_paused(now):
            return False
        if standing.pause_kind not in HALF_OPEN:
            return True
        with writing(self._engine) as connection:
            row = _locked(connection, name, now)
            if row.paused_until is not None and row.paused_until > now:
                return False
            if row.pause_kind:
                _set(connection, name, {"paused_until": now + trial}, now)
            return True

    def get(self, name: str) -> AccountStanding | None:
        """How the account stands; None where nothing is known of it."""
        found = self._standing(name)
        return found[0] if found else None

    def standing(self) -> list[AccountStanding]:
        """How every account stands of which something is known, by name."""
        return self._standing(None)

    def _standing(self, name: str | None) -> list[AccountStanding]:
        query = select(accounts).order_by(accounts.c.name)
        if name is not None:
            query = query.where(accounts.c.name == name)
        with reading(self._engine) as connection:
            return [AccountStanding(**row) for row in connection.execute(query).mappings()]


_OPEN = {"paused_until": None, "pause_reason": "", "pause_kind": "", "failures": 0}


def _counted_on(kept: Any, mine: Any, by: timedelta) -> Any:
    """The hour or day that goes on being counted: the kept one where it is just ahead of `mine`,
    so that a clock a little behind another one begins no second allowance."""
    is_ahead = kept is not None and mine is not None and timedelta(0) < kept - mine <= by
    return kept if is_ahead else mine


def _locked(connection: Connection, name: str, now: datetime) -> Row[Any]:
    """The account's row, which nobody else changes before this transaction ends."""
    connection.execute(insert_new(connection, accounts), {"name": name, "updated_at": now})
    query = select(accounts).where(accounts.c.name == name).with_for_update()
    return connection.execute(query).one()


def _set(connection: Connection, name: str, values: Mapping[str, Any], now: datetime) -> None:
    change = update(accounts).where(accounts.c.name == name).values(**values, updated_at=now)
    connection.execute(change)
