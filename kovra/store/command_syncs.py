"""What Discord was last told of the slash commands, so that a release tells it only what has changed."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from kovra.store.database import Database
from kovra.store.tables import CommandSyncs


class KnownCommands:
    """The memory of one application. Needs the owner of the database: only the release uses it."""

    def __init__(self, database: Database, application_id: int) -> None:
        self._database, self._application_id = database, application_id

    def digest(self) -> str | None:
        """The fingerprint of what Discord was told, None before the first time."""
        told = select(CommandSyncs.digest).where(CommandSyncs.application_id == self._application_id)
        with self._database.transaction(None) as session:
            return session.scalars(told).one_or_none()

    def remember(self, digest: str) -> None:
        """Discord has taken the commands of this fingerprint."""
        row = {"application_id": self._application_id, "digest": digest, "synced_at": self._database.now()}
        told = insert(CommandSyncs).values(**row)
        told = told.on_conflict_do_update(index_elements=["application_id"], set_=row)
        with self._database.transaction(None) as session:
            session.execute(told)
