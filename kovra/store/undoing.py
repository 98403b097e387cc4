"""What there is to take back: the cases of a batch, or of a moderator's last minutes, and what still waits of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from kovra.actions.request import BY_HAND, Action, State
from kovra.actions.reverse import Found, Undo
from kovra.ids import GuildId, UserId
from kovra.store.audit import AuditLog
from kovra.store.cancelling import cancel_waiting
from kovra.store.database import Database
from kovra.store.holding import REPLACED_BY, holds, replaced, reversed_by
from kovra.store.tables import ActionRequests, Jobs, ModCases, ScheduledEnds


class Undoing:
    """The port ``actions.reverse.Undoing``."""

    def __init__(self, database: Database, audit_key: bytes) -> None:
        self._database = database
        self._audit = AuditLog(database, audit_key)

    def case(self, guild_id: GuildId, case_no: int) -> Undo | None:
        """One case; None when the guild has none of this number."""
        with self._database.transaction(guild_id) as session:
            found = self._cases(session, guild_id, ModCases.case_no == case_no, 1)
            return found[0] if found else None

    def some(self, guild_id: GuildId, numbers: Sequence[int]) -> Sequence[Undo]:
        """These cases, the newest first, without those that take another one back."""
        with self._database.transaction(guild_id) as session:
            return self._cases(session, guild_id, ModCases.case_no.in_(numbers), len(numbers))

    def batch(self, guild_id: GuildId, batch_id: UUID, most: int) -> Found:
        """All of a mass action."""
        with self._database.transaction(guild_id) as session:
            job = session.get(Jobs, batch_id)
            whose = UserId(job.moderator_id) if job is not None and job.guild_id == guild_id else None
            cases = self._cases(session, guild_id, ModCases.batch_id == batch_id, most + 1)
            waiting = self._waiting(session, guild_id, ActionRequests.batch_id == batch_id)
            return Found(moderator_id=whose, cases=cases[:most], waiting=waiting, more=len(cases) > most)

    def by_moderator(self, guild_id: GuildId, moderator_id: UserId, minutes: int, most: int) -> Found:
        """What somebody asked for with their own hand in the last minutes."""
        with self._database.transaction(guild_id) as session:
            since = self._database.read_now(session) - timedelta(minutes=minutes)
            by_hand = [source.value for source in BY_HAND]
            mine = (ModCases.moderator_id == moderator_id) & ModCases.source.in_(by_hand)
            cases = self._cases(session, guild_id, mine & (ModCases.created_at >= since), most + 1)
            row = ActionRequests
            asked = (row.moderator_id == moderator_id) & row.source.in_(by_hand) & (row.accepted_at >= since)
            waiting = self._waiting(session, guild_id, asked)
            return Found(moderator_id=moderator_id, cases=cases[:most], waiting=waiting, more=len(cases) > most)

    def cancel(self, guild_id: GuildId, request_ids: Sequence[UUID], by_id: UserId) -> Sequence[UUID]:
        """Cancel those that still wait; says which."""
        with self._database.transaction(guild_id) as session:
            return cancel_waiting(session, self._database, self._audit, guild_id, request_ids, by_id)

    def _cases(self, session: Session, guild_id: GuildId, which: ColumnElement[bool], most: int) -> list[Undo]:
        wanted = (
            select(ModCases, replaced().label("replaced"), ScheduledEnds.state.label("end_state"))
            .add_columns(reversed_by().label("reversed_by"))
            .outerjoin(ScheduledEnds, ScheduledEnds.request_id == ModCases.request_id)
            # What takes something back is not itself taken back with it.
            .where(ModCases.guild_id == guild_id, which, ModCases.reverses.is_(None))
            .order_by(ModCases.case_no.desc())
            .limit(most)
        )
        now = self._database.read_now(session)
        return [_undo(found, now) for found in session.execute(wanted)]

    @staticmethod
    def _waiting(session: Session, guild_id: GuildId, which: ColumnElement[bool]) -> list[UUID]:
        row = ActionRequests
        mine = row.guild_id == guild_id, row.state == State.ACCEPTED.value, row.reverses.is_(None)
        return list(session.scalars(select(row.request_id).where(*mine, which).order_by(row.request_id)))


def _undo(found: Any, now: datetime) -> Undo:
    case, action = found[0], Action(found[0].action)
    return Undo(
        case_no=case.case_no,
        action=action,
        target_id=UserId(case.target_id),
        target_name=case.target_name,
        role_id=case.params.get("role_id"),
        holds=holds(found, now) if action in REPLACED_BY else None,
        reversed_by=found.reversed_by,
    )
