"""Counts of messages by campaign, channel and state; what waits, and since when."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    TextClause,
    and_,
    case,
    func,
    literal,
    not_,
    or_,
    select,
)

from antiphon.ledger.engine import reading
from antiphon.ledger.schema import IN_DOUBT, PLANNED, SENDING, message_groups, messages
from antiphon.states import MessageState

ONE_DAY = timedelta(days=1)
WAITING = (MessageState.PLANNED, MessageState.SENDING, MessageState.IN_DOUBT)
ANSWERED = (
    MessageState.ACCEPTED,
    MessageState.DELIVERED,
    MessageState.BOUNCED,
    MessageState.REFUSED,
)


@dataclass(frozen=True, slots=True)
class Count:
    """How many messages of a campaign stand where."""

    campaign: str
    channel: str
    state: MessageState
    messages: int


@dataclass(frozen=True, slots=True)
class OutboxCount:
    """How many messages of a campaign stand where, and since when.

    `oldest_at`: of `planned` ones the earliest `not_before`, of `sending` and `in_doubt` ones when
    the first may have left, else when the first came to this state. `due`: of `planned` ones how
    many are due (released or not, on hold or not), of all others 0.
    """

    channel: str
    campaign: str
    state: MessageState
    messages: int
    oldest_at: datetime
    due: int


@dataclass(frozen=True, slots=True)
class Answers:
    """How many messages of a campaign a provider answered for, and how many of these it refused."""

    campaign: str
    channel: str
    answers: int
    refused: int


def counts(engine: Engine, run_id: str | None) -> list[Count]:
    """See Messages.counts."""
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
    with reading(engine) as connection:
        return [
            Count(campaign, channel, MessageState(state), count)
            for campaign, channel, state, count in connection.execute(query)
        ]


def outbox(engine: Engine, now: datetime, since: timedelta) -> list[OutboxCount]:
    """See Messages.outbox."""
    with reading(engine) as connection:
        rows = _planned(connection, now)
        for state in (SENDING, IN_DOUBT):
            rows += _by_state(connection, state, messages.c.left_at)
        recent = and_(_lately(connection, now - since), not_(or_(PLANNED, SENDING, IN_DOUBT)))
        rows += _by_state(connection, recent, messages.c.updated_at)
    made = [
        OutboxCount(
            row.channel,
            row.campaign,
            MessageState(row.state),
            int(row.many),  # PostgreSQL adds up to decimals
            row.at,
            int(row.due),
        )
        for row in rows
    ]
    return sorted(made, key=lambda one: (one.channel, one.campaign, one.state))


def _planned(connection: Connection, now: datetime) -> list[Row[Any]]:
    """Counted within the index of groups: there may be a million."""
    each = (
        select(
            messages.c.group_id,
            func.count().label("many"),
            func.min(messages.c.not_before).label("at"),
            func.sum(case((messages.c.not_before <= now, 1), else_=0)).label("due"),
        )
        .where(PLANNED)
        .group_by(messages.c.group_id)
        .subquery()
    )
    keys = (message_groups.c.channel, message_groups.c.campaign)
    query = (
        select(
            *keys,
            literal(MessageState.PLANNED.value).label("state"),
            func.sum(each.c.many).label("many"),
            func.min(each.c.at).label("at"),
            func.sum(each.c.due).label("due"),
        )
        .join(each, each.c.group_id == message_groups.c.group_id)
        .group_by(*keys)
    )
    return list(connection.execute(query))


def _by_state(
    connection: Connection, which: ColumnElement[bool] | TextClause, at: ColumnElement[datetime]
) -> list[Row[Any]]:
    keys = (messages.c.channel, messages.c.campaign, messages.c.state)
    counted = (func.count().label("many"), func.min(at).label("at"), literal(0).label("due"))
    return list(connection.execute(select(*keys, *counted).where(which).group_by(*keys)))


def answers(engine: Engine, now: datetime, since: timedelta, campaign: str | None) -> list[Answers]:
    """See Messages.answers."""
    keys = (messages.c.campaign, messages.c.channel)
    refusals = func.sum(case((messages.c.state == MessageState.REFUSED, 1), else_=0))
    with reading(engine) as connection:
        recent = _lately(connection, now - since)
        query = select(*keys, func.count(), refusals)
        query = query.where(recent, messages.c.state.in_(ANSWERED)).group_by(*keys)
        if campaign is not None:
            query = query.where(messages.c.campaign == campaign)
        return [
            Answers(name, channel, int(many), int(refused))
            for name, channel, many, refused in connection.execute(query.order_by(*keys))
        ]


def _lately(connection: Connection, since: datetime) -> ColumnElement[bool]:
    """Changed at `since` or later. Revisions grow with time: the first of them is found by
    halving, and older messages are not looked at."""
    low, high = 0, int(connection.execute(select(func.max(messages.c.revision))).scalar() or 0)
    while low < high:
        middle = (low + high) // 2
        query = select(messages.c.updated_at).where(messages.c.revision > middle)
        at = connection.execute(query.order_by(messages.c.revision).limit(1)).scalar()
        if at is None or at >= since:
            high = middle
        else:
            low = middle + 1
    return and_(messages.c.revision > low, messages.c.updated_at >= since)
