"""The executor's pen for cases that exist: a change, its entry in the thread, its event and audit entry at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from kovra.actions.audit import AuditKind
from kovra.actions.request import Action, State
from kovra.actions.rights import Standing
from kovra.guard.case import Case
from kovra.guard.case_acts import Change
from kovra.guard.claim import Claim
from kovra.guard.endings import ENDS_OF, EndState, due_at
from kovra.store.audit import AuditLog
from kovra.store.case_thread import append_entry
from kovra.store.casebook import case_of
from kovra.store.database import Database
from kovra.store.events import EventKind, append_event
from kovra.store.log_posts import want_edit
from kovra.store.requests import audit_entry, request_facts
from kovra.store.tables import ActionRequests, ModCases, ScheduledEnds

_AUDITED: Mapping[Action, AuditKind] = MappingProxyType(
    {
        Action.AMEND: AuditKind.CASE_AMENDED,
        Action.VOID: AuditKind.CASE_VOIDED,
        Action.RESEND: AuditKind.CASE_TOLD_AGAIN,
        Action.COMMENT: AuditKind.CASE_COMMENTED,
    }
)


class CaseChanges:
    """A part of :class:`~kovra.store.ledger.Ledger`."""

    _database: Database
    _audit: AuditLog
    _audit_key: bytes

    def case(self, claim: Claim) -> Case | None:
        """The case that the request is about, as it stands."""
        with self._database.transaction(claim.guild_id) as session:
            row = session.get(ModCases, (claim.guild_id, claim.request.case_no))
            return row and case_of(row)

    def amend(self, claim: Claim, *, standing: Standing, change: Change) -> Case:
        """Change the case, its end, its thread and the request's state, all in one.

        Raises:
            ClaimLost: another worker has claimed the request since.
        """
        request, guild_id = claim.request, claim.guild_id
        with self._database.transaction(guild_id) as session:
            now = self._database.read_now(session)
            self._applied(session, claim, now)
            # The counters before the case and its end, as finalise takes them.
            facts = request_facts(request, State.APPLIED) | {"case_no": request.case_no}
            append_event(session, guild_id, EventKind.CASE_UPDATED, request.request_id, facts)
            row = session.get_one(ModCases, (guild_id, request.case_no), with_for_update=True)
            before, after = _changed(row, change)
            _write(session, row, claim, change, now)
            if change.lasting:
                _move_end(session, row, change.ends_at, now)
            if request.action is not Action.COMMENT:
                want_edit(session.connection(), guild_id, row.case_no, now)
            append_entry(
                session,
                self._audit_key,
                guild_id,
                case_no=row.case_no,
                kind=request.action,
                author_id=request.moderator_id,
                author_name=standing.moderator.name,
                # What an amendment says is the new reason, which stands under what it changed.
                text="" if request.action is Action.AMEND else request.reason,
                before=before,
                after=after,
                request_id=request.request_id,
                now=now,
            )
            entry = audit_entry(_AUDITED[request.action], request, case_no=row.case_no, before=before, after=after)
            self._audit.append_in(session, entry)
            session.refresh(row)
            return case_of(row)

    def close(self, claim: Claim) -> None:
        """Nothing is left to do for a request about a case."""
        with self._database.transaction(claim.guild_id) as session:
            self._closed(session, claim)
            facts = request_facts(claim.request, State.DONE) | {"case_no": claim.request.case_no}
            append_event(session, claim.guild_id, EventKind.ACTION_DONE, claim.request_id, facts)


def _changed(row: ModCases, change: Change) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an entry keeps of the time before and after."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    if change.reason is not None:
        before["reason"], after["reason"] = row.reason, change.reason
    if change.lasting:
        before["ends_at"], after["ends_at"] = _iso(row.ends_at), _iso(change.ends_at)
    if change.tells:
        before["notice"] = row.notice_status
    return before, after


def _write(session: Session, row: ModCases, claim: Claim, change: Change, now: datetime) -> None:
    changed: dict[str, Any] = {}
    if change.reason is not None:
        changed["reason"] = change.reason
    if change.lasting:
        changed["ends_at"] = change.ends_at
    if change.voids:
        changed["voided_at"] = now
    if change.tells:
        mine = ActionRequests
        told = select(mine.notice_status, mine.notice_text, mine.notice_code, mine.notice_done_at)
        found = session.execute(told.where(mine.request_id == claim.request_id)).one()
        changed |= {
            "notice_status": found.notice_status,
            "notice_text": found.notice_text,
            "notice_code": found.notice_code,
            "notice_at": found.notice_done_at,
        }
    if changed:
        mine = update(ModCases).where(ModCases.guild_id == row.guild_id, ModCases.case_no == row.case_no)
        session.connection().execute(mine.values(**changed))


def _move_end(session: Session, row: ModCases, ends_at: datetime | None, now: datetime) -> None:
    """The end that Guard keeps: moved, made, or taken away."""
    end, punishment = ScheduledEnds, ENDS_OF[Action(row.action)]
    if ends_at is None:
        mine = update(end).where(end.guild_id == row.guild_id, end.request_id == row.request_id)
        settled = {"state": EndState.CANCELLED.value, "settled_at": now, "asked_request_id": None}
        session.connection().execute(mine.where(end.state == EndState.OPEN.value).values(**settled))
        return
    due = due_at(punishment, ends_at, now)
    begun = insert(end).values(
        request_id=row.request_id,
        guild_id=row.guild_id,
        target_id=row.target_id,
        punishment=punishment.value,
        case_no=row.case_no,
        state=EndState.OPEN.value,
        began_at=row.created_at,
        ends_at=ends_at,
        due_at=due,
        next_at=due,
    )
    # A new length also opens an end that an earlier amendment took away.
    moved = {"ends_at": ends_at, "due_at": due, "next_at": due, "failures": 0, "asked_request_id": None}
    moved |= {"state": EndState.OPEN.value, "settled_at": None, "settled_by": None}
    session.connection().execute(begun.on_conflict_do_update(index_elements=["request_id"], set_=moved))


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
