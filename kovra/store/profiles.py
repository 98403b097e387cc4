"""One person to a guild: their cases with what became of them, what holds them now, their roles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from kovra.actions.request import Action, Source
from kovra.actions.rights import Capability
from kovra.guard.case import NoticeStatus
from kovra.ids import UserId
from kovra.store.database import Database
from kovra.store.guilds import GuildScope
from kovra.store.holding import holds, replaced, reversed_by
from kovra.store.member_list import RoleCard, roles_of
from kovra.store.members import MemberCard, card_in
from kovra.store.tables import Bans, Members, ModCases, ScheduledEnds

#: What can hold a person, the heaviest first.
HOLDING = (Action.BAN, Action.QUARANTINE, Action.MUTE)


@dataclass(frozen=True, kw_only=True)
class HistoryCase:
    """One case of a person. ``holds``: what it began is in force; ``overdue``: it should have ended by now."""

    case_no: int
    action: Action
    reason: str
    moderator_id: UserId
    moderator_name: str
    source: Source
    notice: NoticeStatus | None
    created_at: datetime
    ends_at: datetime | None
    holds: bool
    overdue: bool
    voided: bool
    reverses: int | None
    reversed_by: int | None


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a profile shows of a person as the guild sees them now.

    ``cases`` the newest first; ``holding`` what is in force; ``notes`` the newest of them, for those who may read
    them; ``counts`` their cases by action, most first. ``ban_reason`` is Discord's, of whoever is banned.
    """

    card: MemberCard
    cases: Sequence[HistoryCase]
    holding: Sequence[HistoryCase]
    notes: Sequence[HistoryCase]
    counts: Sequence[tuple[Action, int]]
    roles: Sequence[RoleCard]
    pending: bool
    ban_reason: str | None


class Profiles:
    """Read people one by one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, scope: GuildScope, user_id: UserId, before_no: int | None, limit: int, notes: int) -> Profile | None:
        """A person, with their cases before this number; None when the guild knows nothing of them."""
        with self._database.transaction(scope.guild_id) as session:
            card = card_in(session, scope, user_id)
            if card is None:
                return None
            now = self._database.read_now(session)
            cases = _history(scope, user_id).order_by(ModCases.case_no.desc())
            page = cases if before_no is None else cases.where(ModCases.case_no < before_no)
            row = ModCases
            latest = (
                _history(scope, user_id)
                .where(row.action.in_([action.value for action in HOLDING]))
                .order_by(row.action, row.case_no.desc())
                .ext(distinct_on(row.action))
            )
            noted = cases.where(row.action == Action.NOTE.value).limit(notes)
            held = {case.action: case for case in _read(session, latest, now) if case.holds}
            member = session.get(Members, (scope.guild_id, user_id))
            ban = session.get(Bans, (scope.guild_id, user_id)) if card.banned else None
            return Profile(
                card=card,
                cases=_read(session, page.limit(limit), now),
                holding=[held[action] for action in HOLDING if action in held],
                notes=_read(session, noted, now) if scope.may(Capability.VIEW_NOTES) else (),
                counts=_counts(session, scope, user_id),
                roles=roles_of(session, member) if member and card.member else (),
                pending=bool(member and card.member and member.pending),
                ban_reason=ban.reason if ban else None,
            )


def _history(scope: GuildScope, user_id: UserId) -> Select[Any]:
    row = ModCases
    theirs = (
        select(
            row,
            replaced().label("replaced"),
            ScheduledEnds.state.label("end_state"),
            reversed_by().label("reversed_by"),
        )
        .outerjoin(ScheduledEnds, ScheduledEnds.request_id == row.request_id)
        .where(row.guild_id == scope.guild_id, row.target_id == user_id)
    )
    return theirs if scope.may(Capability.VIEW_NOTES) else theirs.where(row.action != Action.NOTE.value)


def _read(session: Session, asked: Select[Any], now: datetime) -> list[HistoryCase]:
    return [_case(found, now) for found in session.execute(asked)]


def _case(found: Row[Any], now: datetime) -> HistoryCase:
    case: ModCases = found[0]
    in_force = holds(found, now)
    return HistoryCase(
        case_no=case.case_no,
        action=Action(case.action),
        reason=case.reason,
        moderator_id=UserId(case.moderator_id),
        moderator_name=case.moderator_name,
        source=Source(case.source),
        notice=NoticeStatus(case.notice_status) if case.notice_status else None,
        created_at=case.created_at,
        ends_at=case.ends_at,
        holds=in_force,
        overdue=in_force and case.ends_at is not None and case.ends_at <= now,
        voided=case.voided_at is not None,
        reverses=case.reverses,
        reversed_by=found.reversed_by,
    )


def _counts(session: Session, scope: GuildScope, user_id: UserId) -> list[tuple[Action, int]]:
    row = ModCases
    counted = (
        select(row.action, func.count().label("cases"))
        .where(row.guild_id == scope.guild_id, row.target_id == user_id)
        .group_by(row.action)
        .order_by(func.count().desc(), row.action)
    )
    if not scope.may(Capability.VIEW_NOTES):
        counted = counted.where(row.action != Action.NOTE.value)
    return [(Action(action), number) for action, number in session.execute(counted)]
