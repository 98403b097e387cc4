"""Lines of the case list: what each shows, read in one statement however many they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer, Select, and_, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from kovra.actions.capabilities import Capability
from kovra.actions.request import Action, Source, State
from kovra.guard.case import NoticeStatus
from kovra.ids import UserId
from kovra.store.case_search import PAST_ALL
from kovra.store.database import Database, run
from kovra.store.guilds import GuildScope
from kovra.store.holding import in_force, was_replaced
from kovra.store.prepared import Prepared
from kovra.store.tables import Bans, Members, ModCases, ScheduledEnds


@dataclass(frozen=True, kw_only=True)
class CaseRow:
    """One line of the list. ``active``: a ban or mute that still holds; names are those at the time, and a target's of
    today when nobody knew it then, as of an account that was banned by its ID.

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


_GUILD, _TARGET = bindparam("guild", type_=BigInteger), bindparam("target", type_=BigInteger)
_NUMBERS = bindparam("numbers", type_=ARRAY(BigInteger))

#: What a line shows. Columns and no entities: a page of fifty costs half of what it did.
_SHOWN = (
    *(ModCases.case_no, ModCases.action, ModCases.target_id, ModCases.target_name, ModCases.moderator_id),
    *(ModCases.moderator_name, ModCases.source, ModCases.reason, ModCases.notice_status, ModCases.notice_code),
    *(ModCases.state, ModCases.created_at, ModCases.ends_at, ModCases.params, ModCases.voided_at),
)


def rows_of(database: Database, session: Session, scope: GuildScope, numbers: Sequence[int]) -> list[CaseRow]:
    """The lines of these cases, in this order, without those the viewer may not see."""
    if not numbers:
        return []
    asked = {"guild": scope.guild_id, "numbers": list(numbers)}
    found = run(session.connection(), _some(scope.may(Capability.VIEW_NOTES)), asked)
    known = {line.case_no: row_of(line, database.moment(line.now)) for line in found}
    return [known[number] for number in numbers if number in known]


def earlier_of(
    database: Database, session: Session, scope: GuildScope, target_id: UserId, before_no: int | None, limit: int
) -> list[CaseRow]:
    """A person's cases before this one, newest first; all of them without a number."""
    asked = {"guild": scope.guild_id, "target": target_id, "most": limit}
    asked["before"] = PAST_ALL if before_no is None else before_no
    found = run(session.connection(), _earlier(scope.may(Capability.VIEW_NOTES)), asked)
    return [row_of(line, database.moment(line.now)) for line in found]


def asking_for_rows(notes: bool, *more: Any) -> Select[Any]:
    """Cases in ``guild`` with what a line of the list needs, and ``more``; with ``notes`` among them or without."""
    avatar = func.coalesce(Members.avatar, Bans.avatar).label("avatar")
    names = (Members.nick, Members.global_name, Members.username, Bans.global_name, Bans.username)
    called = func.coalesce(*names).label("called")
    now = func.clock_timestamp(type_=DateTime(timezone=True)).label("now")
    rows = (
        select(*_SHOWN, was_replaced().label("replaced"), ScheduledEnds.state.label("end_state"))
        .add_columns(avatar, called, now, *more)
        .where(ModCases.guild_id == _GUILD)
        .outerjoin(ScheduledEnds, ScheduledEnds.request_id == ModCases.request_id)
        .outerjoin(Members, and_(Members.guild_id == ModCases.guild_id, Members.user_id == ModCases.target_id))
        .outerjoin(Bans, and_(Bans.guild_id == ModCases.guild_id, Bans.user_id == ModCases.target_id))
    )
    return rows if notes else rows.where(ModCases.action != Action.NOTE.value)


@cache
def _some(notes: bool) -> Prepared:
    return Prepared(asking_for_rows(notes).where(ModCases.case_no == any_(_NUMBERS)))


@cache
def _earlier(notes: bool) -> Prepared:
    before, most = bindparam("before", type_=BigInteger), bindparam("most", type_=Integer)
    theirs = asking_for_rows(notes).where(ModCases.target_id == _TARGET, ModCases.case_no < before)
    return Prepared(theirs.order_by(ModCases.case_no.desc()).limit(most))


def row_of(case: Any, now: datetime) -> CaseRow:
    """A row of :func:`asking_for_rows` as a line."""
    action = Action(case.action)
    holds = in_force(action, case.ends_at, case.replaced, case.end_state, now)
    return CaseRow(
        case_no=case.case_no,
        action=action,
        target_id=UserId(case.target_id),
        target_name=_name(case),
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
        overdue=holds and case.ends_at is not None and case.ends_at <= now,
        for_case=case.params.get("for_case"),
        voided=case.voided_at is not None,
    )


def _name(case: Any) -> str:
    unknown = case.target_name == str(case.target_id)
    return (case.called if unknown else None) or case.target_name
