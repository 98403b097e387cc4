"""How Alembic reaches the database: through ``kovra.store.migrate``, or as ``flask db …`` with ``DATABASE_URL``."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import Connection

from kovra.store.migrate import hold_migration_lock, owner_engine
from kovra.store.tables import Base


def run(connection: Connection) -> None:
    """Migrate in one transaction: a revision that fails half-way leaves nothing behind."""
    context.configure(connection=connection, target_metadata=Base.metadata, compare_server_default=True)
    with context.begin_transaction():
        hold_migration_lock(connection)
        context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("Kovra's migrations look at the database they change; run them online.")

given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    # `flask db upgrade`: the application works as kovra_web, which may not change tables; the login of the address may.
    engine = owner_engine(os.environ["DATABASE_URL"])
    with engine.connect() as connection:
        run(connection)
        connection.commit()
    engine.dispose()
