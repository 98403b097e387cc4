"""The members of a guild as a list, the latest to come first; ``member_finding`` finds who is on a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Row, and_, any_, bindparam, case, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from kovra.actions.capabilities import Capability
from kovra.actions.request import Action
from kovra.ids import RoleId, UserId
from kovra.store.case_finding import SEARCHING
from kovra.store.database import Database, run
from kovra.store.guilds import GuildScope
from kovra.store.member_finding import MemberFilter, MemberPlace, find_page
from kovra.store.member_search import FIRST, once_called
from kovra.store.people import shown_name
from kovra.store.prepared import Prepared
from kovra.store.tables import Bans, Holds, Joins, Members, ModCases, Roles


@dataclass(frozen=True, kw_only=True)
class MemberLine:
    """One line of the list. ``member`` is False for someone who has left since; ``invite_code`` of their latest
    joining, when it could be told; ``joined_times`` as far as Guard was there; ``quarantined``: a quarantine holds;
    ``formerly``: the name they had by which they were found."""

    user_id: UserId
    name: str
    username: str
    avatar: str | None
    bot: bool
    member: bool
    joined_at: datetime | None
    timed_out_until: datetime | None
    pending: bool
    invite_code: str | None
    joined_times: int
    cases: int
    quarantined: bool
    banned: bool
    formerly: str | None = None


@dataclass(frozen=True, kw_only=True)
class MemberPage:
    """A page of the list. ``above`` and ``below``: there are more; ``total`` is at most 1,001: more than 1,000."""

    lines: list[MemberLine]
    total: int
    above: bool
    below: bool


@dataclass(frozen=True, kw_only=True)
class Face:
    """What one line about somebody shows of them besides their name. ``joined_at`` is None of who is not here."""

    username: str
    avatar: str | None
    joined_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class RoleCard:
    """A role as filters and profiles show it; ``colour`` is Discord's number, 0 for none."""

    role_id: RoleId
    name: str
    colour: int
    position: int
    managed: bool


class MemberList:
    """Read the members of a guild, page by page."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, scope: GuildScope, wanted: MemberFilter, place: MemberPlace | None, limit: int = 50) -> MemberPage:
        """The members that fit, from a place on, the latest to come first.

        Pages are cut by the joining, so they stay where they are while others come.
        """
        up = place is not None and place.up
        with self._database.transaction(scope.guild_id, first=SEARCHING + FIRST) as session:
            now = self._database.steady_now()
            found = find_page(session, scope.guild_id, wanted, place, limit + 1, now)
            lines = _lines(session, scope, found.user_ids[:limit])
            if up:
                lines.reverse()
            if wanted.text.strip() and lines:
                shown = [line.user_id for line in lines]
                was = once_called(session, scope.guild_id, wanted.text, len(shown), shown)
                lines = [replace(line, formerly=was.get(line.user_id)) for line in lines]
        beyond = len(found.user_ids) > limit
        above, below = (beyond, found.behind) if up else (found.behind, beyond)
        return MemberPage(lines=lines, total=found.total, above=above, below=below)

    def line(self, scope: GuildScope, user_id: UserId) -> MemberLine | None:
        """One line of the list, also of somebody who has left; None when they were never here."""
        with self._database.transaction(scope.guild_id) as session:
            return next(iter(_lines(session, scope, [user_id])), None)

    def faces(self, scope: GuildScope, user_ids: Sequence[UserId]) -> Mapping[UserId, Face]:
        """Those of these users who are or were members, each as a line shows them."""
        row = Members
        joined_at = case((row.gone_at.is_(None), row.joined_at)).label("joined_at")
        wanted = select(row.user_id, row.username, row.avatar, joined_at).where(
            row.guild_id == scope.guild_id, row.user_id.in_(user_ids)
        )
        with self._database.transaction(scope.guild_id) as session:
            return {
                UserId(found.user_id): Face(username=found.username, avatar=found.avatar, joined_at=found.joined_at)
                for found in session.execute(wanted)
            }

    def roles(self, scope: GuildScope) -> list[RoleCard]:
        """The roles of the guild, the highest first, without the one that everybody has."""
        row = Roles
        wanted = select(row).where(row.guild_id == scope.guild_id, row.role_id != scope.guild_id)
        with self._database.transaction(scope.guild_id) as session:
            found = session.scalars(wanted.order_by(row.position.desc(), row.role_id)).all()
        return [role_card(one) for one in found]

    def roles_of(self, scope: GuildScope, user_id: UserId) -> list[RoleCard]:
        """The roles of one member, the highest first."""
        with self._database.transaction(scope.guild_id) as session:
            member = session.get(Members, (scope.guild_id, user_id))
            return roles_of(session, member) if member else []


def roles_of(session: Session, member: Members) -> list[RoleCard]:
    """The roles of a member, inside the caller's transaction."""
    row = Roles
    theirs = select(row).where(row.guild_id == member.guild_id, row.role_id == any_(member.role_ids))
    return [role_card(one) for one in session.scalars(theirs.order_by(row.position.desc()))]


def role_card(row: Any) -> RoleCard:
    """A role as filters and profiles show it."""
    return RoleCard(
        role_id=RoleId(row.role_id), name=row.name, colour=row.colour, position=row.position, managed=row.managed
    )


def _lines(session: Session, scope: GuildScope, user_ids: Sequence[int]) -> list[MemberLine]:
    """The lines of these members, in this order."""
    if not user_ids:
        return []
    asked = {"guild_id": scope.guild_id, "user_ids": list(user_ids)}
    found = run(session.connection(), _shown(scope.may(Capability.VIEW_NOTES)), asked)
    known = {row.user_id: _line(row) for row in found}
    return [known[user_id] for user_id in user_ids if user_id in known]


@cache
def _shown(notes: bool) -> Prepared:
    """What lines show of the members ``user_ids``; with ``notes`` among their cases or without."""
    row, joins, cases = Members, Joins, ModCases
    theirs = and_(joins.guild_id == row.guild_id, joins.user_id == row.user_id)
    times = select(func.count()).where(theirs)
    latest = select(joins.invite_code).where(theirs).order_by(joins.joined_at.desc()).limit(1)
    counted = select(func.count()).where(cases.guild_id == row.guild_id, cases.target_id == row.user_id)
    if not notes:
        counted = counted.where(cases.action != Action.NOTE.value)
    quarantine = and_(
        Holds.guild_id == row.guild_id, Holds.kind == Action.QUARANTINE.value, Holds.target_id == row.user_id
    )
    names = ("user_id", "username", "global_name", "nick", "avatar", "bot", "joined_at", "timed_out_until", "pending")
    return Prepared(
        select(
            *(getattr(row, name) for name in (*names, "gone_at")),
            times.correlate(row).scalar_subquery().label("joined_times"),
            latest.correlate(row).scalar_subquery().label("invite_code"),
            counted.correlate(row).scalar_subquery().label("cases"),
            Holds.case_no.is_not(None).label("quarantined"),
            Bans.user_id.is_not(None).label("banned"),
        )
        .outerjoin(Holds, quarantine)
        .outerjoin(Bans, and_(Bans.guild_id == row.guild_id, Bans.user_id == row.user_id))
        .where(
            row.guild_id == bindparam("guild_id", type_=BigInteger),
            row.user_id == any_(bindparam("user_ids", type_=ARRAY(BigInteger))),
        )
    )


def _line(found: Row[Any]) -> MemberLine:
    here = found.gone_at is None
    return MemberLine(
        user_id=UserId(found.user_id),
        name=shown_name(found),
        username=found.username,
        avatar=found.avatar,
        bot=found.bot,
        member=here,
        joined_at=found.joined_at,
        timed_out_until=found.timed_out_until if here else None,
        pending=here and found.pending,
        invite_code=found.invite_code,
        joined_times=found.joined_times,
        cases=found.cases,
        quarantined=found.quarantined,
        banned=found.banned,
    )
