"""What is on its way in a guild, what has just ended, and how long it took: the questions of the Action Queue page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, and_, func, literal, or_, select

from kovra.actions.capabilities import Capability
from kovra.actions.request import BY_HAND, Action, Source, State
from kovra.ids import UserId
from kovra.store.database import Database
from kovra.store.guilds import GuildScope
from kovra.store.people import names_of
from kovra.store.tables import ActionRequests

_OPEN = (State.ACCEPTED.value, State.EXECUTING.value, State.APPLIED.value)

#: Counts stop here; pages say "1,000+".
_MOST = 1_001


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """How many requests are where.

    ``waiting`` are due and not begun, ``oldest_s`` is how long the first of them has been; ``deferred`` have a later
    time. ``failed`` ended so within a day and ``failed_ever`` as far back as rows are kept; ``dead`` gave up, and
    nobody has tried them again or discarded them.
    """

    waiting: int
    oldest_s: float
    deferred: int
    running: int
    finishing: int
    failed: int
    failed_ever: int
    dead: int


@dataclass(frozen=True, kw_only=True)
class Moving:
    """One request that is on its way or has just ended. ``sentence`` says why it did not end well."""

    request_id: UUID
    action: Action
    source: Source
    target_id: UserId
    target_name: str
    moderator_id: UserId
    moderator_name: str
    state: State
    attempts: int
    case_no: int | None
    sentence: str | None
    asked_at: datetime
    due_at: datetime | None
    waited_s: float
    worked_s: float | None
    told_s: float | None

    @property
    def took_s(self) -> float | None:
        """From accepted to the end; None while it is not over."""
        if self.worked_s is None:
            return None
        return self.waited_s + self.worked_s + (self.told_s or 0.0)


@dataclass(frozen=True, kw_only=True)
class Times:
    """Of so many requests half took less than ``p50_s``, all but a twentieth less than ``p95_s``."""

    requests: int
    p50_s: float
    p95_s: float


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast single actions of people became cases: as a whole, from each moment on, and step by step."""

    whole: Times | None
    points: Mapping[datetime, Times]
    steps: Mapping[str, Times]


class Traffic:
    """The questions of the Action Queue page. Each raises Unavailable when PostgreSQL does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def crowd(self, scope: GuildScope) -> Crowd:
        """How many requests are where now. What belongs to a mass action is counted too."""
        row, now = ActionRequests, self._database.now()
        later = and_(row.state == State.ACCEPTED.value, row.due_at > now)
        waiting = and_(row.state == State.ACCEPTED.value, or_(row.due_at.is_(None), row.due_at <= now))
        age = func.extract("epoch", now - func.greatest(row.accepted_at, row.due_at))
        day = row.done_at > now - timedelta(days=1)
        everything = select(
            func.count().filter(waiting).label("waiting"),
            func.max(age).filter(waiting).label("oldest"),
            func.count().filter(later).label("deferred"),
            func.count().filter(row.state == State.EXECUTING.value).label("running"),
            func.count().filter(row.state == State.APPLIED.value).label("finishing"),
            _number(scope, State.FAILED, day).label("failed"),
            _number(scope, State.FAILED).label("failed_ever"),
            _number(scope, State.DEAD).label("dead"),
        ).where(row.guild_id == scope.guild_id, row.state.in_(_OPEN))
        with self._database.transaction(scope.guild_id) as session:
            found = session.execute(everything).one()
            return Crowd(
                waiting=found.waiting,
                oldest_s=max(0.0, float(found.oldest or 0)),
                deferred=found.deferred,
                running=found.running,
                finishing=found.finishing,
                failed=found.failed,
                failed_ever=found.failed_ever,
                dead=found.dead,
            )

    def moving(self, scope: GuildScope, *, lately: timedelta, limit: int) -> list[Moving]:
        """What is on its way, and what was asked for lately, the newest first; not what belongs to a mass action."""
        row = ActionRequests
        now = self._database.now()
        page = (
            select(row)
            .where(
                row.guild_id == scope.guild_id,
                row.batch_id.is_(None),
                row.accepted_at.is_not(None),
                or_(row.state.in_(_OPEN), row.created_at > now - lately),
                *_readable(scope),
            )
            .order_by(row.created_at.desc(), row.request_id)
            .limit(limit)
        )
        with self._database.transaction(scope.guild_id) as session:
            moment = self._database.read_now(session)
            rows = session.scalars(page).all()
            ids = {UserId(one.target_id) for one in rows} | {UserId(one.moderator_id) for one in rows}
            names = names_of(session, scope.guild_id, ids, moment)
            return [_moving(one, names, moment) for one in rows]

    def speed(self, scope: GuildScope, *, start: datetime, step: timedelta) -> Speed:
        """The times of single actions of people that were asked for since ``start``, in points ``step`` apart.

        A mass action is expected to take its time, and what nobody clicked has nobody who waits.
        """
        row = ActionRequests
        begun = func.greatest(row.accepted_at, row.due_at)
        whole = func.extract("epoch", row.applied_at - begun)
        at = func.date_bin(step, row.accepted_at, literal(start))
        clicked = (
            row.guild_id == scope.guild_id,
            row.created_at >= start,
            row.applied_at.is_not(None),
            row.accepted_at.is_not(None),
            row.batch_id.is_(None),
            row.source.in_([source.value for source in BY_HAND]),
        )
        points = select(at.label("at"), *_times(whole)).where(*clicked).group_by(func.rollup(at))
        spans = {
            "waited": row.claimed_at - begun,
            "checked": row.checked_at - row.claimed_at,
            "notice": row.notice_done_at - row.notice_at,
            "discord": row.effect_done_at - row.effect_at,
            "case": row.applied_at - row.effect_done_at,
            "post": row.post_done_at - row.post_at,
        }
        columns = [
            column.label(f"{name}_{column.name}")
            for name, span in spans.items()
            for column in _times(func.extract("epoch", span))
        ]
        with self._database.transaction(scope.guild_id) as session:
            found = {one.at: _read(one.requests, one.p50, one.p95) for one in session.execute(points)}
            by_step = session.execute(select(*columns).where(*clicked)).one()._mapping
        steps = {name: _read(*(by_step[f"{name}_{part}"] for part in ("requests", "p50", "p95"))) for name in spans}
        return Speed(
            whole=found.get(None),
            points={moment: times for moment, times in found.items() if moment is not None and times is not None},
            steps={name: times for name, times in steps.items() if times is not None},
        )


def _times(took: ColumnElement[Any]) -> Sequence[ColumnElement[Any]]:
    return (
        func.count(took).label("requests"),
        func.percentile_cont(0.5).within_group(took).label("p50"),
        func.percentile_cont(0.95).within_group(took).label("p95"),
    )


def _read(requests: int, p50: float | None, p95: float | None) -> Times | None:
    return None if p50 is None or p95 is None else Times(requests=requests, p50_s=float(p50), p95_s=float(p95))


def _readable(scope: GuildScope) -> Sequence[ColumnElement[bool]]:
    """Staff notes are for those who may read them; that there is one is part of it."""
    return () if scope.may(Capability.VIEW_NOTES) else (ActionRequests.action != Action.NOTE.value,)


def _number(scope: GuildScope, state: State, *more: ColumnElement[bool]) -> ScalarSelect[int]:
    row = ActionRequests
    some = select(literal(1)).where(
        row.guild_id == scope.guild_id,
        row.state == state.value,
        row.discarded_at.is_(None),
        *more,
        *_readable(scope),
    )
    return select(func.count()).select_from(some.limit(_MOST).subquery()).scalar_subquery()


def _moving(row: ActionRequests, names: Mapping[UserId, str], now: datetime) -> Moving:
    assert row.accepted_at is not None
    begun = max(row.accepted_at, row.due_at) if row.due_at is not None and row.due_at <= now else row.accepted_at
    acted = row.applied_at or (row.done_at if row.claimed_at else None)
    return Moving(
        request_id=row.request_id,
        action=Action(row.action),
        source=Source(row.source),
        target_id=UserId(row.target_id),
        target_name=names[UserId(row.target_id)],
        moderator_id=UserId(row.moderator_id),
        moderator_name=names[UserId(row.moderator_id)],
        state=State(row.state),
        attempts=row.attempts,
        case_no=row.case_no,
        sentence=row.failure_sentence or row.refusal_sentence,
        asked_at=row.accepted_at,
        due_at=row.due_at if row.due_at is not None and row.due_at > now else None,
        waited_s=_between(begun, row.claimed_at or row.done_at or now),
        worked_s=_between(row.claimed_at, acted) if row.claimed_at and acted else None,
        told_s=_between(row.applied_at, row.done_at) if row.applied_at and row.done_at else None,
    )


def _between(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds())
