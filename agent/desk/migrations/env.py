"""Alembic's way in: the connection is handed over by `agent.desk.database`."""

from __future__ import annotations

from alembic import context

from agent.desk.tables import META

connection = context.config.attributes["connection"]
# SQLite cannot change tables in place: batch mode copies them.
context.configure(connection=connection, target_metadata=META, render_as_batch=connection.dialect.name == "sqlite")
with context.begin_transaction():
    context.run_migrations()
