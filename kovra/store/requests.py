"""The queue of record as the doors use it: what became of an id, accept, and the status of one request."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select, text, update
from sqlalchemy import Uuid as UuidType
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from kovra.actions.audit import AuditEntry, AuditKind
from kovra.actions.budget import DEFAULT_LIMITS, Grant
from kovra.actions.envelope import Sealed
from kovra.actions.ports import Requests as RequestsPort
from kovra.actions.request import Action, ActionRequest, Receipt, Refusal, RefusalKind, Source, State
from kovra.errors import Conflict, Unavailable
from kovra.guard.case import NoticeStatus, PostStatus
from kovra.ids import GuildId, UserId
from kovra.store.audit import AuditLog
from kovra.store.budgets import budget_left, lock_moderator, over_budget
from kovra.store.database import Database
from kovra.store.events import EventKind, append_event
from kovra.store.guilds import GuildScope
from kovra.store.people import name_of
from kovra.store.tables import ActionRequests

#: A twin that ends between our insert and our look makes room for us; it will not happen this often in a row.
_TRIES = 5


@dataclass(frozen=True, kw_only=True)
class RequestStatus:
    """Where one request stands, for the toast and the page that has not heard of it.

    ``sentence`` is the refusal's or the failure's, None while there is nothing to explain. ``cancelled_by`` is a name.
    """

    request_id: UUID
    action: Action
    target_id: UserId
    target_name: str
    moderator_id: UserId
    source: Source
    state: State
    case_no: int | None
    sentence: str | None
    refusal: Refusal | None
    failure_kind: str | None
    notice: NoticeStatus | None
    notice_code: int | None
    post: PostStatus | None
    accepted_at: datetime | None
    done_at: datetime | None
    due_at: datetime | None
    cancelled_by: str | None = None


class Requests(RequestsPort):
    """Ask for actions. ``limits`` are the budgets of guilds that have not changed theirs."""

    def __init__(self, database: Database, audit_key: bytes, limits: Mapping[Action, int] = DEFAULT_LIMITS) -> None:
        self._database = database
        self._audit = AuditLog(database, audit_key)
        self._limits = limits

    def accept(self, sealed: Sealed, refusal: Refusal | None) -> Receipt:
        """Keep a request: budget, row, event and audit entry in one transaction.

        An earlier request with this id comes first and is given back as it stands now.

        Raises:
            Conflict: the id was used for another wish.
        """
        request = sealed.request
        with self._database.transaction(request.guild_id) as session:
            lock_moderator(session, request.guild_id, request.moderator_id)
            # An id of another guild is not looked for: the insert would find it.
            if earlier := _earlier(session, request, anywhere=False):
                return earlier
            now = self._database.read_now(session)
            refusal = refusal or over_budget(session, request, self._limits, now)
            for _ in range(_TRIES):
                if _insert(session, sealed, refusal, now):
                    return self._announce(session, request, refusal)
                if earlier := _earlier(session, request):
                    return earlier
                refusal = refusal or running_twin(session, request)
        raise Unavailable(f"{request.target_id} is being acted on again and again; nothing was kept")

    def mark_enqueued(self, receipt: Receipt) -> None:
        """Note that the lane took it. Best effort."""
        row = ActionRequests
        mark = update(row).where(row.guild_id == receipt.guild_id, row.request_id == receipt.request_id)
        try:
            # Lost, the relay brings an entry twice and the claim sees to it; nothing waits for this moment.
            with self._database.transaction(receipt.guild_id, wait_for_disk=False) as session:
                mark = mark.where(row.enqueued_at.is_(None)).values(enqueued_at=self._database.now())
                session.connection().execute(mark)
        except Unavailable:
            return  # the relay will bring an entry that the lane already has; the claim sees to it

    def progress(self, guild_id: GuildId, request_id: UUID) -> RequestStatus | None:
        """Where a request stands, for the process that has submitted it itself."""
        with self._database.transaction(guild_id) as session:
            row = session.get(ActionRequests, request_id)
            if row is None or row.guild_id != guild_id:
                return None
            by = name_of(session, guild_id, UserId(row.cancelled_by)) if row.cancelled_by is not None else None
            return _status(row, name_of(session, guild_id, UserId(row.target_id)), by)

    def status(self, scope: GuildScope, request_id: UUID) -> RequestStatus | None:
        """Where a request of this guild stands; None when the guild has none of this id."""
        return self.progress(scope.guild_id, request_id)

    def budget(self, scope: GuildScope, action: Action) -> Grant | None:
        """What one more action of this kind would be granted to the viewer now; None where there is no budget.

        For a page to show beforehand; what counts is decided again when the request is accepted.
        """
        with self._database.transaction(scope.guild_id) as session:
            now = self._database.read_now(session)
            return budget_left(session, scope.guild_id, scope.viewer.user_id, action, self._limits, now)

    def _announce(self, session: Session, request: ActionRequest, refusal: Refusal | None) -> Receipt:
        """The event and the audit entry, after everything that may wait or fail: they hold the guild's counters."""
        state = State.REJECTED if refusal else State.ACCEPTED
        kind = EventKind.ACTION_REJECTED if refusal else EventKind.ACTION_QUEUED
        append_event(session, request.guild_id, kind, request.request_id, request_facts(request, state))
        audit_kind = AuditKind.ACTION_REJECTED if refusal else AuditKind.ACTION_ACCEPTED
        self._audit.append_in(session, audit_entry(audit_kind, request, refusal))
        return Receipt(
            request_id=request.request_id,
            guild_id=request.guild_id,
            action=request.action,
            target_id=request.target_id,
            state=state,
            refusal=refusal,
        )


def fingerprint(request: ActionRequest) -> bytes:
    """What is kept of a wish to know it again: 32 bytes."""
    return hashlib.sha256(request.fingerprint().encode()).digest()


def request_facts(request: ActionRequest, state: State) -> dict[str, str | int | None]:
    """The facts of every ``action.*`` event."""
    of_job = {} if request.batch_id is None else {"batch_id": str(request.batch_id)}
    return of_job | {
        "request_id": str(request.request_id),
        "action": request.action.value,
        "target_id": str(request.target_id),
        "moderator_id": str(request.moderator_id),
        "state": state.value,
        "source": request.source.value,
    }


#: What :func:`row_facts` reads.
FACT_COLUMNS = tuple(
    getattr(ActionRequests, name)
    for name in ("request_id", "action", "target_id", "moderator_id", "source", "batch_id")
)


def row_facts(row: Row[Any]) -> dict[str, str | int | None]:
    """The facts of a request whose bytes were not opened, from its :data:`FACT_COLUMNS`."""
    of_job = {} if row.batch_id is None else {"batch_id": str(row.batch_id)}
    return of_job | {
        "request_id": str(row.request_id),
        "action": row.action,
        "target_id": str(row.target_id),
        "moderator_id": str(row.moderator_id),
        "source": row.source,
    }


def audit_entry(kind: AuditKind, request: ActionRequest, refusal: Refusal | None = None, **more: Any) -> AuditEntry:
    """The audit entry about a request: what was asked, and why not."""
    of_job = {"batch_id": request.batch_id, "releases": request.releases}
    facts: dict[str, Any] = {
        "request_id": str(request.request_id),
        "action": request.action.value,
        "target_id": str(request.target_id),
        "source": request.source.value,
        "params": dict(request.params),
        "reason": request.reason,
        **{name: str(value) for name, value in of_job.items() if value is not None},
        **more,
    }
    if refusal:
        facts |= {"refusal": refusal.kind.value, "sentence": refusal.sentence}
    return AuditEntry(guild_id=request.guild_id, kind=kind, actor_id=request.moderator_id, facts=facts)


def _earlier(session: Session, request: ActionRequest, *, anywhere: bool = True) -> Receipt | None:
    """The earlier request of this id, in this guild or (which is only ever a Conflict) ``anywhere``."""
    row = session.get(ActionRequests, request.request_id, populate_existing=True)
    if row is None:
        if not anywhere:
            return None
        # Row-level security hides the rows of other guilds; that an id is taken there is all that is told.
        taken = text("SELECT kovra_request_taken(:id)").bindparams(
            bindparam("id", request.request_id, type_=UuidType())
        )
        if session.scalars(taken).one():
            raise Conflict("this request id was used before for something else")
        return None
    if row.guild_id != request.guild_id or not hmac.compare_digest(row.fingerprint, fingerprint(request)):
        raise Conflict("this request id was used before for something else")
    return receipt_of(row)


def receipt_of(row: ActionRequests) -> Receipt:
    """An earlier request as it stands now."""
    return Receipt(
        request_id=row.request_id,
        guild_id=GuildId(row.guild_id),
        action=Action(row.action),
        target_id=UserId(row.target_id),
        state=State(row.state),
        refusal=_refusal(row),
        case_no=row.case_no,
        replay=True,
    )


def _insert(session: Session, sealed: Sealed, refusal: Refusal | None, now: datetime) -> bool:
    """Write the row; False when its id is taken or its twin is live, which a constraint decides and not a look."""
    written = insert(ActionRequests).values(**new_row(sealed, refusal, now)).on_conflict_do_nothing()
    return session.connection().execute(written.returning(ActionRequests.request_id)).one_or_none() is not None


def new_row(sealed: Sealed, refusal: Refusal | None, now: datetime) -> dict[str, Any]:
    """A request as it is first written: accepted, or rejected with its refusal."""
    request = sealed.request
    row: dict[str, Any] = {
        "request_id": request.request_id,
        "guild_id": request.guild_id,
        "action": request.action.value,
        "target_id": request.target_id,
        "moderator_id": request.moderator_id,
        "source": request.source.value,
        "body": sealed.body,
        "kid": sealed.kid,
        "sig": sealed.sig,
        "fingerprint": fingerprint(request),
        "issued_at": request.issued_at,
        "created_at": now,
        "expires_at": sealed.expires_at,
        "batch_id": request.batch_id,
        "releases": request.releases,
    }
    if refusal:
        row |= {"state": State.REJECTED.value, "done_at": now, "refusal_kind": refusal.kind.value}
        row |= {"refusal_sentence": refusal.sentence, "refusal_until": refusal.until}
    else:
        row |= {"state": State.ACCEPTED.value, "accepted_at": now}
    return row


def running_twin(session: Session, request: ActionRequest) -> Refusal | None:
    row = ActionRequests
    live = select(row.request_id, row.moderator_id, row.state).where(
        row.guild_id == request.guild_id,
        row.action == request.action.value,
        row.target_id == request.target_id,
        row.state.in_([State.ACCEPTED.value, State.EXECUTING.value]),
    )
    twin = session.execute(live).first()
    if twin is None:
        return None
    by = (
        "you"
        if twin.moderator_id == request.moderator_id
        else name_of(session, request.guild_id, UserId(twin.moderator_id))
    )
    target = name_of(session, request.guild_id, request.target_id)
    return Refusal(
        kind=RefusalKind.RUNNING,
        sentence=(
            f"A {request.action} of {target} is already {_STANDING[State(twin.state)]}, asked for by {by} "
            f"(request {twin.request_id}). Nothing was added; wait for its result."
        ),
    )


_STANDING = {State.ACCEPTED: "queued", State.EXECUTING: "running"}


def _refusal(row: ActionRequests) -> Refusal | None:
    if row.refusal_kind is None:
        return None
    return Refusal(kind=RefusalKind(row.refusal_kind), sentence=row.refusal_sentence or "", until=row.refusal_until)


def _status(row: ActionRequests, target_name: str, cancelled_by: str | None) -> RequestStatus:
    return RequestStatus(
        request_id=row.request_id,
        action=Action(row.action),
        target_id=UserId(row.target_id),
        target_name=target_name,
        moderator_id=UserId(row.moderator_id),
        source=Source(row.source),
        state=State(row.state),
        case_no=row.case_no,
        sentence=row.refusal_sentence or row.failure_sentence,
        refusal=_refusal(row),
        failure_kind=row.failure_kind,
        notice=NoticeStatus(row.notice_status) if row.notice_status else None,
        notice_code=row.notice_code,
        post=PostStatus(row.post_status) if row.post_status else None,
        accepted_at=row.accepted_at,
        done_at=row.done_at,
        due_at=row.due_at,
        cancelled_by=cancelled_by,
    )
