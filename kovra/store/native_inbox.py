"""Entries of Discord's audit log as the bot hears them, and how far each guild's log has been read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, Text, bindparam, cast, column, func, select
from sqlalchemy.dialects.postgresql import JSONB, insert

from kovra.guard.native import NativeEntry
from kovra.ids import GuildId
from kovra.store.database import Database
from kovra.store.prepared import Prepared
from kovra.store.tables import AuditCursors, NativeEntries


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """The last entry that was read, and the first that counts: what is older was before Guard came."""

    since_id: int
    last_id: int


class NativeInbox:
    """Write down what was heard. Everything may come twice."""

    def __init__(self, database: Database) -> None:
        self._database, self._keep = database, _keeping(database.now())

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
        rows = [{**vars(entry), "options": dict(entry.options)} for entry in entries]
        values = {"entries": json.dumps(rows, default=datetime.isoformat), "in_guild": guild_id, "read_to": read_to}
        self._database.once(guild_id, self._keep, values)


def _keeping(now: ColumnElement[datetime]) -> Prepared:
    """One statement, built once: Discord tells of every act of Guard's own here."""
    entry, cursor = NativeEntries, AuditCursors
    columns = [column(one.name, one.type) for one in entry.__table__.c if one.name not in ("heard_at", "next_at")]
    told = cast(bindparam("entries", type_=Text), JSONB)
    rows = func.jsonb_to_recordset(told).table_valued(*columns, name="told").render_derived(with_types=True)
    names = [*(one.name for one in columns), "heard_at", "next_at"]
    kept = insert(entry).from_select(names, select(*rows.c, now, now)).on_conflict_do_nothing().cte("kept")
    read_to, in_guild = (bindparam(name, type_=BigInteger) for name in ("read_to", "in_guild"))
    moved = insert(cursor).from_select(
        ["guild_id", "since_id", "last_id", "read_at"],
        select(in_guild, read_to, read_to, now).where(read_to.is_not(None)),
    )
    moved = moved.on_conflict_do_update(
        index_elements=["guild_id"],
        set_={"last_id": func.greatest(cursor.last_id, moved.excluded.last_id), "read_at": moved.excluded.read_at},
    )
    return Prepared(moved.add_cte(kept))
