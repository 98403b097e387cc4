"""Who is banned, as a list: the latest bans that Guard has a case of first, then those that nobody told it of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, cast, func, literal, null, or_, select, true
from sqlalchemy.orm import aliased
from sqlalchemy.types import Text

from kovra.actions.request import Action
from kovra.guard.endings import EndState
from kovra.ids import GuildId, UserId
from kovra.store.database import Database
from kovra.store.guilds import GuildScope
from kovra.store.member_search import FIRST, may_be_mistyped, part_of, typed_name
from kovra.store.people import shown_name
from kovra.store.tables import Bans, ModCases, ScheduledEnds

#: More are not counted.
COUNTED = 1_001
#: Of so many bans the case of each is looked up.
FEW = 8_000


@dataclass(frozen=True, kw_only=True)
class BanFilter:
    """What a list asks for; ``temporary``: those that end by themselves."""

    text: str = ""
    temporary: bool = False


@dataclass(frozen=True, kw_only=True)
class BanPlace:
    """Past which ban a page begins: of those with a case its number, of the others whom it holds."""

    case_no: int | None = None
    user_id: UserId | None = None


@dataclass(frozen=True, kw_only=True)
class BanLine:
    """One ban. Without a case it was done in Discord before Guard came; ``reason`` is then Discord's."""

    user_id: UserId
    name: str
    username: str
    avatar: str | None
    reason: str
    case_no: int | None
    moderator_id: UserId | None
    moderator_name: str | None
    banned_at: datetime | None
    ends_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class BanPage:
    """A page of the list; ``below``: there are more; ``total`` is at most 1,001: more than 1,000."""

    lines: list[BanLine]
    total: int
    below: bool


class BanList:
    """Read the bans of a guild, page by page."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, scope: GuildScope, wanted: BanFilter, place: BanPlace, limit: int = 50) -> BanPage:
        """The bans that fit, from a place on. Pages stay where they are while others are banned."""
        with self._database.transaction(scope.guild_id, first=FIRST) as session:

            def count(fits: ColumnElement[bool], most: int = COUNTED) -> int:
                some = select(literal(1)).select_from(Bans).where(fits).limit(most).subquery()
                return session.scalars(select(func.count()).select_from(some)).one()

            fits = _fits(scope, wanted, nearly=False)
            total = count(fits)
            if not total and may_be_mistyped(typed_name(wanted.text)):
                fits = _fits(scope, wanted, nearly=True)
                total = count(fits)
            found: list[Row[Any]] = []
            if place.user_id is None:
                few = total < COUNTED or count(fits, FEW + 1) <= FEW
                with_case = _case_of_each if few else _with_case
                found += session.execute(with_case(scope.guild_id, fits, place.case_no, limit + 1)).all()
            if len(found) <= limit:
                found += session.execute(_without_case(fits, place.user_id).limit(limit + 1 - len(found))).all()
        return BanPage(lines=[_line(row) for row in found[:limit]], total=total, below=len(found) > limit)

    def line(self, scope: GuildScope, user_id: UserId) -> BanLine | None:
        """One ban; None when it does not hold."""
        theirs = and_(Bans.guild_id == scope.guild_id, Bans.user_id == user_id)
        with self._database.transaction(scope.guild_id) as session:
            found = (
                session.execute(_case_of_each(scope.guild_id, theirs, None, 1)).first()
                or session.execute(_without_case(theirs, None)).first()
            )
        return _line(found) if found else None


def _fits(scope: GuildScope, wanted: BanFilter, *, nearly: bool) -> ColumnElement[bool]:
    row = Bans
    asked: list[ColumnElement[bool]] = [row.guild_id == scope.guild_id]
    name = typed_name(wanted.text)
    names = func.lower(row.username + literal(" ") + func.coalesce(row.global_name, ""))
    if name and nearly:
        asked.append(literal(name).op("<%")(names))
    elif name:
        part = f"%{part_of(name)}%"
        ids = cast(row.user_id, Text).like(f"{part_of(name)}%", escape="\\")
        reasons = func.lower(func.coalesce(row.reason, "")).like(part, escape="\\")
        asked.append(or_(names.like(part, escape="\\"), ids, reasons))
    if wanted.temporary:
        end = ScheduledEnds
        theirs = and_(end.guild_id == row.guild_id, end.target_id == row.user_id)
        of_ban = and_(end.punishment == Action.BAN.value, end.state == EndState.OPEN.value)
        asked.append(select(end.request_id).where(theirs, of_ban).exists())
    return and_(*asked)


def _case_of_each(guild_id: GuildId, fits: ColumnElement[bool], before_no: int | None, limit: int) -> Select[Any]:
    """Looks up the latest ban case of each: for few, who may all have been banned before the last hundred thousand."""
    row, each = aliased(ModCases), ModCases
    theirs = and_(row.guild_id == Bans.guild_id, row.target_id == Bans.user_id, row.action == Action.BAN.value)
    latest = select(row.case_no).where(theirs).correlate(Bans).order_by(row.case_no.desc()).limit(1).lateral("latest")
    found = select(Bans.user_id, latest.c.case_no).select_from(Bans).join(latest, true()).where(fits)
    if before_no is not None:
        found = found.where(latest.c.case_no < before_no)
    page = found.order_by(latest.c.case_no.desc()).limit(limit).subquery("page")
    return (
        select(Bans, each.case_no, each.moderator_id, each.moderator_name, each.created_at, each.ends_at)
        .add_columns(each.reason.label("case_reason"))
        .select_from(page)
        .join(Bans, and_(Bans.guild_id == guild_id, Bans.user_id == page.c.user_id))
        .join(each, and_(each.guild_id == guild_id, each.case_no == page.c.case_no))
        .order_by(each.case_no.desc())
    )


def _with_case(guild_id: GuildId, fits: ColumnElement[bool], before_no: int | None, limit: int) -> Select[Any]:
    """Walks the ban cases from the newest, and keeps those that hold: for many, of whom some are soon met."""
    row, later = ModCases, aliased(ModCases)
    newer = and_(later.guild_id == row.guild_id, later.target_id == row.target_id, later.case_no > row.case_no)
    found = (
        select(Bans, row.case_no, row.moderator_id, row.moderator_name, row.created_at, row.ends_at)
        .add_columns(row.reason.label("case_reason"))
        .join(Bans, and_(Bans.guild_id == row.guild_id, Bans.user_id == row.target_id))
        .where(fits, row.guild_id == Bans.guild_id, row.action == Action.BAN.value)
        .where(~select(later.case_no).where(newer, later.action == Action.BAN.value).exists())
    )
    found = found.where(row.guild_id == guild_id)
    if before_no is not None:
        found = found.where(row.case_no < before_no)
    return found.order_by(row.case_no.desc()).limit(limit)


def _without_case(fits: ColumnElement[bool], before_id: UserId | None) -> Select[Any]:
    row = ModCases
    theirs = and_(row.guild_id == Bans.guild_id, row.target_id == Bans.user_id, row.action == Action.BAN.value)
    nothing = (null().label(name) for name in ("case_no", "moderator_id", "moderator_name", "created_at", "ends_at"))
    found = select(Bans, *nothing, null().label("case_reason")).where(fits, ~select(row.case_no).where(theirs).exists())
    return (found if before_id is None else found.where(Bans.user_id < before_id)).order_by(Bans.user_id.desc())


def _line(found: Row[Any]) -> BanLine:
    ban: Bans = found[0]
    return BanLine(
        user_id=UserId(ban.user_id),
        name=shown_name(ban),
        username=ban.username,
        avatar=ban.avatar,
        reason=(ban.reason or "") if found.case_no is None else found.case_reason,
        case_no=found.case_no,
        moderator_id=UserId(found.moderator_id) if found.moderator_id is not None else None,
        moderator_name=found.moderator_name,
        banned_at=found.created_at,
        ends_at=found.ends_at,
    )
