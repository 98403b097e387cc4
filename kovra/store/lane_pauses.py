"""Which lanes are paused. The row is the decision; the lane itself follows it, and is told again when it forgets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, text
from sqlalchemy.dialects.postgresql import insert

from kovra.actions.audit import AuditEntry, AuditKind
from kovra.actions.capabilities import Capability
from kovra.actions.lanes import TAKES_QUEUE_OPS
from kovra.ids import GuildId, UserId
from kovra.store.audit import AuditLog
from kovra.store.database import Database
from kovra.store.events import EventKind, append_event
from kovra.store.guilds import GuildScope
from kovra.store.people import name_of
from kovra.store.tables import LanePauses as Rows

_EVERYWHERE = text("SELECT * FROM kovra_paused_lanes()")


@dataclass(frozen=True, kw_only=True)
class LanePause:
    """Who paused a lane, and when."""

    paused_at: datetime
    paused_by: UserId
    paused_by_name: str


class LanePauses:
    """Pause and resume the lane of a guild. Meanwhile actions are accepted, and wait until their time runs out."""

    def __init__(self, database: Database, audit_key: bytes) -> None:
        self._database = database
        self._audit = AuditLog(database, audit_key)

    def of(self, scope: GuildScope) -> LanePause | None:
        """Whether the lane is paused, and by whom."""
        with self._database.transaction(scope.guild_id) as session:
            row = session.get(Rows, scope.guild_id)
            if row is None:
                return None
            name = name_of(session, scope.guild_id, UserId(row.paused_by))
            return LanePause(paused_at=row.paused_at, paused_by=UserId(row.paused_by), paused_by_name=name)

    def change(self, scope: GuildScope, paused: bool) -> str | None:
        """Write down that the lane is paused, or open; None when it is so, else why not. Said twice, it is kept once.

        The lane is then to be told: ``LaneDesk.pause``.
        """
        if not scope.may(Capability.QUEUE_OPS):
            return TAKES_QUEUE_OPS
        actor_id = scope.viewer.user_id
        with self._database.transaction(scope.guild_id) as session:
            now = self._database.read_now(session)
            row = {"guild_id": scope.guild_id, "paused_at": now, "paused_by": actor_id}
            pause = insert(Rows).values(**row).on_conflict_do_nothing().returning(Rows.guild_id)
            resume = delete(Rows).where(Rows.guild_id == scope.guild_id).returning(Rows.guild_id)
            if not session.scalars(pause if paused else resume).all():
                return None
            facts = {"state": "paused" if paused else "open"}
            append_event(session, scope.guild_id, EventKind.LANE_CHANGED, None, facts)
            kind = AuditKind.LANE_PAUSED if paused else AuditKind.LANE_RESUMED
            self._audit.append_in(session, AuditEntry(guild_id=scope.guild_id, kind=kind, actor_id=actor_id))
        return None

    def touched(self, scope: GuildScope) -> None:
        """Tell open pages that a dead letter of the lane was decided about; they look again."""
        with self._database.transaction(scope.guild_id) as session:
            append_event(session, scope.guild_id, EventKind.LANE_CHANGED, None, {"state": "letters"})

    def everywhere(self) -> list[GuildId]:
        """The guilds whose lane is paused. For the worker."""
        with self._database.transaction(None) as session:
            return [GuildId(guild_id) for guild_id in session.scalars(_EVERYWHERE)]
