"""Guilds as readers see them: the scope that every query takes, cards for the picker, and the roster of rights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, func, literal, select, text
from sqlalchemy.orm import Session

from kovra.actions import rights
from kovra.actions.ports import Roster as AskingRoster
from kovra.actions.request import Action
from kovra.actions.rights import Capability, Limit, Person, Standing
from kovra.errors import Unavailable
from kovra.guard.ports import Roster as ExecutingRoster
from kovra.ids import ChannelId, GuildId, UserId
from kovra.store.budgets import limits_of
from kovra.store.database import Database, enter_guild
from kovra.store.people import grants_of, people
from kovra.store.tables import Channels, GatewayShards, GuildSettings
from kovra.store.tables import Guilds as GuildRows

#: A gateway that says nothing for this long is taken for dead; its heartbeat comes every 41 s at most.
SILENT_AFTER = timedelta(seconds=60)

#: Where cases are posted while a guild has not chosen a channel: the first text channel of one of these names.
LOG_CHANNEL_NAMES = ("mod-log", "modlog", "log")
_TEXT_CHANNEL = 0

_BUILT_HERE = object()


@dataclass(frozen=True, kw_only=True)
class GuildScope:
    """The right of one viewer to read one guild. Every query of a page takes one.

    Only :func:`scope_for` builds it, and only for someone with a capability.
    """

    guild_id: GuildId
    guild_name: str
    owner_id: UserId
    guard_id: UserId
    viewer: Person
    capabilities: Mapping[Capability, Limit]
    _made: object = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._made is not _BUILT_HERE:
            raise TypeError("a GuildScope comes from scope_for, which checks the viewer's rights")

    def may(self, capability: Capability) -> bool:
        """Whether the viewer holds this capability."""
        return capability in self.capabilities


@dataclass(frozen=True, kw_only=True)
class GuildCard:
    """A guild in the server picker."""

    guild_id: GuildId
    name: str
    member_count: int
    icon: str | None
    capabilities: Mapping[Capability, Limit]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a guild has set, with the defaults filled in."""

    log_channel_id: ChannelId | None
    budgets: Mapping[Action, int]


def scope_for(session: Session, guild: GuildRows, user_id: UserId, now: datetime) -> GuildScope | None:
    """The scope of one user in a guild that the transaction has entered; None without any capability."""
    guild_id = GuildId(guild.guild_id)
    viewer = people(session, guild_id, [user_id], now)[user_id]
    held = rights.capabilities(viewer, UserId(guild.owner_id), grants_of(session, guild_id, user_id, now))
    if not held:
        return None
    return GuildScope(
        guild_id=guild_id,
        guild_name=guild.name,
        owner_id=UserId(guild.owner_id),
        guard_id=UserId(guild.guard_id),
        viewer=viewer,
        capabilities=held,
        _made=_BUILT_HERE,
    )


class Guilds:
    """Read guilds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def scope(self, user_id: UserId, guild_id: GuildId) -> GuildScope | None:
        """What this user may read of this guild; None when it is unknown, gone, or they have no capability in it."""
        with self._database.transaction(guild_id) as session:
            guild = session.get(GuildRows, guild_id)
            if guild is None or guild.gone_at is not None:
                return None
            return scope_for(session, guild, user_id, _now(session, self._database))

    def guilds_of(self, user_id: UserId, among: Iterable[GuildId] | None = None) -> list[GuildCard]:
        """The guilds in which this user has a capability, by name; ``among`` narrows them."""
        wanted = None if among is None else set(among)
        theirs = text("SELECT guild_id FROM kovra_guilds_of(:user_id) AS guild_id")
        cards = []
        with self._database.transaction(None) as session:
            now = _now(session, self._database)
            for guild_id in session.scalars(theirs, {"user_id": user_id}).all():
                if wanted is None or guild_id in wanted:
                    enter_guild(session, guild_id)
                    cards.append(_card(session, guild_id, user_id, now))
        return sorted((card for card in cards if card), key=lambda card: (card.name.casefold(), card.guild_id))

    def settings(self, guild_id: GuildId, defaults: Mapping[Action, int]) -> Settings:
        """The settings of a guild over the defaults."""
        with self._database.transaction(guild_id) as session:
            return Settings(
                log_channel_id=_log_channel(session, guild_id), budgets=limits_of(session, guild_id, defaults)
            )


class Roster(AskingRoster, ExecutingRoster):
    """Who is who in a guild now, from the mirror."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def standing(self, guild_id: GuildId, moderator_id: UserId, target_id: UserId) -> Standing:
        """All that rights are decided from.

        Raises:
            Unavailable: the guild has never been mirrored, or the database does not answer.
        """
        with self._database.transaction(guild_id) as session:
            guild = session.get(GuildRows, guild_id)
            if guild is None:
                raise Unavailable("Guard has not seen this server yet")
            now = _now(session, self._database)
            guard_id = UserId(guild.guard_id)
            known = people(session, guild_id, [guard_id, moderator_id, target_id], now)
            guard = known[guard_id]
            return Standing(
                guild_id=guild_id,
                owner_id=UserId(guild.owner_id),
                guard=Person(user_id=guard_id, name=guard.name, member=False) if guild.gone_at else guard,
                moderator=known[moderator_id],
                target=known[target_id],
                grants=grants_of(session, guild_id, moderator_id, now),
            )

    def guild_name(self, guild_id: GuildId) -> str:
        """The guild's name; its id while the mirror does not know it."""
        with self._database.transaction(guild_id) as session:
            guild = session.get(GuildRows, guild_id)
            return guild.name if guild else str(guild_id)

    def log_channel(self, guild_id: GuildId) -> ChannelId | None:
        """The channel the guild has chosen, else a text channel named ``mod-log``, ``modlog`` or ``log``."""
        with self._database.transaction(guild_id) as session:
            return _log_channel(session, guild_id)

    def gateway_silent(self, guild_id: GuildId) -> bool:
        """Whether the gateway shard of this guild has not been heard for 60 s: then the mirror may be stale."""
        shard = GatewayShards
        heard = select(func.max(shard.heard_at)).where(
            shard.shard_id == literal(guild_id >> 22, BigInteger) % shard.shard_count
        )
        with self._database.transaction(None) as session:
            last = session.scalars(heard).one()
            return last is None or last < _now(session, self._database) - SILENT_AFTER


def _card(session: Session, guild_id: GuildId, user_id: UserId, now: datetime) -> GuildCard | None:
    guild = session.get(GuildRows, guild_id)
    scope = scope_for(session, guild, user_id, now) if guild else None
    if guild is None or scope is None:
        return None
    return GuildCard(
        guild_id=guild_id,
        name=guild.name,
        member_count=guild.member_count,
        icon=guild.icon,
        capabilities=scope.capabilities,
    )


def _log_channel(session: Session, guild_id: GuildId) -> ChannelId | None:
    settings = session.get(GuildSettings, guild_id)
    if settings is not None and settings.log_channel_id is not None:
        return ChannelId(settings.log_channel_id)
    named = select(Channels.name, Channels.channel_id).where(
        Channels.guild_id == guild_id, Channels.kind == _TEXT_CHANNEL, Channels.name.in_(LOG_CHANNEL_NAMES)
    )
    rows = session.execute(named.order_by(Channels.channel_id.desc())).all()
    found = {row.name: row.channel_id for row in rows}
    return next((ChannelId(found[name]) for name in LOG_CHANNEL_NAMES if name in found), None)


def _now(session: Session, database: Database) -> datetime:
    return session.scalars(select(database.now())).one()
