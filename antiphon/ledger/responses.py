"""What came back, on record: one row per response, whatever it came by and however often."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from operator import attrgetter, itemgetter
from typing import Any

import pyarrow as pa
from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Connection,
    Engine,
    Insert,
    RowMapping,
    Text,
    TextClause,
    and_,
    bindparam,
    column,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from antiphon.ledger.engine import listed, next_revision, reading, writing
from antiphon.ledger.moving import as_json
from antiphon.ledger.nullable import read_nullable
from antiphon.ledger.response_schema import UNMATCHED, responses
from antiphon.ledger.schema import Instant
from antiphon.states import ResponseKind

ROWS_A_TRANSACTION = 10_000


@dataclass(frozen=True, slots=True)
class Response:
    """One thing that came back. `response_id`: keys.digest("response", provider, its event's id).

    What is not known of the message it answers (customer, campaign, channel) is filled in by
    `collection.record`. `value`: the score, answer, code or address of a click; never anything
    that says who somebody is, nor may `evidence`.
    """

    response_id: str
    kind: str
    occurred_at: datetime
    received_at: datetime
    provider: str
    message_id: str | None = None
    customer_id: str | None = None
    campaign: str | None = None
    channel: str | None = None
    address_key: str | None = None
    provider_id: str | None = None
    is_machine: bool = False
    value: str | None = None
    survey: str | None = None
    question: str | None = None
    touchpoint: str | None = None
    product_id: str | None = None
    evidence: Mapping[str, Any] | None = None


FIELDS = tuple(Response.__dataclass_fields__)
_VALUES = attrgetter(*FIELDS[:-1])  # all but the evidence, which is written as JSON
INSTANTS = ("occurred_at", "received_at")
TYPES: dict[str, TypeEngine[Any]] = {"is_machine": Boolean(), **dict.fromkeys(INSTANTS, Instant())}
# Those of entities.RESPONSES, of people we know.
RESPONDED = pa.schema(
    [
        pa.field("response_id", pa.string(), nullable=False),
        pa.field("customer_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("occurred_at", pa.timestamp("us", tz="UTC"), nullable=False),
        *(pa.field(name, pa.string()) for name in ("campaign", "channel", "message_id", "value")),
        pa.field("is_machine", pa.bool_(), nullable=False),
        *(
            pa.field(name, pa.string())
            for name in ("survey", "question", "touchpoint", "product_id")
        ),
    ]
)


@dataclass(frozen=True, slots=True)
class Match:
    """Whose message a response turned out to answer; the message may stay unknown."""

    response_id: str
    customer_id: str
    message_id: str | None = None
    campaign: str | None = None


class Responses:
    """The responses of one ledger."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def insert(self, rows: Sequence[Response]) -> Counter[str]:
        """Keeps what is new; how many by kind. Those known already are left as they are.

        Consequences are not drawn here: see `collection.record`.
        """
        added = Counter[str]()
        unique = sorted({one.response_id: one for one in rows}.items(), key=itemgetter(0))
        for start in range(0, len(unique), ROWS_A_TRANSACTION):
            batch = [one for _, one in unique[start : start + ROWS_A_TRANSACTION]]
            with writing(self._engine) as connection:
                revision = next_revision(connection)
                _insert(connection, batch, revision)
                new = _by_kind(connection, responses.c.revision == revision)
                if not new:
                    connection.rollback()
                added.update(new)
        return added

    def known(self, response_ids: Collection[str]) -> set[str]:
        """Those of the ids that are on record."""
        if not response_ids:
            return set()
        with reading(self._engine) as connection:
            mine = responses.c.response_id.in_(listed(connection, response_ids))
            return set(connection.execute(select(responses.c.response_id).where(mine)).scalars())

    def of_customer(self, customer_id: str) -> list[Response]:
        """Everything that came back from a customer, oldest first."""
        return self._read(responses.c.customer_id == customer_id)

    def of_message(self, message_id: str) -> list[Response]:
        """Everything that answers a message, oldest first."""
        return self._read(responses.c.message_id == message_id)

    def unmatched(self, since: datetime, limit: int) -> list[Response]:
        """Responses received since then of which only the address is known, oldest first."""
        nobodys = responses.c.customer_id.is_(None)
        return self._read(UNMATCHED, nobodys, responses.c.received_at >= since, limit=limit)

    def match(self, found: Sequence[Match]) -> int:
        """Writes down whose responses they are, where nobody had; how many."""
        change = (
            update(responses)
            .where(responses.c.response_id == bindparam("of_id"), responses.c.customer_id.is_(None))
            .values(
                customer_id=bindparam("its_customer"),
                message_id=func.coalesce(responses.c.message_id, bindparam("its_message")),
                campaign=func.coalesce(responses.c.campaign, bindparam("its_campaign")),
                revision=bindparam("its_revision"),
            )
        )
        if not found:
            return 0
        with writing(self._engine) as connection:
            revision = next_revision(connection)
            return sum(
                connection.execute(
                    change,
                    {
                        "of_id": one.response_id,
                        "its_customer": one.customer_id,
                        "its_message": one.message_id,
                        "its_campaign": one.campaign,
                        "its_revision": revision,
                    },
                ).rowcount
                for one in sorted(found, key=lambda each: each.response_id)
            )

    def soft_bounces(
        self, customer_ids: Collection[str], address_keys: Collection[str], since: datetime
    ) -> list[Response]:
        """Refusals for now since then of these customers' messages, and of these addresses where
        nobody knows whose they are."""
        soft = responses.c.kind == ResponseKind.SOFT_BOUNCE
        recent = responses.c.occurred_at >= since
        with reading(self._engine) as connection:
            theirs = responses.c.customer_id.in_(listed(connection, customer_ids))
            strangers = and_(
                UNMATCHED, responses.c.address_key.in_(listed(connection, address_keys))
            )
            found = {}
            for mine in (theirs, strangers):  # each by its own index
                query = select(*(responses.c[name] for name in FIELDS)).where(mine, soft, recent)
                for row in connection.execute(query).mappings():
                    found[row["response_id"]] = _as_response(row)
            return list(found.values())

    def counts(self, since: datetime) -> dict[str, int]:
        """Responses received since then, by kind."""
        with reading(self._engine) as connection:
            return _by_kind(connection, responses.c.received_at >= since)

    @contextmanager
    def table_since(self, mark: int) -> Iterator[pa.RecordBatchReader]:
        """Responses of known people recorded after the mark (0: all), with the columns of
        entities.RESPONSES; streamed within the context."""
        which = and_(responses.c.revision > mark, responses.c.customer_id.is_not(None))
        with read_nullable(self._engine, responses, RESPONDED, which) as reader:
            yield reader

    def _read(
        self, *which: ColumnElement[bool] | TextClause, limit: int | None = None
    ) -> list[Response]:
        query = select(*(responses.c[name] for name in FIELDS)).where(*which)
        query = query.order_by(responses.c.occurred_at, responses.c.response_id).limit(limit)
        with reading(self._engine) as connection:
            return [_as_response(row) for row in connection.execute(query).mappings()]


def _as_response(row: RowMapping) -> Response:
    evidence = row["evidence"]
    return Response(**{**row, "evidence": json.loads(evidence) if evidence else None})


def _by_kind(connection: Connection, which: ColumnElement[bool]) -> dict[str, int]:
    query = select(responses.c.kind, func.count()).where(which).group_by(responses.c.kind)
    return dict(connection.execute(query).tuples().all())


def _insert(connection: Connection, rows: Sequence[Response], revision: int) -> None:
    """PostgreSQL gets the rows as one table; SQLite by its driver, which binds them itself."""
    if connection.dialect.name == "postgresql":
        whole = [(*_VALUES(one), as_json(one.evidence)) for one in rows]
        columns = dict(zip(FIELDS, map(list, zip(*whole, strict=True)), strict=True))
        connection.execute(_insert_table(), {**columns, "revision": revision})
        return
    dialect, store = connection.dialect, Instant().process_bind_param
    names = ", ".join((*FIELDS, "revision"))
    marks = ", ".join("?" * (len(FIELDS) + 1))
    bound = []
    for one in rows:
        number, kind, occurred_at, received_at, *rest = _VALUES(one)
        at = store(occurred_at, dialect), store(received_at, dialect)
        evidence = as_json(one.evidence) if one.evidence else None
        bound.append((number, kind, *at, *rest, evidence, revision))
    connection.exec_driver_sql(
        f"INSERT INTO responses ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING",  # noqa: S608
        bound,
    )


@cache
def _insert_table() -> Insert:
    kinds: dict[str, TypeEngine[Any]] = {name: TYPES.get(name, Text()) for name in FIELDS}
    given = [bindparam(name, type_=ARRAY(kind)) for name, kind in kinds.items()]
    typed = [column(name, kind) for name, kind in kinds.items()]
    told = func.unnest(*given).table_valued(*typed, name="told").render_derived()
    rows = select(*(told.c[name] for name in FIELDS), bindparam("revision"))
    new = postgresql.insert(responses).from_select([*FIELDS, "revision"], rows)
    return new.on_conflict_do_nothing()
