"""What failed or gave up, for operators: why, and what a person decides about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from kovra.actions.audit import AuditEntry, AuditKind
from kovra.actions.capabilities import Capability
from kovra.actions.lanes import TAKES_QUEUE_OPS
from kovra.actions.request import Action, Source, State
from kovra.actions.submit import LIFETIME
from kovra.ids import UserId
from kovra.store.audit import AuditLog
from kovra.store.database import Database
from kovra.store.events import EventKind, append_event
from kovra.store.guilds import GuildScope
from kovra.store.people import names_of
from kovra.store.requests import row_facts
from kovra.store.tables import ActionRequests

_RETRY = text("SELECT kovra_retry_dead(:id, :wanted_until)")
_DISCARD = text("SELECT kovra_discard_dead(:id, :by_id, :moment)")

#: What can be broken.
BROKEN = frozenset({State.FAILED, State.DEAD})


@dataclass(frozen=True, kw_only=True)
class BrokenRequest:
    """One request that failed or gave up. ``discarded_by`` names who has seen to it."""

    request_id: UUID
    action: Action
    source: Source
    target_id: UserId
    target_name: str
    moderator_id: UserId
    moderator_name: str
    state: State
    kind: str
    sentence: str
    code: int | None
    attempts: int
    case_no: int | None
    accepted_at: datetime | None
    done_at: datetime
    discarded_by: str | None


class BrokenRequests:
    """List them, and want a dead one again or see to it; to decide takes ``queue_ops``."""

    def __init__(self, database: Database, audit_key: bytes) -> None:
        self._database = database
        self._audit = AuditLog(database, audit_key)

    def newest(
        self,
        scope: GuildScope,
        *,
        states: Collection[State] = BROKEN,
        before: datetime | None = None,
        limit: int = 50,
        discarded: bool = False,
    ) -> list[BrokenRequest]:
        """A page of them, newest end first; ``before`` is the end of the last one of the page before.

        Dead ones that somebody has seen to are shown only when asked for.
        """
        row = ActionRequests
        page = select(row).where(row.guild_id == scope.guild_id, row.state.in_([state.value for state in states]))
        if not discarded:
            page = page.where(row.discarded_at.is_(None))
        if not scope.may(Capability.VIEW_NOTES):
            page = page.where(row.action != Action.NOTE.value)
        if before is not None:
            page = page.where(row.done_at < before)
        with self._database.transaction(scope.guild_id) as session:
            found = session.scalars(page.order_by(row.done_at.desc()).limit(limit)).all()
            who = {
                UserId(user_id) for one in found for user_id in (one.target_id, one.moderator_id, one.discarded_by or 0)
            }
            names = names_of(session, scope.guild_id, who - {0}, self._database.read_now(session))
            return [_broken(one, names) for one in found]

    def one(self, scope: GuildScope, request_id: UUID) -> BrokenRequest | None:
        """One that failed or gave up; None when there is none of this id, or none for this reader."""
        row = ActionRequests
        wanted = select(row).where(
            row.guild_id == scope.guild_id,
            row.request_id == request_id,
            row.state.in_([state.value for state in BROKEN]),
        )
        with self._database.transaction(scope.guild_id) as session:
            found = session.scalars(wanted).one_or_none()
            if found is None or (found.action == Action.NOTE.value and not scope.may(Capability.VIEW_NOTES)):
                return None
            who = {UserId(user_id) for user_id in (found.target_id, found.moderator_id, found.discarded_by or 0)}
            return _broken(found, names_of(session, scope.guild_id, who - {0}, self._database.read_now(session)))

    def retry(self, scope: GuildScope, request_id: UUID) -> str | None:
        """Want a dead request again, for as long as a new one; None when it is queued, else why not.

        Nothing is trusted from before: rights are checked at its turn, and if an earlier attempt may have acted, Guard
        looks first. With a case only its messages are sent. The relay brings it to its lane.
        """
        if not scope.may(Capability.QUEUE_OPS):
            return TAKES_QUEUE_OPS
        try:
            with self._database.transaction(scope.guild_id) as session:
                wanted_until = self._database.read_now(session) + LIFETIME
                if not session.scalars(_RETRY, {"id": request_id, "wanted_until": wanted_until}).all():
                    return "Not queued: only a request that gave up, and that nobody has discarded, can be tried again."
                state = self._record(session, scope, request_id, EventKind.ACTION_QUEUED, AuditKind.ACTION_RETRIED)
                assert state in (State.ACCEPTED, State.APPLIED)
        except IntegrityError:
            return "Not queued: the same is under way for this person already. Wait for its result."
        return None

    def discard(self, scope: GuildScope, request_id: UUID) -> str | None:
        """See to a dead request: it stays dead and leaves the list; None when done, else why not."""
        if not scope.may(Capability.QUEUE_OPS):
            return TAKES_QUEUE_OPS
        with self._database.transaction(scope.guild_id) as session:
            asked = {"id": request_id, "by_id": scope.viewer.user_id, "moment": self._database.read_now(session)}
            if not session.scalars(_DISCARD, asked).all():
                return "Not discarded: only a request that gave up, and that nobody has discarded, can be."
            self._record(session, scope, request_id, EventKind.ACTION_DISCARDED, AuditKind.ACTION_DISCARDED)
        return None

    def _record(
        self, session: Session, scope: GuildScope, request_id: UUID, event: EventKind, kind: AuditKind
    ) -> State:
        row = session.get_one(ActionRequests, request_id, populate_existing=True)
        facts = row_facts(row)
        append_event(session, scope.guild_id, event, request_id, facts | {"state": row.state})
        entry = AuditEntry(guild_id=scope.guild_id, kind=kind, actor_id=scope.viewer.user_id, facts=facts)
        self._audit.append_in(session, entry)
        return State(row.state)


def _broken(row: ActionRequests, names: Mapping[UserId, str]) -> BrokenRequest:
    assert row.done_at is not None
    return BrokenRequest(
        request_id=row.request_id,
        action=Action(row.action),
        source=Source(row.source),
        target_id=UserId(row.target_id),
        target_name=names[UserId(row.target_id)],
        moderator_id=UserId(row.moderator_id),
        moderator_name=names[UserId(row.moderator_id)],
        state=State(row.state),
        kind=row.failure_kind or "",
        sentence=row.failure_sentence or "",
        code=row.failure_code,
        attempts=row.attempts,
        case_no=row.case_no,
        accepted_at=row.accepted_at,
        done_at=row.done_at,
        discarded_by=names[UserId(row.discarded_by)] if row.discarded_by is not None else None,
    )
