"""A new attempt of a message that was in doubt and certainly did not leave."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, select

from antiphon.ledger.engine import listed, next_revision, writing
from antiphon.ledger.inserting import insert_new
from antiphon.ledger.moving import as_json, move, write_log
from antiphon.ledger.schema import messages
from antiphon.states import MessageState

_AFRESH = {
    "state": MessageState.PLANNED,
    "left_at": None,
    "claim_holder": None,
    "claim_expires_at": None,
    "provider": None,
    "provider_id": None,
    "evidence": None,
}


def try_again(
    engine: Engine, ids: Mapping[str, str], evidence: Mapping[str, Any], now: datetime
) -> int:
    """See Messages.try_again. Both moves are one transaction: nobody is lost between them."""
    if not ids:
        return 0
    with writing(engine) as connection:
        doubtful = (messages.c.state == MessageState.IN_DOUBT) & messages.c.message_id.in_(
            listed(connection, ids)
        )
        picked = select(messages.c.message_id).where(doubtful).order_by(messages.c.message_id)
        refused = {
            "state": MessageState.REFUSED,
            "evidence": as_json(evidence),
            "left_at": None,
            "claim_expires_at": None,
        }
        done = move(connection, picked.with_for_update(), refused, now)
        rows = connection.execute(
            select(messages).where(messages.c.revision == done.revision)
        ).mappings()
        revision = next_revision(connection)
        again = [
            {
                **row,
                **_AFRESH,
                "message_id": ids[row["message_id"]],
                "attempt": row["attempt"] + 1,
                "updated_at": now,
                "revision": revision,
            }
            for row in rows
        ]
        if again:
            connection.execute(insert_new(connection, messages), again)
            write_log(connection, revision)
        return len(again)
