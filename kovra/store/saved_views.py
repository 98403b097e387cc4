"""Views of the case list that people keep: the words of an address under a name, for oneself or for all of a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from kovra.actions.audit import AuditEntry, AuditKind
from kovra.actions.capabilities import Capability
from kovra.ids import UserId, new_request_id
from kovra.store.audit import AuditLog
from kovra.store.database import Database
from kovra.store.guilds import GuildScope
from kovra.store.tables import SavedViews as Rows

#: So many views one person may keep in a server; the row of tabs would not hold more.
MOST = 20


@dataclass(frozen=True, kw_only=True)
class SavedView:
    """One view. ``words`` are those of the address; ``own``: it is the viewer's."""

    view_id: UUID
    name: str
    words: Mapping[str, Sequence[str]]
    shared: bool
    own: bool


@dataclass(frozen=True, kw_only=True)
class NotDone:
    """Why a view is as it was, and what to do instead."""

    why: str
    remedy: str


class SavedViews:
    """One's own views, and those shared with all of a server. To share, and to take away what others shared, takes
    ``settings``, and is on record.
    """

    def __init__(self, database: Database, audit_key: bytes) -> None:
        self._database = database
        self._audit = AuditLog(database, audit_key)

    def of(self, scope: GuildScope) -> list[SavedView]:
        """What this viewer has to choose from, by name."""
        mine = Rows.owner_id == scope.viewer.user_id
        wanted = select(Rows).where(Rows.guild_id == scope.guild_id, or_(mine, Rows.shared)).order_by(Rows.name)
        with self._database.transaction(scope.guild_id) as session:
            return [_view(row, scope) for row in session.scalars(wanted)]

    def save(self, scope: GuildScope, name: str, words: Mapping[str, Sequence[str]], shared: bool) -> NotDone | None:
        """Keep a view under this name, in place of one's own of the same name; None when it is kept, else why not."""
        if shared and not scope.may(Capability.SETTINGS):
            return NotDone(
                why="To share a view with everybody takes the capability “settings”.",
                remedy="Save it for yourself, or ask an admin of this server to share it.",
            )
        owner_id, values = scope.viewer.user_id, {name: list(values) for name, values in words.items()}
        with self._database.transaction(scope.guild_id) as session:
            own = Rows.guild_id == scope.guild_id, Rows.owner_id == owner_id
            before = session.scalars(select(Rows).where(*own, Rows.name == name)).one_or_none()
            if before is None and session.scalars(select(func.count()).select_from(Rows).where(*own)).one() >= MOST:
                return NotDone(
                    why=f"You keep {MOST} views here already, and there is room for no more.",
                    remedy="Open one that you need no longer, forget it in its menu, and save this one again.",
                )
            if before is not None and before.shared and not scope.may(Capability.SETTINGS):
                return NotDone(
                    why=f"“{name}” is shared with everybody, and to change it takes the capability “settings”.",
                    remedy="Save yours under another name, or ask an admin of this server to change the shared one.",
                )
            row = {"guild_id": scope.guild_id, "view_id": new_request_id(), "owner_id": owner_id, "name": name}
            kept = {"words": values, "shared": shared, "saved_at": self._database.read_now(session)}
            write = insert(Rows).values(**row, **kept)
            session.connection().execute(
                write.on_conflict_do_update(index_elements=["guild_id", "owner_id", "name"], set_=kept)
            )
            was = {name: before.words} if before is not None and before.shared else {}
            self._record(session, scope, was, {name: values} if shared else {})
        return None

    def change(self, scope: GuildScope, view_id: UUID, name: str, shared: bool) -> SavedView | NotDone:
        """Another name, and whether it is everybody's; gives the view as it is now, else why not."""
        may, own_id = scope.may(Capability.SETTINGS), scope.viewer.user_id
        with self._database.transaction(scope.guild_id) as session:
            row = session.get(Rows, (scope.guild_id, view_id), with_for_update=True)
            if row is None or not (row.shared or row.owner_id == own_id):
                return NotDone(
                    why="Somebody took this view away meanwhile.",
                    remedy="Set its filters in the case list again and save it, if you still need it.",
                )
            if (row.shared or shared) and not may:
                return NotDone(
                    why=f"“{row.name}” cannot be changed so: what is shared takes the capability “settings”.",
                    remedy="Open it and save it under another name for yourself, or ask an admin of this server.",
                )
            if row.owner_id != own_id and not shared:
                return NotDone(
                    why=f"“{row.name}” was saved by somebody else, and would be nobody’s but theirs.",
                    remedy="Forget it if nobody needs it, or leave it shared.",
                )
            same = select(Rows).where(Rows.guild_id == scope.guild_id, Rows.owner_id == row.owner_id, Rows.name == name)
            if name != row.name and session.scalars(same).first() is not None:
                return NotDone(
                    why=f"There is a view “{name}” already.",
                    remedy="Choose another name, or rename or forget that one first.",
                )
            before = {row.name: row.words} if row.shared else {}
            row.name, row.shared = name, shared
            self._record(session, scope, before, {name: row.words} if shared else {})
            return _view(row, scope)

    def forget(self, scope: GuildScope, view_id: UUID) -> NotDone | None:
        """Take a view away; None when it is gone, else why not."""
        with self._database.transaction(scope.guild_id) as session:
            row = session.get(Rows, (scope.guild_id, view_id))
            if row is None or not (row.shared or row.owner_id == scope.viewer.user_id):
                return None
            if row.shared and not scope.may(Capability.SETTINGS):
                return NotDone(
                    why=f"“{row.name}” is shared with everybody, and to take it away takes the capability “settings”.",
                    remedy="Leave it, or ask an admin of this server to take it away.",
                )
            gone = delete(Rows).where(Rows.guild_id == scope.guild_id, Rows.view_id == view_id)
            session.connection().execute(gone)
            self._record(session, scope, {row.name: row.words} if row.shared else {}, {})
        return None

    def _record(
        self, session: Session, scope: GuildScope, before: Mapping[str, object], after: Mapping[str, object]
    ) -> None:
        """What everybody sees is a setting of the server, and its changes are on record; one's own is nobody's."""
        if before == after:
            return
        facts = {
            when: {f"view “{name}”": shown.get(name, "none") for name in {**before, **after}}
            for when, shown in (("before", before), ("after", after))
        }
        actor_id = UserId(scope.viewer.user_id)
        entry = AuditEntry(guild_id=scope.guild_id, kind=AuditKind.SETTINGS_CHANGED, actor_id=actor_id, facts=facts)
        self._audit.append_in(session, entry)


def _view(row: Rows, scope: GuildScope) -> SavedView:
    return SavedView(
        view_id=row.view_id,
        name=row.name,
        words=row.words,
        shared=row.shared,
        own=row.owner_id == scope.viewer.user_id,
    )
