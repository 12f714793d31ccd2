"""Leases, contents, runs and messages."""

import sqlalchemy as sa
from alembic import op

from antiphon.ledger.schema import Identity, Instant

revision = "0001"
down_revision = None

PLANNED = sa.text("state = 'planned'")
SENDING = sa.text("state = 'sending'")


def upgrade() -> None:
    """From an empty database."""
    op.create_table(
        "leases",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("taken_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
    )
    op.create_table(
        "contents",
        sa.Column("hash", sa.Text, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "revisions",
        sa.Column("revision", Identity, primary_key=True, autoincrement=True),
        sqlite_autoincrement=True,
    )
    _create_runs()
    _create_messages()


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("flow", sa.Text, nullable=False),
        sa.Column("business_day", sa.Date, nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("as_of", Instant, nullable=False),
        sa.Column("dry_run", sa.Boolean, nullable=False),
        sa.Column("parameters", sa.JSON, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("snapshot_id", sa.BigInteger),
        sa.Column("files_hash", sa.Text),
        sa.Column("history_mark", sa.BigInteger),
        sa.Column("engine_versions", sa.JSON),
        sa.Column("lease_token", sa.BigInteger),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("finished_at", Instant),
        sa.Column("released_at", Instant),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.UniqueConstraint("business_day", "flow", "ordinal"),
    )
    op.create_table(
        "run_steps",
        sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("step", sa.Text, primary_key=True),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("finished_at", Instant),
        sa.Column("counts", sa.JSON, nullable=False),
    )


def _create_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("message_id", sa.Text, primary_key=True),
        sa.Column("occurrence_key", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id"), nullable=False),
        sa.Column("campaign", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("cell", sa.Text, nullable=False),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("anchor", sa.Text, nullable=False),
        sa.Column("arm", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("address", sa.Text),
        sa.Column("values_json", sa.Text, nullable=False),
        sa.Column("template_hash", sa.Text),
        sa.Column("language", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("not_before", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("planned_at", Instant, nullable=False),
        sa.Column("left_at", Instant),
        sa.Column("updated_at", Instant, nullable=False),
        sa.Column("claim_holder", sa.Text),
        sa.Column("claim_expires_at", Instant),
        sa.Column("provider", sa.Text),
        sa.Column("provider_id", sa.Text),
        sa.Column("evidence", sa.Text),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("occurrence_key", "attempt"),
    )
    for column in ("revision", "customer_id", "run_id"):
        op.create_index(f"ix_messages_{column}", "messages", [column])
    op.create_index(
        "ix_messages_planned",
        "messages",
        ["channel", "not_before", "message_id", "run_id"],
        sqlite_where=PLANNED,
        postgresql_where=PLANNED,
    )
    op.create_index(
        "ix_messages_sending",
        "messages",
        ["claim_expires_at"],
        sqlite_where=SENDING,
        postgresql_where=SENDING,
    )
    op.create_table(
        "message_log",
        sa.Column("message_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("evidence", sa.Text),
        sqlite_with_rowid=False,
    )
