"""Jobs as people follow and steer them: pause, go on, cancel, and what became of each target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, aliased

from kovra.actions.audit import AuditEntry, AuditKind
from kovra.actions.job import MAX_TARGETS, JobState
from kovra.actions.request import Action, RefusalKind, State
from kovra.ids import GuildId, UserId
from kovra.store.audit import AuditLog
from kovra.store.cancelling import cancel_waiting
from kovra.store.database import Database
from kovra.store.events import append_events
from kovra.store.guilds import GuildScope
from kovra.store.jobs import job_event
from kovra.store.people import people
from kovra.store.tables import ActionRequests, Bans, ModCases
from kovra.store.tables import Jobs as JobRows

#: Jobs on one page of the list.
RECENT = 20

_WORDS = {
    JobState.RUNNING: AuditKind.JOB_RESUMED,
    JobState.PAUSED: AuditKind.JOB_PAUSED,
    JobState.CANCELLED: AuditKind.JOB_CANCELLED,
}


@dataclass(frozen=True, kw_only=True)
class JobCard:
    """A job and how far it is. ``counts``: how many of its requests are in which state."""

    batch_id: UUID
    action: Action
    moderator_id: UserId
    moderator_name: str
    reason: str
    params: Mapping[str, int]
    state: JobState
    created_at: datetime
    asked: int
    counts: Mapping[State, int]

    @property
    def left(self) -> int:
        """How many still have something before them."""
        return sum(count for state, count in self.counts.items() if not state.terminal)

    @property
    def ended(self) -> bool:
        return self.left == 0


@dataclass(frozen=True, kw_only=True)
class JobTarget:
    """What became of one target. ``sentence`` is the refusal's or the failure's and ``why`` its kind, the state itself
    where there is none, empty while nothing stands against it; ``released``: somebody stood in; ``reversed_by``: the
    case that took its own back.
    """

    request_id: UUID
    target_id: UserId
    target_name: str
    state: State
    case_no: int | None
    refusal_kind: str | None
    failure_kind: str | None
    sentence: str | None
    released: bool
    reversed_by: int | None
    began_at: datetime | None
    ended_at: datetime | None

    @property
    def why(self) -> str:
        if not self.state.terminal or self.state is State.DONE:
            return ""
        return self.failure_kind or self.refusal_kind or self.state.value

    @property
    def took_s(self) -> float | None:
        """From the moment Guard began with it to its end; None of what never began or has not ended."""
        if self.began_at is None or self.ended_at is None:
            return None
        return max(0.0, (self.ended_at - self.began_at).total_seconds())


class JobControl:
    """Follow and steer jobs. What was decided is a row, so it outlives every process."""

    def __init__(self, database: Database, audit_key: bytes) -> None:
        self._database = database
        self._audit = AuditLog(database, audit_key)

    def change(self, scope: GuildScope, batch_id: UUID, wanted: JobState) -> JobState | None:
        """Pause a job, let it go on, or cancel what is left of it; gives what it is now, None when there is none.

        A cancelled job stays cancelled. What has begun is carried to its end.
        """
        row, by_id = JobRows, scope.viewer.user_id
        mine = (row.guild_id == scope.guild_id, row.batch_id == batch_id)
        with self._database.transaction(scope.guild_id) as session:
            now = session.scalars(select(row.state).where(*mine).with_for_update()).one_or_none()
            if now is None:
                return None
            if now in (wanted.value, JobState.CANCELLED.value):
                return JobState(now)
            write = update(row).where(*mine)
            decided = {"changed_at": self._database.now(), "changed_by": by_id}
            session.connection().execute(write.values(state=wanted.value, **decided))
            if wanted is JobState.CANCELLED:
                waiting = select(ActionRequests.request_id).where(
                    ActionRequests.guild_id == scope.guild_id,
                    ActionRequests.batch_id == batch_id,
                    ActionRequests.state == State.ACCEPTED.value,
                )
                ids = session.scalars(waiting.order_by(ActionRequests.request_id)).all()
                cancel_waiting(session, self._database, self._audit, scope.guild_id, ids, by_id)
            append_events(session, scope.guild_id, [job_event(batch_id, wanted)])
            facts = {"batch_id": str(batch_id), "before": now, "after": wanted.value}
            entry = AuditEntry(guild_id=scope.guild_id, kind=_WORDS[wanted], actor_id=by_id, facts=facts)
            self._audit.append_in(session, entry)
            return wanted

    def card(self, scope: GuildScope, batch_id: UUID) -> JobCard | None:
        """One job; None when the guild has none of this id."""
        with self._database.transaction(scope.guild_id) as session:
            found = self._cards(session, scope.guild_id, [batch_id])
            return found[0] if found else None

    def recent(self, scope: GuildScope) -> Sequence[JobCard]:
        """The newest jobs of the guild, newest first."""
        row = JobRows
        newest = select(row.batch_id).where(row.guild_id == scope.guild_id).order_by(row.created_at.desc())
        with self._database.transaction(scope.guild_id) as session:
            return self._cards(session, scope.guild_id, session.scalars(newest.limit(RECENT)).all())

    def targets(self, scope: GuildScope, batch_id: UUID) -> Sequence[JobTarget]:
        """What became of each target, in the order in which their turn comes."""
        row, later = ActionRequests, aliased(ActionRequests)
        released = (
            select(later.request_id)
            .where(
                later.guild_id == row.guild_id,
                later.releases == row.request_id,
                later.state != State.REJECTED.value,
            )
            .exists()
        )
        back = aliased(ModCases)
        taken = select(back.case_no).where(back.guild_id == row.guild_id, back.reverses == row.case_no)
        reversed_by = taken.order_by(back.case_no).limit(1).scalar_subquery().label("reversed_by")
        columns = (row.request_id, row.target_id, row.state, row.case_no, row.refusal_kind, row.failure_kind)
        moments = (row.claimed_at.label("began_at"), row.done_at.label("ended_at"))
        told = func.coalesce(row.refusal_sentence, row.failure_sentence).label("sentence")
        of_job = select(*columns, *moments, told, released.label("released"), reversed_by).where(
            row.guild_id == scope.guild_id, row.batch_id == batch_id
        )
        with self._database.transaction(scope.guild_id) as session:
            rows = session.execute(of_job.order_by(row.place).limit(MAX_TARGETS)).all()
            ids = [UserId(found.target_id) for found in rows]
            names = people(session, scope.guild_id, ids, self._database.read_now(session)) if ids else {}
            return [_target(found, names[UserId(found.target_id)].name) for found in rows]

    @staticmethod
    def releasable(targets: Sequence[JobTarget]) -> list[JobTarget]:
        """What went over the budget and nobody has stood in for."""
        over = RefusalKind.BUDGET.value
        return [one for one in targets if one.refusal_kind == over and not one.released]

    def banned_among(self, scope: GuildScope, user_ids: Sequence[UserId]) -> frozenset[UserId]:
        """Who of these is banned, as far as the mirror knows."""
        known = select(Bans.user_id).where(Bans.guild_id == scope.guild_id, Bans.user_id.in_(user_ids))
        with self._database.transaction(scope.guild_id) as session:
            return frozenset(UserId(user_id) for user_id in session.scalars(known))

    def _cards(self, session: Session, guild_id: GuildId, ids: Sequence[UUID]) -> list[JobCard]:
        row, request = JobRows, ActionRequests
        jobs = session.scalars(
            select(row).where(row.guild_id == guild_id, row.batch_id.in_(ids)).order_by(row.created_at.desc())
        ).all()
        counted = (
            select(request.batch_id, request.state, func.count())
            .where(request.guild_id == guild_id, request.batch_id.in_(ids))
            .group_by(request.batch_id, request.state)
        )
        counts: dict[UUID, dict[State, int]] = {}
        for batch_id, state, number in session.execute(counted):
            counts.setdefault(batch_id, {})[State(state)] = number
        who = [UserId(job.moderator_id) for job in jobs]
        names = people(session, guild_id, who, self._database.read_now(session)) if who else {}
        return [
            JobCard(
                batch_id=job.batch_id,
                action=Action(job.action),
                moderator_id=UserId(job.moderator_id),
                moderator_name=names[UserId(job.moderator_id)].name,
                reason=job.reason,
                params=dict(job.params),
                state=JobState(job.state),
                created_at=job.created_at,
                asked=job.asked,
                counts=counts.get(job.batch_id, {}),
            )
            for job in jobs
        ]


def _target(found: Any, name: str) -> JobTarget:
    return JobTarget(
        request_id=found.request_id,
        target_id=UserId(found.target_id),
        target_name=name,
        state=State(found.state),
        case_no=found.case_no,
        refusal_kind=found.refusal_kind,
        failure_kind=found.failure_kind,
        sentence=found.sentence,
        released=found.released,
        reversed_by=found.reversed_by,
        began_at=found.began_at,
        ended_at=found.ended_at,
    )
