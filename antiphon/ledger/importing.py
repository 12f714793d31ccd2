"""What another system sent and promised, brought in: messages that left long ago, shared codes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from antiphon.ledger.engine import next_revision, writing
from antiphon.ledger.inserting import insert_into, insert_new
from antiphon.ledger.leases import Lease, guard
from antiphon.ledger.moving import as_json, write_log
from antiphon.ledger.response_schema import codes
from antiphon.ledger.schema import messages
from antiphon.states import MessageState

ROWS_A_TRANSACTION = 10_000


class Importing:
    """Brings the past into one ledger. What is there already is left as it is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def contacts(
        self, rows: Sequence[Mapping[str, Any]], run_id: str, lease: Lease, now: datetime
    ) -> int:
        """Writes messages that another system sent; how many are new.

        `rows`: message_id, occurrence_key, campaign, customer_id, anchor, arm, channel, category,
        values_json and contact_at. They are accepted from the beginning: nothing can send them.
        """
        added = 0
        for start in range(0, len(rows), ROWS_A_TRANSACTION):
            batch = rows[start : start + ROWS_A_TRANSACTION]
            with writing(self._engine) as connection:
                guard(connection, lease)
                added += _insert(connection, batch, run_id, now)
        return added

    def codes(self, rows: Sequence[Mapping[str, Any]]) -> int:
        """Writes codes that everybody of a campaign could use (columns of the table); how many
        there are. A code that is told again is corrected, unless it is somebody's own."""
        if not rows:
            return 0
        with writing(self._engine) as connection:
            revision = next_revision(connection)
            new = insert_into(connection, codes)
            names = ("campaign", "discount", "gift", "issued_at", "valid_until", "revision")
            upsert = new.on_conflict_do_update(
                index_elements=["code"],
                set_={name: new.excluded[name] for name in names},
                where=codes.c.occurrence_key.is_(None),
            )
            ordered = sorted(rows, key=lambda row: row["code"])
            connection.execute(upsert, [{**row, "revision": revision} for row in ordered])
        return len(rows)


def _insert(
    connection: Connection, rows: Sequence[Mapping[str, Any]], run_id: str, now: datetime
) -> int:
    revision = next_revision(connection)
    told = [
        {
            **{name: value for name, value in row.items() if name != "contact_at"},
            **dict.fromkeys(("not_before", "expires_at", "planned_at"), row["contact_at"]),
            "left_at": row["contact_at"],
            "unit": row["customer_id"],
            "step": "",
            "cell": "",
            "attempt": 1,
            "run_id": run_id,
            "state": MessageState.ACCEPTED,
            "updated_at": now,
            "evidence": as_json({"source": "brought in"}),
            "revision": revision,
        }
        for row in sorted(rows, key=lambda row: row["message_id"])
    ]
    connection.execute(insert_new(connection, messages), told)
    added = write_log(connection, revision)
    if not added:
        connection.rollback()
    return added
