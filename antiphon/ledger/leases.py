"""Leases with fencing: one holder at a time, and one that lost its lease can write nothing."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, select, update

from antiphon.errors import LeaseLost, RunBusy
from antiphon.ledger.engine import reading, writing
from antiphon.ledger.inserting import insert_new
from antiphon.ledger.schema import EPOCH, leases


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write under `name`. A later lease of that name has a greater token."""

    name: str
    holder: str
    token: int
    taken_at: datetime
    expires_at: datetime


def guard(connection: Connection, lease: Lease) -> None:
    """Raises LeaseLost when another took the lease; else nobody takes it before this transaction
    ends. One that ran out and was not taken still guards: its token is the last."""
    query = select(leases).where(leases.c.name == lease.name).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None or row.token != lease.token:
        holder = f": {row.holder} holds it since {row.taken_at:%Y-%m-%d %H:%M:%S %Z}" if row else ""
        raise LeaseLost(
            f"the lease {lease.name!r} was taken over{holder}. Nothing more was written; "
            "the run may be repeated."
        )


class Leases:
    """The leases of one ledger."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def acquire(self, name: str, holder: str, ttl: timedelta, now: datetime) -> Lease:
        """The lease, with a token greater than any before.

        Raises RunBusy, saying who holds it, while another one (even of the same holder) is live.
        """
        first = {
            "name": name,
            "holder": holder,
            "token": 0,
            "taken_at": EPOCH,
            "expires_at": EPOCH,
        }
        with writing(self._engine) as connection:
            connection.execute(insert_new(connection, leases), first)
            query = select(leases).where(leases.c.name == name).with_for_update()
            row = connection.execute(query).one()
            if row.expires_at > now:
                raise RunBusy(
                    f"{row.holder} holds the lease {name!r} since "
                    f"{row.taken_at:%Y-%m-%d %H:%M:%S %Z}, until "
                    f"{row.expires_at:%Y-%m-%d %H:%M:%S %Z} unless renewed. Wait for it to end; "
                    "after a crash the lease runs out by itself."
                )
            lease = Lease(name, holder, row.token + 1, now, now + ttl)
            connection.execute(
                update(leases)
                .where(leases.c.name == name)
                .values(
                    holder=holder,
                    token=lease.token,
                    taken_at=now,
                    expires_at=lease.expires_at,
                )
            )
        return lease

    def renew(self, lease: Lease, ttl: timedelta, now: datetime) -> Lease:
        """The lease, living until `now + ttl`; LeaseLost when another one took its place.

        One that ran out while nobody took it may still be renewed: its token is the last.
        """
        if not self._set_expiry(lease, now + ttl):
            raise LeaseLost(f"the lease {lease.name!r} was taken over; nothing more is written.")
        return replace(lease, expires_at=now + ttl)

    def release(self, lease: Lease) -> None:
        """Frees the lease at once, on every clock; does nothing when it was lost already."""
        self._set_expiry(lease, EPOCH)

    def holder(self, name: str, now: datetime) -> Lease | None:
        """Who holds the lease at `now`."""
        query = select(leases).where(leases.c.name == name, leases.c.expires_at > now)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return Lease(**row._mapping) if row else None

    def _set_expiry(self, lease: Lease, at: datetime) -> bool:
        change = (
            update(leases)
            .where(leases.c.name == lease.name, leases.c.token == lease.token)
            .values(expires_at=at)
        )
        with writing(self._engine) as connection:
            return connection.execute(change).rowcount == 1
