"""Everything the ledger holds of one person, table by table."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy import Engine, Select, or_, select

from antiphon.ledger.engine import listed, reading
from antiphon.ledger.response_schema import inbox
from antiphon.ledger.schema import messages, metadata

ROWS_AT_ONCE = 2_000
INNER = ("revision", "claim_holder", "claim_expires_at", "group_id")  # of no person's concern

Row = Mapping[str, Any]


class Holdings:
    """What one ledger holds of people."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, customer_id: str, address_keys: frozenset[str]) -> dict[str, list[Row]]:
        """Table → rows that are about a customer: by id, by message, by the salted hash of an
        address. Tables without such rows are left out."""
        found: dict[str, list[Row]] = {}
        mine = select(messages.c.message_id).where(messages.c.customer_id == customer_id)
        with reading(self._engine) as connection:
            keys_of = listed(connection, sorted(address_keys))
            for table in metadata.sorted_tables:
                conditions = []
                if "customer_id" in table.c:
                    conditions.append(table.c.customer_id == customer_id)
                elif "message_id" in table.c:
                    conditions.append(table.c.message_id.in_(mine))
                if "address_key" in table.c and address_keys:
                    conditions.append(table.c.address_key.in_(keys_of))
                if not conditions:
                    continue
                query: Select[Any] = select(*(c for c in table.columns if c.name not in INNER))
                rows = connection.execute(query.where(or_(*conditions))).mappings()
                held: list[Row] = [dict(row) for row in rows]
                if held:
                    found[table.name] = held
        return found

    def received(self, pattern: re.Pattern[bytes]) -> Iterator[Row]:
        """Requests that name somebody, each with what of it is theirs: of a list of events only
        those that the pattern finds."""
        query = select(inbox.c.source, inbox.c.received_at, inbox.c.body)
        with reading(self._engine) as connection:
            rows = connection.execute(query.execution_options(yield_per=ROWS_AT_ONCE))
            for source, received_at, body in rows:
                if pattern.search(body):
                    yield {
                        "source": source,
                        "received_at": received_at,
                        "content": _part(bytes(body), pattern),
                    }


def _part(body: bytes, pattern: re.Pattern[bytes]) -> Any:
    try:
        document = json.loads(body)
    except ValueError:
        return dict(parse_qsl(body.decode("utf-8", "replace")))
    events = document if isinstance(document, list) else [document]
    return [one for one in events if pattern.search(json.dumps(one, ensure_ascii=False).encode())]
