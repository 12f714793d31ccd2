"""Suppressions by address; acts of consent by customer."""

import sqlalchemy as sa
from alembic import op

from antiphon.ledger.schema import Identity, Instant

revision = "0002"
down_revision = "0001"

IN_FORCE = sa.text("lifted_at IS NULL")


def upgrade() -> None:
    """From 0001."""
    op.create_table(
        "suppressions",
        sa.Column("suppression_id", Identity, primary_key=True, autoincrement=True),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("address_key", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("suppressed_at", Instant, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text),
        sa.Column("lifted_at", Instant),
        sa.Column("lift_reason", sa.Text),
    )
    op.create_index(
        "ix_suppressions_in_force",
        "suppressions",
        ["channel", "address_key"],
        unique=True,
        sqlite_where=IN_FORCE,
        postgresql_where=IN_FORCE,
    )
    op.create_table(
        "consents",
        sa.Column("consent_id", Identity, primary_key=True, autoincrement=True),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("granted", sa.Boolean, nullable=False),
        sa.Column("acted_at", Instant, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("customer_id", "channel", "category", "acted_at", "source"),
    )
    op.create_index("ix_consents_revision", "consents", ["revision"])
