"""Alembic's entry: runs notify's migrations on the connection that it is handed."""

from alembic import context

from services.notify.store.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
