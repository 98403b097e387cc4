"""Discord's state as the bot hears it. Every write may come twice, and again after a reconnect."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Text,
    bindparam,
    cast,
    column,
    delete,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from kovra.actions.request import Action
from kovra.guard.endings import Rejoined
from kovra.ids import ChannelId, GuildId, RoleId, UserId
from kovra.store.bygone import keep_names
from kovra.store.database import Database
from kovra.store.endings import lifted_by_hand, rejoined
from kovra.store.holds import free_again
from kovra.store.tables import Bans, Base, Channels, GatewayShards, Guilds, Members, Roles

#: A page of members is about a megabyte.
_ROWS_AT_ONCE = 5_000


@dataclass(frozen=True, kw_only=True)
class GuildRow:
    """A guild as Discord tells of it. ``guard_id`` is Guard's own user."""

    guild_id: GuildId
    name: str
    icon: str | None
    owner_id: UserId
    guard_id: UserId
    member_count: int


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


class Mirror:
    """Write what the gateway says."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def guild(self, guild: GuildRow) -> None:
        """Guard is in this guild."""
        with self._database.transaction(guild.guild_id) as session:
            facts = asdict(guild) | {"gone_at": None, "mirrored_at": self._database.now()}
            _put(session, Guilds, ["guild_id"], [facts])

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
        rows = [asdict(role) | {"guild_id": guild_id} for role in roles]
        with self._database.transaction(guild_id) as session:
            _put(session, Roles, ["guild_id", "role_id"], rows)
            kept = [row["role_id"] for row in rows]
            _run(session, delete(Roles).where(Roles.guild_id == guild_id, Roles.role_id.not_in(kept)))

    def role(self, guild_id: GuildId, role: RoleRow) -> None:
        """A role was made or changed."""
        with self._database.transaction(guild_id) as session:
            _put(session, Roles, ["guild_id", "role_id"], [asdict(role) | {"guild_id": guild_id}])

    def role_gone(self, guild_id: GuildId, role_id: RoleId) -> None:
        """A role was deleted. Members keep its id until Discord says so; without the role it gives them nothing."""
        with self._database.transaction(guild_id) as session:
            _run(session, delete(Roles).where(Roles.guild_id == guild_id, Roles.role_id == role_id))

    def channels(self, guild_id: GuildId, channels: Iterable[ChannelRow]) -> None:
        """These are all the channels of the guild."""
        rows = [asdict(channel) | {"guild_id": guild_id} for channel in channels]
        with self._database.transaction(guild_id) as session:
            _put(session, Channels, ["guild_id", "channel_id"], rows)
            kept = [row["channel_id"] for row in rows]
            _run(session, delete(Channels).where(Channels.guild_id == guild_id, Channels.channel_id.not_in(kept)))

    def channel(self, guild_id: GuildId, channel: ChannelRow) -> None:
        """A channel was made or changed."""
        with self._database.transaction(guild_id) as session:
            _put(session, Channels, ["guild_id", "channel_id"], [asdict(channel) | {"guild_id": guild_id}])

    def channel_gone(self, guild_id: GuildId, channel_id: ChannelId) -> None:
        """A channel was deleted."""
        with self._database.transaction(guild_id) as session:
            _run(session, delete(Channels).where(Channels.guild_id == guild_id, Channels.channel_id == channel_id))

    def members(self, guild_id: GuildId, members: Iterable[MemberRow], *, complete: bool) -> None:
        """These are members. ``complete``: they are all, and whoever is not among them has left."""
        with self._database.transaction(guild_id) as session:
            now = self._database.read_now(session)
            rows = [_member(guild_id, member, now) for member in members]
            freed = _freed(session, guild_id, rows, now)
            keep_names(session, guild_id, rows, now)
            _put(session, Members, ["guild_id", "user_id"], rows)
            if complete:
                left = update(Members).where(Members.guild_id == guild_id, Members.gone_at.is_(None))
                _run(session, left.where(_not_among(Members.user_id, rows)).values(gone_at=now))
                _run(session, update(Guilds).where(Guilds.guild_id == guild_id).values(members_complete_at=now))
            lifted_by_hand(session, guild_id, freed, Action.MUTE, now)

    def member(self, guild_id: GuildId, member: MemberRow) -> None:
        """A member joined or changed."""
        self.members(guild_id, [member], complete=False)

    def member_gone(self, guild_id: GuildId, user_id: UserId) -> None:
        """A member left."""
        self.members_gone(guild_id, [user_id])

    def members_gone(self, guild_id: GuildId, user_ids: Collection[UserId]) -> None:
        """These members left. They keep their names here."""
        listed = func.any(literal(list(user_ids), ARRAY(BigInteger)))
        left = update(Members).where(Members.guild_id == guild_id, Members.user_id == listed)
        with self._database.transaction(guild_id) as session:
            _run(session, left.where(Members.gone_at.is_(None)).values(gone_at=self._database.now()))

    def bans(self, guild_id: GuildId, bans: Iterable[BanRow], *, complete: bool) -> None:
        """These are banned. ``complete``: they are all."""
        with self._database.transaction(guild_id) as session:
            now = self._database.read_now(session)
            rows = [vars(ban) | {"guild_id": guild_id, "mirrored_at": now} for ban in bans]
            _put(session, Bans, ["guild_id", "user_id"], rows)
            if complete:
                _run(session, delete(Bans).where(Bans.guild_id == guild_id, _not_among(Bans.user_id, rows)))
                _run(session, update(Guilds).where(Guilds.guild_id == guild_id).values(bans_complete_at=now))

    def ban(self, guild_id: GuildId, ban: BanRow) -> None:
        """Somebody was banned."""
        self.banned(guild_id, [ban])

    def banned(self, guild_id: GuildId, bans: Iterable[BanRow]) -> None:
        """These were banned. The gateway does not say why: a reason known already stays."""
        now = self._database.now()
        # The last of several bans of one user counts: a statement may touch a row once.
        rows = {ban.user_id: vars(ban) | {"guild_id": guild_id, "mirrored_at": now} for ban in bans}
        statement = insert(Bans).values(list(rows.values()))
        kept = ("guild_id", "user_id")
        changed = {name: statement.excluded[name] for name in next(iter(rows.values())) if name not in kept}
        changed["reason"] = func.coalesce(statement.excluded.reason, Bans.reason)
        with self._database.transaction(guild_id) as session:
            session.execute(statement.on_conflict_do_update(index_elements=["guild_id", "user_id"], set_=changed))

    def ban_gone(self, guild_id: GuildId, user_id: UserId) -> None:
        """A ban was lifted: it does not end by itself any more."""
        with self._database.transaction(guild_id) as session:
            _run(session, delete(Bans).where(Bans.guild_id == guild_id, Bans.user_id == user_id))
            lifted_by_hand(session, guild_id, [user_id], Action.BAN, self._database.read_now(session))

    def rejoined(self, guild_id: GuildId, user_id: UserId | None) -> list[Rejoined]:
        """Who left and came back while a mute or a quarantine holds: this one, or everybody it is true of."""
        with self._database.transaction(guild_id) as session:
            now = self._database.read_now(session)
            return rejoined(session, guild_id, user_id, now) + free_again(session, guild_id, user_id, now)

    def heard(self, shard_id: int, shard_count: int = 1) -> None:
        """A gateway shard has been heard just now."""
        row = {"shard_id": shard_id, "shard_count": shard_count, "heard_at": self._database.now()}
        with self._database.transaction(None) as session:
            _put(session, GatewayShards, ["shard_count", "shard_id"], [row])


def _freed(session: Session, guild_id: GuildId, rows: Sequence[Mapping[str, Any]], now: datetime) -> list[UserId]:
    """Whose time-out somebody has lifted: it would hold still, they never left, and Discord shows none now.

    Who left and came back is none of them: they are muted again.
    """
    free = {row["user_id"]: row["joined_at"] for row in rows if (row["timed_out_until"] or now) <= now}
    if not free:
        return []
    listed = func.unnest(literal(list(free), ARRAY(BigInteger))).column_valued("listed")
    held = select(Members.user_id, Members.joined_at).where(
        Members.guild_id == guild_id,
        Members.user_id == listed,
        Members.gone_at.is_(None),
        Members.timed_out_until > now,
    )
    return [UserId(row.user_id) for row in session.execute(held) if free[row.user_id] == row.joined_at]


def _member(guild_id: GuildId, member: MemberRow, now: datetime) -> dict[str, Any]:
    # vars, not asdict, which copies every value: with 50,000 members that is most of the work.
    return (
        vars(member) | {"role_ids": list(member.role_ids)} | {"guild_id": guild_id, "mirrored_at": now, "gone_at": None}
    )


def _put(session: Session, table: type[Base], key: list[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert or bring up to date. The last of several rows of one key counts: a statement may touch a row once."""
    unique = list({tuple(row[column] for column in key): dict(row) for row in rows}.values())
    if not unique:
        return
    # The clock of the database is an expression, the same in every row.
    said = {name: value for name, value in unique[0].items() if isinstance(value, ColumnElement)}
    names = [name for name in unique[0] if name not in said]
    # One value for a whole page: to write out a parameter for each field of 50,000 members takes half a minute.
    page = bindparam("page", type_=Text)
    kinds = (column(name, table.__table__.c[name].type) for name in names)
    told = func.jsonb_to_recordset(cast(page, JSONB)).table_valued(*kinds, name="told").render_derived(with_types=True)
    statement = insert(table).from_select([*names, *said], select(*told.c, *said.values()))
    changed = {name: statement.excluded[name] for name in unique[0] if name not in key}
    write = statement.on_conflict_do_update(index_elements=key, set_=changed)
    for start in range(0, len(unique), _ROWS_AT_ONCE):
        rows_of_page = [{name: row[name] for name in names} for row in unique[start : start + _ROWS_AT_ONCE]]
        session.connection().execute(write, {"page": json.dumps(rows_of_page, default=datetime.isoformat)})


def _not_among(user_id: InstrumentedAttribute[int], rows: Sequence[Mapping[str, Any]]) -> ColumnElement[bool]:
    # Joined, not listed: NOT IN over fifty thousand ids would compare each with each.
    listed = func.unnest(literal([row["user_id"] for row in rows], ARRAY(BigInteger))).column_valued("listed")
    return ~select(listed).where(listed == user_id).exists()


def _run(session: Session, statement: Any) -> None:
    session.execute(statement.execution_options(synchronize_session=False))
