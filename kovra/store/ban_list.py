"""Who is banned, as a list: the latest bans that Guard has a case of first, then those that nobody told it of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Row,
    Select,
    and_,
    any_,
    bindparam,
    cast,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
)
from sqlalchemy.orm import Session, aliased
from sqlalchemy.types import Text

from kovra.actions.request import Action
from kovra.guard.endings import EndState
from kovra.ids import GuildId, UserId
from kovra.store.case_finding import SEARCHING
from kovra.store.database import Database, run
from kovra.store.guilds import GuildScope
from kovra.store.member_search import FIRST, may_be_mistyped, part_of, typed_name
from kovra.store.people import shown_name
from kovra.store.prepared import Prepared
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
        with self._database.transaction(scope.guild_id, first=SEARCHING + FIRST) as session:
            fits = _fits(scope, wanted, nearly=False)
            total, numbers = _numbers(session, scope.guild_id, fits, place, limit + 1)
            if not total and may_be_mistyped(typed_name(wanted.text)):
                fits = _fits(scope, wanted, nearly=True)
                total, numbers = _numbers(session, scope.guild_id, fits, place, limit + 1)
            lines = _lines(session, scope.guild_id, numbers)
            if total and len(lines) <= limit:
                others = _without_case(fits, place.user_id).limit(limit + 1 - len(lines))
                lines += [_line(row) for row in session.execute(others)]
        return BanPage(lines=lines[:limit], total=total, below=len(lines) > limit)

    def line(self, scope: GuildScope, user_id: UserId) -> BanLine | None:
        """One ban; None when it does not hold."""
        theirs = and_(Bans.guild_id == scope.guild_id, Bans.user_id == user_id)
        with self._database.transaction(scope.guild_id) as session:
            _, numbers = _numbers(session, scope.guild_id, theirs, BanPlace(), 1)
            lines = _lines(session, scope.guild_id, numbers)
            lines += [] if lines else [_line(row) for row in session.execute(_without_case(theirs, None))]
        return next(iter(lines), None)


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


def _numbers(
    session: Session, guild_id: GuildId, fits: ColumnElement[bool], place: BanPlace, limit: int
) -> tuple[int, Sequence[int]]:
    """How many bans fit, up to ``COUNTED``, and the numbers of the latest ban cases of those past the place.

    Of few the case of each is looked up: all may have been banned before the last hundred thousand cases.
    """
    row = ModCases
    fitting = select(Bans.user_id).where(fits).limit(FEW + 1).cte("fitting").prefix_with("MATERIALIZED")
    count = select(func.count()).select_from(fitting).scalar_subquery()
    theirs = and_(row.guild_id == guild_id, row.target_id == fitting.c.user_id, row.action == Action.BAN.value)
    latest = (
        select(row.case_no).where(theirs).order_by(row.case_no.desc()).limit(1).correlate(fitting).lateral("latest")
    )
    each = select(latest.c.case_no).select_from(fitting.join(latest, true())).where(count <= FEW)
    if place.user_id is not None:
        each = each.where(false())  # Past all that have a case.
    elif place.case_no is not None:
        each = each.where(latest.c.case_no < place.case_no)
    firsts = func.array(each.order_by(latest.c.case_no.desc()).limit(limit).scalar_subquery(), type_=ARRAY(BigInteger))
    total, numbers = session.execute(select(count, firsts)).one()
    if total > FEW and place.user_id is None:
        numbers = session.scalars(_walked(guild_id, fits, place.case_no).limit(limit)).all()
    return min(total, COUNTED), numbers


def _walked(guild_id: GuildId, fits: ColumnElement[bool], before_no: int | None) -> Select[tuple[int]]:
    """The ban cases from the newest, those that hold: for many, of whom some are soon met."""
    row, later = ModCases, aliased(ModCases)
    newer = and_(later.guild_id == row.guild_id, later.target_id == row.target_id, later.case_no > row.case_no)
    found = (
        select(row.case_no)
        .join(Bans, and_(Bans.guild_id == row.guild_id, Bans.user_id == row.target_id))
        .where(fits, row.guild_id == guild_id, row.action == Action.BAN.value)
        .where(~select(later.case_no).where(newer, later.action == Action.BAN.value).exists())
    )
    return (found if before_no is None else found.where(row.case_no < before_no)).order_by(row.case_no.desc())


def _lines(session: Session, guild_id: GuildId, numbers: Sequence[int]) -> list[BanLine]:
    """The bans that these cases are the latest of, in this order."""
    if not numbers:
        return []
    found = run(session.connection(), _OF_CASES, {"guild_id": guild_id, "numbers": list(numbers)})
    known = {row.case_no: _line(row) for row in found}
    return [known[number] for number in numbers if number in known]


_BANNED = (Bans.user_id, Bans.username, Bans.global_name, Bans.avatar, Bans.reason)
_OF_CASES = Prepared(
    select(*_BANNED, ModCases.case_no, ModCases.moderator_id, ModCases.moderator_name, ModCases.created_at)
    .add_columns(ModCases.ends_at, ModCases.reason.label("case_reason"))
    .join(ModCases, and_(ModCases.guild_id == Bans.guild_id, ModCases.target_id == Bans.user_id))
    .where(
        ModCases.guild_id == bindparam("guild_id", type_=BigInteger),
        ModCases.case_no == any_(bindparam("numbers", type_=ARRAY(BigInteger))),
    )
)


def _without_case(fits: ColumnElement[bool], before_id: UserId | None) -> Select[Any]:
    row = ModCases
    theirs = and_(row.guild_id == Bans.guild_id, row.target_id == Bans.user_id, row.action == Action.BAN.value)
    nothing = (null().label(name) for name in ("case_no", "moderator_id", "moderator_name", "created_at", "ends_at"))
    found = select(*_BANNED, *nothing, null().label("case_reason")).where(
        fits, ~select(row.case_no).where(theirs).exists()
    )
    return (found if before_id is None else found.where(Bans.user_id < before_id)).order_by(Bans.user_id.desc())


def _line(found: Row[Any]) -> BanLine:
    return BanLine(
        user_id=UserId(found.user_id),
        name=shown_name(found),
        username=found.username,
        avatar=found.avatar,
        reason=(found.reason or "") if found.case_no is None else found.case_reason,
        case_no=found.case_no,
        moderator_id=UserId(found.moderator_id) if found.moderator_id is not None else None,
        moderator_name=found.moderator_name,
        banned_at=found.created_at,
        ends_at=found.ends_at,
    )
