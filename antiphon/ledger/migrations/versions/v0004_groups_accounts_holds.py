"""Groups of messages to claim by; accounts, holds of campaigns, facts, alerts."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

from antiphon.ledger.schema import EPOCH, Identity, Instant

revision = "0004"
down_revision = "0003"

PLANNED = sa.text("state = 'planned'")
IN_DOUBT = sa.text("state = 'in_doubt'")
NAMED_SMS = sa.text("channel = 'sms' AND provider_id IS NOT NULL")
OPEN = sa.text("ended_at IS NULL")
KEY = ("channel", "campaign", "category", "template_hash", "arm", "language")
OF_MESSAGE = ", ".join(f"coalesce({name}, '')" for name in KEY)
UNDECIDED = "state IN ('planned', 'sending', 'in_doubt')"  # what may be planned (again)


def upgrade() -> None:
    """From 0003."""
    _create_groups()
    _create_accounts()
    _create_holds()
    facts = op.create_table(
        "facts",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("at", Instant, nullable=False),
    )
    # which ledger this is; EPOCH: a migration knows no time
    op.bulk_insert(facts, [{"name": "ledger_id", "value": str(uuid4()), "at": EPOCH}])
    op.create_table(
        "alerts",
        sa.Column("alert_id", Identity, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("raised_at", Instant, nullable=False),
        sa.Column("sent_at", Instant),
        sa.UniqueConstraint("kind", "subject"),
    )


def _create_groups() -> None:
    op.create_table(
        "message_groups",
        sa.Column("group_id", Identity, primary_key=True, autoincrement=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in KEY),
        sa.UniqueConstraint(*KEY),
    )
    op.add_column("messages", sa.Column("group_id", sa.BigInteger))
    op.execute(
        f"INSERT INTO message_groups ({', '.join(KEY)}) "  # noqa: S608 (our own names)
        f"SELECT DISTINCT {OF_MESSAGE} FROM messages WHERE {UNDECIDED}"
    )
    same = " AND ".join(f"g.{name} = coalesce(messages.{name}, '')" for name in KEY)
    op.execute(
        "UPDATE messages SET group_id = (SELECT g.group_id FROM message_groups AS g "  # noqa: S608
        f"WHERE {same}) WHERE {UNDECIDED}"
    )
    op.drop_index("ix_messages_customer_id", "messages")
    # with the moment: what somebody is sent these days is asked of every batch that leaves
    op.create_index("ix_messages_customer", "messages", ["customer_id", "planned_at"])
    op.drop_index("ix_messages_planned", "messages")
    op.create_index(
        "ix_messages_waiting",
        "messages",
        ["group_id", "not_before", "message_id", "run_id", "expires_at"],
        sqlite_where=PLANNED,
        postgresql_where=PLANNED,
    )
    op.create_index(
        "ix_messages_in_doubt",
        "messages",
        ["channel", "message_id"],
        sqlite_where=IN_DOUBT,
        postgresql_where=IN_DOUBT,
    )
    op.create_index(
        "ix_messages_named_sms",
        "messages",
        ["provider_id"],
        sqlite_where=NAMED_SMS,
        postgresql_where=NAMED_SMS,
    )


def _create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("next_at", Instant),
        sa.Column("hour_at", Instant),
        sa.Column("hour_used", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("day", sa.Date),
        sa.Column("day_used", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("paused_until", Instant),
        sa.Column("pause_reason", sa.Text, nullable=False, server_default=""),
        sa.Column("pause_kind", sa.Text, nullable=False, server_default=""),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("updated_at", Instant, nullable=False),
    )


def _create_holds() -> None:
    op.create_table(
        "holds",
        sa.Column("hold_id", Identity, primary_key=True, autoincrement=True),
        sa.Column("campaign", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("held_at", Instant, nullable=False),
        sa.Column("ended_at", Instant),
    )
    op.create_index(
        "ix_holds_open",
        "holds",
        ["campaign"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
