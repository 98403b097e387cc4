"""Guilds as readers see them: the scope that every query takes, and the cards of the server picker."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import InitVar, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from kovra.actions.capabilities import Capability, Limit, Person, capabilities
from kovra.actions.request import Action
from kovra.ids import ChannelId, GuildId, UserId
from kovra.store.budgets import limits_of
from kovra.store.database import Database, enter_guild
from kovra.store.people import Seen, Sight, grants_of, grants_of_many, people
from kovra.store.places import PlaceCard, held_in, written_channels
from kovra.store.roster import Roster, chosen_log_channel
from kovra.store.tables import Guilds as GuildRows

__all__ = ["GuildCard", "GuildScope", "Guilds", "Roster", "Settings", "scope_for"]

_BUILT_HERE = object()


@dataclass(frozen=True, kw_only=True)
class GuildScope:
    """The right of one viewer to read one guild. Every query of a page takes one.

    Only :func:`scope_of` builds it, and only for someone with a capability.
    """

    guild_id: GuildId
    guild_name: str
    member_count: int
    owner_id: UserId
    guard_id: UserId
    viewer: Person
    capabilities: Mapping[Capability, Limit]
    made: InitVar[object] = None

    @property
    def owner(self) -> bool:
        """Whether the viewer owns the guild."""
        return self.viewer.user_id == self.owner_id

    def __post_init__(self, made: object) -> None:
        if made is not _BUILT_HERE:
            raise TypeError("a GuildScope comes from scope_of, which checks the viewer's rights")

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
    owner: bool
    capabilities: Mapping[Capability, Limit]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a guild has set, with the defaults filled in."""

    log_channel_id: ChannelId | None
    budgets: Mapping[Action, int]


def scope_for(session: Session, guild: GuildRows | Row[Any], user_id: UserId, now: datetime) -> GuildScope | None:
    """The scope of one user in a guild that the transaction has entered; None without any capability."""
    guild_id = GuildId(guild.guild_id)
    seen = Seen(
        name=guild.name,
        member_count=guild.member_count,
        owner_id=UserId(guild.owner_id),
        guard_id=UserId(guild.guard_id),
        gone=guild.gone_at is not None,
        people=people(session, guild_id, [user_id], now),
        grants=grants_of(session, guild_id, user_id, now),
    )
    return scope_of(guild_id, seen, user_id)


def scope_of(guild_id: GuildId, seen: Seen, user_id: UserId) -> GuildScope | None:
    """The scope of one of the people that were seen; None without any capability."""
    viewer = seen.people[user_id]
    held = capabilities(viewer, seen.owner_id, seen.grants)
    if not held:
        return None
    return GuildScope(
        guild_id=guild_id,
        guild_name=seen.name,
        member_count=seen.member_count,
        owner_id=seen.owner_id,
        guard_id=seen.guard_id,
        viewer=viewer,
        capabilities=held,
        made=_BUILT_HERE,
    )


class Guilds:
    """Read guilds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sight = Sight(database)

    def scope(self, user_id: UserId, guild_id: GuildId) -> GuildScope | None:
        """What this user may read of this guild; None when it is unknown, gone, or they have no capability in it."""
        seen = self._sight.see(guild_id, user_id, [])
        return None if seen is None or seen.gone else scope_of(guild_id, seen, user_id)

    def scopes(self, user_ids: Collection[UserId], guild_id: GuildId) -> dict[UserId, GuildScope]:
        """As :meth:`scope`, for many at the cost of one; who has no capability is left out."""
        with self._database.transaction(guild_id) as session:
            guild, now = session.get(GuildRows, guild_id), self._database.read_now(session)
            if guild is None or guild.gone_at is not None:
                return {}
            seen = Seen(
                name=guild.name,
                member_count=guild.member_count,
                owner_id=UserId(guild.owner_id),
                guard_id=UserId(guild.guard_id),
                gone=False,
                people=people(session, guild_id, user_ids, now),
                grants={},
            )
            grants = grants_of_many(session, guild_id, user_ids, now)
        scopes = {
            user_id: scope_of(guild_id, replace(seen, grants=grants.get(user_id, {})), user_id) for user_id in user_ids
        }
        return {user_id: scope for user_id, scope in scopes.items() if scope is not None}

    def guilds_of(self, user_id: UserId, among: Iterable[GuildId] | None = None) -> list[GuildCard]:
        """The guilds in which this user has a capability, by name; ``among`` narrows them."""
        wanted = None if among is None else set(among)
        theirs = text("SELECT guild_id FROM kovra_guilds_of(:user_id) AS guild_id")
        cards = []
        with self._database.transaction(None) as session:
            now = self._database.read_now(session)
            for guild_id in session.scalars(theirs, {"user_id": user_id}).all():
                if wanted is None or guild_id in wanted:
                    enter_guild(session, guild_id)
                    cards.append(_card(session, guild_id, user_id, now))
        return sorted((card for card in cards if card), key=lambda card: (card.name.casefold(), card.guild_id))

    def channels(self, scope: GuildScope) -> list[PlaceCard]:
        """The channels in which people write, as Discord orders them."""
        with self._database.transaction(scope.guild_id) as session:
            return written_channels(session, scope.guild_id)

    def server(self, scope: GuildScope) -> PlaceCard:
        """The server as a place to act on."""
        with self._database.transaction(scope.guild_id) as session:
            held = held_in(session, scope.guild_id).get(scope.guild_id, frozenset())
        return PlaceCard(place_id=scope.guild_id, name=scope.guild_name, held=held)

    def settings(self, guild_id: GuildId, defaults: Mapping[Action, int]) -> Settings:
        """The settings of a guild over the defaults."""
        with self._database.transaction(guild_id) as session:
            return Settings(
                log_channel_id=chosen_log_channel(session, guild_id), budgets=limits_of(session, guild_id, defaults)
            )


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
        owner=scope.owner,
        capabilities=scope.capabilities,
    )
