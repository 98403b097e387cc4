"""The queue of record as the doors use it: what became of an id, accept, and the status of one request."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    DateTime,
    Row,
    Select,
    Text,
    Update,
    and_,
    bindparam,
    func,
    select,
    update,
)
from sqlalchemy import Uuid as UuidType
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.orm import Session, aliased

from kovra.actions.audit import AuditEntry, AuditKind
from kovra.actions.budget import DEFAULT_LIMITS, Grant
from kovra.actions.checkpoint import nowhere
from kovra.actions.envelope import Sealed
from kovra.actions.ports import Requests as RequestsPort
from kovra.actions.request import CASE_ACTS, Action, ActionRequest, Receipt, Refusal, RefusalKind, Source, State
from kovra.errors import Conflict, Unavailable
from kovra.guard.case import NoticeStatus, PostStatus
from kovra.ids import GuildId, UserId
from kovra.store.audit import AuditLog
from kovra.store.budgets import budget_left, limits_with, moderators_turn, over_budget, spent_by
from kovra.store.database import Database, run
from kovra.store.events import EventKind, event_told_of
from kovra.store.guilds import GuildScope
from kovra.store.people import name_of
from kovra.store.prepared import Prepared
from kovra.store.tables import ActionRequests, GuildSettings
from kovra.store.twins import running_twin
from kovra.store.warming import NO_GUILD, NO_USER

#: A twin that ends between our insert and our look makes room for us; it will not happen this often in a row.
_TRIES = 5

#: Of these any number may be under way on one person, as the index of live requests has it.
MANY_AT_ONCE = frozenset({Action.WARN, Action.NOTE, Action.PURGE, Action.ROLE_ADD, Action.ROLE_REMOVE}) | CASE_ACTS

#: What a receipt is made of, and what accept writes.
_RECEIPT = (
    *("request_id", "guild_id", "fingerprint", "action", "target_id", "state", "case_no"),
    *("refusal_kind", "refusal_sentence", "refusal_until"),
)
_KEPT = frozenset(
    {
        *("request_id", "guild_id", "action", "target_id", "moderator_id", "source", "body", "kid", "sig"),
        *("fingerprint", "issued_at", "created_at", "expires_at", "accepted_at", "state", "done_at"),
        *("batch_id", "releases", "reverses", "refusal_kind", "refusal_sentence", "refusal_until"),
    }
)


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
    """Ask for actions. ``limits`` are the budgets of guilds that have not changed theirs; ``at`` is for tests."""

    def __init__(
        self,
        database: Database,
        audit_key: bytes,
        limits: Mapping[Action, int] = DEFAULT_LIMITS,
        at: Callable[[str], None] = nowhere,
    ) -> None:
        self._at = at
        self._database = database
        self._audit = AuditLog(database, audit_key)
        self._limits = limits
        self._look, self._kept, self._mark = map(Prepared, (self._looking(), self._keeping(), self._marking()))

    def accept(self, sealed: Sealed, refusal: Refusal | None) -> Receipt:
        """Keep a request: budget, row, event and audit entry in one transaction.

        An earlier request with this id comes first and is given back as it stands now.

        Raises:
            Conflict: the id was used for another wish.
        """
        request = sealed.request
        turn = moderators_turn(request.guild_id, request.moderator_id)
        with self._database.transaction(request.guild_id, first=turn) as session:
            seen = run(session.connection(), self._look, _asked(request)).one()
            # An id of another guild is not looked for: the insert would find it.
            if seen.request_id is not None:
                return same_wish(seen, request)
            limits = limits_with(seen.budgets, self._limits)
            refusal = refusal or over_budget(session, request, limits, seen.spent, seen.now)
            for _ in range(_TRIES):
                if receipt := self._keep(session, sealed, refusal, seen.now):
                    return receipt
                if earlier := _earlier(session, request):
                    return earlier
                refusal = refusal or running_twin(session, request, seen.now)
        raise Unavailable(f"{request.target_id} is being acted on again and again; nothing was kept")

    def warm(self) -> None:
        """Look for a request of nobody's, for :mod:`kovra.store.warming`."""
        nobody = {"in_guild": NO_GUILD, "by_moderator": NO_USER, "of_action": "", "of_request": UUID(int=0)}
        with self._database.transaction(NO_GUILD, first=moderators_turn(NO_GUILD, NO_USER)) as session:
            run(session.connection(), self._look, nobody)
        self._database.once(NO_GUILD, self._mark, nobody)

    def mark_enqueued(self, receipt: Receipt) -> None:
        """Note that the lane took it. Best effort."""
        mine = {"in_guild": receipt.guild_id, "of_request": receipt.request_id}
        try:
            # Lost, the relay brings an entry twice and the claim sees to it; nothing waits for this moment.
            self._database.once(receipt.guild_id, self._mark, mine, wait_for_disk=False)
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

    def running(self, scope: GuildScope, request: ActionRequest) -> Refusal | None:
        """The refusal that this request would meet because the same is under way; for a page to say beforehand."""
        if request.action in MANY_AT_ONCE:
            return None
        with self._database.transaction(scope.guild_id) as session:
            return running_twin(session, request, self._database.read_now(session))

    def budget(self, scope: GuildScope, action: Action) -> Grant | None:
        """What one more action of this kind would be granted to the viewer now; None where there is no budget.

        For a page to show beforehand; what counts is decided again when the request is accepted.
        """
        with self._database.transaction(scope.guild_id) as session:
            now = self._database.read_now(session)
            return budget_left(session, scope.guild_id, scope.viewer.user_id, action, self._limits, now)

    def _marking(self) -> Update:
        row = ActionRequests
        mine = row.guild_id == bindparam("in_guild", type_=BigInteger), row.request_id == bindparam("of_request")
        return update(row).where(*mine, row.enqueued_at.is_(None)).values(enqueued_at=self._database.now())

    def _looking(self) -> Select[Any]:
        """All that accept must know, in one trip with the lock that it comes after."""
        row, moment = aliased(ActionRequests), select(self._database.now().label("now")).cte("moment")
        guild_id, moderator_id = (bindparam(name, type_=BigInteger) for name in ("in_guild", "by_moderator"))
        spent = spent_by(guild_id, moderator_id, bindparam("of_action", type_=Text), moment.c.now)
        earlier = and_(row.guild_id == guild_id, row.request_id == bindparam("of_request", type_=UuidType))
        return (
            select(
                moment.c.now,
                GuildSettings.budgets,
                func.array(spent.scalar_subquery(), type_=ARRAY(DateTime(timezone=True))).label("spent"),
                *(getattr(row, name) for name in _RECEIPT),
            )
            .select_from(moment)
            .outerjoin(GuildSettings, GuildSettings.guild_id == guild_id)
            .outerjoin(row, earlier)
        )

    def _keeping(self) -> Select[Any]:
        """The row, its event and the number of its audit entry; nothing at all when the id is taken or its twin is
        live, which a constraint decides and not a look. What may wait or fail comes first: the counters are held.
        """
        columns = ActionRequests.__table__.c
        values = {name: bindparam(f"kept_{name}", type_=columns[name].type) for name in _KEPT}
        kept = insert(ActionRequests).values(values).on_conflict_do_nothing().returning(ActionRequests.guild_id)
        facts = bindparam("with_facts", type_=JSONB)
        told = event_told_of(kept.cte("kept"), bindparam("of_kind", type_=Text), facts)
        return select(self._audit.numbered_after(told))

    def _keep(self, session: Session, sealed: Sealed, refusal: Refusal | None, now: datetime) -> Receipt | None:
        """Write the request; None when its id is taken or its twin is live."""
        request, state = sealed.request, State.REJECTED if refusal else State.ACCEPTED
        new = new_row(sealed, refusal, now)
        row = {f"kept_{name}": new.get(name) for name in _KEPT}
        kind = EventKind.ACTION_REJECTED if refusal else EventKind.ACTION_QUEUED
        told = {"of_kind": kind.value, "of_request": request.request_id, "with_facts": request_facts(request, state)}
        numbered = run(session.connection(), self._kept, {**row, **told}).one_or_none()
        if numbered is None:
            return None
        audit_kind = AuditKind.ACTION_REJECTED if refusal else AuditKind.ACTION_ACCEPTED
        self._at("before_accept_commit")  # which travels with the audit entry
        self._audit.end_with_entry(session, audit_entry(audit_kind, request, refusal), numbered)
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


def row_facts(row: Row[Any] | ActionRequests) -> dict[str, str | int | None]:
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


def _earlier(session: Session, request: ActionRequest) -> Receipt | None:
    """The earlier request of this id; in another guild it is a Conflict."""
    row = session.get(ActionRequests, request.request_id, populate_existing=True)
    if row is None:
        refuse_taken_ids(session, [request.request_id])
        return None
    return same_wish(row, request)


def refuse_taken_ids(session: Session, request_ids: Sequence[UUID]) -> None:
    """Raises Conflict when one of these ids is taken, in any guild."""
    # Row-level security hides the rows of other guilds; that an id is taken there is all that is told.
    ids = func.unnest(bindparam("ids", list(request_ids), type_=ARRAY(UuidType()))).column_valued("id")
    if request_ids and session.scalars(select(func.bool_or(func.kovra_request_taken(ids)))).one():
        raise Conflict("this request id was used before for something else")


def same_wish(row: ActionRequests | Row[Any], request: ActionRequest) -> Receipt:
    """The receipt of an earlier request as it stands, when it was the same wish; else Conflict."""
    if row.guild_id != request.guild_id or not hmac.compare_digest(row.fingerprint, fingerprint(request)):
        raise Conflict("this request id was used before for something else")
    return receipt_of(row)


def receipt_of(row: ActionRequests | Row[Any]) -> Receipt:
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


def _asked(request: ActionRequest) -> dict[str, Any]:
    return {
        "in_guild": request.guild_id,
        "by_moderator": request.moderator_id,
        "of_action": request.action.value,
        "of_request": request.request_id,
    }


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
        "reverses": request.reverses,
    }
    if refusal:
        row |= {"state": State.REJECTED.value, "done_at": now, "refusal_kind": refusal.kind.value}
        row |= {"refusal_sentence": refusal.sentence, "refusal_until": refusal.until}
    else:
        row |= {"state": State.ACCEPTED.value, "accepted_at": now}
    return row


def _refusal(row: ActionRequests | Row[Any]) -> Refusal | None:
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
