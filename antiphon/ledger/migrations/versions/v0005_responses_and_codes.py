"""What comes back: inbox, responses, statements, codes, redemptions, tombstones, counts."""

import sqlalchemy as sa
from alembic import op

from antiphon.ledger.schema import Identity, Instant

revision = "0005"
down_revision = "0004"

UNPARSED = sa.text("parsed_at IS NULL")
UNMATCHED = sa.text("message_id IS NULL AND address_key IS NOT NULL")
OF_OCCURRENCE = sa.text("occurrence_key IS NOT NULL")


def upgrade() -> None:
    """From 0004."""
    for column in (
        sa.Column("confirmed_at", Instant),
        sa.Column("evidence", sa.Text),
        sa.Column("separate", sa.Boolean),
    ):
        op.add_column("consents", column)
    _create_inbox()
    _create_responses()
    _create_codes()
    op.create_table(
        "tallies",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "statements",
        sa.Column("statement_id", Identity, primary_key=True, autoincrement=True),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.Text),
        sa.Column("stated_at", Instant, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("customer_id", "name", "stated_at", "source"),
    )
    op.create_index("ix_statements_revision", "statements", ["revision"])
    op.create_table(
        "tombstones",
        sa.Column("key_hash", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("forgotten_at", Instant, nullable=False),
    )


def _create_inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("inbox_id", Identity, primary_key=True, autoincrement=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("received_at", Instant, nullable=False),
        sa.Column("query", sa.Text, nullable=False, server_default=""),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("parsed_at", Instant),
        sa.Column("problem", sa.Text, nullable=False, server_default=""),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_inbox_unparsed",
        "inbox",
        ["inbox_id"],
        sqlite_where=UNPARSED,
        postgresql_where=UNPARSED,
    )
    op.create_index("ix_inbox_received_at", "inbox", ["received_at"])


def _create_responses() -> None:
    op.create_table(
        "responses",
        sa.Column("response_id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("occurred_at", Instant, nullable=False),
        sa.Column("received_at", Instant, nullable=False),
        sa.Column("message_id", sa.Text),
        sa.Column("customer_id", sa.Text),
        sa.Column("campaign", sa.Text),
        sa.Column("channel", sa.Text),
        sa.Column("address_key", sa.Text),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("provider_id", sa.Text),
        sa.Column("is_machine", sa.Boolean, nullable=False),
        sa.Column("value", sa.Text),
        sa.Column("survey", sa.Text),
        sa.Column("question", sa.Text),
        sa.Column("touchpoint", sa.Text),
        sa.Column("product_id", sa.Text),
        sa.Column("evidence", sa.Text),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    for name in ("revision", "message_id", "customer_id"):
        op.create_index(f"ix_responses_{name}", "responses", [name])
    op.create_index(
        "ix_responses_unmatched",
        "responses",
        ["address_key"],
        sqlite_where=UNMATCHED,
        postgresql_where=UNMATCHED,
    )


def _create_codes() -> None:
    op.create_table(
        "codes",
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("campaign", sa.Text, nullable=False),
        sa.Column("occurrence_key", sa.Text),
        sa.Column("customer_id", sa.Text),
        sa.Column("discount", sa.Text),
        sa.Column("gift", sa.Text),
        sa.Column("issued_at", Instant, nullable=False),
        sa.Column("valid_until", Instant),
        sa.Column("withdrawn_at", Instant),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    for name in ("revision", "customer_id"):
        op.create_index(f"ix_codes_{name}", "codes", [name])
    op.create_index(
        "ix_codes_occurrence",
        "codes",
        ["occurrence_key"],
        unique=True,
        sqlite_where=OF_OCCURRENCE,
        postgresql_where=OF_OCCURRENCE,
    )
    op.create_table(
        "redemptions",
        sa.Column("redemption_id", sa.Text, primary_key=True),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("campaign", sa.Text),
        sa.Column("occurrence_key", sa.Text),
        sa.Column("customer_id", sa.Text),
        sa.Column("order_id", sa.Text),
        sa.Column("amount_e4", sa.BigInteger),
        sa.Column("redeemed_at", Instant, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    for name in ("revision", "code"):
        op.create_index(f"ix_redemptions_{name}", "redemptions", [name])
