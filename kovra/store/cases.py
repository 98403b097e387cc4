"""Cases as pages show them: the list, one row, one case in full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, not_, select
from sqlalchemy.orm import Session, aliased

from kovra.actions.request import Action, Source, State
from kovra.actions.rights import Capability
from kovra.guard.case import NoticeStatus, PostStatus
from kovra.guard.endings import LIFTED_BY, EndState
from kovra.ids import ChannelId, MessageId, UserId
from kovra.store.database import Database
from kovra.store.guilds import GuildScope
from kovra.store.holding import REPLACED_BY, continues, replaced
from kovra.store.members import MemberCard, card_in
from kovra.store.steps import Step, steps_of
from kovra.store.tables import ActionRequests, Bans, Members, ModCases, ScheduledEnds

#: A count above this is shown as "1,000+"; nobody waits for the rest to be counted.
COUNTED = 1_001


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


@dataclass(frozen=True, kw_only=True)
class CasePage:
    """A page of the list, newest first. ``total`` is at most 1,001, which means more than 1,000."""

    rows: list[CaseRow]
    total: int
    newer: bool
    older: bool


@dataclass(frozen=True, kw_only=True)
class CaseDetail:
    """One case in full. ``target`` is who they are to the guild now, ``ended_by`` the case that ended this one."""

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
    ended_by: int | None = None


class Cases:
    """Read the cases of a guild. Notes are for holders of ``view_notes`` only, in lists and counts too."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, scope: GuildScope, *, before: int | None = None, after: int | None = None, limit: int = 50
    ) -> CasePage:
        """The cases older than ``before`` or newer than ``after``, else the newest.

        Pages are cut by number, so they stay where they are while new cases arrive.
        """
        listed = _rows(scope)
        if after is not None:
            listed = listed.where(ModCases.case_no > after).order_by(ModCases.case_no.asc())
        else:
            listed = listed.order_by(ModCases.case_no.desc())
            if before is not None:
                listed = listed.where(ModCases.case_no < before)
        with self._database.transaction(scope.guild_id) as session:
            now = self._database.read_now(session)
            found = [_row(row, now) for row in session.execute(listed.limit(limit))]
            rows = sorted(found, key=lambda row: row.case_no, reverse=True)
            total = select(func.count()).select_from(_visible(scope).limit(COUNTED).subquery())
            return CasePage(
                rows=rows,
                total=session.scalars(total).one(),
                newer=bool(rows) and _any(session, scope, ModCases.case_no > rows[0].case_no),
                older=bool(rows) and _any(session, scope, ModCases.case_no < rows[-1].case_no),
            )

    def row(self, scope: GuildScope, case_no: int) -> CaseRow | None:
        """One line of the list."""
        with self._database.transaction(scope.guild_id) as session:
            found = session.execute(_rows(scope).where(ModCases.case_no == case_no)).one_or_none()
            return _row(found, self._database.read_now(session)) if found else None

    def detail(self, scope: GuildScope, case_no: int) -> CaseDetail | None:
        """One case in full; None when the guild has no such case, or the viewer may not see it."""
        with self._database.transaction(scope.guild_id) as session:
            found = session.execute(_rows(scope).where(ModCases.case_no == case_no)).one_or_none()
            if found is None:
                return None
            now = self._database.read_now(session)
            case: ModCases = found[0]
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
                ended_by=session.scalars(_ended_by(case)).first() if row.action in REPLACED_BY else None,
            )

    def earlier(self, scope: GuildScope, target_id: UserId, before_no: int | None, limit: int = 10) -> list[CaseRow]:
        """A person's cases before this one, newest first; all of them without a number."""
        theirs = _rows(scope).where(ModCases.target_id == target_id)
        if before_no is not None:
            theirs = theirs.where(ModCases.case_no < before_no)
        with self._database.transaction(scope.guild_id) as session:
            now = self._database.read_now(session)
            found = session.execute(theirs.order_by(ModCases.case_no.desc()).limit(limit))
            return [_row(row, now) for row in found]


def _visible(scope: GuildScope) -> Select[tuple[ModCases]]:
    cases = select(ModCases).where(ModCases.guild_id == scope.guild_id)
    return cases if scope.may(Capability.VIEW_NOTES) else cases.where(ModCases.action != Action.NOTE.value)


def _rows(scope: GuildScope) -> Select[Any]:
    avatar = func.coalesce(Members.avatar, Bans.avatar).label("avatar")
    return (
        _visible(scope)
        .add_columns(avatar, replaced().label("replaced"), ScheduledEnds.state.label("end_state"))
        .outerjoin(ScheduledEnds, ScheduledEnds.request_id == ModCases.request_id)
        .outerjoin(Members, and_(Members.guild_id == ModCases.guild_id, Members.user_id == ModCases.target_id))
        .outerjoin(Bans, and_(Bans.guild_id == ModCases.guild_id, Bans.user_id == ModCases.target_id))
    )


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


def _any(session: Session, scope: GuildScope, where: ColumnElement[bool]) -> bool:
    return session.scalars(select(_visible(scope).where(where).exists())).one()


def _row(found: Any, now: datetime) -> CaseRow:
    case: ModCases = found[0]
    action = Action(case.action)
    over = case.ends_at is not None and case.ends_at <= now
    # A mute is over when its time is; a ban holds until it was lifted, and somebody may have done so in Discord.
    waits = action in LIFTED_BY and found.end_state == EndState.OPEN.value
    lifted = found.replaced or found.end_state in (EndState.CANCELLED.value, EndState.ENDED.value)
    holds = action in REPLACED_BY and not lifted and (not over or waits)
    return CaseRow(
        case_no=case.case_no,
        action=action,
        target_id=UserId(case.target_id),
        target_name=case.target_name,
        target_avatar=found.avatar,
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
    )
