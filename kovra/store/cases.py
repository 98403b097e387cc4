"""Cases as pages show them: the list, one row, one case in full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, bindparam, func, not_, select, true
from sqlalchemy.orm import Session, aliased

from kovra.actions.request import INVERSE, Action, Source, State
from kovra.actions.rights import Capability
from kovra.guard.case import NoticeStatus, PostStatus
from kovra.guard.endings import LIFTED_BY, EndState
from kovra.ids import ChannelId, MessageId, UserId
from kovra.store.case_export import PART, CaseLine, parts_of
from kovra.store.case_finding import COUNTED, SEARCHING, Search
from kovra.store.case_many import Outcome, outcomes_of
from kovra.store.case_search import CaseFilter, CaseSort, Place
from kovra.store.case_thread import Entry, thread_of
from kovra.store.database import Database
from kovra.store.guilds import GuildScope
from kovra.store.holding import REPLACED_BY, continues, replaced
from kovra.store.members import MemberCard, card_in
from kovra.store.steps import Step, steps_of
from kovra.store.tables import ActionRequests, Bans, Members, ModCases, ScheduledEnds

#: The filter that lets everything through.
EVERYTHING = CaseFilter()


@dataclass(frozen=True, kw_only=True)
class CaseRow:
    """One line of the list. ``active``: a ban or mute that still holds; names are those at the time.

    ``overdue``: it should have ended by now. ``for_case`` is the case whose end it keeps.
    """

    case_no: int
    action: Action
    target_id: UserId
    target_name: str
    target_avatar: str | None
    moderator_id: UserId
    moderator_name: str
    source: Source
    reason: str
    notice: NoticeStatus | None
    notice_code: int | None
    state: State
    created_at: datetime
    ends_at: datetime | None
    active: bool
    overdue: bool = False
    for_case: int | None = None
    voided: bool = False


@dataclass(frozen=True, kw_only=True)
class CasePage:
    """A page of the list. ``above`` and ``below``: there are more.

    ``total`` is at most 1,001, which means more than 1,000; None when it was not counted.
    """

    rows: list[CaseRow]
    total: int | None
    above: bool
    below: bool


@dataclass(frozen=True, kw_only=True)
class CaseDetail:
    """One case in full, as it was at ``now``.

    ``target`` is who they are to the guild now, ``ended_by`` the case that ended this one, ``reverses`` the one it took
    back and ``reversed_by`` the one that took it back. ``earlier`` are the person's cases before it, newest first.
    """

    row: CaseRow
    request_id: UUID
    target: MemberCard | None
    params: Mapping[str, int]
    notice_text: str | None
    notice: NoticeStatus | None
    notice_code: int | None
    notice_at: datetime | None
    post: PostStatus | None
    post_code: int | None
    post_channel_id: ChannelId | None
    post_message_id: MessageId | None
    steps: list[Step]
    now: datetime
    thread: Sequence[Entry] = ()
    earlier: Sequence[CaseRow] = ()
    ended_by: int | None = None
    reverses: int | None = None
    reversed_by: int | None = None
    batch_id: UUID | None = None
    result: Mapping[str, Any] | None = None


class Cases:
    """Read the cases of a guild. Notes are for holders of ``view_notes`` only, in lists and counts too."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self,
        scope: GuildScope,
        wanted: CaseFilter = EVERYTHING,
        sort: CaseSort = CaseSort.NEWEST,
        place: Place | None = None,
        limit: int = 50,
    ) -> CasePage:
        """The cases that fit, from a place on.

        Pages are cut by what the order goes by, so they stay where they are while new cases arrive.
        """
        up = place is not None and place.up
        with self._database.transaction(scope.guild_id, first=SEARCHING) as session:
            search = Search(database=self._database, session=session, scope=scope, wanted=wanted, sort=sort)
            found = search.page(place, limit)
            rows = self._rows_of(session, scope, found.numbers)
            if up:
                rows.reverse()
            behind = False
            if place is not None:
                edge = _edge(rows, not up) if rows else replace(place, up=not up)
                behind = bool(search.numbers(edge, 1))
            above, below = (found.beyond, behind) if up else (behind, found.beyond)
            return CasePage(rows=rows, total=found.total, above=above, below=below)

    def newer(self, scope: GuildScope, wanted: CaseFilter, than: int) -> int:
        """How many cases that fit have a higher number; at most 1,001."""
        with self._database.transaction(scope.guild_id, first=SEARCHING) as session:
            search = Search(database=self._database, session=session, scope=scope, wanted=wanted, sort=CaseSort.NEWEST)
            return len(search.numbers(Place(case_no=than, up=True), COUNTED))

    def parts(
        self, scope: GuildScope, wanted: CaseFilter, sort: CaseSort, part: int = PART
    ) -> Iterator[Sequence[CaseLine]]:
        """All the cases that fit, for a file: see ``case_export``."""
        return parts_of(self._database, scope, wanted, sort, part)

    def moderators(self, scope: GuildScope) -> list[tuple[UserId, str]]:
        """Everybody who ever made a case here, by name."""
        with self._database.transaction(scope.guild_id) as session:
            found = session.execute(_moderators(scope)).all()
        return sorted(((UserId(row.moderator_id), row.moderator_name) for row in found), key=lambda one: one[1].lower())

    def _rows_of(self, session: Session, scope: GuildScope, numbers: Sequence[int]) -> list[CaseRow]:
        """The lines of these cases, in this order."""
        return _in_order(session, scope, numbers, self._database.read_now(session))

    def row(self, scope: GuildScope, case_no: int) -> CaseRow | None:
        """One line of the list."""
        with self._database.transaction(scope.guild_id) as session:
            found = next(iter(_read(session, scope, [case_no])), None)
            return _row(found, self._database.read_now(session)) if found else None

    def some(self, scope: GuildScope, numbers: Sequence[int]) -> list[CaseRow]:
        """The lines of these cases, in this order, without those the viewer may not see."""
        with self._database.transaction(scope.guild_id) as session:
            return self._rows_of(session, scope, numbers)

    def outcomes(self, scope: GuildScope, request_ids: Sequence[UUID]) -> Mapping[UUID, Outcome]:
        """What became of these requests, without those that were never asked."""
        with self._database.transaction(scope.guild_id) as session:
            return outcomes_of(session, scope, request_ids)

    def detail(self, scope: GuildScope, case_no: int, earlier: int = 0) -> CaseDetail | None:
        """One case in full, with so many earlier ones of the person; None when the guild has no such case, or the
        viewer may not see it.
        """
        with self._database.transaction(scope.guild_id) as session:
            found = next(iter(_read(session, scope, [case_no])), None)
            if found is None:
                return None
            now = self._database.read_now(session)
            case = session.get_one(ModCases, (scope.guild_id, case_no))
            request = session.get(ActionRequests, case.request_id)
            row = _row(found, now)
            return CaseDetail(
                row=row,
                request_id=case.request_id,
                target=card_in(session, scope, row.target_id),
                params=MappingProxyType(case.params),
                notice_text=case.notice_text,
                notice=row.notice,
                notice_code=case.notice_code,
                notice_at=case.notice_at,
                post=PostStatus(case.post_status) if case.post_status else None,
                post_code=case.post_code,
                post_channel_id=ChannelId(case.post_channel_id) if case.post_channel_id else None,
                post_message_id=MessageId(case.post_message_id) if case.post_message_id else None,
                steps=steps_of(request) if request else [],
                now=now,
                thread=thread_of(session, scope, case_no),
                earlier=_earlier(session, scope, row.target_id, case_no, earlier, now) if earlier else [],
                ended_by=session.scalars(_ended_by(case)).first() if row.action in REPLACED_BY else None,
                reverses=case.reverses,
                reversed_by=session.scalars(_reversed_by(case)).first() if row.action in INVERSE else None,
                batch_id=case.batch_id,
                result=case.result,
            )

    def latest(self, scope: GuildScope, limit: int) -> list[CaseRow]:
        """The newest cases of the guild, newest first; for a list that is not searched."""
        newest = _visible(scope).with_only_columns(ModCases.case_no).order_by(ModCases.case_no.desc()).limit(limit)
        with self._database.transaction(scope.guild_id) as session:
            return self._rows_of(session, scope, session.scalars(newest).all())

    def earlier(self, scope: GuildScope, target_id: UserId, before_no: int | None, limit: int = 10) -> list[CaseRow]:
        """A person's cases before this one, newest first; all of them without a number."""
        with self._database.transaction(scope.guild_id) as session:
            return _earlier(session, scope, target_id, before_no, limit, self._database.read_now(session))


def _in_order(session: Session, scope: GuildScope, numbers: Sequence[int], now: datetime) -> list[CaseRow]:
    known = {line.case_no: _row(line, now) for line in _read(session, scope, numbers)}
    return [known[number] for number in numbers if number in known]


def _earlier(
    session: Session, scope: GuildScope, target_id: UserId, before_no: int | None, limit: int, now: datetime
) -> list[CaseRow]:
    theirs = _visible(scope).where(ModCases.target_id == target_id)
    if before_no is not None:
        theirs = theirs.where(ModCases.case_no < before_no)
    numbers = theirs.with_only_columns(ModCases.case_no).order_by(ModCases.case_no.desc()).limit(limit)
    return _in_order(session, scope, session.scalars(numbers).all(), now)


def _visible(scope: GuildScope) -> Select[tuple[ModCases]]:
    cases = select(ModCases).where(ModCases.guild_id == scope.guild_id)
    return cases if scope.may(Capability.VIEW_NOTES) else cases.where(ModCases.action != Action.NOTE.value)


#: What a line shows. Columns and no entities: a page of fifty costs half of what it did.
_SHOWN = (
    *(ModCases.case_no, ModCases.action, ModCases.target_id, ModCases.target_name, ModCases.moderator_id),
    *(ModCases.moderator_name, ModCases.source, ModCases.reason, ModCases.notice_status, ModCases.notice_code),
    *(ModCases.state, ModCases.created_at, ModCases.ends_at, ModCases.params, ModCases.voided_at),
)


@cache
def _rows(notes: bool) -> Select[Any]:
    """Cases of ``numbers`` in ``guild`` with what a line of the list needs. Built once: it costs more than asking."""
    avatar = func.coalesce(Members.avatar, Bans.avatar).label("avatar")
    rows = (
        select(*_SHOWN, avatar, replaced().label("replaced"), ScheduledEnds.state.label("end_state"))
        .where(ModCases.guild_id == bindparam("guild"), ModCases.case_no.in_(bindparam("numbers", expanding=True)))
        .outerjoin(ScheduledEnds, ScheduledEnds.request_id == ModCases.request_id)
        .outerjoin(Members, and_(Members.guild_id == ModCases.guild_id, Members.user_id == ModCases.target_id))
        .outerjoin(Bans, and_(Bans.guild_id == ModCases.guild_id, Bans.user_id == ModCases.target_id))
    )
    return rows if notes else rows.where(ModCases.action != Action.NOTE.value)


def _read(session: Session, scope: GuildScope, numbers: Sequence[int]) -> Sequence[Any]:
    asked = {"guild": scope.guild_id, "numbers": list(numbers)}
    return session.execute(_rows(scope.may(Capability.VIEW_NOTES)), asked).all() if numbers else []


def _ended_by(case: ModCases) -> Select[tuple[int]]:
    """The case that lifted or replaced this one."""
    later = aliased(ModCases)
    ends = [end.value for end in REPLACED_BY[Action(case.action)]]
    return (
        select(later.case_no)
        .where(later.guild_id == case.guild_id, later.target_id == case.target_id, later.case_no > case.case_no)
        .where(later.action.in_(ends), not_(continues(later)))
        .order_by(later.case_no)
        .limit(1)
    )


def _reversed_by(case: ModCases) -> Select[tuple[int]]:
    """The case that took this one back."""
    back = select(ModCases.case_no).where(ModCases.guild_id == case.guild_id, ModCases.reverses == case.case_no)
    return back.order_by(ModCases.case_no).limit(1)


def _moderators(scope: GuildScope) -> Select[Any]:
    """Hops from one moderator to the next in the index, so that it costs what there are moderators, not cases."""
    here = ModCases.guild_id == scope.guild_id
    hop = select(func.min(ModCases.moderator_id).label("moderator_id")).where(here).cte("hop", recursive=True)
    following = select(func.min(ModCases.moderator_id)).where(here, ModCases.moderator_id > hop.c.moderator_id)
    hop = hop.union_all(select(following.scalar_subquery()).where(hop.c.moderator_id.is_not(None)))
    latest = (
        select(ModCases.moderator_id, ModCases.moderator_name)
        .where(here, ModCases.moderator_id == hop.c.moderator_id)
        .order_by(ModCases.case_no.desc())
        .limit(1)
        .lateral("latest")
    )
    return select(latest.c.moderator_id, latest.c.moderator_name).select_from(hop.join(latest, true()))


def _edge(rows: Sequence[CaseRow], up: bool) -> Place:
    """Past the first row further up, or past the last further down."""
    row = rows[0] if up else rows[-1]
    return Place(case_no=row.case_no, up=up, ends_at=row.ends_at)


def _row(case: Any, now: datetime) -> CaseRow:
    action = Action(case.action)
    over = case.ends_at is not None and case.ends_at <= now
    # A mute is over when its time is; a ban holds until it was lifted, and somebody may have done so in Discord.
    waits = action in LIFTED_BY and case.end_state == EndState.OPEN.value
    lifted = case.replaced or case.end_state in (EndState.CANCELLED.value, EndState.ENDED.value)
    holds = action in REPLACED_BY and not lifted and (not over or waits)
    return CaseRow(
        case_no=case.case_no,
        action=action,
        target_id=UserId(case.target_id),
        target_name=case.target_name,
        target_avatar=case.avatar,
        moderator_id=UserId(case.moderator_id),
        moderator_name=case.moderator_name,
        source=Source(case.source),
        reason=case.reason,
        notice=NoticeStatus(case.notice_status) if case.notice_status else None,
        notice_code=case.notice_code,
        state=State(case.state),
        created_at=case.created_at,
        ends_at=case.ends_at,
        active=holds,
        overdue=over and holds,
        for_case=case.params.get("for_case"),
        voided=case.voided_at is not None,
    )
