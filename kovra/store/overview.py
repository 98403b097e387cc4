"""What a guild's front page shows: how much happens, when, by whom, and what waits for somebody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce

from sqlalchemy import Select, func, literal, select, true, tuple_
from sqlalchemy.orm import Session

from kovra.actions import budget
from kovra.actions.capabilities import Capability
from kovra.actions.request import BY_HAND, Action, State
from kovra.guard.endings import OVERDUE_AFTER, EndState
from kovra.ids import UserId
from kovra.store.budgets import limits_of
from kovra.store.database import Database
from kovra.store.guilds import GuildScope
from kovra.store.people import people
from kovra.store.roster import chosen_log_channel
from kovra.store.tables import ActionRequests, Channels, GatewayShards, Guilds, Members, ModCases, ScheduledEnds

#: Named in the table of moderators.
BUSIEST = 6


@dataclass(frozen=True, kw_only=True)
class Moderator:
    """How many cases somebody made, and how much of the hour's bans they have used; no limit: none is set."""

    user_id: UserId
    name: str
    cases: int
    bans_used: int
    bans_limit: int | None


@dataclass(frozen=True, kw_only=True)
class Activity:
    """The cases of a span. ``columns``: the start of each hour or day with a case → action → how many.

    ``hours``: (weekday, 0 is Monday; hour) → how many. All moments are UTC.
    """

    total: int
    before: int
    columns: Mapping[datetime, Mapping[Action, int]]
    hours: Mapping[tuple[int, int], int]
    moderators: Sequence[Moderator]


@dataclass(frozen=True, kw_only=True)
class Pulse:
    """How a guild stands now.

    Attributes:
        today, usual_today: cases since midnight UTC, and the middle of what the same weekday had by this hour.
        waiting, running: requests; ``oldest_s`` is the age of the one that waits longest.
        p50_s, p95_s: from the click until the case, of the last day's single actions; None without any.
        failed: requests that failed or gave up in the last day and nobody has seen to; ``failed_why`` of the newest.
        overdue: punishments that should have ended; ``overdue_case`` is the first of them.
        timed, ending: punishments with an end, and those that end within a day.
        joined, left: members, since midnight UTC.
        heard_at: when the gateway was last heard, on the shard heard longest ago.
        log_channel: the name of where cases are posted; None when they are not.
        used_up: those whose bans of the hour are all used.
    """

    now: datetime
    today: int
    usual_today: float | None
    waiting: int
    oldest_s: float
    running: int
    p50_s: float | None
    p95_s: float | None
    measured: int
    failed: int
    failed_why: str | None
    overdue: int
    overdue_case: int | None
    timed: int
    ending: int
    members: int
    joined: int
    left: int
    heard_at: datetime | None
    log_channel: str | None
    used_up: Sequence[Moderator]


class Overview:
    """The questions of the front page."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def activity(self, scope: GuildScope, *, start: datetime, length: timedelta, by_hour: bool) -> Activity:
        """The cases of ``length`` from ``start`` on, in columns of an hour or a day, in one pass over them."""
        case, end = ModCases, start + length
        at = func.timezone("UTC", case.created_at)
        column = func.date_trunc("hour" if by_hour else "day", at)
        weekday, hour = func.extract("isodow", at), func.extract("hour", at)
        sets = func.grouping_sets(tuple_(column, case.action), tuple_(weekday, hour), tuple_(case.moderator_id))
        which = func.grouping(column, weekday, case.moderator_id)
        counted = (
            _visible(
                select(
                    which.label("which"),
                    column.label("start"),
                    case.action,
                    weekday.label("weekday"),
                    hour.label("hour"),
                    case.moderator_id,
                    func.max(case.case_no).label("newest"),
                    func.count().label("cases"),
                ),
                scope,
            )
            .where(case.created_at >= start, case.created_at < end)
            .group_by(sets)
        )
        earlier = _visible(select(func.count()), scope).where(
            case.created_at >= start - length, case.created_at < start
        )
        columns: dict[datetime, dict[Action, int]] = {}
        hours: dict[tuple[int, int], int] = {}
        theirs: list[tuple[int, int]] = []
        with self._database.transaction(scope.guild_id) as session:
            for row in session.execute(counted):
                if row.start is not None:
                    columns.setdefault(row.start.replace(tzinfo=start.tzinfo), {})[Action(row.action)] = row.cases
                elif row.weekday is not None:
                    hours[int(row.weekday) - 1, int(row.hour)] = row.cases
                else:
                    theirs.append((row.cases, row.moderator_id))
            busiest = [UserId(user_id) for _, user_id in sorted(theirs, reverse=True)[:BUSIEST]]
            cases_of = {UserId(user_id): cases for cases, user_id in theirs}
            now = self._database.read_now(session)
            return Activity(
                total=sum(hours.values()),
                before=session.scalars(earlier).one(),
                columns=columns,
                hours=hours,
                moderators=self._moderators(session, scope, busiest, cases_of, now),
            )

    def pulse(self, scope: GuildScope) -> Pulse:
        """How the guild stands now."""
        with self._database.transaction(scope.guild_id) as session:
            now = self._database.read_now(session)
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
            day_ago = now - timedelta(days=1)
            # One row each: one trip brings them all.
            counts = (_open(scope), _speed(scope, day_ago), _ends(scope, now), _crowd(scope, midnight), _heard(scope))
            rows = [one.subquery() for one in counts]
            beside = reduce(lambda left, right: left.join(right, true()), rows[1:], rows[0])
            found = session.execute(select(*rows).select_from(beside)).one()
            today, usual = self._today(session, scope, now, midnight, found.oldest_case_at)
            failed = session.execute(_failed(scope, day_ago)).all()
            return Pulse(
                now=now,
                today=today,
                usual_today=usual,
                waiting=found.waiting,
                oldest_s=float(found.oldest or 0),
                running=found.running,
                p50_s=found.p50,
                p95_s=found.p95,
                measured=found.requests,
                failed=len(failed),
                failed_why=failed[0].failure_sentence if failed else None,
                overdue=found.overdue,
                overdue_case=found.first_overdue,
                timed=found.timed,
                ending=found.ending,
                members=found.member_count,
                joined=found.joined,
                left=found.gone,
                heard_at=found.heard_at,
                log_channel=_log_channel(session, scope),
                used_up=self._used_up(session, scope, now),
            )

    def _today(
        self, session: Session, scope: GuildScope, now: datetime, midnight: datetime, oldest: datetime | None
    ) -> tuple[int, float | None]:
        """Cases since midnight, and the middle of what the same weekday had by this hour in the last four weeks."""
        since_midnight, case = now - midnight, ModCases
        spans = [(midnight - timedelta(weeks=week), week) for week in range(5)]
        counts = [
            _visible(select(literal(week).label("week"), func.count().label("cases")), scope).where(
                case.created_at >= start, case.created_at < start + since_midnight
            )
            for start, week in spans
        ]
        found = {row.week: row.cases for row in session.execute(counts[0].union_all(*counts[1:]))}
        before = sorted(found[week] for start, week in spans[1:] if oldest is not None and oldest < start)
        return found[0], before[len(before) // 2] if before else None

    def _used_up(self, session: Session, scope: GuildScope, now: datetime) -> list[Moderator]:
        limit = limits_of(session, scope.guild_id, budget.DEFAULT_LIMITS).get(Action.BAN)
        if not limit:
            return []
        spent = _spent(scope, now).having(func.count() >= limit)
        who = {UserId(row.moderator_id): row.spent for row in session.execute(spent)}
        names = people(session, scope.guild_id, list(who), now) if who else {}
        return [
            Moderator(user_id=user_id, name=names[user_id].name, cases=0, bans_used=used, bans_limit=limit)
            for user_id, used in who.items()
        ]

    def _moderators(
        self,
        session: Session,
        scope: GuildScope,
        busiest: Sequence[UserId],
        cases_of: Mapping[UserId, int],
        now: datetime,
    ) -> list[Moderator]:
        if not busiest:
            return []
        spent = _spent(scope, now).where(ActionRequests.moderator_id.in_(busiest))
        used = {row.moderator_id: row.spent for row in session.execute(spent)}
        limit = limits_of(session, scope.guild_id, budget.DEFAULT_LIMITS).get(Action.BAN)
        names = people(session, scope.guild_id, busiest, now)
        return [
            Moderator(
                user_id=user_id,
                name=names[user_id].name,
                cases=cases_of[user_id],
                bans_used=used.get(user_id, 0),
                bans_limit=limit if user_id != scope.guard_id else None,
            )
            for user_id in busiest
        ]


def _visible(asked: Select, scope: GuildScope) -> Select:  # type: ignore[type-arg]
    """Notes count only for those who may read them."""
    asked = asked.where(ModCases.guild_id == scope.guild_id)
    return asked if scope.may(Capability.VIEW_NOTES) else asked.where(ModCases.action != Action.NOTE.value)


def _open(scope: GuildScope) -> Select[tuple[int, int, float]]:
    row = ActionRequests
    waits = (row.state == State.ACCEPTED.value) & (func.coalesce(row.due_at, func.now()) <= func.now())
    age = func.extract("epoch", func.clock_timestamp() - func.greatest(row.accepted_at, row.due_at))
    return select(
        func.count().filter(waits).label("waiting"),
        func.count().filter(row.state == State.EXECUTING.value).label("running"),
        func.max(age).filter(waits).label("oldest"),
    ).where(row.guild_id == scope.guild_id, row.state.in_([State.ACCEPTED.value, State.EXECUTING.value]))


def _speed(scope: GuildScope, since: datetime) -> Select[tuple[int, float, float]]:
    """Single actions only: a mass action is expected to take its time."""
    row = ActionRequests
    took = func.extract("epoch", row.applied_at - func.greatest(row.accepted_at, row.due_at))
    return select(
        func.count().label("requests"),
        func.percentile_cont(0.5).within_group(took).label("p50"),
        func.percentile_cont(0.95).within_group(took).label("p95"),
    ).where(
        row.guild_id == scope.guild_id,
        row.created_at > since,
        row.applied_at.is_not(None),
        row.accepted_at.is_not(None),
        row.batch_id.is_(None),
        row.source.in_([source.value for source in BY_HAND]),
    )


def _failed(scope: GuildScope, since: datetime) -> Select[tuple[str | None]]:
    row = ActionRequests
    return (
        select(row.failure_sentence)
        .where(
            row.guild_id == scope.guild_id,
            row.state.in_([State.FAILED.value, State.DEAD.value]),
            row.done_at > since,
            row.discarded_at.is_(None),
        )
        .order_by(row.done_at.desc())
        .limit(1_000)
    )


def _ends(scope: GuildScope, now: datetime) -> Select[tuple[int, int, int, int]]:
    row = ScheduledEnds
    late = row.ends_at < now - OVERDUE_AFTER
    return select(
        func.count().label("timed"),
        func.count().filter(row.ends_at < now + timedelta(days=1)).label("ending"),
        func.count().filter(late).label("overdue"),
        func.min(row.case_no).filter(late).label("first_overdue"),
    ).where(row.guild_id == scope.guild_id, row.state == EndState.OPEN.value)


def _crowd(scope: GuildScope, since: datetime) -> Select[tuple[int, int, int]]:
    theirs = select(func.count()).select_from(Members).where(Members.guild_id == scope.guild_id)
    return select(
        Guilds.member_count,
        theirs.where(Members.joined_at >= since, Members.gone_at.is_(None)).scalar_subquery().label("joined"),
        theirs.where(Members.gone_at >= since).scalar_subquery().label("gone"),
    ).where(Guilds.guild_id == scope.guild_id)


def _heard(scope: GuildScope) -> Select[tuple[datetime, datetime]]:
    """When the shard heard longest ago was heard, and when the first case was made; None of what there is not."""
    first = select(func.min(ModCases.created_at)).where(ModCases.guild_id == scope.guild_id)
    return select(func.min(GatewayShards.heard_at).label("heard_at"), first.scalar_subquery().label("oldest_case_at"))


def _log_channel(session: Session, scope: GuildScope) -> str | None:
    channel_id = chosen_log_channel(session, scope.guild_id)
    if channel_id is None:
        return None
    channel = session.get(Channels, (scope.guild_id, channel_id))
    return channel.name if channel else str(channel_id)


def _spent(scope: GuildScope, now: datetime) -> Select[tuple[int, int]]:
    """The bans of the sliding hour, as the budget counts them."""
    row = ActionRequests
    return (
        select(row.moderator_id, func.count().label("spent"))
        .where(
            row.guild_id == scope.guild_id,
            row.action == Action.BAN.value,
            row.accepted_at > now - budget.WINDOW,
            row.state != State.CANCELLED.value,
            row.source.in_([source.value for source in BY_HAND]),
        )
        .group_by(row.moderator_id)
    )
