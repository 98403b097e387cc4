"""Further guilds, plain ones: an owner, a moderator, the bot, a few channels and as many members as asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from kovra.sandbox import people
from kovra.sandbox.seed import EVERYONE_RIGHTS, GUARD_RIGHTS, MODERATOR_RIGHTS
from kovra.sandbox.stage import Stage
from kovra.sandbox.world import Channel, ChannelType, Guild, Member, Role, World

CHANNELS = ("main-hall", "mod-log", "side-hall")

#: A role that gives nothing and that nobody has yet.
REGULAR = "Regular"


@dataclass(frozen=True, kw_only=True)
class Settled:
    """A new guild and the people worth knowing in it."""

    guild: Guild
    owner_id: int
    moderator_id: int
    member_ids: list[int] = field(default_factory=list)


def settle(stage: Stage, name: str, members: int) -> Settled:
    """Make a guild with the bot in it; the gateway is told by the caller.

    Args:
        members: how many besides owner, moderator and bot.
    """
    world = stage.world
    guild = Guild(id=stage.new_id(), name=name, owner_id=0)
    world.guilds[guild.id] = guild
    guild.roles[guild.id] = Role(id=guild.id, name="@everyone", position=0, permissions=EVERYONE_RIGHTS)
    _role(stage, guild, REGULAR, 0, 1)
    moderators = _role(stage, guild, "Moderator", MODERATOR_RIGHTS, 2)
    guards = _role(stage, guild, "Guard", GUARD_RIGHTS, 3)
    guards.managed = True
    for place, channel_name in enumerate(CHANNELS):
        channel = Channel(
            id=stage.new_id(), type=ChannelType.TEXT, guild_id=guild.id, name=channel_name, position=place
        )
        world.channels[channel.id] = channel
        guild.channel_ids.append(channel.id)
    _seat(stage, guild, world.bot_id, [guards.id])
    guild.owner_id = _newcomer(stage, guild, "owner", [])
    moderator_id = _newcomer(stage, guild, "moderator", [moderators.id])
    member_ids = [_newcomer(stage, guild, f"member{number}", []) for number in range(members)]
    stage.changed = True
    return Settled(guild=guild, owner_id=guild.owner_id, moderator_id=moderator_id, member_ids=member_ids)


def _role(stage: Stage, guild: Guild, name: str, rights: int, position: int) -> Role:
    role = Role(id=stage.new_id(), name=name, position=position, permissions=rights)
    guild.roles[role.id] = role
    return role


def _newcomer(stage: Stage, guild: Guild, username: str, roles: list[int]) -> int:
    user = people.newcomer(stage.world, {"username": f"{username}.{guild.id % 10_000}"}, stage.clock())
    _seat(stage, guild, user.id, roles)
    return user.id


def _seat(stage: Stage, guild: Guild, user_id: int, roles: list[int]) -> None:
    guild.members[user_id] = Member(user_id=user_id, joined_at=stage.now(), roles=roles)


def channels_of(world: World, guild: Guild) -> dict[str, str]:
    """The guild's channels by name, ids as text."""
    return {channel.name: str(channel.id) for channel in world.guild_channels(guild)}
