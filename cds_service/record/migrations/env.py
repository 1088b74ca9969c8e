"""Alembic's way in: it is handed a connection in a transaction, and commits nothing itself."""

from alembic import context

from cds_service.record.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
)
context.run_migrations()
