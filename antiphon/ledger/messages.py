"""The outbox: messages planned, claimed, recorded; never twice, never lost (DESIGN §7)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from sqlalchemy import ColumnElement, Connection, Engine, Select, func, or_, select, true, update

from antiphon.errors import LedgerError
from antiphon.ledger.engine import listed, reading, writing
from antiphon.ledger.leases import Lease, guard
from antiphon.ledger.moving import (
    UNRELEASED_CONTROL,
    Move,
    as_json,
    move,
    withdraw_planned,
)
from antiphon.ledger.planning import Planned, plan
from antiphon.ledger.recording import Outcome, Recorded, record
from antiphon.ledger.retrying import try_again
from antiphon.ledger.schema import PLANNED, SENDING, message_log, messages, runs
from antiphon.states import MessageState


@dataclass(frozen=True, slots=True)
class Message:
    """One attempt of an occurrence on one channel, in its latest state.

    `left_at` is when it was claimed for sending, null while (or once again) it cannot have left.
    """

    message_id: str
    occurrence_key: str
    attempt: int
    run_id: str
    campaign: str
    step: str
    cell: str
    customer_id: str
    unit: str
    anchor: str
    arm: str
    channel: str
    category: str
    address: str | None
    values_json: str
    template_hash: str | None
    language: str | None
    state: MessageState
    not_before: datetime
    expires_at: datetime
    planned_at: datetime
    left_at: datetime | None
    updated_at: datetime
    claim_holder: str | None
    claim_expires_at: datetime | None
    provider: str | None
    provider_id: str | None
    evidence: str | None
    revision: int


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One change of one message: its state from `at` on, by whom, with what evidence (JSON)."""

    state: MessageState
    at: datetime
    holder: str | None
    evidence: str | None


@dataclass(frozen=True, slots=True)
class Count:
    """How many messages of a campaign stand where."""

    campaign: str
    channel: str
    state: MessageState
    messages: int


RELEASED = select(runs.c.run_id).where(runs.c.released_at.is_not(None), runs.c.state != "abandoned")


class Messages:
    """The messages of one ledger."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def plan(self, rows: pa.Table, run_id: str, lease: Lease, now: datetime) -> Planned:
        """Writes the rows that are not there yet: see `planning.plan`."""
        return plan(self._engine, rows, run_id, lease, now)

    def release(self, run_id: str, lease: Lease, now: datetime) -> datetime:
        """From now on the run's messages may leave; when it was released (the first time counts).

        Raises LedgerError for a dry run, and for one that is not running.
        """
        with writing(self._engine) as connection:
            guard(connection, lease)
            query = select(runs).where(runs.c.run_id == run_id).with_for_update()
            run = connection.execute(query).one_or_none()
            if run is None or run.dry_run or run.state != "running":
                state = "unknown" if run is None else "a dry run" if run.dry_run else run.state
                raise LedgerError(f"run {run_id} is {state}: only a running run is released.")
            if run.released_at is not None:
                return run.released_at  # type: ignore[no-any-return]
            change = update(runs).where(runs.c.run_id == run_id).values(released_at=now)
            connection.execute(change)
            return now

    def claim(
        self, channel: str, limit: int, now: datetime, holder: str, ttl: timedelta
    ) -> list[Message]:
        """Due messages of released runs, now `sending` and this holder's alone until now + ttl.

        The claim is committed before anything is returned. Earliest `not_before` first.
        """
        picked = (
            select(messages.c.message_id)
            .where(
                PLANNED,
                messages.c.channel == channel,
                messages.c.not_before <= now,
                messages.c.expires_at > now,
                messages.c.run_id.in_(RELEASED),
            )
            .order_by(messages.c.not_before, messages.c.message_id)
            .limit(limit)
            .with_for_update(skip_locked=True, of=messages)
        )
        values = {
            "state": MessageState.SENDING,
            "claim_holder": holder,
            "claim_expires_at": now + ttl,
            "left_at": now,
            "evidence": None,
        }
        with writing(self._engine) as connection:
            done = _move_or_undo(connection, picked, values, now)
            claimed = _query().where(messages.c.revision == done.revision)
            by_time = claimed.order_by(messages.c.not_before, messages.c.message_id)
            return _messages(connection, by_time) if done.messages else []

    def record(
        self, outcomes: Sequence[Outcome], now: datetime, holder: str | None = None
    ) -> Recorded:
        """Moves messages forward by what became of them: see `recording.record`."""
        return record(self._engine, outcomes, now, holder)

    def holders(self) -> set[str]:
        """Who has messages in flight."""
        query = select(messages.c.claim_holder).where(SENDING).distinct()
        with reading(self._engine) as connection:
            return {holder for holder in connection.execute(query).scalars() if holder}

    def recover(self, now: datetime, dead: Collection[str] = ()) -> int:
        """Messages whose sender died become `in_doubt`; how many.

        Those whose claim ran out, and those of the holders known to be `dead`.
        """
        values = {
            "state": MessageState.IN_DOUBT,
            "claim_expires_at": None,
            "evidence": as_json({"reason": "the sender died"}),
        }
        lost = or_(messages.c.claim_expires_at <= now, messages.c.claim_holder.in_(dead))
        return self._sweep([SENDING, lost], values, now)

    def in_doubt(self, channel: str) -> list[Message]:
        """Messages of a channel of which nobody knows whether they left, by id."""
        query = _query().where(
            messages.c.state == MessageState.IN_DOUBT, messages.c.channel == channel
        )
        with reading(self._engine) as connection:
            return _messages(connection, query.order_by(messages.c.message_id))

    def try_again(self, ids: Mapping[str, str], evidence: Mapping[str, Any], now: datetime) -> int:
        """A new attempt of messages in doubt that certainly did not leave; how many.

        `ids`: message → the public id of its next attempt. The first becomes `refused` with the
        evidence; the second is the same message again, of the same run, due at once.
        """
        return try_again(self._engine, ids, evidence, now)

    def expire(self, now: datetime) -> int:
        """Planned messages that are stale become `expired`, with the control rows of runs never
        released; how many messages."""
        values = {
            "state": MessageState.EXPIRED,
            "evidence": as_json({"reason": "not sent before its expires_at"}),
        }
        stale = messages.c.expires_at <= now
        self._sweep([UNRELEASED_CONTROL, stale], values, now)
        return self._sweep([PLANNED, stale], values, now)

    def _sweep(self, which: list[Any], values: dict[str, Any], now: datetime) -> int:
        picked = select(messages.c.message_id).where(*which).with_for_update(skip_locked=True)
        with writing(self._engine) as connection:
            return _move_or_undo(connection, picked, values, now).messages

    def withdraw(
        self,
        reason: str,
        now: datetime,
        *,
        ids: Collection[str] | None = None,
        campaign: str | None = None,
        run_id: str | None = None,
    ) -> int:
        """Takes back planned messages that fit all that is given; how many."""
        if ids is None and campaign is None and run_id is None:
            raise ValueError("say which messages: ids, campaign or run_id")
        with writing(self._engine) as connection:
            which: ColumnElement[bool] = true()
            if ids is not None:
                which &= messages.c.message_id.in_(listed(connection, ids))
            if campaign is not None:
                which &= messages.c.campaign == campaign
            if run_id is not None:
                which &= messages.c.run_id == run_id
            return withdraw_planned(connection, which, reason, now)

    def counts(self, run_id: str | None = None) -> list[Count]:
        """Messages by campaign, channel and state; of one run, or of all. An attempt that was
        followed by another one is not counted: its person is, by the latest."""
        keys = (messages.c.campaign, messages.c.channel, messages.c.state)
        later = messages.alias("later")
        followed = select(later.c.attempt).where(
            later.c.occurrence_key == messages.c.occurrence_key,
            later.c.attempt > messages.c.attempt,
        )
        query = select(*keys, func.count()).where(~followed.exists())
        query = query.group_by(*keys).order_by(*keys)
        if run_id is not None:
            query = query.where(messages.c.run_id == run_id)
        with reading(self._engine) as connection:
            return [
                Count(campaign, channel, MessageState(state), count)
                for campaign, channel, state, count in connection.execute(query)
            ]

    def get(self, message_id: str) -> Message | None:
        """The message of that id."""
        with reading(self._engine) as connection:
            found = _messages(connection, _query().where(messages.c.message_id == message_id))
        return found[0] if found else None

    def several(self, message_ids: Collection[str]) -> list[Message]:
        """The messages of those ids that there are, by id."""
        with reading(self._engine) as connection:
            query = _query().where(messages.c.message_id.in_(listed(connection, message_ids)))
            return _messages(connection, query.order_by(messages.c.message_id))

    def log(self, message_id: str) -> list[LogEntry]:
        """Everything that happened to a message, first to last."""
        query = (
            select(message_log.c.state, message_log.c.at, message_log.c.holder)
            .add_columns(message_log.c.evidence)
            .where(message_log.c.message_id == message_id)
            .order_by(message_log.c.revision)
        )
        with reading(self._engine) as connection:
            return [
                LogEntry(MessageState(state), at, holder, evidence)
                for state, at, holder, evidence in connection.execute(query)
            ]

    def by_customer(self, customer_id: str) -> list[Message]:
        """All messages ever planned for a customer, oldest first."""
        query = _query().where(messages.c.customer_id == customer_id)
        with reading(self._engine) as connection:
            return _messages(connection, query.order_by(messages.c.planned_at))

    def of_run(self, run_id: str, campaign: str | None = None) -> list[Message]:
        """Messages of a run (for proofs and small runs; the lake has the bulk), by id."""
        query = _query().where(messages.c.run_id == run_id)
        if campaign is not None:
            query = query.where(messages.c.campaign == campaign)
        with reading(self._engine) as connection:
            return _messages(connection, query.order_by(messages.c.message_id))


FIELDS = tuple(field.name for field in fields(Message))
STATE = FIELDS.index("state")


def _query() -> Select[Any]:
    return select(*(messages.c[name] for name in FIELDS))


def _messages(connection: Connection, query: Select[Any]) -> list[Message]:
    found = []
    for row in connection.execute(query).all():
        values = list(row)
        values[STATE] = MessageState(values[STATE])
        found.append(Message(*values))
    return found


def _move_or_undo(
    connection: Connection, picked: Select[tuple[str]], values: dict[str, Any], now: datetime
) -> Move:
    """As `move`; a look that found nothing leaves no trace and costs the disk nothing."""
    done = move(connection, picked, values, now)
    if not done.messages:
        connection.rollback()
    return done
