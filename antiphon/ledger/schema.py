"""Tables of the ledger. How they came to be is told by migrations/; a test compares the two.

Every transaction that changes messages or consents takes one row of `revisions` and stamps its
number on each row it touches: the number tells the log what changed, and the lake where to go on.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    JSON,
    TIMESTAMP,
    BigInteger,
    Boolean,
    Column,
    Date,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine, UserDefinedType

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """An aware datetime in UTC, to the microsecond.

    PostgreSQL keeps a timestamptz, SQLite the microseconds since 1970 as an integer: both order
    and compare alike. A naive datetime is refused with ValueError.
    """

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The database's own type."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """What the driver gets."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant must be an aware datetime")
        if dialect.name == "postgresql":
            return value.astimezone(UTC)
        return (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """What the reader gets: aware, in UTC."""
        return None if value is None else as_instant(value)


@lru_cache(maxsize=4096)
def as_instant(stored: datetime | int) -> datetime:
    """An instant as the database stored it, aware, in UTC.

    Kept for some: a thousand messages claimed together share most of theirs.
    """
    if isinstance(stored, datetime):
        return stored.astimezone(UTC)
    return EPOCH + int(stored) * MICROSECOND


class AsStored(UserDefinedType[Any]):
    """A value that is already what the database stores: nothing is done to it."""

    cache_ok = True


Identity = BigInteger().with_variant(Integer(), "sqlite")  # SQLite numbers only INTEGER keys
metadata = MetaData()

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("taken_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

contents = Table(
    "contents",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("flow", Text, nullable=False),
    Column("business_day", Date, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("as_of", Instant, nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("state", Text, nullable=False),
    Column("snapshot_id", BigInteger),
    Column("files_hash", Text),
    Column("history_mark", BigInteger),
    Column("engine_versions", JSON),
    Column("lease_token", BigInteger),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("released_at", Instant),
    Column("verdict", Text, nullable=False),
    UniqueConstraint("business_day", "flow", "ordinal"),
)

run_steps = Table(
    "run_steps",
    metadata,
    Column("run_id", Text, ForeignKey("runs.run_id"), primary_key=True),
    Column("step", Text, primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("counts", JSON, nullable=False),
)

revisions = Table(
    "revisions",
    metadata,
    Column("revision", Identity, primary_key=True, autoincrement=True),
    sqlite_autoincrement=True,  # never the same number twice
)

message_groups = Table(  # messages that may share a skeleton, and so a request; '' stands for null
    "message_groups",
    metadata,
    Column("group_id", Identity, primary_key=True, autoincrement=True),
    Column("channel", Text, nullable=False),
    Column("campaign", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("template_hash", Text, nullable=False),
    Column("arm", Text, nullable=False),
    Column("language", Text, nullable=False),
    UniqueConstraint("channel", "campaign", "category", "template_hash", "arm", "language"),
)

PLANNED = text("state = 'planned'")
SENDING = text("state = 'sending'")
IN_DOUBT = text("state = 'in_doubt'")
NAMED_SMS = text("channel = 'sms' AND provider_id IS NOT NULL")

messages = Table(
    "messages",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("occurrence_key", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("run_id", Text, ForeignKey("runs.run_id"), nullable=False),
    Column("campaign", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("cell", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("anchor", Text, nullable=False),
    Column("arm", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("address", Text),
    Column("values_json", Text, nullable=False),
    Column("template_hash", Text),
    Column("language", Text),
    Column("state", Text, nullable=False),
    Column("not_before", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("planned_at", Instant, nullable=False),
    Column("left_at", Instant),
    Column("updated_at", Instant, nullable=False),
    Column("claim_holder", Text),
    Column("claim_expires_at", Instant),  # in doubt: nobody asks about it before
    Column("provider", Text),
    Column("provider_id", Text),
    Column("evidence", Text),
    Column("revision", BigInteger, nullable=False),
    Column("cost_e4", BigInteger, nullable=False, server_default="0"),  # ten-thousandths
    Column("group_id", BigInteger),  # null only in what could not leave any more at version 0004
    UniqueConstraint("occurrence_key", "attempt"),
)
Index("ix_messages_revision", messages.c.revision)
Index("ix_messages_customer", messages.c.customer_id, messages.c.planned_at)
Index("ix_messages_run_id", messages.c.run_id)
Index(
    "ix_messages_waiting",  # run and expiry last: what may not leave is passed over in the index
    messages.c.group_id,
    messages.c.not_before,
    messages.c.message_id,
    messages.c.run_id,
    messages.c.expires_at,
    sqlite_where=PLANNED,
    postgresql_where=PLANNED,
)
Index(
    "ix_messages_sending",
    messages.c.claim_expires_at,
    sqlite_where=SENDING,
    postgresql_where=SENDING,
)
Index(
    "ix_messages_in_doubt",
    messages.c.channel,
    messages.c.message_id,
    sqlite_where=IN_DOUBT,
    postgresql_where=IN_DOUBT,
)

Index(
    "ix_messages_named_sms",
    messages.c.provider_id,
    sqlite_where=NAMED_SMS,
    postgresql_where=NAMED_SMS,
)

message_log = Table(
    "message_log",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("holder", Text),
    Column("evidence", Text),
    sqlite_with_rowid=False,
)

IN_FORCE = text("lifted_at IS NULL")

suppressions = Table(
    "suppressions",
    metadata,
    Column("suppression_id", Identity, primary_key=True, autoincrement=True),
    Column("channel", Text, nullable=False),
    Column("address_key", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("suppressed_at", Instant, nullable=False),
    Column("source", Text, nullable=False),
    Column("evidence", Text),
    Column("lifted_at", Instant),
    Column("lift_reason", Text),
)
Index(
    "ix_suppressions_in_force",
    suppressions.c.channel,
    suppressions.c.address_key,
    unique=True,
    sqlite_where=IN_FORCE,
    postgresql_where=IN_FORCE,
)

consents = Table(
    "consents",
    metadata,
    Column("consent_id", Identity, primary_key=True, autoincrement=True),
    Column("customer_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("granted", Boolean, nullable=False),
    Column("acted_at", Instant, nullable=False),
    Column("source", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("confirmed_at", Instant),
    Column("evidence", Text),
    Column("separate", Boolean),
    UniqueConstraint("customer_id", "channel", "category", "acted_at", "source"),
)
Index("ix_consents_revision", consents.c.revision)

accounts = Table(
    "accounts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("next_at", Instant),
    Column("hour_at", Instant),
    Column("hour_used", BigInteger, nullable=False, server_default="0"),
    Column("day", Date),
    Column("day_used", BigInteger, nullable=False, server_default="0"),
    Column("paused_until", Instant),
    Column("pause_reason", Text, nullable=False, server_default=""),
    Column("pause_kind", Text, nullable=False, server_default=""),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("updated_at", Instant, nullable=False),
)

OPEN = text("ended_at IS NULL")

holds = Table(
    "holds",
    metadata,
    Column("hold_id", Identity, primary_key=True, autoincrement=True),
    Column("campaign", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("held_at", Instant, nullable=False),
    Column("ended_at", Instant),
)
Index("ix_holds_open", holds.c.campaign, unique=True, sqlite_where=OPEN, postgresql_where=OPEN)

facts = Table(
    "facts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", Identity, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("raised_at", Instant, nullable=False),
    Column("sent_at", Instant),
    UniqueConstraint("kind", "subject"),
)
