"""People of a guild as pages show them: search by name or id, and one person's card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from types import SimpleNamespace
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Row, Select, and_, bindparam, case, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from kovra.actions.capabilities import Capability
from kovra.actions.request import Action
from kovra.ids import UserId
from kovra.store.database import Database, run
from kovra.store.guilds import GuildScope
from kovra.store.member_search import FIRST, find_people, once_called
from kovra.store.people import roles_of_member, shown_name
from kovra.store.prepared import Prepared
from kovra.store.tables import Bans, ModCases, Roles
from kovra.store.tables import Members as MemberRows


@dataclass(frozen=True, kw_only=True)
class MemberCard:
    """One person. ``member`` is False for someone who left, is banned, or is known from cases only.

    ``username`` is None when nobody ever mirrored them. ``rank`` is the position of the highest role. ``pending``: has
    not accepted the rules yet; ``ban_reason`` is Discord's, of whoever is banned;
    ``formerly``: the name they had by which they were found.
    """

    user_id: UserId
    name: str
    username: str | None
    nick: str | None
    avatar: str | None
    bot: bool
    member: bool
    rank: int
    joined_at: datetime | None
    timed_out_until: datetime | None
    banned: bool
    case_count: int
    pending: bool = False
    ban_reason: str | None = None
    formerly: str | None = None


#: Of so many who were called the same one is looked for that has cases.
CALLED = 20
_GUILD_ID = bindparam("guild_id", type_=BigInteger)
_USER_IDS = bindparam("user_ids", type_=ARRAY(BigInteger))
#: What members and bans both know of a person.
_BOTH = ("username", "global_name", "avatar", "bot")


class Members:
    """Read the people of a guild."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, scope: GuildScope, text: str, limit: int = 20) -> list[MemberCard]:
        """Members by a part of a name or the beginning of an id, by a name they had, or by the likest name when nobody
        goes by that.
        """
        with self._database.transaction(scope.guild_id, first=FIRST) as session:
            found = find_people(session, scope.guild_id, text, limit)
            cards = _cards(session, scope, list(found))
        return [replace(card, formerly=found[card.user_id]) for card in cards]

    def once_called(self, scope: GuildScope, text: str) -> MemberCard | None:
        """Whoever had this name last, has it no more, and has cases."""
        with self._database.transaction(scope.guild_id) as session:
            found = once_called(session, scope.guild_id, text, CALLED)
            cards = _cards(session, scope, list(found)) if found else []
        return next((replace(card, formerly=found[card.user_id]) for card in cards if card.case_count), None)

    def lately_acted_on(self, scope: GuildScope, limit: int) -> list[MemberCard]:
        """Whom the viewer acted on last, the latest first."""
        latest = (
            select(ModCases.target_id)
            .where(ModCases.guild_id == scope.guild_id, ModCases.moderator_id == scope.viewer.user_id)
            .order_by(ModCases.case_no.desc())
            .limit(8 * limit)
        )
        with self._database.transaction(scope.guild_id) as session:
            return _cards(session, scope, list(dict.fromkeys(session.scalars(latest)))[:limit])

    def card(self, scope: GuildScope, user_id: UserId) -> MemberCard | None:
        """One person, also one known from a ban or from cases only; None when the guild knows nothing of them."""
        with self._database.transaction(scope.guild_id) as session:
            return card_in(session, scope, user_id)


def card_in(session: Session, scope: GuildScope, user_id: UserId) -> MemberCard | None:
    """One person, inside the caller's transaction."""
    return next(iter(_cards(session, scope, [user_id])), None)


def _cards(session: Session, scope: GuildScope, user_ids: Sequence[int]) -> list[MemberCard]:
    """The cards of these people, in this order, without those of whom the guild knows nothing."""
    asked = {"guild_id": scope.guild_id, "user_ids": list(user_ids)}
    return [card_of(row) for row in run(session.connection(), _asking(scope.may(Capability.VIEW_NOTES)), asked)]


@cache
def _asking(notes: bool) -> Prepared:
    return Prepared(asking_for_cards(notes))


def asking_for_cards(notes: bool, *more: ColumnElement[Any]) -> Select[Any]:
    """The statement behind cards, and ``more`` about the same people, of ``Members``. Asks for ``guild_id`` and
    ``user_ids``; whom the guild does not know is left out. ``notes``: they count among the cases.
    """
    who = func.unnest(_USER_IDS).table_valued("user_id", with_ordinality="place", name="who").render_derived()
    mine = and_(ModCases.guild_id == _GUILD_ID, ModCases.target_id == who.c.user_id)
    counted = mine if notes else and_(mine, ModCases.action != Action.NOTE.value)
    cases = select(func.count()).where(counted).correlate(who).scalar_subquery()
    newest = select(ModCases.target_name).where(mine).order_by(ModCases.case_no.desc()).limit(1).correlate(who)
    known = or_(MemberRows.user_id.is_not(None), Bans.user_id.is_not(None))
    cards = (
        select(
            who.c.user_id,
            MemberRows.user_id.is_not(None).label("mirrored"),
            *(getattr(MemberRows, name).label(name) for name in ("nick", "joined_at", "timed_out_until", "gone_at")),
            *(getattr(MemberRows, name).label(name) for name in _BOTH),
            *(getattr(Bans, name).label(f"ban_{name}") for name in (*_BOTH, "reason")),
            MemberRows.pending,
            Bans.user_id.is_not(None).label("banned"),
            cases.label("cases"),
            _rank().label("rank"),
            # Only someone known from cases alone has no name of their own here.
            case((~known, newest.scalar_subquery())).label("case_name"),
            *more,
        )
        .select_from(who)
        .outerjoin(MemberRows, and_(MemberRows.guild_id == _GUILD_ID, MemberRows.user_id == who.c.user_id))
        .outerjoin(Bans, and_(Bans.guild_id == _GUILD_ID, Bans.user_id == who.c.user_id))
        .where(or_(known, select(ModCases.case_no).where(counted).correlate(who).exists()))
    )
    return cards.order_by(who.c.place)


def _rank() -> ColumnElement[int]:
    """The position of a member's highest role."""
    highest = select(func.max(Roles.position)).where(roles_of_member()).correlate(MemberRows).scalar_subquery()
    return func.coalesce(highest, 0)


def card_of(row: Row[Any]) -> MemberCard:
    """A row of :func:`asking_for_cards` as a card."""
    here = row.mirrored and row.gone_at is None
    banned = SimpleNamespace(**{name: getattr(row, f"ban_{name}") for name in _BOTH})
    known: Any = row if row.mirrored else banned if row.banned else None
    return MemberCard(
        user_id=UserId(row.user_id),
        name=shown_name(known) if known else row.case_name or str(row.user_id),
        username=known.username if known else None,
        nick=row.nick,
        avatar=known.avatar if known else None,
        bot=known.bot if known else False,
        member=here,
        rank=row.rank if here else 0,
        joined_at=row.joined_at if here else None,
        timed_out_until=row.timed_out_until if here else None,
        banned=row.banned,
        case_count=row.cases,
        pending=here and row.pending,
        ban_reason=row.ban_reason,
    )
