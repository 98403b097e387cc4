"""Jobs as the doors use them: accept of many at once, pause, resume, cancel, and what may be released."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from kovra.actions import budget
from kovra.actions.audit import AuditEntry, AuditKind
from kovra.actions.budget import DEFAULT_LIMITS
from kovra.actions.job import CHUNK_SIZE, Asked, Job, JobReceipt, JobState, SealedChunk
from kovra.actions.request import BY_HAND, Action, ActionRequest, Receipt, Refusal, RefusalKind, State
from kovra.actions.submit_job import Jobs as JobsPort
from kovra.errors import Conflict, Unavailable
from kovra.store.audit import AuditLog
from kovra.store.budgets import budget_left, lock_many, lock_moderator
from kovra.store.database import Database
from kovra.store.events import EventKind, append_events
from kovra.store.requests import audit_entry, new_row, receipt_of, request_facts
from kovra.store.tables import ActionRequests, JobChunks
from kovra.store.tables import Jobs as JobRows
from kovra.store.twins import running_twin

#: Rows written by one statement.
_AT_ONCE = 100


class Jobs(JobsPort):
    """Ask for mass actions. ``limits`` are the budgets of guilds that have not changed theirs."""

    def __init__(self, database: Database, audit_key: bytes, limits: Mapping[Action, int] = DEFAULT_LIMITS) -> None:
        self._database = database
        self._audit = AuditLog(database, audit_key)
        self._limits = limits

    def accept(self, job: Job, asked: Asked, sealed_chunks: Sequence[SealedChunk]) -> JobReceipt:
        """Keep a job and all its requests in one transaction; the budget is used up in the order of ``asked``.

        Raises:
            Conflict: the id was used for another wish.
        """
        with self._database.transaction(job.guild_id) as session:
            lock_many(session, job.guild_id)
            lock_moderator(session, job.guild_id, job.moderator_id)
            if earlier := self._earlier(session, job):
                return earlier
            now = self._database.read_now(session)
            expires_at = max(sealed.expires_at for sealed, _ in asked)
            if not _insert_job(session, job, now, expires_at):
                raise Conflict("this job id was used before for something else")
            refusals = {sealed.request.request_id: refusal for sealed, refusal in asked if refusal}
            if job.releases:
                refusals = _not_releasable(session, job, asked) | refusals
            accepted = self._insert_accepted(session, job, asked, refusals, now)
            rejected = [sealed for sealed, _ in asked if sealed.request.request_id in refusals]
            places = {sealed.request.request_id: place for place, (sealed, _) in enumerate(asked)}
            rows = [
                new_row(sealed, refusals[sealed.request.request_id], now) | {"place": places[sealed.request.request_id]}
                for sealed in rejected
            ]
            for start in range(0, len(rows), _AT_ONCE):
                session.connection().execute(insert(ActionRequests).values(rows[start : start + _AT_ONCE]))
            numbers = sorted(set(accepted.values()))
            _insert_chunks(session, [sealed_chunks[number] for number in numbers])
            self._announce(session, job, refusals)
            return JobReceipt(
                batch_id=job.batch_id,
                guild_id=job.guild_id,
                state=JobState.RUNNING,
                receipts=tuple(Receipt.of(request, refusals.get(request.request_id)) for request in job.requests()),
                chunks=tuple(numbers),
            )

    def mark_enqueued(self, sealed: SealedChunk) -> None:
        """Note that the lane took it. Best effort."""
        chunk, row = sealed.chunk, JobChunks
        mark = update(row).where(
            row.guild_id == chunk.guild_id, row.batch_id == chunk.batch_id, row.number == chunk.number
        )
        try:
            with self._database.transaction(chunk.guild_id, wait_for_disk=False) as session:
                session.connection().execute(mark.values(enqueued_at=self._database.now()))
        except Unavailable:
            return  # the relay will bring an entry that the lane already has; the claims see to it

    def _insert_accepted(
        self,
        session: Session,
        job: Job,
        asked: Asked,
        refusals: dict[UUID, Refusal],
        now: datetime,
    ) -> dict[UUID, int]:
        """Write what may run and what the budget holds, in its order; the chunk of each.

        Why the others may not run goes into ``refusals``.
        """
        open_still = [sealed for sealed, _ in asked if sealed.request.request_id not in refusals]
        limited = job.source in BY_HAND
        given = (
            budget_left(session, job.guild_id, job.moderator_id, job.action, self._limits, now, asked=len(open_still))
            if limited
            else None
        )
        places = {sealed.request.request_id: place for place, (sealed, _) in enumerate(asked)}
        left = len(open_still) if given is None else given.granted
        # By where it stood among those that may run: a chunk has at most 200, and fewer where a twin was running.
        chunk_of = {sealed.request.request_id: place // CHUNK_SIZE for place, sealed in enumerate(open_still)}
        accepted: dict[UUID, int] = {}
        while left and open_still:
            some, open_still = open_still[: min(left, _AT_ONCE)], open_still[min(left, _AT_ONCE) :]
            rows = [
                new_row(sealed, None, now)
                | {"place": places[sealed.request.request_id], "chunk": chunk_of[sealed.request.request_id]}
                for sealed in some
            ]
            write = insert(ActionRequests).values(rows).on_conflict_do_nothing().returning(ActionRequests.request_id)
            written = set(session.connection().execute(write).scalars())
            for sealed in some:
                request = sealed.request
                if request.request_id in written:
                    accepted[request.request_id] = chunk_of[request.request_id]
                else:
                    # Their place in the budget goes to the next.
                    refusals[request.request_id] = _taken(session, request, now)
            left -= len(written)
        for sealed in open_still:
            refusals[sealed.request.request_id] = budget.refusal(job.action, given)
        return accepted

    def _announce(self, session: Session, job: Job, refusals: Mapping[UUID, Refusal]) -> None:
        """Events and audit entries, after everything that may wait or fail: they hold the guild's counters."""
        told, entries = [], []
        for request in job.requests():
            refusal = refusals.get(request.request_id)
            state = State.REJECTED if refusal else State.ACCEPTED
            event = EventKind.ACTION_REJECTED if refusal else EventKind.ACTION_QUEUED
            told.append((event, request.request_id, request_facts(request, state)))
            kind = AuditKind.ACTION_REJECTED if refusal else AuditKind.ACTION_ACCEPTED
            entries.append(audit_entry(kind, request, refusal))
        jobs = [job_event(job.batch_id, JobState.RUNNING), *_released_from(session, job)]
        append_events(session, job.guild_id, [*told, *jobs])
        counts = {"asked": len(entries), "accepted": len(entries) - len(refusals), "rejected": len(refusals)}
        facts = {"batch_id": str(job.batch_id), "action": job.action.value, "reason": job.reason, **counts}
        whole = AuditEntry(guild_id=job.guild_id, kind=AuditKind.JOB_ACCEPTED, actor_id=job.moderator_id, facts=facts)
        self._audit.append_all_in(session, [whole, *entries])

    @staticmethod
    def _earlier(session: Session, job: Job) -> JobReceipt | None:
        row = session.get(JobRows, job.batch_id)
        if row is None:
            return None
        if row.guild_id != job.guild_id or not hmac.compare_digest(row.fingerprint, job.fingerprint()):
            raise Conflict("this job id was used before for something else")
        requests = select(ActionRequests).where(
            ActionRequests.guild_id == job.guild_id, ActionRequests.batch_id == job.batch_id
        )
        kept = {found.request_id: found for found in session.scalars(requests)}
        return JobReceipt(
            batch_id=job.batch_id,
            guild_id=job.guild_id,
            state=JobState(row.state),
            receipts=tuple(receipt_of(kept[request.request_id]) for request in job.requests()),
            replay=True,
        )


def _insert_job(session: Session, job: Job, now: datetime, expires_at: datetime) -> bool:
    """False when the id is taken, be it in a guild whose rows cannot be seen from here."""
    row = {
        "batch_id": job.batch_id,
        "guild_id": job.guild_id,
        "action": job.action.value,
        "moderator_id": job.moderator_id,
        "source": job.source.value,
        "reason": job.reason,
        "params": dict(job.params),
        "fingerprint": job.fingerprint(),
        "asked": len(job.targets),
        "state": JobState.RUNNING.value,
        "created_at": now,
        "expires_at": expires_at,
    }
    written = insert(JobRows).values(**row).on_conflict_do_nothing().returning(JobRows.batch_id)
    return session.connection().execute(written).one_or_none() is not None


def _insert_chunks(session: Session, sealed_chunks: Sequence[SealedChunk]) -> None:
    for sealed in sealed_chunks:
        session.connection().execute(
            insert(JobChunks).values(
                batch_id=sealed.chunk.batch_id,
                number=sealed.chunk.number,
                guild_id=sealed.chunk.guild_id,
                body=sealed.body,
                kid=sealed.kid,
                sig=sealed.sig,
            )
        )


def _not_releasable(session: Session, job: Job, asked: Asked) -> dict[UUID, Refusal]:
    """Why requests cannot be released: not over a budget, or by the person who asked for them."""
    row = ActionRequests
    firsts = {
        first.request_id: first
        for first in session.scalars(select(row).where(row.guild_id == job.guild_id, row.request_id.in_(job.releases)))
    }
    refusals = {}
    for sealed, _ in asked:
        request = sealed.request
        first = firsts.get(request.releases)
        if first is None or not _is_over_budget(first, request):
            sentence = "Only a request that went over a budget can be released, and as it was asked for."
            refusals[request.request_id] = Refusal(kind=RefusalKind.NOT_OVER_BUDGET, sentence=sentence)
        elif first.moderator_id == request.moderator_id:
            sentence = "You asked for this yourself. What went over your budget takes a second person to release."
            refusals[request.request_id] = Refusal(kind=RefusalKind.OWN_REQUEST, sentence=sentence)
    return refusals


def _is_over_budget(first: ActionRequests, request: ActionRequest) -> bool:
    """Whether this is a first wish, refused for its budget alone, and the release asks for the same."""
    return (
        first.state == State.REJECTED.value
        and first.refusal_kind == RefusalKind.BUDGET.value
        and first.releases is None
        and (first.action, first.target_id) == (request.action.value, request.target_id)
    )


def _taken(session: Session, request: ActionRequest, now: datetime) -> Refusal:
    """Why a constraint would not take this request."""
    row = ActionRequests
    if request.releases is not None:
        by = session.scalars(
            select(row.moderator_id).where(
                row.guild_id == request.guild_id,
                row.releases == request.releases,
                row.state != State.REJECTED.value,
            )
        ).first()
        if by is not None:
            sentence = "This has been released already; look at the first release for its result."
            return Refusal(kind=RefusalKind.RELEASED, sentence=sentence)
    twin = running_twin(session, request, now)
    # A twin that ended in this very moment: what it did stands, and the same can be asked again.
    sentence = f"A {request.action} of this target has just ended. Look at its result before asking again."
    return twin or Refusal(kind=RefusalKind.RUNNING, sentence=sentence)


def job_event(batch_id: UUID, state: JobState) -> tuple[EventKind, None, dict[str, str]]:
    """The event that says that a job as a whole has changed."""
    return EventKind.JOB_CHANGED, None, {"batch_id": str(batch_id), "state": state.value}


def _released_from(session: Session, job: Job) -> list[tuple[EventKind, None, dict[str, str]]]:
    """The jobs whose rest this one releases have changed too: an open page of one of them no longer offers it."""
    if not job.releases:
        return []
    first, row = ActionRequests, JobRows
    batches = select(first.batch_id).where(first.guild_id == job.guild_id, first.request_id.in_(job.releases))
    theirs = select(row.batch_id, row.state).where(row.guild_id == job.guild_id, row.batch_id.in_(batches))
    return [job_event(found.batch_id, JobState(found.state)) for found in session.execute(theirs)]
