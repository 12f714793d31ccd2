"""Promo codes that were issued: whose they are, until when, and whether their message left."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from sqlalchemy import (
    ColumnElement,
    Engine,
    Select,
    and_,
    case,
    func,
    null,
    or_,
    select,
    update,
)

from antiphon.ledger.engine import listed, mark, next_revision, reading, writing
from antiphon.ledger.inserting import insert_into
from antiphon.ledger.nullable import nullable_columns, read_nullable_query
from antiphon.ledger.response_schema import codes, redemptions
from antiphon.ledger.schema import facts, messages
from antiphon.states import MessageState, RedemptionVerdict

FOLLOWED = "codes_followed_to"  # a fact: up to which revision codes know what became of messages
NEVER_LEFT = (MessageState.WITHDRAWN, MessageState.EXPIRED, MessageState.REFUSED)
INSTANT = pa.timestamp("us", tz="UTC")
# Those of entities.CODES.
ISSUED = pa.schema(
    [
        *(
            pa.field(name, pa.string(), nullable=False)
            for name in ("code", "customer_id", "campaign", "occurrence_key")
        ),
        *(pa.field(name, pa.string()) for name in ("discount", "gift")),
        pa.field("issued_at", INSTANT, nullable=False),
        *(pa.field(name, INSTANT) for name in ("valid_until", "redeemed_at", "withdrawn_at")),
    ]
)
OF_TILLS = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in ("code", "campaign")),
        *(pa.field(name, pa.string()) for name in ("occurrence_key", "discount", "gift")),
        pa.field("issued_at", INSTANT, nullable=False),
        *(pa.field(name, INSTANT) for name in ("valid_until", "redeemed_at", "withdrawn_at")),
    ]
)


@dataclass(frozen=True, slots=True)
class Code:
    """One code (as keys.code_key writes it). A shared one has neither occurrence nor customer.

    It is valid before `valid_until` (None: without end); `withdrawn_at`: its message never left.
    """

    code: str
    campaign: str
    occurrence_key: str | None
    customer_id: str | None
    discount: str | None
    gift: str | None
    issued_at: datetime
    valid_until: datetime | None
    withdrawn_at: datetime | None


NAMES = tuple(Code.__dataclass_fields__)


class Codes:
    """The codes of one ledger. They are issued with their messages: see `issuing.issue`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, code: str) -> Code | None:
        """The code, as keys.code_key writes it."""
        return next(iter(self._read(codes.c.code == code)), None)

    def known(self, names: Collection[str]) -> set[str]:
        """Those of the codes that were issued, to somebody or to everybody."""
        with reading(self._engine) as connection:
            query = select(codes.c.code).where(codes.c.code.in_(listed(connection, names)))
            return set(connection.execute(query).scalars())

    def of_customer(self, customer_id: str) -> list[Code]:
        """Every code issued to a customer, oldest first."""
        return self._read(codes.c.customer_id == customer_id)

    def issued(self, campaigns: Collection[str], at: datetime | None = None) -> dict[str, int]:
        """Campaign → codes of one's own that it has out, or had before the instant `at`; those
        withdrawn are not counted."""
        query = select(codes.c.campaign, func.count()).where(codes.c.occurrence_key.is_not(None))
        if at is None:
            query = query.where(codes.c.withdrawn_at.is_(None))
        else:
            is_out = or_(codes.c.withdrawn_at.is_(None), codes.c.withdrawn_at >= at)
            query = query.where(codes.c.issued_at < at, is_out)
        with reading(self._engine) as connection:
            mine = codes.c.campaign.in_(listed(connection, campaigns))
            rows = connection.execute(query.where(mine).group_by(codes.c.campaign))
            return dict(rows.tuples().all())

    def issued_by(self, run_id: str) -> dict[str, int]:
        """Campaign → messages of a run that bring a code of one's own."""
        query = (
            select(codes.c.campaign, func.count())
            .join_from(codes, messages, messages.c.occurrence_key == codes.c.occurrence_key)
            .where(messages.c.run_id == run_id)
            .group_by(codes.c.campaign)
        )
        with reading(self._engine) as connection:
            return dict(connection.execute(query).tuples().all())

    def spent_e4(self, campaigns: Collection[str], at: datetime | None = None) -> dict[str, int]:
        """Campaign → discount given (before the instant `at`) by codes that counted, in
        ten-thousandths of the currency."""
        query = select(redemptions.c.campaign, func.sum(redemptions.c.amount_e4)).where(
            redemptions.c.verdict == RedemptionVerdict.COUNTED, redemptions.c.amount_e4.is_not(None)
        )
        if at is not None:
            query = query.where(redemptions.c.redeemed_at < at)
        with reading(self._engine) as connection:
            mine = redemptions.c.campaign.in_(listed(connection, campaigns))
            rows = connection.execute(query.where(mine).group_by(redemptions.c.campaign))
            return {campaign: int(spent) for campaign, spent in rows}

    def follow(self, now: datetime) -> int:
        """Withdraws the codes whose message never left (of several attempts the last one counts),
        and puts those back whose message may leave after all; how many changed.

        It looks at messages that changed since it last looked: call it before codes are read.
        """
        upto = mark(self._engine)
        with writing(self._engine) as connection:
            query = select(facts.c.value).where(facts.c.name == FOLLOWED)
            since = int(connection.execute(query).scalar() or 0)
            if upto <= since:
                connection.rollback()
                return 0
            changed = select(messages.c.occurrence_key).where(
                messages.c.revision > since, messages.c.revision <= upto
            )
            left = select(messages.c.occurrence_key).where(
                messages.c.occurrence_key == codes.c.occurrence_key,
                messages.c.state.not_in([one.value for one in NEVER_LEFT]),
            )
            concerned = codes.c.occurrence_key.in_(changed)
            revision, moved = next_revision(connection), 0
            for is_withdrawn, which in (
                (True, and_(codes.c.withdrawn_at.is_(None), ~left.exists())),
                (False, and_(codes.c.withdrawn_at.is_not(None), left.exists())),
            ):
                values = {"withdrawn_at": now if is_withdrawn else None, "revision": revision}
                change = update(codes).where(concerned, which).values(**values)
                moved += connection.execute(change).rowcount
            row = {"name": FOLLOWED, "value": str(upto), "at": now}
            upsert = insert_into(connection, facts).on_conflict_do_update(
                index_elements=["name"], set_={"value": str(upto), "at": now}
            )
            connection.execute(upsert, row)
            return moved

    def table_since(self, since: int) -> pa.Table:
        """Codes of one's own that changed after the mark (0: all), as entities.CODES."""
        which = and_(codes.c.revision > since, codes.c.occurrence_key.is_not(None))
        with self._streamed(ISSUED, which) as reader:
            return reader.read_all()

    @contextmanager
    def exported(self) -> Iterator[pa.RecordBatchReader]:
        """Every code for the tills (OF_TILLS), streamed within the context; nothing tells whose."""
        with self._streamed(OF_TILLS, codes.c.code.is_not(None)) as reader:
            yield reader

    @contextmanager
    def _streamed(
        self, schema: pa.Schema, which: ColumnElement[bool]
    ) -> Iterator[pa.RecordBatchReader]:
        used = (
            select(redemptions.c.code, func.min(redemptions.c.redeemed_at).label("redeemed_at"))
            .where(redemptions.c.verdict == RedemptionVerdict.COUNTED)
            .group_by(redemptions.c.code)
            .subquery()
        )
        is_own = codes.c.occurrence_key.is_not(None)
        own = {"redeemed_at": case((is_own, used.c.redeemed_at), else_=null())}
        columns = {name: own[name] if name in own else codes.c[name] for name in schema.names}
        asked = nullable_columns(columns, schema)
        query = select(*asked).outerjoin_from(codes, used, used.c.code == codes.c.code)
        with read_nullable_query(self._engine, query.where(which), schema) as reader:
            yield reader

    def _read(self, *which: ColumnElement[bool]) -> list[Code]:
        with reading(self._engine) as connection:
            return [Code(*row) for row in connection.execute(code_query().where(*which))]


def code_query() -> Select[tuple[object, ...]]:
    """Every column of Code, in its order, oldest first."""
    return select(*(codes.c[name] for name in NAMES)).order_by(codes.c.issued_at, codes.c.code)
