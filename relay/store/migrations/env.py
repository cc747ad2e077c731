"""Alembic's entry: the connection is handed in by relay.store.migrate, never read from a file."""

from alembic import context

from relay.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
