"""Surveys: taps that nobody has confirmed, comments, tasks for staff."""

import sqlalchemy as sa
from alembic import op

from antiphon.ledger.schema import Instant

revision = "0006"
down_revision = "0005"

UNSETTLED = sa.text("settled_at IS NULL")
UNWRITTEN = sa.text("written_at IS NULL")


def upgrade() -> None:
    """From 0005."""
    op.create_table(
        "survey_taps",
        sa.Column("message_id", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("tapped_at", Instant, nullable=False),
        sa.Column("settled_at", Instant),
    )
    op.create_table(
        "survey_comments",
        sa.Column("comment_id", sa.Text, primary_key=True),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("survey", sa.Text, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("told_at", Instant, nullable=False),
    )
    op.create_table(
        "staff_tasks",
        sa.Column("task_id", sa.Text, primary_key=True),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("campaign", sa.Text, nullable=False),
        sa.Column("survey", sa.Text, nullable=False),
        sa.Column("touchpoint", sa.Text, nullable=False),
        sa.Column("product_id", sa.Text),
        sa.Column("score", sa.Integer, nullable=False),
        sa.Column("is_confirmed", sa.Boolean, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("made_at", Instant, nullable=False),
        sa.Column("written_at", Instant),
    )
    for name, table, column, where in (
        ("unsettled", "survey_taps", "tapped_at", UNSETTLED),
        ("unwritten", "staff_tasks", "made_at", UNWRITTEN),
    ):
        op.create_index(
            f"ix_{table}_{name}", table, [column], sqlite_where=where, postgresql_where=where
        )
    op.create_index("ix_survey_comments_told_at", "survey_comments", ["told_at"])
    for table in ("survey_taps", "survey_comments", "staff_tasks"):
        op.create_index(f"ix_{table}_customer_id", table, ["customer_id"])
