"""People of a guild as pages show them: search by name or id, and one person's card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from kovra.actions.request import Action
from kovra.actions.rights import Capability
from kovra.ids import UserId
from kovra.store.database import Database
from kovra.store.guilds import GuildScope
from kovra.store.member_search import FIRST, find_ids
from kovra.store.people import name_of, roles_of_member, shown_name
from kovra.store.tables import Bans, ModCases, Roles
from kovra.store.tables import Members as MemberRows


@dataclass(frozen=True, kw_only=True)
class MemberCard:
    """One person. ``member`` is False for someone who left, is banned, or is known from cases only.

    ``username`` is None when nobody ever mirrored them. ``rank`` is the position of the highest role.
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


class Members:
    """Read the people of a guild."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, scope: GuildScope, text: str, limit: int = 20) -> list[MemberCard]:
        """Members by a part of a name or the beginning of an id; by the likest name when nobody goes by that."""
        with self._database.transaction(scope.guild_id, first=FIRST) as session:
            return _cards(session, scope, find_ids(session, scope.guild_id, text, limit))

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
    guild_id = scope.guild_id
    here = select(MemberRows).where(MemberRows.guild_id == guild_id, MemberRows.user_id.in_(user_ids))
    banned = select(Bans).where(Bans.guild_id == guild_id, Bans.user_id.in_(user_ids))
    members = {row.user_id: row for row in session.scalars(here)}
    bans = {row.user_id: row for row in session.scalars(banned)}
    counts = {row.target_id: row.cases for row in session.execute(_case_counts(scope, user_ids))}
    ranks = {row.user_id: row.rank for row in session.execute(_ranks(scope, user_ids))}
    return [
        _card(
            UserId(user_id),
            members.get(user_id),
            bans.get(user_id),
            # Only someone known from cases alone has no name of their own here.
            "" if user_id in members or user_id in bans else name_of(session, guild_id, UserId(user_id)),
            ranks.get(user_id, 0),
            counts.get(user_id, 0),
        )
        for user_id in user_ids
        if user_id in members or user_id in bans or user_id in counts
    ]


def _card(
    user_id: UserId, member: MemberRows | None, ban: Bans | None, name: str, rank: int, case_count: int
) -> MemberCard:
    known = member or ban
    here = member is not None and member.gone_at is None
    return MemberCard(
        user_id=user_id,
        name=shown_name(known) if known else name,
        username=known.username if known else None,
        nick=member.nick if member else None,
        avatar=known.avatar if known else None,
        bot=known.bot if known else False,
        member=here,
        rank=rank if here else 0,
        joined_at=member.joined_at if member and here else None,
        timed_out_until=member.timed_out_until if member and here else None,
        banned=ban is not None,
        case_count=case_count,
    )


def _case_counts(scope: GuildScope, user_ids: Sequence[int]) -> Select[tuple[int, int]]:
    counts = (
        select(ModCases.target_id, func.count().label("cases"))
        .where(ModCases.guild_id == scope.guild_id, ModCases.target_id.in_(user_ids))
        .group_by(ModCases.target_id)
    )
    return counts if scope.may(Capability.VIEW_NOTES) else counts.where(ModCases.action != Action.NOTE.value)


def _ranks(scope: GuildScope, user_ids: Sequence[int]) -> Select[tuple[int, int]]:
    return (
        select(MemberRows.user_id, func.coalesce(func.max(Roles.position), 0).label("rank"))
        .join(Roles, roles_of_member())
        .where(MemberRows.guild_id == scope.guild_id, MemberRows.user_id.in_(user_ids))
        .group_by(MemberRows.user_id)
    )
