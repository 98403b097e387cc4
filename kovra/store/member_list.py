"""The members of a guild as a list: who fits, the latest to come first, cut where the reader is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, any_, case, false, func, literal, or_, select, tuple_
from sqlalchemy.orm import Session

from kovra.actions.capabilities import Capability
from kovra.actions.request import Action
from kovra.guard.endings import EndState
from kovra.ids import RoleId, UserId, snowflake_at
from kovra.store.database import Database
from kovra.store.guilds import GuildScope
from kovra.store.member_search import FIRST, called, going_by, going_nearly_by, once_called, typed_name
from kovra.store.people import shown_name
from kovra.store.tables import Bans, Holds, Joins, Members, ModCases, Roles, ScheduledEnds

#: More are not counted.
COUNTED = 1_001


@dataclass(frozen=True, kw_only=True)
class MemberFilter:
    """What a list asks for. Moments are bounds: joined or account made from then on, or before then.

    ``punished``: a mute, a quarantine or another act on them holds now; ``timed_out``: Discord keeps them quiet;
    ``pending``: they have not accepted the rules yet. ``text`` is searched for, with likeness at last; ``pattern`` is
    one of their names or it is not. ``roleless``: they have no role at all.
    """

    text: str = ""
    pattern: str = ""
    role_id: RoleId | None = None
    roleless: bool = False
    joined_since: datetime | None = None
    joined_until: datetime | None = None
    made_since: datetime | None = None
    made_until: datetime | None = None
    punished: bool = False
    timed_out: bool = False
    pending: bool = False


@dataclass(frozen=True, kw_only=True)
class MemberPlace:
    """Past which member a page begins, further down or ``up``. ``joined_at`` is None of who came by no day known."""

    joined_at: datetime | None
    user_id: UserId
    up: bool


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
        with self._database.transaction(scope.guild_id, first=FIRST) as session:
            now = self._database.read_now(session)
            fits, total = _counted(session, scope, wanted, now)
            found = session.execute(_lines(scope, fits, place).limit(limit + 1)).all()
            lines = [_line(row) for row in found[:limit]]
            if up:
                lines.reverse()
            if wanted.text.strip() and lines:
                shown = [line.user_id for line in lines]
                was = once_called(session, scope.guild_id, wanted.text, len(shown), shown)
                lines = [replace(line, formerly=was.get(line.user_id)) for line in lines]
            beyond, behind = len(found) > limit, False
            if place is not None:
                edge = lines[-1] if up else lines[0] if lines else None
                back = MemberPlace(
                    joined_at=edge.joined_at if edge else place.joined_at,
                    user_id=edge.user_id if edge else place.user_id,
                    up=not up,
                )
                behind = session.execute(_ordered(fits, back).limit(1)).first() is not None
        above, below = (beyond, behind) if up else (behind, beyond)
        return MemberPage(lines=lines, total=total, above=above, below=below)

    def line(self, scope: GuildScope, user_id: UserId) -> MemberLine | None:
        """One line of the list, also of somebody who has left; None when they were never here."""
        here = and_(Members.guild_id == scope.guild_id, Members.user_id == user_id)
        with self._database.transaction(scope.guild_id) as session:
            found = session.execute(_lines(scope, here, None)).first()
        return _line(found) if found else None

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


def _counted(
    session: Session, scope: GuildScope, wanted: MemberFilter, now: datetime
) -> tuple[ColumnElement[bool], int]:
    """What the members have to be, and how many are it. By likeness when nobody goes by what was typed."""
    others = _others(scope, wanted, now)
    if not wanted.text.strip():
        return others, _count(session, others)
    name = typed_name(wanted.text)
    fits = and_(others, Members.user_id.in_(going_by(scope.guild_id, name)) if name else false())
    total = _count(session, fits)
    nearly = going_nearly_by(scope.guild_id, name)
    if total or nearly is None:
        return fits, total
    fits = and_(others, Members.user_id.in_(nearly))
    return fits, _count(session, fits)


def _count(session: Session, fits: ColumnElement[bool]) -> int:
    some = select(literal(1)).select_from(Members).where(fits).limit(COUNTED).subquery()
    return session.scalars(select(func.count()).select_from(some)).one()


def _others(scope: GuildScope, wanted: MemberFilter, now: datetime) -> ColumnElement[bool]:
    """All that is asked for but the name."""
    row = Members
    asked: list[ColumnElement[bool]] = [row.guild_id == scope.guild_id, row.gone_at.is_(None)]
    if wanted.role_id is not None:
        asked.append(literal(int(wanted.role_id)) == any_(row.role_ids))
    if wanted.roleless:
        asked.append(func.cardinality(row.role_ids) == 0)
    if wanted.pattern:
        asked.append(row.user_id.in_(called(scope.guild_id, wanted.pattern)))
    if wanted.joined_since is not None:
        asked.append(row.joined_at >= wanted.joined_since)
    if wanted.joined_until is not None:
        asked.append(row.joined_at < wanted.joined_until)
    if wanted.made_since is not None:
        asked.append(row.user_id >= snowflake_at(wanted.made_since))
    if wanted.made_until is not None:
        asked.append(row.user_id < snowflake_at(wanted.made_until))
    if wanted.punished:
        asked.append(or_(row.timed_out_until > now, _end_stands(), quarantined()))
    if wanted.timed_out:
        asked.append(row.timed_out_until > now)
    if wanted.pending:
        asked.append(row.pending)
    return and_(*asked)


def _end_stands() -> ColumnElement[bool]:
    """Whether something done to this member ends by itself, and has not yet."""
    end = ScheduledEnds
    theirs = and_(end.guild_id == Members.guild_id, end.target_id == Members.user_id)
    return select(end.request_id).where(theirs, end.state == EndState.OPEN.value).exists()


def quarantined() -> ColumnElement[bool]:
    """Whether a quarantine holds this member."""
    theirs = and_(Holds.guild_id == Members.guild_id, Holds.target_id == Members.user_id)
    return select(Holds.case_no).where(theirs, Holds.kind == Action.QUARANTINE.value).exists()


def _ordered(fits: ColumnElement[bool], place: MemberPlace | None) -> Select[Any]:
    """Those who fit from a place on, in the order of the list: who came by no day known stands first."""
    row = Members
    found = select(row.guild_id, row.user_id, row.joined_at).where(fits)
    up = place is not None and place.up
    if place is not None:
        found = found.where(_past(place))
    return found.order_by(*((row.joined_at, row.user_id) if up else (row.joined_at.desc(), row.user_id.desc())))


def _past(place: MemberPlace) -> ColumnElement[bool]:
    row, undated = Members, Members.joined_at.is_(None)
    if place.joined_at is None:
        if place.up:
            return and_(undated, row.user_id > place.user_id)
        return or_(and_(undated, row.user_id < place.user_id), row.joined_at.is_not(None))
    mine, theirs = tuple_(row.joined_at, row.user_id), tuple_(literal(place.joined_at), literal(int(place.user_id)))
    return or_(mine > theirs, undated) if place.up else mine < theirs


def _lines(scope: GuildScope, fits: ColumnElement[bool], place: MemberPlace | None) -> Select[Any]:
    """The members with what a line shows; the rest is looked up for those of the page alone."""
    row, joins, cases = Members, Joins, ModCases
    theirs = and_(joins.guild_id == row.guild_id, joins.user_id == row.user_id)
    times = select(func.count()).where(theirs).correlate(row).scalar_subquery()
    latest = select(joins.invite_code).where(theirs).order_by(joins.joined_at.desc()).limit(1)
    counted = select(func.count()).where(cases.guild_id == row.guild_id, cases.target_id == row.user_id)
    if not scope.may(Capability.VIEW_NOTES):
        counted = counted.where(cases.action != Action.NOTE.value)
    banned = select(Bans.user_id).where(Bans.guild_id == row.guild_id, Bans.user_id == row.user_id).exists()
    return _ordered(fits, place).with_only_columns(
        row,
        times.label("joined_times"),
        latest.correlate(row).scalar_subquery().label("invite_code"),
        counted.correlate(row).scalar_subquery().label("cases"),
        quarantined().label("quarantined"),
        banned.label("banned"),
    )


def _line(found: Row[Any]) -> MemberLine:
    member: Members = found[0]
    here = member.gone_at is None
    return MemberLine(
        user_id=UserId(member.user_id),
        name=shown_name(member),
        username=member.username,
        avatar=member.avatar,
        bot=member.bot,
        member=here,
        joined_at=member.joined_at,
        timed_out_until=member.timed_out_until if here else None,
        pending=here and member.pending,
        invite_code=found.invite_code,
        joined_times=found.joined_times,
        cases=found.cases,
        quarantined=found.quarantined,
        banned=found.banned,
    )
