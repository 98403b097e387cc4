"""Find a page of the members of a guild: who fits, the latest to come first, cut where the reader is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Select,
    and_,
    any_,
    false,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.orm import Session

from kovra.actions.request import Action
from kovra.guard.endings import EndState
from kovra.ids import GuildId, RoleId, UserId, snowflake_at
from kovra.store.member_search import SEARCHED, called, going_by, going_nearly_by, may_be_mistyped, typed_name
from kovra.store.tables import Holds, ScheduledEnds

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
class Found:
    """Whom a page is about, in the order one looks; ``behind``: there are more on the other side of its place.

    ``total`` is at most 1,001: more than 1,000.
    """

    user_ids: Sequence[int]
    total: int
    behind: bool


def find_page(
    session: Session,
    guild_id: GuildId,
    wanted: MemberFilter,
    place: MemberPlace | None,
    limit: int,
    now: ColumnElement[datetime],
) -> Found:
    """The first members past a place, by likeness when nobody goes by what was typed."""
    others, name = _others(guild_id, wanted, now), typed_name(wanted.text)
    if not wanted.text.strip():
        return _page(session, others, place, limit)
    found = _page(session, and_(others, going_by(guild_id, name) if name else false()), place, limit)
    if found.total or not may_be_mistyped(name):
        return found
    return _page(session, and_(others, going_nearly_by(name)), place, limit)


def _page(session: Session, fits: ColumnElement[bool], place: MemberPlace | None, limit: int) -> Found:
    """One trip for the members, for how many fit, and whether one is behind the place."""
    if place is None:
        counted = _ordered(fits, None).limit(COUNTED).cte("counted").prefix_with("MATERIALIZED", dialect="postgresql")
        firsts = select(counted.c.user_id).order_by(counted.c.joined_at.desc(), counted.c.user_id.desc())
        behind: ColumnElement[bool] = false()
    else:
        counted = select(SEARCHED.c.user_id).where(fits).limit(COUNTED).cte("counted")
        firsts = _ordered(fits, place).with_only_columns(SEARCHED.c.user_id)
        behind = or_(_somebody(fits, _past(replace(place, up=not place.up))), _somebody(fits, _at(place)))
    asked = select(
        func.array(firsts.limit(limit).scalar_subquery(), type_=ARRAY(BigInteger)),
        select(func.count()).select_from(counted).scalar_subquery(),
        behind,
    )
    user_ids, total, more = session.execute(asked).one()
    return Found(user_ids=user_ids, total=total, behind=more)


def _somebody(fits: ColumnElement[bool], where: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(SEARCHED.c.user_id).where(fits, where).exists()


def _others(guild_id: GuildId, wanted: MemberFilter, now: ColumnElement[datetime]) -> ColumnElement[bool]:
    """All that is asked for but the name."""
    row = SEARCHED.c
    asked: list[ColumnElement[bool]] = [row.guild_id == guild_id, row.gone_at.is_(None)]
    if wanted.role_id is not None:
        asked.append(literal(int(wanted.role_id)) == any_(row.role_ids))
    if wanted.roleless:
        asked.append(func.cardinality(row.role_ids) == 0)
    if wanted.pattern:
        asked.append(called(wanted.pattern))
    if wanted.joined_since is not None:
        asked.append(row.joined_at >= wanted.joined_since)
    if wanted.joined_until is not None:
        asked.append(row.joined_at < wanted.joined_until)
    if wanted.made_since is not None:
        asked.append(row.user_id >= snowflake_at(wanted.made_since))
    if wanted.made_until is not None:
        asked.append(row.user_id < snowflake_at(wanted.made_until))
    if wanted.punished:
        asked.append(row.user_id.in_(_punished(guild_id, now)))
    if wanted.timed_out:
        asked.append(row.timed_out_until > now)
    if wanted.pending:
        asked.append(row.pending)
    return and_(*asked)


def _punished(guild_id: GuildId, now: ColumnElement[datetime]) -> CompoundSelect[Any]:
    """Whom Discord keeps quiet, a quarantine holds, or anything that ends by itself and has not yet.

    Each looked up by itself, for all together are few; a condition of three parts would be put to every member.
    """
    end, hold, other = ScheduledEnds, Holds, SEARCHED.alias("other").c
    return union_all(
        select(other.user_id).where(other.guild_id == guild_id, other.timed_out_until > now),
        select(end.target_id).where(end.guild_id == guild_id, end.state == EndState.OPEN.value),
        select(hold.target_id).where(hold.guild_id == guild_id, hold.kind == Action.QUARANTINE.value),
    )


def _ordered(fits: ColumnElement[bool], place: MemberPlace | None) -> Select[Any]:
    """Those who fit from a place on, in the order of the list: who came by no day known stands first."""
    row = SEARCHED.c
    found = select(row.user_id, row.joined_at).where(fits)
    if place is not None:
        found = found.where(_past(place))
    up = place is not None and place.up
    return found.order_by(*((row.joined_at, row.user_id) if up else (row.joined_at.desc(), row.user_id.desc())))


def _past(place: MemberPlace) -> ColumnElement[bool]:
    row, undated = SEARCHED.c, SEARCHED.c.joined_at.is_(None)
    if place.joined_at is None:
        if place.up:
            return and_(undated, row.user_id > place.user_id)
        return or_(and_(undated, row.user_id < place.user_id), row.joined_at.is_not(None))
    mine, theirs = tuple_(row.joined_at, row.user_id), tuple_(literal(place.joined_at), literal(int(place.user_id)))
    return or_(mine > theirs, undated) if place.up else mine < theirs


def _at(place: MemberPlace) -> ColumnElement[bool]:
    row = SEARCHED.c
    return and_(row.user_id == place.user_id, row.joined_at.is_not_distinct_from(place.joined_at))
