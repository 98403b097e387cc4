"""Bring a database to the newest revision; also the ground for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.pool import NullPool

from kovra.store.database import CONNECT_TIMEOUT_S, Database, sqlalchemy_url

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"

#: Two releases at once take turns. Any number does, as long as it stays the same.
_LOCK = 7_266_861_001

#: For a binding that migrates and does nothing else: a connection is closed after its work.
ENGINE_OPTIONS: Mapping[str, Any] = MappingProxyType({"poolclass": NullPool})


def upgrade(database_url: str) -> None:
    """Bring the database to the newest revision. Asking twice changes nothing.

    Args:
        database_url: of the login that owns the database.

    Raises:
        Unavailable: PostgreSQL did not answer.
        MigrationRefused: this login may not do what is needed; the message says what to do.
    """
    engine = owner_engine(database_url)
    try:
        with Database.unavailable_when_away(), engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def is_current(database_url: str) -> bool:
    """Whether the database stands at the newest revision."""
    engine = owner_engine(database_url)
    try:
        with Database.unavailable_when_away(), engine.connect() as connection:
            at = MigrationContext.configure(connection).get_current_heads()
        return set(at) == set(ScriptDirectory(str(MIGRATIONS)).get_heads())
    finally:
        engine.dispose()


def owner_engine(database_url: str) -> Engine:
    """An engine for changing the schema: as the login of the address, without time limits on statements."""
    return create_engine(
        sqlalchemy_url(database_url), poolclass=NullPool, connect_args={"connect_timeout": CONNECT_TIMEOUT_S}
    )


def hold_migration_lock(connection: Connection) -> None:
    """Wait for another release that is migrating, until the end of this transaction."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
