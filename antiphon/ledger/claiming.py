"""Claiming: due messages of one group become one dispatcher's, before anything leaves."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, exists, func, literal, select, update

from antiphon.ledger.engine import listed, reading, writing
from antiphon.ledger.moving import move_or_undo
from antiphon.ledger.rows import Message, message_query, read_messages
from antiphon.ledger.schema import OPEN, PLANNED, SENDING, holds, message_groups, messages, runs
from antiphon.states import MessageState

SERVED_FIRST = ("service", "lifecycle", "promo")
COUNTED = 10_000  # of a group: to count a million of them would take longer than to claim some
KEY = ("group_id", "channel", "campaign", "category", "template_hash", "arm", "language")
# by row, not as a list: there may be a hundred thousand runs (triggers), and few that wait
RELEASED = exists().where(
    runs.c.run_id == messages.c.run_id,
    runs.c.released_at.is_not(None),
    runs.c.state != "abandoned",
)


@dataclass(frozen=True, slots=True)
class Group:
    """Due messages that may share a skeleton: what is claimed at once.

    `messages`: how many, counted up to 10,000. `first_at`: their earliest `not_before`.
    `template_hash` and `language` are '' where the messages have none.
    """

    group_id: int
    channel: str
    campaign: str
    category: str
    template_hash: str
    arm: str
    language: str
    messages: int
    first_at: datetime


def due_groups(engine: Engine, channel: str, now: datetime) -> list[Group]:
    """See Messages.due_groups."""
    due = _waiting() & (messages.c.not_before <= now) & (messages.c.expires_at > now)
    with reading(engine) as connection:
        found = []
        for row in _groups(connection, channel, due):
            some = select(literal(1)).where(due, messages.c.group_id == row.group_id)
            counted = select(func.count()).select_from(some.limit(COUNTED).subquery())
            many = connection.execute(counted).scalar_one()
            key = {name: getattr(row, name) for name in KEY}
            found.append(Group(**key, messages=many, first_at=row.first_at))
    return sorted(found, key=lambda one: (_rank(one.category), one.first_at, one.group_id))


def next_due_at(engine: Engine, channel: str, now: datetime) -> datetime | None:
    """See Messages.next_due_at."""
    to_come = _waiting() & (messages.c.not_before > now)
    with reading(engine) as connection:
        return min((row.first_at for row in _groups(connection, channel, to_come)), default=None)


def claim(  # noqa: PLR0917 (who, what, when: in the order of Messages.claim)
    engine: Engine,
    group: Group,
    account: str,
    limit: int,
    now: datetime,
    holder: str,
    ttl: timedelta,
) -> list[Message]:
    """See Messages.claim."""
    picked = (
        select(messages.c.message_id)
        .where(
            _waiting(),
            messages.c.group_id == group.group_id,
            messages.c.not_before <= now,
            messages.c.expires_at > now,
            ~exists().where(holds.c.campaign == group.campaign, OPEN),
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
        "provider": account,
        "provider_id": None,
        "evidence": None,
    }
    with writing(engine) as connection:
        done = move_or_undo(connection, picked, values, now)
        if not done.messages:
            return []
        claimed = message_query().where(messages.c.revision == done.revision)
        # sorted here: the database would sort whole rows
        by_time = attrgetter("not_before", "message_id")
        return sorted(read_messages(connection, claimed), key=by_time)


def reroute(engine: Engine, ids: Collection[str], account: str, holder: str) -> int:
    """See Messages.reroute."""
    with writing(engine) as connection:
        change = (
            update(messages)
            .where(
                SENDING,
                messages.c.claim_holder == holder,
                messages.c.message_id.in_(listed(connection, ids)),
            )
            .values(provider=account)
        )
        return connection.execute(change).rowcount


def _waiting() -> ColumnElement[bool]:
    return PLANNED & RELEASED  # type: ignore[no-any-return]


def _groups(connection: Connection, channel: str, which: ColumnElement[bool]) -> list[Any]:
    """Groups of a channel, none of them on hold, with messages that fit; and their `first_at`."""
    mine = messages.c.group_id == message_groups.c.group_id
    first = select(messages.c.not_before).where(which, mine).order_by(messages.c.not_before)
    held = exists().where(holds.c.campaign == message_groups.c.campaign, OPEN)
    query = select(message_groups, first.limit(1).scalar_subquery().label("first_at")).where(
        message_groups.c.channel == channel, ~held
    )
    return [row for row in connection.execute(query) if row.first_at is not None]


def _rank(category: str) -> int:
    return SERVED_FIRST.index(category) if category in SERVED_FIRST else len(SERVED_FIRST)
