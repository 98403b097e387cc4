"""The queue of record as the executor of chunks writes it: claims, intents and ends of many at once, each fenced."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Uuid, and_, column, exists, func, or_, select, update, values
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from kovra.actions.audit import AuditEntry, AuditKind
from kovra.actions.envelope import Verified
from kovra.actions.job import Chunk, JobState
from kovra.actions.request import Action, RefusalKind, State
from kovra.actions.rights import Standing
from kovra.errors import EnvelopeRefused
from kovra.guard.case import Case, NoticeStatus, PostStatus
from kovra.guard.claim import Claim, running_s
from kovra.guard.job_ports import Entry, Work
from kovra.ids import GuildId, UserId
from kovra.store.audit import AuditLog
from kovra.store.cancelling import cancel_waiting
from kovra.store.case_batches import number_cases, write_cases
from kovra.store.database import Database
from kovra.store.endings import cancel_ends
from kovra.store.events import EventKind, append_events, write_events
from kovra.store.requests import request_facts
from kovra.store.tables import ActionRequests, JobChunks
from kovra.store.tables import Jobs as JobRows

_NOBODY: Mapping[str, None] = {"claim_owner": None, "claim_key": None, "claim_until": None}

#: Somebody else may begin to act on one of the targets between our look and our write; not this often in a row.
_TRIES = 3


class JobLedger:
    """The pen of the executor of chunks. ``owner``, ``claim_key`` and ``claim_s`` are those of the worker's ledger."""

    def __init__(
        self,
        database: Database,
        audit_key: bytes,
        owner: str,
        claim_key: int,
        claim_s: float = 30,
        max_attempts: int = 10,
    ) -> None:
        self._database = database
        self._audit_key = audit_key
        self._audit = AuditLog(database, audit_key)
        self._owner = owner
        self._claim_key = claim_key
        self._claim_for = timedelta(seconds=claim_s)
        self._max_attempts = max_attempts

    def open(self, chunk: Chunk, body: bytes) -> Work:
        """What somebody should carry on now, in the order of the job."""
        row, job = ActionRequests, JobRows
        with self._database.transaction(chunk.guild_id) as session:
            kept = session.get(JobChunks, (chunk.batch_id, chunk.number))
            if kept is None or kept.guild_id != chunk.guild_id:
                raise EnvelopeRefused("unknown_request")
            if not hmac.compare_digest(kept.body, body):
                raise EnvelopeRefused("row_differs")
            found = session.execute(
                select(job.state, job.action, job.changed_by).where(
                    job.guild_id == chunk.guild_id, job.batch_id == chunk.batch_id
                )
            ).one()
            if found.state == JobState.CANCELLED.value:
                self._cancel_rest(session, chunk, UserId(found.changed_by))
            columns = (row.request_id, row.body, row.kid, row.sig, row.state, row.effect_at)
            due = select(*columns).where(_of(chunk), self._claimable(found.state)).order_by(row.place)
            entries = [
                Entry(
                    request_id=one.request_id,
                    body=one.body,
                    kid=one.kid,
                    sig=one.sig,
                    begun=one.state != State.ACCEPTED.value or one.effect_at is not None,
                )
                for one in session.execute(due)
            ]
            return Work(
                state=JobState(found.state), action=Action(found.action), singly=kept.singly, entries=tuple(entries)
            )

    def keeps(self, lane: GuildId, *, body: bytes, kid: str, sig: str) -> bool:
        """Whether exactly this chunk was accepted, whoever can check its seal."""
        row = JobChunks
        same = select(row.number).where(row.guild_id == lane, row.body == body, row.kid == kid, row.sig == sig)
        with self._database.transaction(lane) as session:
            return session.scalars(same).first() is not None

    def state(self, chunk: Chunk) -> JobState:
        """What people have decided of the job by now."""
        asked = select(JobRows.state).where(JobRows.guild_id == chunk.guild_id, JobRows.batch_id == chunk.batch_id)
        with self._database.transaction(chunk.guild_id) as session:
            return JobState(session.scalars(asked).one())

    def claim_all(self, verified: Sequence[Verified]) -> list[Claim]:
        """Take what is free and due, never begun but in bulk, and on whom nobody else is acting."""
        if not verified:
            return []
        guild_id = verified[0].request.guild_id
        for _ in range(_TRIES):
            try:
                with self._database.transaction(guild_id) as session:
                    return self._take(session, guild_id, {one.request.request_id: one for one in verified})
            except IntegrityError as error:
                diag = getattr(error.orig, "diag", None)
                if diag is None or diag.constraint_name != "uq_action_requests_executing":
                    raise
        return []

    def intend_all(self, claims: Sequence[Claim], tries: int) -> tuple[list[Claim], float]:
        """Commit that Guard is about to act on all of them in one call, and keep them for as long again.

        Returns:
            Those that are still ours, and until when, by ``running_s``.
        """
        now, ours_until = self._database.now(), running_s() + self._claim_for.total_seconds()
        ours = self._write_all(
            claims,
            effect_at=now,
            effect_before={"bulk": True, "tries": tries},
            # The call that follows must end while the claims are surely ours.
            claim_until=now + self._claim_for,
            checked_at=func.coalesce(ActionRequests.checked_at, now),
        )
        return ours, ours_until

    def settle(self, claims: Sequence[Claim], standings: Mapping[UserId, Standing]) -> list[Case]:
        """The cases of a bulk deed: numbers, cases, chain, events and states in one transaction.

        The rows are locked first and the counters last, so that numbers are held for a few round trips only.
        """
        if not claims:
            return []
        guild_id, row = claims[0].guild_id, ActionRequests
        with self._database.transaction(guild_id) as session:
            held = _held(session, claims)
            mine = [claim for claim in claims if claim.request_id in held]
            if not mine:
                return []
            pairs = [(claim.request, standings[claim.request.target_id]) for claim in mine]
            new = number_cases(session, self._audit_key, guild_id, pairs, self._database.now(), events=2)
            on_case = {"notice_status": NoticeStatus.NOT_NEEDED.value, "post_status": PostStatus.WAITING.value}
            cancel_ends(session, guild_id, mine[0].request.action, new.cases)
            write_cases(session, guild_id, new, state=State.DONE.value, **on_case)
            numbers = values(column("id", Uuid), column("no", Integer), name="numbers").data(
                [(case.request_id, case.case_no) for case in new.cases]
            )
            end = update(row).where(row.guild_id == guild_id, row.request_id == numbers.c.id)
            moment = new.created_at
            session.connection().execute(
                end.values(
                    state=State.DONE.value,
                    case_no=numbers.c.no,
                    effect_done_at=moment,
                    applied_at=moment,
                    done_at=moment,
                    **on_case,
                    **_NOBODY,
                )
            )
            told = []
            for claim, case in zip(mine, new.cases, strict=True):
                number = {"case_no": case.case_no}
                applied = request_facts(claim.request, State.APPLIED) | number
                done = request_facts(claim.request, State.DONE) | number | {"notice": on_case["notice_status"]}
                told += [
                    (EventKind.CASE_CREATED, claim.request_id, applied),
                    (EventKind.ACTION_DONE, claim.request_id, done),
                ]
            write_events(session, guild_id, new.first_event, told)
            return list(new.cases)

    def give_back_all(self, claims: Sequence[Claim], *, delay_s: float, intent_stays: bool = False) -> None:
        """Let them wait; an orderly return costs no attempt. Unless the intent stays, nothing was done."""
        undone = {} if intent_stays else {"effect_at": None, "effect_before": None, "checked_at": None}
        self._write_all(
            claims,
            event=EventKind.ACTION_QUEUED,
            state=State.ACCEPTED.value,
            attempts=ActionRequests.attempts - 1,
            due_at=self._database.now() + timedelta(seconds=delay_s),
            **undone,
            **_NOBODY,
        )

    def go_singly(self, chunk: Chunk) -> None:
        """What is left of this chunk is carried one by one from now on."""
        row = JobChunks
        mark = update(row).where(row.batch_id == chunk.batch_id, row.number == chunk.number)
        with self._database.transaction(chunk.guild_id) as session:
            session.connection().execute(mark.where(row.guild_id == chunk.guild_id).values(singly=True))

    def disown(self, entry: Entry, guild_id: GuildId) -> None:
        """End a request whose kept seal does not hold. There is no request to speak of, only its id."""
        row, sentence = ActionRequests, "Its seal does not hold any more, so Guard did not touch it. Ask again."
        why = {"refusal_kind": RefusalKind.KEY_REVOKED.value, "refusal_sentence": sentence}
        end = update(row).where(row.guild_id == guild_id, row.request_id == entry.request_id)
        end = end.where(row.state.in_([State.ACCEPTED.value, State.EXECUTING.value]))
        end = end.values(state=State.REJECTED.value, done_at=self._database.now(), **why, **_NOBODY)
        with self._database.transaction(guild_id) as session:
            if session.connection().execute(end.returning(row.request_id)).one_or_none() is None:
                return
            facts = {"request_id": str(entry.request_id), "state": State.REJECTED.value}
            append_events(session, guild_id, [(EventKind.ACTION_REJECTED, entry.request_id, facts)])
            # What the row says of moderator and target may be as false as its seal: neither is written down as true.
            said = {"request_id": facts["request_id"], "refusal": RefusalKind.KEY_REVOKED.value, "sentence": sentence}
            self._audit.append_in(
                session,
                AuditEntry(guild_id=guild_id, kind=AuditKind.ACTION_REJECTED, actor_id=None, facts=said),
            )

    # What the methods above share.

    def _claimable(self, job_state: str) -> Any:
        """Due, and nobody has it. Of a job that is not running: what was begun, and what its time has run out for."""
        row, now = ActionRequests, self._database.now()
        waiting = row.state == State.ACCEPTED.value
        if job_state != JobState.RUNNING.value:
            waiting = and_(waiting, or_(row.effect_at.is_not(None), row.expires_at < now))
        begun = and_(
            row.state.in_([State.EXECUTING.value, State.APPLIED.value]),
            or_(row.claim_until.is_(None), row.claim_until < now),
        )
        return and_(or_(row.due_at.is_(None), row.due_at <= now), or_(waiting, begun))

    def _cancel_rest(self, session: Session, chunk: Chunk, by_id: UserId) -> None:
        """Cancel what was given back after its job had been cancelled."""
        row = ActionRequests
        left = select(row.request_id).where(_of(chunk), row.state == State.ACCEPTED.value, row.effect_at.is_(None))
        if ids := session.scalars(left).all():
            cancel_waiting(session, self._database, self._audit, chunk.guild_id, ids, by_id)

    def _take(self, session: Session, guild_id: GuildId, verified: Mapping[UUID, Verified]) -> list[Claim]:
        row, now, other = ActionRequests, self._database.now(), aliased(ActionRequests)
        busy = exists().where(
            other.guild_id == guild_id,
            other.target_id == row.target_id,
            other.state == State.EXECUTING.value,
            other.request_id != row.request_id,
        )
        only_in_bulk = or_(row.effect_at.is_(None), row.effect_before.has_key("bulk"))
        free = (
            select(row.request_id)
            .where(row.guild_id == guild_id, row.request_id.in_(list(verified)), ~busy, only_in_bulk)
            .where(row.state != State.APPLIED.value, row.attempts < self._max_attempts)
            .where(self._claimable(JobState.RUNNING.value))
            .order_by(row.request_id)
            .with_for_update(skip_locked=True)
        )
        ids = session.scalars(free).all()
        take = (
            update(row)
            .where(row.guild_id == guild_id, row.request_id.in_(ids))
            .values(
                state=State.EXECUTING.value,
                attempts=row.attempts + 1,
                claim_owner=self._owner,
                claim_key=self._claim_key,
                claim_epoch=row.claim_epoch + 1,
                claim_until=now + self._claim_for,
                claimed_at=now,
                due_at=None,
            )
            .returning(
                row.request_id,
                row.body,
                row.place,
                row.attempts,
                row.claim_epoch,
                row.accepted_at,
                row.expires_at,
                row.effect_at,
                row.effect_before,
                now.label("now"),
            )
        )
        claims = []
        for found in sorted(session.connection().execute(take), key=lambda one: one.place):
            one = verified[found.request_id]
            if not hmac.compare_digest(found.body, one.body):
                raise EnvelopeRefused("row_differs")
            claims.append(
                Claim(
                    request=one.request,
                    epoch=found.claim_epoch,
                    attempt=found.attempts,
                    state=State.EXECUTING,
                    revoked=one.revoked,
                    accepted_at=found.accepted_at,
                    expires_at=found.expires_at,
                    now=found.now,
                    effect_at=found.effect_at,
                    effect_before=found.effect_before or {},
                )
            )
        told = [(EventKind.ACTION_RUNNING, c.request_id, request_facts(c.request, State.EXECUTING)) for c in claims]
        append_events(session, guild_id, told)
        return claims

    def _write_all(self, claims: Sequence[Claim], event: EventKind | None = None, **changes: Any) -> list[Claim]:
        """Write on the rows that are still ours; gives their claims."""
        if not claims:
            return []
        guild_id, row = claims[0].guild_id, ActionRequests
        with self._database.transaction(guild_id) as session:
            held = _held(session, claims)
            write = update(row).where(row.guild_id == guild_id, row.request_id.in_(held))
            session.connection().execute(write.values(**changes))
            mine = [claim for claim in claims if claim.request_id in held]
            if event is not None:
                told = [(event, c.request_id, request_facts(c.request, State.ACCEPTED)) for c in mine]
                append_events(session, guild_id, told)
            return mine


def _of(chunk: Chunk) -> Any:
    row = ActionRequests
    return and_(row.guild_id == chunk.guild_id, row.batch_id == chunk.batch_id, row.chunk == chunk.number)


def _held(session: Session, claims: Sequence[Claim]) -> set[UUID]:
    """Lock the rows of these claims, in one order; those whose epoch is still the claim's."""
    row, epochs = ActionRequests, {claim.request_id: claim.epoch for claim in claims}
    mine = (
        select(row.request_id, row.claim_epoch)
        .where(row.guild_id == claims[0].guild_id, row.request_id.in_(list(epochs)))
        .where(row.state == State.EXECUTING.value)
        .order_by(row.request_id)
        .with_for_update()
    )
    return {found.request_id for found in session.execute(mine) if epochs[found.request_id] == found.claim_epoch}
