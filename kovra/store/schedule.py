"""The scheduler's view of the ends of punishments, across all guilds, and what it writes about them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, exists, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from kovra.actions.audit import AuditKind
from kovra.actions.checkpoint import nowhere
from kovra.actions.envelope import Sealed
from kovra.actions.request import Action, Refusal, State
from kovra.guard.endings import LOOK_AGAIN, OVERDUE_AFTER, End, EndState, LastTry, Settle, Wait, after_refusal
from kovra.ids import GuildId, UserId
from kovra.store.audit import AuditLog
from kovra.store.database import Database, enter_guild
from kovra.store.endings import end_of
from kovra.store.events import EventKind, append_event
from kovra.store.guilds import GuildScope
from kovra.store.people import people
from kovra.store.requests import audit_entry, new_row, request_facts
from kovra.store.tables import ActionRequests, Members, ScheduledEnds

#: How long an end that was given to one scheduler is not given to another: it has long been kept by then.
LEASE = timedelta(seconds=3)

_ENDS = ScheduledEnds


@dataclass(frozen=True, kw_only=True)
class OverdueEnd:
    """A punishment that should have ended, or been renewed, by now. ``failures``: tries in a row without success."""

    case_no: int
    punishment: Action
    target_id: UserId
    target_name: str
    due_at: datetime
    next_at: datetime
    failures: int


class _Changed(Exception):
    """Somebody else has moved this end since it was read; nothing of ours is kept."""


class Schedule:
    """What is due, and what was done about it. Several schedulers may work at once."""

    def __init__(self, database: Database, audit_key: bytes, at: Callable[[str], None] = nowhere) -> None:
        self._database = database
        self._audit = AuditLog(database, audit_key)
        self._at = at

    def due(self, limit: int) -> list[End]:
        """Ends whose time to look has come, the longest waiting first; they are the caller's for ``LEASE``."""
        now = self._database.now()
        waiting = select(_ENDS).where(_ENDS.state == EndState.OPEN.value, _ENDS.next_at <= now)
        with self._database.transaction(None) as session:
            moment = self._database.read_now(session)
            found = session.scalars(waiting.order_by(_ENDS.next_at).limit(limit)).all()
            guilds: dict[GuildId, list[UUID]] = defaultdict(list)
            for row in found:
                guilds[GuildId(row.guild_id)].append(row.request_id)
            mine: set[UUID] = set()
            tried: dict[UUID, LastTry] = {}
            for guild_id in sorted(guilds):
                # To take a row is to change it, which takes being in its guild.
                enter_guild(session, guild_id)
                mine |= _lease(session, guild_id, guilds[guild_id], moment)
                tried |= _tries(session, guild_id, [row.asked_request_id for row in found if row.asked_request_id])
            return [end_of(row, moment, tried.get(row.asked_request_id)) for row in found if row.request_id in mine]

    def wait(self, end: End, step: Wait) -> None:
        """Look at it again later."""
        changed: dict[str, Any] = {"next_at": step.until, "failures": step.failures}
        if step.forget_last:
            changed["asked_request_id"] = None
        with self._database.transaction(end.guild_id) as session:
            _move(session, end, **changed)

    def settle(self, end: End, step: Settle) -> bool:
        """Nothing is left to do; open pages are told. False when somebody was faster."""
        facts = {"case_no": end.case_no, "action": end.punishment.value, "target_id": str(end.target_id)}
        try:
            with self._database.transaction(end.guild_id) as session:
                append_event(session, end.guild_id, EventKind.CASE_UPDATED, None, facts)
                if not _move(session, end, state=step.state.value, settled_at=self._database.now()):
                    raise _Changed
        except _Changed:
            return False
        return True

    def ask(self, end: End, sealed: Sealed, refusal: Refusal | None) -> bool:
        """Keep the request for an end, accepted or refused, and note it on the end: one transaction.

        False when nothing was kept: somebody was faster, or the same is being done by another hand.
        """
        request = sealed.request
        try:
            with self._database.transaction(end.guild_id) as session:
                now = self._database.read_now(session)
                write = insert(ActionRequests).values(**new_row(sealed, refusal, now)).on_conflict_do_nothing()
                kept = session.connection().execute(write.returning(ActionRequests.request_id)).one_or_none()
                if kept is None:
                    _move(session, end, next_at=now + LOOK_AGAIN)
                    return False
                state = State.REJECTED if refusal else State.ACCEPTED
                told = EventKind.ACTION_REJECTED if refusal else EventKind.ACTION_QUEUED
                append_event(session, end.guild_id, told, request.request_id, request_facts(request, state))
                kind = AuditKind.ACTION_REJECTED if refusal else AuditKind.ACTION_ACCEPTED
                self._audit.append_in(session, audit_entry(kind, request, refusal))
                if refusal:
                    pause = after_refusal(replace(end, now=now))
                    moved: dict[str, Any] = {"next_at": pause.until, "failures": pause.failures}
                else:
                    moved = {"next_at": now + LOOK_AGAIN, "asked_request_id": request.request_id}
                if not _move(session, end, asked=end.asked + 1, **moved):
                    raise _Changed
                self._at("before_end_commit")
        except _Changed:
            return False
        return refusal is None

    def overdue(self, scope: GuildScope, limit: int = 50) -> list[OverdueEnd]:
        """What should have ended by now in this guild, oldest first.

        A mute is not renewed while its member is away: that is not late.
        """
        here = exists().where(
            Members.guild_id == _ENDS.guild_id, Members.user_id == _ENDS.target_id, Members.gone_at.is_(None)
        )
        late = (
            select(_ENDS)
            .where(
                _ENDS.guild_id == scope.guild_id,
                _ENDS.state == EndState.OPEN.value,
                _ENDS.due_at < self._database.now() - OVERDUE_AFTER,
                or_(_ENDS.punishment != Action.MUTE.value, and_(here, _ENDS.ends_at > self._database.now())),
            )
            .order_by(_ENDS.due_at)
            .limit(limit)
        )
        with self._database.transaction(scope.guild_id) as session:
            rows = session.scalars(late).all()
            now = self._database.read_now(session)
            known = people(session, scope.guild_id, [UserId(row.target_id) for row in rows], now)
            return [
                OverdueEnd(
                    case_no=row.case_no,
                    punishment=Action(row.punishment),
                    target_id=UserId(row.target_id),
                    target_name=known[UserId(row.target_id)].name,
                    due_at=row.due_at,
                    next_at=row.next_at,
                    failures=row.failures,
                )
                for row in rows
            ]


def _lease(session: Session, guild_id: GuildId, ids: Sequence[UUID], now: datetime) -> set[UUID]:
    """Take these, but for those that another scheduler has in its hands or has taken since they were read."""
    free = select(_ENDS.request_id).where(
        _ENDS.guild_id == guild_id,
        _ENDS.request_id.in_(ids),
        _ENDS.state == EndState.OPEN.value,
        _ENDS.next_at <= now,
    )
    lease = update(_ENDS).where(_ENDS.guild_id == guild_id)
    lease = lease.where(_ENDS.request_id.in_(free.with_for_update(skip_locked=True))).values(next_at=now + LEASE)
    return set(session.connection().execute(lease.returning(_ENDS.request_id)).scalars())


def _tries(session: Session, guild_id: GuildId, ids: Sequence[UUID]) -> dict[UUID, LastTry]:
    row = ActionRequests
    if not ids:
        return {}
    asked = select(row.request_id, row.state, row.refusal_kind, row.failure_kind)
    found = session.execute(asked.where(row.guild_id == guild_id, row.request_id.in_(ids)))
    return {one.request_id: LastTry(state=State(one.state), why=one.refusal_kind or one.failure_kind) for one in found}


def _move(session: Session, end: End, **changed: Any) -> bool:
    """Write on an end, unless it was settled or asked for since it was read."""
    move = update(_ENDS).where(
        _ENDS.guild_id == end.guild_id,
        _ENDS.request_id == end.request_id,
        _ENDS.state == EndState.OPEN.value,
        _ENDS.asked == end.asked,
        _ENDS.due_at == end.due_at,
    )
    return session.connection().execute(move.values(**changed)).rowcount == 1
