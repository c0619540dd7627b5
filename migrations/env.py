"""Alembic's entry: runs the migrations on the connection that ``db.migrate`` hands over."""

from typing import Any

from alembic import context

from db.models import Base

connection: Any = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    compare_type=True,
    compare_server_default=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
