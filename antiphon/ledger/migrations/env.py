"""Runs the migrations in the transaction that our own code has begun (ledger/migrate.py)."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
