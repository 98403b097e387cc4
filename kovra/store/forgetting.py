"""What a server does not keep for ever: evidence outlives its term, and what was said in it is deleted.

The case stays, with its number, and so does the fact that it stood on a message: whose, where, when, and the SHA-256 of
each file. What the message said is gone.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, CursorResult, delete, exists, func, select, update
from sqlalchemy.orm import Session

from kovra.actions.audit import AuditEntry, AuditKind
from kovra.guard.evidence import FileStatus
from kovra.ids import GuildId
from kovra.store.audit import AuditLog
from kovra.store.database import Database
from kovra.store.events import EventKind, append_events
from kovra.store.people import CLOSED_FOR
from kovra.store.tables import ClosedDms, Evidence, EvidenceFiles, GuildSettings, ModCases

#: The word in a server's settings for how long it keeps evidence, in days.
EVIDENCE_DAYS = "evidence_days"

#: So many messages of a server are forgotten in one transaction, which is one look: a term that was made shorter is
#: worked off over several, and nobody waits for it.
AT_ONCE = 100

#: A file that has not come by now is fetched by nobody any more: the bot was stopped while it waited.
LOST_AFTER = timedelta(hours=1)


class Forgetting:
    """Forget evidence whose term is over. For workers; several at once take different messages."""

    def __init__(self, database: Database, audit_key: bytes, at_once: int = AT_ONCE) -> None:
        self._database, self._audit, self._at_once = database, AuditLog(database, audit_key), at_once

    def forget_everywhere(self) -> int:
        """Forget what has outlived its server's term, at most so many of each; how many messages were forgotten."""
        with self._database.transaction(None) as session:
            guild_ids = session.scalars(select(func.kovra_guilds_with_outlived_evidence(self._database.now()))).all()
        return sum(self._forget(GuildId(guild_id)) for guild_id in guild_ids)

    def give_up_files_everywhere(self) -> int:
        """Say of files that nobody fetches any more that they are lost; how many."""
        with self._database.transaction(None) as session:
            guild_ids = session.scalars(select(func.kovra_guilds_with_waiting_files())).all()
        return sum(self._give_up_files(GuildId(guild_id)) for guild_id in guild_ids)

    def open_dms_everywhere(self) -> int:
        """Delete refusals of DMs by which nobody goes any more; how many."""
        before = self._database.now() - CLOSED_FOR
        with self._database.transaction(None) as session:
            guild_ids = session.scalars(select(func.kovra_guilds_with_closed_dms_before(before))).all()
        return sum(self._open_dms(GuildId(guild_id), before) for guild_id in guild_ids)

    def _forget(self, guild_id: GuildId) -> int:
        row, of_file = Evidence, EvidenceFiles
        with self._database.transaction(guild_id) as session:
            now, line = self._database.read_now(session), session.connection()
            days = session.scalars(select(GuildSettings.retention).where(GuildSettings.guild_id == guild_id)).one()
            if EVIDENCE_DAYS not in days:
                return 0  # taken back since the look
            outlived = (
                select(row.request_id)
                .where(
                    row.guild_id == guild_id,
                    ~row.loose,
                    row.forgotten_at.is_(None),
                    row.kept_at < now - timedelta(days=days[EVIDENCE_DAYS]),
                )
                .order_by(row.kept_at)
                .limit(self._at_once)
                .with_for_update(skip_locked=True)
            )
            ids = session.scalars(outlived).all()
            if not ids:
                return 0
            emptied = {"content": "", "embeds": [], "forwarded": [], "author_name": "", "forgotten_at": now}
            line.execute(update(row).where(row.guild_id == guild_id, row.request_id.in_(ids)).values(emptied))
            gone = {"status": FileStatus.FORGOTTEN.value, "content": None, "filename": "", "url": ""}
            line.execute(update(of_file).where(of_file.guild_id == guild_id, of_file.request_id.in_(ids)).values(gone))
            self._tell(session, guild_id, ids, days[EVIDENCE_DAYS])
            return len(ids)

    def _tell(self, session: Session, guild_id: GuildId, ids: list[UUID], days: int) -> None:
        """On record and to open pages: which cases stood on it."""
        columns = (ModCases.case_no, ModCases.action, ModCases.target_id)
        theirs = select(*columns).where(ModCases.guild_id == guild_id, ModCases.request_id.in_(ids))
        cases = session.execute(theirs.order_by(ModCases.case_no)).all()
        told: list[Any] = [
            (
                EventKind.CASE_UPDATED,
                None,
                {"case_no": one.case_no, "action": one.action, "target_id": str(one.target_id)},
            )
            for one in cases
        ]
        append_events(session, guild_id, told)
        facts = {"messages": len(ids), "days": days, "cases": [one.case_no for one in cases]}
        entry = AuditEntry(guild_id=guild_id, kind=AuditKind.EVIDENCE_FORGOTTEN, actor_id=None, facts=facts)
        self._audit.append_in(session, entry)

    def _open_dms(self, guild_id: GuildId, before: ColumnElement[datetime]) -> int:
        old = delete(ClosedDms).where(ClosedDms.guild_id == guild_id, ClosedDms.refused_at < before)
        with self._database.transaction(guild_id) as session:
            gone: CursorResult[Any] = session.connection().execute(old)
            return gone.rowcount

    def _give_up_files(self, guild_id: GuildId) -> int:
        row, before = EvidenceFiles, self._database.now() - LOST_AFTER
        old = exists().where(
            Evidence.guild_id == row.guild_id, Evidence.request_id == row.request_id, Evidence.kept_at < before
        )
        waiting = update(row).where(row.guild_id == guild_id, row.status == FileStatus.WAITING.value, old)
        with self._database.transaction(guild_id) as session:
            lost: CursorResult[Any] = session.connection().execute(waiting.values(status=FileStatus.LOST.value))
            return lost.rowcount
