"""Holds of campaigns: paused ones wait, cancelled ones are over, until somebody resumes them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, Select, insert, or_, select, update

from antiphon.ledger.engine import HOLDS_LOCK, lock, reading, writing
from antiphon.ledger.moving import withdraw_planned
from antiphon.ledger.schema import OPEN, holds, messages


class HoldKind(StrEnum):
    """What a hold does to messages already planned; nothing new is decided under either."""

    PAUSED = "paused"  # they wait
    CANCELLED = "cancelled"  # they are withdrawn


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold of one campaign, from `held_at` until (excluding) `ended_at`.

    `source`: who did it, a person's name or `breaker`.
    """

    hold_id: int
    campaign: str
    kind: HoldKind
    reason: str
    source: str
    held_at: datetime
    ended_at: datetime | None


class Holds:
    """The holds of one ledger. Nothing is deleted: past days are decided again as they were."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def hold(self, campaign: str, kind: str, reason: str, source: str, now: datetime) -> bool:
        """Nothing of the campaign is claimed from now on; false when it was so held already.

        A cancelled one's planned messages are withdrawn in the same moment, and what a run under
        way still plans at its release (`Messages.release`). Pausing a cancelled one does nothing.
        """
        kind = HoldKind(kind)
        with writing(self._engine) as connection:
            lock(connection, HOLDS_LOCK)
            present = connection.execute(_open().where(holds.c.campaign == campaign)).first()
            if present is not None and present.kind in {kind, HoldKind.CANCELLED}:
                return False
            connection.execute(
                update(holds).where(holds.c.campaign == campaign, OPEN).values(ended_at=now)
            )
            row = {"campaign": campaign, "kind": kind, "reason": reason, "source": source}
            connection.execute(insert(holds), {**row, "held_at": now})
            if kind is HoldKind.CANCELLED:
                mine = messages.c.campaign == campaign
                withdraw_planned(connection, mine, f"campaign cancelled: {reason}", now)
            return True

    def end(self, campaign: str, now: datetime) -> Hold | None:
        """Ends the hold in force: what it was, or None where there was none.

        What came back to a cancelled campaign while it was so (a request under way was told to
        try later, a doubt was settled) is withdrawn as well: it begins anew with nothing.
        """
        with writing(self._engine) as connection:
            lock(connection, HOLDS_LOCK)
            present = connection.execute(_open().where(holds.c.campaign == campaign)).first()
            if present is None:
                return None
            # never before it began: the clocks of two machines differ
            ended = max(now, present.held_at)
            mine = holds.c.hold_id == present.hold_id
            connection.execute(update(holds).where(mine).values(ended_at=ended))
            if present.kind == HoldKind.CANCELLED:
                left = messages.c.campaign == campaign
                reason = f"campaign cancelled: {present.reason}"
                withdraw_planned(connection, left, reason, now)
            return _hold({**present._mapping, "ended_at": ended})

    def open(self) -> dict[str, Hold]:
        """Campaign → its hold that nobody has ended, whatever the time: what claims obey."""
        return self._by_campaign(_open())

    def in_force(self, at: datetime) -> dict[str, Hold]:
        """Campaign → the hold under which it was at the instant `at`: what decisions obey."""
        return self._by_campaign(
            select(holds).where(
                holds.c.held_at <= at, or_(holds.c.ended_at.is_(None), holds.c.ended_at > at)
            )
        )

    def history(self, campaign: str) -> list[Hold]:
        """Every hold of a campaign there ever was, oldest first."""
        query = select(holds).where(holds.c.campaign == campaign).order_by(holds.c.hold_id)
        with reading(self._engine) as connection:
            return [_hold(dict(row)) for row in connection.execute(query).mappings()]

    def _by_campaign(self, query: Select[Any]) -> dict[str, Hold]:
        with reading(self._engine) as connection:
            found = connection.execute(query.order_by(holds.c.hold_id)).mappings()
            return {row["campaign"]: _hold(dict(row)) for row in found}


def _open() -> Select[Any]:
    return select(holds).where(OPEN)


def _hold(row: dict[str, Any]) -> Hold:
    return Hold(**{**row, "kind": HoldKind(row["kind"])})
