"""Moves of messages from state to state: one revision, one log entry a message, one transaction."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    TextClause,
    and_,
    insert,
    select,
    update,
)

from antiphon.ledger.engine import next_revision
from antiphon.ledger.inserting import count_inserted
from antiphon.ledger.schema import PLANNED, message_log, messages, runs
from antiphon.states import MessageState

UNRELEASED_CONTROL = and_(
    messages.c.run_id.in_(select(runs.c.run_id).where(runs.c.released_at.is_(None))),
    messages.c.state == MessageState.CONTROL,
)
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True)


def as_json(evidence: Mapping[str, Any] | None) -> str | None:
    """Evidence as it is kept."""
    if not evidence:
        return None
    if len(evidence) == 1:  # of a batch all have the same one
        ((name, value),) = evidence.items()
        if type(value) is str:
            return _one_text(name, value)
    return _ENCODER.encode(evidence)


@lru_cache(maxsize=256)
def _one_text(name: str, value: str) -> str:
    return _ENCODER.encode({name: value})


def write_log(connection: Connection, revision: int) -> int:
    """One log entry for each message that this transaction wrote under `revision`; how many."""
    entries = select(
        messages.c.message_id,
        messages.c.revision,
        messages.c.state,
        messages.c.updated_at,
        messages.c.claim_holder,
        messages.c.evidence,
    ).where(messages.c.revision == revision)
    columns = ["message_id", "revision", "state", "at", "holder", "evidence"]
    return count_inserted(connection, insert(message_log).from_select(columns, entries))


class Move(NamedTuple):
    """What one transaction moved."""

    revision: int
    messages: int


def move(
    connection: Connection,
    picked: Select[tuple[str]],
    values: Mapping[str, Any],
    now: datetime,
) -> Move:
    """Sets `values` on the picked messages, and logs it.

    `picked` says itself how PostgreSQL locks its rows (SKIP LOCKED, or in order of id).
    """
    revision = next_revision(connection)
    cte = picked.cte("picked")
    change = (
        update(messages)
        .where(messages.c.message_id.in_(select(cte.c.message_id)))
        .values(**values, updated_at=now, revision=revision)
    )
    connection.execute(change)
    return Move(revision, write_log(connection, revision))


def move_or_undo(
    connection: Connection, picked: Select[tuple[str]], values: Mapping[str, Any], now: datetime
) -> Move:
    """As `move`; a look that found nothing leaves no trace and costs the disk nothing."""
    done = move(connection, picked, values, now)
    if not done.messages:
        connection.rollback()
    return done


def withdraw_planned(
    connection: Connection, which: ColumnElement[bool], reason: str, now: datetime
) -> int:
    """Takes back the planned messages among `which`; how many.

    Control rows of runs not released go with them: nobody was written to, so nobody held out.
    """
    values = {"state": MessageState.WITHDRAWN, "evidence": as_json({"reason": reason})}
    taken = [
        move(connection, _in_order(which, state), values, now).messages
        for state in (PLANNED, UNRELEASED_CONTROL)
    ]
    return taken[0]


def _in_order(
    which: ColumnElement[bool], state: ColumnElement[bool] | TextClause
) -> Select[tuple[str]]:
    picked = select(messages.c.message_id).where(state, which).order_by(messages.c.message_id)
    return picked.with_for_update()
