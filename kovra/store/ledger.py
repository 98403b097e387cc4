"""The queue of record as the executor writes it: claims fenced by an epoch, intents, results.

``Liveness`` proves that a worker lives; ``Backlog`` is what the relay brings back. Each method is one transaction.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row, delete, select, update
from sqlalchemy import case as sql_case
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from kovra.actions.audit import AuditKind
from kovra.actions.checkpoint import nowhere
from kovra.actions.envelope import Verified
from kovra.actions.request import ActionRequest, Refusal, State
from kovra.actions.rights import Standing
from kovra.errors import ClaimLost, EnvelopeRefused, Unavailable
from kovra.guard.case import Case, NoticeResult, NoticeStatus, PostResult, PostStatus
from kovra.guard.claim import Claim, NotClaimed, running_s
from kovra.guard.endings import KeptEnd
from kovra.guard.outcome import Failure, FailureKind
from kovra.guard.ports import Ledger as LedgerPort
from kovra.guard.restoring import Hold
from kovra.ids import ChannelId, GuildId
from kovra.store.audit import AuditLog
from kovra.store.backlog import Backlog, Overdue
from kovra.store.case_changes import CaseChanges
from kovra.store.casebook import case_of
from kovra.store.database import Database
from kovra.store.endings import kept_end
from kovra.store.events import EventKind, append_event
from kovra.store.finalising import Deed, Finalising
from kovra.store.holds import hold_of
from kovra.store.liveness import Liveness
from kovra.store.prepared import Prepared
from kovra.store.requests import audit_entry, request_facts
from kovra.store.tables import ActionRequests, ClosedDms, ModCases
from kovra.store.warming import NO_GUILD
from kovra.store.writes import NOBODY, Writes, fence, names

__all__ = ["Backlog", "Ledger", "Liveness", "Overdue"]

#: How long a request waits for a worker that knows its key.
KEY_COMES_WITHIN = timedelta(seconds=5)

_NOTHING: Mapping[str, Any] = {}


class _Written(NamedTuple):
    case_no: int | None
    notice: str | None


class _Left(NamedTuple):
    """A claim of ours that nobody works on. Without an epoch: whether it was taken at all was never answered."""

    request: ActionRequest
    epoch: int | None


class Ledger(CaseChanges, LedgerPort):
    """The executor's pen.

    Args:
        owner: names this worker process in its claims.
        claim_key: the lock by which others see that this process lives; :class:`Liveness` must hold it.
        claim_s: how long a claim lasts when nobody can prove its owner dead.
        max_attempts: a request that was claimed this often and never ended has killed its workers: it is dead.
        at: the executor's checkpoint, for tests.
    """

    def __init__(
        self,
        database: Database,
        audit_key: bytes,
        owner: str,
        claim_key: int,
        claim_s: float = 30,
        max_attempts: int = 10,
        at: Callable[[str], None] = nowhere,
    ) -> None:
        self._database = database
        self._audit_key = audit_key
        self._audit = AuditLog(database, audit_key)
        self._claim_s = claim_s
        self._max_attempts = max_attempts
        self._writes = Writes(
            database.now(),
            owner=owner,
            claim_key=claim_key,
            claim_for=timedelta(seconds=claim_s),
            max_attempts=max_attempts,
        )
        self._finalising = Finalising(database, audit_key, at)
        self._claim_key = claim_key
        self._left: deque[_Left] = deque()

    def claim(self, verified: Verified) -> Claim | NotClaimed:
        """Take a request, when it is due and nobody alive has it."""
        request = verified.request
        same = {"same_body": verified.body, "same_kid": verified.kid, "same_sig": verified.sig}
        asked = {**names(request), **same, "with_facts": request_facts(request, State.EXECUTING)}
        try:
            taken = self._database.once(request.guild_id, self._writes.take_and_tell, asked)
            if taken:
                return self._claimed(verified, taken[0])
            with self._database.transaction(request.guild_id) as session:
                return self._why_not(session, verified)
        except IntegrityError as error:
            if getattr(error.orig, "diag", None) and error.orig.diag.constraint_name == "uq_action_requests_executing":
                # A forged body is refused now too, not when its turn comes: the relay would bring the good one.
                with self._database.transaction(request.guild_id) as session:
                    _kept_row(session, verified)
                return NotClaimed.TARGET_BUSY
            raise
        except Unavailable:
            self._left.append(_Left(request, None))
            raise

    def leave(self, claim: Claim) -> None:
        """Let go of a claim whose write failed with Unavailable; :meth:`free_left` does it."""
        self._left.append(_Left(claim.request, claim.epoch))

    def free_left(self) -> int:
        """Free the claims that were left, so that nobody waits for their time to run out; says how many.

        Raises:
            Unavailable: PostgreSQL does not answer yet; what was not freed is kept for the next time.
        """
        row, freed = ActionRequests, 0
        while self._left:
            request, epoch = self._left[0]
            free = update(row).where(
                row.guild_id == request.guild_id,
                row.request_id == request.request_id,
                row.claim_key == self._claim_key,
                row.state.in_([State.EXECUTING.value, State.APPLIED.value]),
                # Of a claim we never heard of, only one that nothing was written on since.
                row.claim_epoch == epoch if epoch is not None else row.checked_at.is_(None),
            )
            with self._database.transaction(request.guild_id) as session:
                freed += _run(session, free.values(**NOBODY)).rowcount
            self._left.popleft()
        return freed

    def await_key(self, lane: GuildId, *, body: bytes, kid: str, sig: str) -> bool:
        """Let an accepted request wait whose key this process does not know; False when it is no copy of one."""
        row = ActionRequests
        same = (row.kid == kid, row.sig == sig, row.body == body)
        mine = update(row).where(row.guild_id == lane, row.state == State.ACCEPTED.value, *same)
        later = mine.values(due_at=self._database.now() + KEY_COMES_WITHIN)
        with self._database.transaction(lane) as session:
            return session.execute(later.execution_options(synchronize_session=False)).rowcount > 0

    def warm(self) -> None:
        """Send every statement to a request that nobody has, for :mod:`kovra.store.warming`. Nothing is written."""
        for write in (*self._writes.warmable, *self._finalising.warmable):
            self._database.once(NO_GUILD, write, dict.fromkeys(write.asks_for))

    def intend_notice(self, claim: Claim) -> None:
        """Commit that the DM is about to be sent; the moment of the first try stays."""
        self._once(claim, self._writes.intend_notice)

    def record_notice(self, claim: Claim, result: NoticeResult) -> None:
        """What became of the DM; on the case too, when there is one."""
        facts = {
            "new_notice_status": result.status.value,
            "new_notice_text": result.text,
            "new_notice_code": result.code,
            "new_notice_channel_id": result.channel_id,
            "new_notice_message_id": result.message_id,
        }
        # Losing it is as if the worker had died before it: the intent stands, and the nonce makes a second try the
        # same notice. It has no numbered event, and the commit before the next call to Discord takes it to disk.
        self._once(claim, self._writes.record_notice, facts, wait_for_disk=False)

    def dms_are_closed(self, claim: Claim, closed: bool) -> None:
        """Remember, or forget, that Discord refuses Guard's DMs to this target. Lost, Discord refuses once more."""
        key = {"guild_id": claim.guild_id, "user_id": claim.request.target_id}
        refused = insert(ClosedDms).values(key | {"refused_at": self._database.now()})
        again = refused.on_conflict_do_update(index_elements=list(key), set_={"refused_at": self._database.now()})
        with self._database.transaction(claim.guild_id, wait_for_disk=False) as session:
            session.connection().execute(again if closed else delete(ClosedDms).filter_by(**key))

    def intend_effect(self, claim: Claim, before: Mapping[str, Any]) -> float:
        """Commit that Guard is about to act, and keep the claim for as long again; until when, by ``running_s``."""
        ours_until = running_s() + self._claim_s
        self._once(claim, self._writes.intend_effect, {"new_effect_before": dict(before)})
        return ours_until

    def finalise(
        self,
        claim: Claim,
        *,
        standing: Standing,
        ends_at: datetime | None,
        result: Mapping[str, Any] | None = None,
    ) -> Case:
        """Case number, case, event and state in one transaction; see :mod:`kovra.store.finalising`."""
        return self._finalising(Deed(claim=claim, standing=standing, ends_at=ends_at, result=result))

    def kept_end(self, claim: Claim) -> KeptEnd | None:
        """The end of a case that this request keeps; None when it was lifted or replaced since."""
        with self._database.transaction(claim.guild_id) as session:
            return kept_end(session, claim.request)

    def intended(self, claim: Claim) -> Mapping[str, Any]:
        """What was kept with the latest intent."""
        with self._database.transaction(claim.guild_id) as session:
            mine = select(ActionRequests.effect_before).where(ActionRequests.request_id == claim.request_id)
            return session.scalars(mine.where(ActionRequests.guild_id == claim.guild_id)).one() or {}

    def hold(self, claim: Claim) -> Hold | None:
        """What is kept for this target of the time before."""
        with self._database.transaction(claim.guild_id) as session:
            return hold_of(session, claim.guild_id, claim.request.action, claim.request.target_id)

    def intend_post(self, claim: Claim, channel_id: ChannelId) -> None:
        """Commit that the post in the log channel is about to be sent."""
        self._once(claim, self._writes.intend_post, {"new_post_channel_id": channel_id})

    def finish(self, claim: Claim, post: PostResult) -> None:
        """What became of the post in the log channel; nothing is left to do for this request."""
        posted = {
            "new_post_status": post.status.value,
            "new_post_code": post.code,
            "new_post_channel_id": post.channel_id,
            "new_post_message_id": post.message_id,
            "with_facts": request_facts(claim.request, State.DONE),
        }
        self._once(claim, self._writes.finish, posted)

    def fail(self, claim: Claim, failure: Failure) -> None:
        """The request ends without a case: ``failed``, or ``dead`` when its attempts are used up."""
        state = State.DEAD if failure.kind is FailureKind.ATTEMPTS else State.FAILED
        with self._database.transaction(claim.guild_id) as session:
            now = self._database.now()
            done = sql_case((ActionRequests.effect_at.is_not(None), now), else_=None)
            self._end(session, claim, (State.EXECUTING,), state, effect_done_at=done, **_failure(failure))
            self._announce_failure(session, claim.request, state, failure)

    def reject(self, claim: Claim, refusal: Refusal) -> None:
        """The request is refused at its turn."""
        why = {"refusal_kind": refusal.kind.value, "refusal_sentence": refusal.sentence}
        with self._database.transaction(claim.guild_id) as session:
            checked = {"checked_at": self._database.now(), "refusal_until": refusal.until}
            self._end(session, claim, (State.EXECUTING,), State.REJECTED, **why, **checked)
            self._tell(session, EventKind.ACTION_REJECTED, claim.request, State.REJECTED)
            self._audit.append_in(session, audit_entry(AuditKind.ACTION_REJECTED, claim.request, refusal))

    def expire(self, claim: Claim) -> None:
        """The request waited too long to be still wanted."""
        with self._database.transaction(claim.guild_id) as session:
            self._end(session, claim, (State.EXECUTING,), State.EXPIRED)
            self._tell(session, EventKind.ACTION_EXPIRED, claim.request, State.EXPIRED)
            self._audit.append_in(session, audit_entry(AuditKind.ACTION_EXPIRED, claim.request))

    def give_back(self, claim: Claim, *, delay_s: float, intent_stays: bool = False) -> None:
        """Let the request wait; an orderly return costs no attempt. Unless the intent stays, nothing was done."""
        row = ActionRequests
        undone = {} if intent_stays else {"effect_at": None, "effect_before": None, "checked_at": None}
        with self._database.transaction(claim.guild_id) as session:
            self._write(
                session,
                claim,
                (State.EXECUTING,),
                state=State.ACCEPTED.value,
                attempts=row.attempts - 1,
                due_at=self._database.now() + timedelta(seconds=delay_s),
                relayed_at=None,
                **undone,
                **NOBODY,
            )
            self._tell(session, EventKind.ACTION_QUEUED, claim.request, State.ACCEPTED)

    def put_off(self, claim: Claim, *, delay_s: float) -> None:
        """Let the log post wait; an orderly return costs no attempt. An earlier attempt's intent stays as it was."""
        with self._database.transaction(claim.guild_id) as session:
            self._write(
                session,
                claim,
                (State.APPLIED,),
                attempts=ActionRequests.attempts - 1,
                due_at=self._database.now() + timedelta(seconds=delay_s),
                post_status=claim.post.value if claim.post else None,
                post_at=claim.post_at,
                **NOBODY,
            )

    # What the methods above share.

    def _once(self, claim: Claim, write: Prepared, values: Mapping[str, Any] = _NOTHING, **how: bool) -> None:
        """Write on the claim's row, in one trip.

        Raises:
            ClaimLost: another worker has claimed the row since, or it is past the states of this write.
        """
        if not self._database.once(claim.guild_id, write, {**fence(claim), **values}, **how):
            raise _lost(claim)

    def _claimed(self, verified: Verified, row: Row[Any]) -> Claim:
        case, request = None, verified.request
        if row.case_no is not None:
            with self._database.transaction(request.guild_id) as session:
                case = case_of(session.get_one(ModCases, (request.guild_id, row.case_no)))
        return _claim(verified, row, case)

    def _why_not(self, session: Session, verified: Verified) -> NotClaimed:
        row, request = _kept_row(session, verified), verified.request
        if State(row.state).terminal:
            return NotClaimed.FINISHED
        if row.attempts >= self._max_attempts:
            last = session.connection().execute(self._writes.take, names(request)).one_or_none()
            if last is not None:
                self._bury(session, request, last)
                return NotClaimed.FINISHED
        return NotClaimed.DEFERRED if row.due_at is not None else NotClaimed.RUNNING

    def _bury(self, session: Session, request: ActionRequest, row: Row[Any]) -> None:
        """End a request that was begun too often and never ended."""
        stands = f" Case #{row.case_no} stands; its messages may be missing." if row.case_no is not None else ""
        failure = Failure(
            kind=FailureKind.ATTEMPTS,
            sentence=(
                f"Guard began this {request.action.noun} {self._max_attempts} times and was stopped every time, so it "
                f"gave up.{stands} Look at {request.target_id} in Discord before asking again."
            ),
        )
        dead = {"state": State.DEAD.value, "attempts": self._max_attempts, "done_at": self._database.now()}
        row_of = ActionRequests
        end = update(row_of).where(row_of.request_id == request.request_id, row_of.guild_id == request.guild_id)
        _run(session, end.values(**dead, **_failure(failure), **NOBODY))
        self._announce_failure(session, request, State.DEAD, failure)

    def _applied(self, session: Session, claim: Claim, now: datetime) -> None:
        """A change of a case is written: only its messages are left."""
        done = sql_case((ActionRequests.effect_at.is_not(None), now), else_=None)
        facts = {"case_no": claim.request.case_no, "applied_at": now, "effect_done_at": done}
        self._write(session, claim, (State.EXECUTING,), state=State.APPLIED.value, **facts)

    def _closed(self, session: Session, claim: Claim) -> None:
        self._end(session, claim, (State.APPLIED,), State.DONE)

    def _announce_failure(self, session: Session, request: ActionRequest, state: State, failure: Failure) -> None:
        self._tell(session, EventKind.ACTION_FAILED, request, state, kind=failure.kind.value)
        facts = {"failure": failure.kind.value, "code": failure.code, "sentence": failure.sentence}
        self._audit.append_in(session, audit_entry(AuditKind.ACTION_FAILED, request, **facts))

    @staticmethod
    def _tell(
        session: Session, event: EventKind, request: ActionRequest, state: State, **more: str | int | None
    ) -> None:
        append_event(session, request.guild_id, event, request.request_id, request_facts(request, state) | more)

    def _end(self, session: Session, claim: Claim, states: tuple[State, ...], end: State, **values: Any) -> _Written:
        moment = self._database.now()
        return self._write(session, claim, states, state=end.value, done_at=moment, **NOBODY, **values)

    @staticmethod
    def _write(session: Session, claim: Claim, states: tuple[State, ...], **values: Any) -> _Written:
        """Write on the claim's row; gives its case number and what became of the notice.

        Raises:
            ClaimLost: another worker has claimed the row since, or it is past these states.
        """
        write = update(ActionRequests).where(*_fence(claim, states)).values(**values)
        written = _run(session, write.returning(ActionRequests.case_no, ActionRequests.notice_status)).one_or_none()
        if written is None:
            raise _lost(claim)
        return _Written(*written)


def _fence(claim: Claim, states: tuple[State, ...]) -> tuple[Any, ...]:
    row = ActionRequests
    return (
        row.guild_id == claim.guild_id,
        row.request_id == claim.request_id,
        row.claim_epoch == claim.epoch,
        row.state.in_([state.value for state in states]),
    )


def _lost(claim: Claim) -> ClaimLost:
    return ClaimLost(f"request {claim.request_id} is no longer ours")


def _kept_row(session: Session, verified: Verified) -> ActionRequests:
    """The row of an entry that was not claimed; an entry without one, or with another body, is refused."""
    row, request = ActionRequests, verified.request
    mine = select(row).where(row.request_id == request.request_id, row.guild_id == request.guild_id)
    kept = session.scalars(mine).one_or_none()
    if kept is None:
        raise EnvelopeRefused("unknown_request")
    _same_as_kept(kept, verified)
    return kept


def _same_as_kept(kept: Row[Any] | ActionRequests, verified: Verified) -> None:
    """What travelled must be what was accepted: the bytes, the key and the signature."""
    if (kept.body, kept.kid, kept.sig) != (verified.body, verified.kid, verified.sig):
        raise EnvelopeRefused("row_differs")


def _claim(verified: Verified, row: Row[Any], case: Case | None) -> Claim:
    return Claim(
        request=verified.request,
        revoked=verified.revoked,
        epoch=row.claim_epoch,
        attempt=row.attempts,
        state=State(row.state),
        accepted_at=row.accepted_at or row.created_at,
        expires_at=row.expires_at,
        now=row.now,
        effect_at=row.effect_at,
        effect_before=row.effect_before or {},
        notice=NoticeStatus(row.notice_status) if row.notice_status else None,
        notice_at=row.notice_at,
        post=PostStatus(row.post_status) if row.post_status else None,
        post_at=row.post_at,
        case=case,
    )


def _failure(failure: Failure) -> dict[str, Any]:
    return {
        "failure_kind": failure.kind.value,
        "failure_sentence": failure.sentence,
        "failure_code": failure.code,
    }


def _run(session: Session, statement: Any) -> Any:
    # On the connection: no entity is loaded here, so the session has nothing to keep in step.
    return session.connection().execute(statement)
