"""Entries of Discord's audit log as the bot hears them, and how far each guild's log has been read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from kovra.guard.native import NativeEntry
from kovra.ids import GuildId
from kovra.store.database import Database
from kovra.store.tables import AuditCursors, NativeEntries


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """The last entry that was read, and the first that counts: what is older was before Guard came."""

    since_id: int
    last_id: int


class NativeInbox:
    """Write down what was heard. Everything may come twice."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def cursor(self, guild_id: GuildId) -> Cursor | None:
        """How far this guild's audit log has been read; None when it never was."""
        with self._database.transaction(guild_id) as session:
            row = session.get(AuditCursors, guild_id)
            return Cursor(since_id=row.since_id, last_id=row.last_id) if row else None

    def begin(self, guild_id: GuildId, newest_id: int) -> None:
        """Guard is new here: what was done up to this entry is none of its business."""
        row = {"guild_id": guild_id, "since_id": newest_id, "last_id": newest_id, "read_at": self._database.now()}
        with self._database.transaction(guild_id) as session:
            session.execute(insert(AuditCursors).values(row).on_conflict_do_nothing())

    def keep(self, guild_id: GuildId, entries: Sequence[NativeEntry], read_to: int | None) -> None:
        """Keep entries, and how far the log has been read without a gap, when that is known."""
        with self._database.transaction(guild_id) as session:
            if entries:
                self._write(session, entries)
            if read_to is not None:
                moved = {"last_id": func.greatest(AuditCursors.last_id, read_to), "read_at": self._database.now()}
                first = {"guild_id": guild_id, "since_id": read_to, "last_id": read_to, "read_at": moved["read_at"]}
                cursor = insert(AuditCursors).values(first)
                session.execute(cursor.on_conflict_do_update(index_elements=["guild_id"], set_=moved))

    def _write(self, session: Session, entries: Sequence[NativeEntry]) -> None:
        now = self._database.now()
        rows = [
            {
                "guild_id": entry.guild_id,
                "audit_id": entry.audit_id,
                "kind": entry.kind,
                "actor_id": entry.actor_id,
                "target_id": entry.target_id,
                "reason": entry.reason,
                "until": entry.until,
                "until_before": entry.until_before,
                "options": dict(entry.options),
                "heard_at": now,
                "next_at": now,
            }
            for entry in entries
        ]
        session.execute(insert(NativeEntries).values(rows).on_conflict_do_nothing())
