"""The outbox: messages planned, claimed, recorded; never twice, never lost (DESIGN §7)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    bindparam,
    func,
    or_,
    select,
    true,
    update,
)

from antiphon.errors import LedgerError
from antiphon.ledger.claiming import Group, claim, due_groups, next_due_at, reroute
from antiphon.ledger.counting import ONE_DAY, Answers, Count, OutboxCount, answers, counts, outbox
from antiphon.ledger.engine import HOLDS_LOCK, listed, lock, reading, writing
from antiphon.ledger.issuing import Issuing
from antiphon.ledger.leases import Lease, guard
from antiphon.ledger.moving import UNRELEASED_CONTROL, as_json, move_or_undo, withdraw_planned
from antiphon.ledger.planning import Planned, plan
from antiphon.ledger.recording import Outcome, Recorded, record
from antiphon.ledger.retrying import try_again
from antiphon.ledger.rows import Addressed, LogEntry, Message, message_query, read_messages
from antiphon.ledger.schema import (
    IN_DOUBT,
    NAMED_SMS,
    OPEN,
    PLANNED,
    SENDING,
    Instant,
    holds,
    message_groups,
    message_log,
    messages,
    runs,
)
from antiphon.states import MessageState

SENDER_DIED = "the sender died"


class Messages:
    """The messages of one ledger."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def plan(
        self,
        rows: pa.Table,
        run_id: str,
        lease: Lease,
        now: datetime,
        issuing: Issuing | None = None,
    ) -> Planned:
        """Writes the rows that are not there yet: see `planning.plan`."""
        return plan(self._engine, rows, run_id, lease, now, issuing)

    def release(self, run_id: str, lease: Lease, now: datetime) -> datetime:
        """From now on the run's messages may leave; when it was released (the first time counts).

        What it planned for campaigns cancelled meanwhile is withdrawn.
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
            self._withdraw_cancelled(connection, run_id, now)
            change = update(runs).where(runs.c.run_id == run_id).values(released_at=now)
            connection.execute(change)
            return now

    @staticmethod
    def _withdraw_cancelled(connection: Connection, run_id: str, now: datetime) -> None:
        lock(connection, HOLDS_LOCK)
        query = select(holds.c.campaign).where(OPEN, holds.c.kind == "cancelled")
        cancelled = list(connection.execute(query).scalars())
        if cancelled:
            mine = (messages.c.run_id == run_id) & messages.c.campaign.in_(cancelled)
            withdraw_planned(connection, mine, "campaign cancelled", now)

    def due_groups(self, channel: str, now: datetime) -> list[Group]:
        """Groups of a channel with messages that may leave now, in the order to be served:
        service before lifecycle before promo, of one category the earliest first.

        Not those of unreleased runs, of campaigns on hold, or stale.
        """
        return due_groups(self._engine, channel, now)

    def next_due_at(self, channel: str, now: datetime) -> datetime | None:
        """When the next message of the channel, not due now, may leave; None: none waits."""
        return next_due_at(self._engine, channel, now)

    def claim(  # noqa: PLR0917 (what, by whom, when)
        self,
        group: Group,
        account: str,
        limit: int,
        now: datetime,
        holder: str,
        ttl: timedelta,
    ) -> list[Message]:
        """Due messages of the group, now `sending` by the account, and this holder's alone until
        now + ttl.

        The claim is committed before anything is returned. Earliest `not_before` first. On
        PostgreSQL rows that another dispatcher is claiming are passed over.
        """
        return claim(self._engine, group, account, limit, now, holder, ttl)

    def reroute(self, ids: Collection[str], account: str, holder: str) -> int:
        """Messages of the holder's claims leave by another account after all; how many."""
        return reroute(self._engine, ids, account, holder)

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
            "evidence": as_json({"reason": SENDER_DIED}),
        }
        lost = or_(messages.c.claim_expires_at <= now, messages.c.claim_holder.in_(dead))
        return self._sweep([SENDING, lost], values, now)

    def in_doubt(
        self,
        channel: str,
        account: str | None = None,
        limit: int | None = None,
        after: str = "",
        *,
        ask_by: datetime | None = None,
        left_by: datetime | None = None,
    ) -> list[Message]:
        """Messages of a channel of which nobody knows whether they left, by id.

        Of one account where it is named; at most `limit`, of the ids greater than `after`; those
        that are to be asked about by `ask_by`, and those that left, if so, by `left_by`.
        """
        query = message_query().where(
            IN_DOUBT, messages.c.channel == channel, messages.c.message_id > after
        )
        if account is not None:
            query = query.where(messages.c.provider == account)
        if ask_by is not None:
            again_at = messages.c.claim_expires_at
            query = query.where(or_(again_at.is_(None), again_at <= ask_by))
        if left_by is not None:
            left_at = func.coalesce(messages.c.left_at, messages.c.updated_at)
            query = query.where(left_at <= left_by)
        with reading(self._engine) as connection:
            return read_messages(connection, query.order_by(messages.c.message_id).limit(limit))

    def ask_again(self, moments: Mapping[str, datetime]) -> None:
        """Messages in doubt, and from when on they are to be asked about again.

        It tells nothing of the message, so neither log nor lake hear of it.
        """
        change = (
            update(messages)
            .where(messages.c.message_id == bindparam("told_id"), IN_DOUBT)
            .values(claim_expires_at=bindparam("told_at", type_=Instant()))
        )
        told = [{"told_id": one, "told_at": at} for one, at in sorted(moments.items())]
        if told:
            with writing(self._engine) as connection:
                connection.execute(change, told)

    def sms_named(self, provider_ids: Collection[str]) -> dict[str, str]:
        """SMS by the provider's own ids: that id → message. Those it never named are left out."""
        query = select(messages.c.provider_id, messages.c.message_id)
        with reading(self._engine) as connection:
            which = messages.c.provider_id.in_(listed(connection, provider_ids))
            return dict(connection.execute(query.where(NAMED_SMS, which)).tuples().all())

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
            return move_or_undo(connection, picked, values, now).messages

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
        return counts(self._engine, run_id)

    def outbox(self, now: datetime, since: timedelta = ONE_DAY) -> list[OutboxCount]:
        """What waits, is under way or in doubt, and what became of messages in the time `since`
        before now; by channel, campaign and state."""
        return outbox(self._engine, now, since)

    def answers(
        self, now: datetime, since: timedelta = ONE_DAY, campaign: str | None = None
    ) -> list[Answers]:
        """Campaigns (or this one) with messages that were answered for in the time `since` before
        now."""
        return answers(self._engine, now, since, campaign)

    def get(self, message_id: str) -> Message | None:
        """The message of that id."""
        with reading(self._engine) as connection:
            found = read_messages(
                connection, message_query().where(messages.c.message_id == message_id)
            )
        return found[0] if found else None

    def addressed(self, message_ids: Collection[str]) -> dict[str, Addressed]:
        """Message → whom it was for; those not in the ledger are left out."""
        if not message_ids:
            return {}
        with reading(self._engine) as connection:
            mine = messages.c.message_id.in_(listed(connection, message_ids))
            return {one.message_id: one for one in _addressed(connection, mine)}

    def left_for(
        self, customer_ids: Collection[str], channel: str, since: datetime
    ) -> list[tuple[Addressed, datetime]]:
        """Messages that left, or may have, to customers by a channel since then, and when."""
        columns = [messages.c[name] for name in Addressed._fields]
        with reading(self._engine) as connection:
            mine = messages.c.customer_id.in_(listed(connection, customer_ids))
            left = (messages.c.channel == channel) & (messages.c.left_at >= since)
            query = select(messages.c.left_at, *columns).where(mine, left)
            return [(Addressed._make(row[1:]), row[0]) for row in connection.execute(query)]

    def waiting_for(self, customer_ids: Collection[str]) -> list[Addressed]:
        """Planned messages for these customers."""
        with reading(self._engine) as connection:
            mine = messages.c.customer_id.in_(listed(connection, customer_ids))
            return _addressed(connection, and_(PLANNED, mine))

    def waiting_at(self, channel: str, addresses: Collection[str]) -> list[Addressed]:
        """Planned messages to these addresses; looks through all that the channel has planned."""
        of_channel = select(message_groups.c.group_id).where(message_groups.c.channel == channel)
        with reading(self._engine) as connection:
            mine = messages.c.address.in_(listed(connection, addresses))
            return _addressed(connection, and_(PLANNED, messages.c.group_id.in_(of_channel), mine))

    def several(self, message_ids: Collection[str]) -> list[Message]:
        """The messages of those ids that there are, by id."""
        with reading(self._engine) as connection:
            query = message_query().where(
                messages.c.message_id.in_(listed(connection, message_ids))
            )
            return read_messages(connection, query.order_by(messages.c.message_id))

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
        query = message_query().where(messages.c.customer_id == customer_id)
        with reading(self._engine) as connection:
            return read_messages(connection, query.order_by(messages.c.planned_at))

    def of_run(self, run_id: str, campaign: str | None = None) -> list[Message]:
        """Messages of a run (for proofs and small runs; the lake has the bulk), by id."""
        query = message_query().where(messages.c.run_id == run_id)
        if campaign is not None:
            query = query.where(messages.c.campaign == campaign)
        with reading(self._engine) as connection:
            return read_messages(connection, query.order_by(messages.c.message_id))


def _addressed(connection: Connection, which: ColumnElement[bool]) -> list[Addressed]:
    columns = [messages.c[name] for name in Addressed._fields]
    query = select(*columns).where(which)
    return [Addressed._make(row) for row in connection.execute(query)]
