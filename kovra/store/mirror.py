"""Discord's state as the bot hears it. Every write may come twice, and again after a reconnect."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, DateTime, cast, delete, func, literal, null, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute, Session

from kovra.actions.request import Action
from kovra.guard.endings import Rejoined
from kovra.ids import ChannelId, GuildId, RoleId, UserId
from kovra.store.database import Database, run
from kovra.store.endings import lifted_by_hand, rejoined
from kovra.store.holds import free_again
from kovra.store.mirror_writes import IN_GUILD, LIFT_BAN, pages, part_members, put, put_members
from kovra.store.prepared import Prepared
from kovra.store.tables import Bans, Channels, GatewayShards, Guilds, Members, Roles


@dataclass(frozen=True, kw_only=True)
class GuildRow:
    """A guild as Discord tells of it. ``guard_id`` is Guard's own user."""

    guild_id: GuildId
    name: str
    icon: str | None
    owner_id: UserId
    guard_id: UserId
    member_count: int
    locale: str | None = None


@dataclass(frozen=True, kw_only=True)
class RoleRow:
    """A role. @everyone has the guild's id and position 0."""

    role_id: RoleId
    name: str
    position: int
    permissions: int
    colour: int = 0
    managed: bool = False


@dataclass(frozen=True, kw_only=True)
class ChannelRow:
    """A channel; ``kind`` is Discord's channel type."""

    channel_id: ChannelId
    name: str
    kind: int
    position: int = 0
    parent_id: ChannelId | None = None
    overwrites: Sequence[Mapping[str, Any]] | None = None


@dataclass(frozen=True, kw_only=True)
class MemberRow:
    """A member. ``avatar`` is the hash of the user's avatar; ``role_ids`` may leave out @everyone."""

    user_id: UserId
    username: str
    global_name: str | None
    nick: str | None
    avatar: str | None
    bot: bool
    role_ids: Sequence[int]
    joined_at: datetime | None
    timed_out_until: datetime | None
    pending: bool = False


@dataclass(frozen=True, kw_only=True)
class BanRow:
    """A ban and the user it holds."""

    user_id: UserId
    username: str
    global_name: str | None
    avatar: str | None
    bot: bool
    reason: str | None


_GUILD = {"guild_id": IN_GUILD}
_MEMBER, _ROLE, _CHANNEL = ("guild_id", "user_id"), ("guild_id", "role_id"), ("guild_id", "channel_id")


class Mirror:
    """Write what the gateway says."""

    def __init__(self, database: Database) -> None:
        self._database, now = database, database.now()
        never = {"gone_at": cast(null(), DateTime(timezone=True))}
        self._put_guild = put(Guilds, ["guild_id"], _told_of(GuildRow), {**never, "mirrored_at": now})
        self._put_roles = put(Roles, _ROLE, _told_of(RoleRow), _GUILD)
        self._put_channels = put(Channels, _CHANNEL, _told_of(ChannelRow), _GUILD)
        self._put_members, self._part_members = put_members(now), part_members(now)
        ban = {**_GUILD, "mirrored_at": now}
        self._put_bans = put(Bans, _MEMBER, _told_of(BanRow), ban)
        # The gateway does not say why: a reason known already stays.
        self._put_banned = put(Bans, _MEMBER, _told_of(BanRow), ban, kept=["reason"])
        shard = ["shard_count", "shard_id"]
        self._put_shard = put(GatewayShards, shard, shard, {"heard_at": now})

    def guild(self, guild: GuildRow) -> None:
        """Guard is in this guild."""
        for page in pages([vars(guild)], ["guild_id"]):
            self._database.once(guild.guild_id, self._put_guild, page)

    def guild_gone(self, guild_id: GuildId) -> None:
        """Guard was removed from this guild. Its history stays."""
        with self._database.transaction(guild_id) as session:
            _run(session, update(Guilds).where(Guilds.guild_id == guild_id).values(gone_at=self._database.now()))

    def gone_while_away(self, present: Collection[GuildId], shard_id: int, shard_count: int) -> list[GuildId]:
        """Of the guilds of this gateway shard Guard is in these; those it was removed from meanwhile are marked."""
        with self._database.transaction(None) as session:
            known = session.scalars(select(func.kovra_guilds_mirrored())).all()
        gone = [GuildId(g) for g in known if (g >> 22) % shard_count == shard_id and g not in present]
        for guild_id in gone:
            self.guild_gone(guild_id)
        return gone

    def roles(self, guild_id: GuildId, roles: Iterable[RoleRow]) -> None:
        """These are all the roles of the guild."""
        rows = [vars(role) for role in roles]
        with self._database.transaction(guild_id) as session:
            _all(session, self._put_roles, guild_id, rows, "role_id")
            kept = [row["role_id"] for row in rows]
            _run(session, delete(Roles).where(Roles.guild_id == guild_id, Roles.role_id.not_in(kept)))

    def role(self, guild_id: GuildId, role: RoleRow) -> None:
        """A role was made or changed."""
        self._at_once(self._put_roles, guild_id, [vars(role)], "role_id")

    def role_gone(self, guild_id: GuildId, role_id: RoleId) -> None:
        """A role was deleted. Members keep its id until Discord says so; without the role it gives them nothing."""
        with self._database.transaction(guild_id) as session:
            _run(session, delete(Roles).where(Roles.guild_id == guild_id, Roles.role_id == role_id))

    def channels(self, guild_id: GuildId, channels: Iterable[ChannelRow]) -> None:
        """These are all the channels of the guild."""
        rows = [vars(channel) for channel in channels]
        with self._database.transaction(guild_id) as session:
            _all(session, self._put_channels, guild_id, rows, "channel_id")
            kept = [row["channel_id"] for row in rows]
            _run(session, delete(Channels).where(Channels.guild_id == guild_id, Channels.channel_id.not_in(kept)))

    def channel(self, guild_id: GuildId, channel: ChannelRow) -> None:
        """A channel was made or changed."""
        self._at_once(self._put_channels, guild_id, [vars(channel)], "channel_id")

    def channel_gone(self, guild_id: GuildId, channel_id: ChannelId) -> None:
        """A channel was deleted."""
        with self._database.transaction(guild_id) as session:
            _run(session, delete(Channels).where(Channels.guild_id == guild_id, Channels.channel_id == channel_id))

    def members(self, guild_id: GuildId, members: Iterable[MemberRow], *, complete: bool) -> None:
        """These are members. ``complete``: they are all, and whoever is not among them has left."""
        rows = [vars(member) for member in members]
        with self._database.transaction(guild_id) as session:
            freed = _all(session, self._put_members, guild_id, rows, "user_id", even_freed=True)
            if complete:
                now = self._database.read_now(session)
                left = update(Members).where(Members.guild_id == guild_id, Members.gone_at.is_(None))
                _run(session, left.where(_not_among(Members.user_id, rows)).values(gone_at=now))
                _run(session, update(Guilds).where(Guilds.guild_id == guild_id).values(members_complete_at=now))
            lifted_by_hand(session, guild_id, freed, Action.MUTE, self._database.now())

    def member(self, guild_id: GuildId, member: MemberRow) -> None:
        """A member joined or changed."""
        # Nothing was written when their time-out was lifted: what follows from that goes with it or not at all.
        if self._at_once(self._put_members, guild_id, [vars(member)], "user_id", even_freed=False):
            self.members(guild_id, [member], complete=False)

    def member_gone(self, guild_id: GuildId, user_id: UserId) -> None:
        """A member left."""
        self.members_gone(guild_id, [user_id])

    def members_gone(self, guild_id: GuildId, user_ids: Collection[UserId]) -> None:
        """These members left. They keep their names here."""
        self._database.once(guild_id, self._part_members, {"in_guild": guild_id, "user_ids": list(user_ids)})

    def bans(self, guild_id: GuildId, bans: Iterable[BanRow], *, complete: bool) -> None:
        """These are banned. ``complete``: they are all."""
        with self._database.transaction(guild_id) as session:
            rows = [vars(ban) for ban in bans]
            _all(session, self._put_bans, guild_id, rows, "user_id")
            if complete:
                now = self._database.now()
                _run(session, delete(Bans).where(Bans.guild_id == guild_id, _not_among(Bans.user_id, rows)))
                _run(session, update(Guilds).where(Guilds.guild_id == guild_id).values(bans_complete_at=now))

    def ban(self, guild_id: GuildId, ban: BanRow) -> None:
        """Somebody was banned."""
        self.banned(guild_id, [ban])

    def banned(self, guild_id: GuildId, bans: Iterable[BanRow]) -> None:
        """These were banned. The gateway does not say why: a reason known already stays."""
        self._at_once(self._put_banned, guild_id, [vars(ban) for ban in bans], "user_id")

    def ban_gone(self, guild_id: GuildId, user_id: UserId) -> None:
        """A ban was lifted: it does not end by itself any more."""
        with self._database.transaction(guild_id) as session:
            run(session.connection(), LIFT_BAN, {"in_guild": guild_id, "user_id": user_id})
            lifted_by_hand(session, guild_id, [user_id], Action.BAN, self._database.now())

    def rejoined(self, guild_id: GuildId, user_id: UserId | None) -> list[Rejoined]:
        """Who left and came back while a mute or a quarantine holds: this one, or everybody it is true of."""
        with self._database.transaction(guild_id) as session:
            now = self._database.read_now(session)
            return rejoined(session, guild_id, user_id, now) + free_again(session, guild_id, user_id, now)

    def heard(self, shard_id: int, shard_count: int = 1) -> None:
        """A gateway shard has been heard just now."""
        for page in pages([{"shard_id": shard_id, "shard_count": shard_count}], ["shard_count", "shard_id"]):
            self._database.once(None, self._put_shard, page)

    def _at_once(
        self, put: Prepared, guild_id: GuildId, rows: Sequence[Mapping[str, Any]], key: str, **more: bool
    ) -> list[Any]:
        """A few rows of a guild, in one trip that is the whole transaction."""
        found: list[Any] = []
        for page in pages(rows, [key]):
            found += self._database.once(guild_id, put, {"in_guild": guild_id, **page, **more})
        return found


def _all(
    session: Session, put: Prepared, guild_id: GuildId, rows: Sequence[Mapping[str, Any]], key: str, **more: bool
) -> list[Any]:
    """Any number of rows of a guild; what the statement gave for them, each its first column."""
    found: list[Any] = []
    for page in pages(rows, [key]):
        answer = run(session.connection(), put, {"in_guild": guild_id, **page, **more})
        found += answer.scalars() if answer.returns_rows else []
    return found


def _told_of(row: type[Any]) -> list[str]:
    return [field.name for field in fields(row)]


def _not_among(user_id: InstrumentedAttribute[int], rows: Sequence[Mapping[str, Any]]) -> ColumnElement[bool]:
    # Joined, not listed: NOT IN over fifty thousand ids would compare each with each.
    listed = func.unnest(literal([row["user_id"] for row in rows], ARRAY(BigInteger))).column_valued("listed")
    return ~select(listed).where(listed == user_id).exists()


def _run(session: Session, statement: Any) -> None:
    session.execute(statement.execution_options(synchronize_session=False))
