"""What each message costs, for budgets."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """From 0002; earlier messages count as free."""
    op.add_column(
        "messages", sa.Column("cost_e4", sa.BigInteger, nullable=False, server_default="0")
    )
