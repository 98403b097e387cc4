"""Members: reading, editing (time-out, nick, roles, voice), kicking, single roles."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from kovra.sandbox import chunks, errors, payloads, permissions
from kovra.sandbox.deeds import members as deeds
from kovra.sandbox.deeds import voice
from kovra.sandbox.rest.call import Call, moment_or_none, snowflake
from kovra.sandbox.rest.routing import Table
from kovra.sandbox.world import ChannelType, Guild, Member

table = Table()

#: A time-out ends within 28 days (API reference, Modify Guild Member).
MOST_TIME_OUT = timedelta(days=28)
MOST_NICK = 32


@table.on("GET", "/guilds/{guild_id}/members")
def members(call: Call) -> list[dict[str, Any]]:
    guild, after = call.guild(), call.after() or 0
    ids = sorted(user_id for user_id in guild.members if user_id > after)[: call.limit(1, 1000)]
    return [_payload(call, guild.members[user_id]) for user_id in ids]


@table.on("GET", "/guilds/{guild_id}/members/search")
def search_members(call: Call) -> list[dict[str, Any]]:
    guild = call.guild()
    if not call.query.get("query"):
        raise errors.required("query")
    return [_payload(call, m) for m in chunks.search(call.world, guild, call.query["query"], call.limit(1, 1000))]


@table.on("GET", "/guilds/{guild_id}/members/{user_id}")
def member(call: Call) -> dict[str, Any]:
    return _payload(call, call.member(call.guild()))


@table.on("PATCH", "/guilds/{guild_id}/members/@me")
def edit_me(call: Call) -> dict[str, Any]:
    guild = call.guild()
    me = guild.members[call.bot_id]
    if "nick" in call.body:
        permissions.require(guild, call.bot_id, permissions.CHANGE_NICKNAME, call.stage.now())
        deeds.rename(call.stage, guild, me, _nick(call), by=call.bot_id, reason=call.reason)
    return _payload(call, me)


@table.on("PATCH", "/guilds/{guild_id}/members/{user_id}")
def edit_member(call: Call) -> dict[str, Any]:
    """Change what the body names; every right is checked before anything happens."""
    guild = call.guild()
    target = call.member(guild)
    steps = [_STEPS[key](call, guild, target) for key in _STEPS if key in call.body]
    for step in steps:
        step()
    return _payload(call, target)


@table.on("GET", "/guilds/{guild_id}/voice-states/@me")
def my_voice_state(call: Call) -> dict[str, Any]:
    return _voice_state(call, call.guild(), call.bot_id)


@table.on("GET", "/guilds/{guild_id}/voice-states/{user_id}")
def voice_state(call: Call) -> dict[str, Any]:
    guild = call.guild()
    return _voice_state(call, guild, call.member(guild).user_id)


def _voice_state(call: Call, guild: Guild, user_id: int) -> dict[str, Any]:
    if user_id not in guild.voice:
        raise errors.unknown_voice_state()
    return {**payloads.voice_state(guild, user_id), "member": _payload(call, guild.members[user_id])}


@table.on("DELETE", "/guilds/{guild_id}/members/{user_id}")
def kick(call: Call) -> None:
    guild = call.guild(permissions.KICK_MEMBERS)
    target = call.member(guild)
    permissions.require_rank(guild, call.bot_id, target.user_id)
    deeds.kick(call.stage, guild, target.user_id, by=call.bot_id, reason=call.reason)


@table.on("PUT", "/guilds/{guild_id}/members/{user_id}/roles/{role_id}")
def give_role(call: Call) -> None:
    guild = call.guild(permissions.MANAGE_ROLES)
    target, role = call.member(guild), call.role(guild)
    permissions.require_role(guild, call.bot_id, role)
    deeds.give_role(call.stage, guild, target, role, by=call.bot_id, reason=call.reason)


@table.on("DELETE", "/guilds/{guild_id}/members/{user_id}/roles/{role_id}")
def take_role(call: Call) -> None:
    guild = call.guild(permissions.MANAGE_ROLES)
    target, role = call.member(guild), call.role(guild)
    permissions.require_role(guild, call.bot_id, role)
    deeds.take_role(call.stage, guild, target, role, by=call.bot_id, reason=call.reason)


def _payload(call: Call, one: Member) -> dict[str, Any]:
    return payloads.member(one, call.world.users[one.user_id])


def _nick(call: Call) -> str | None:
    nick = call.body["nick"]
    if nick and len(nick) > MOST_NICK:
        raise errors.too_long("nick", MOST_NICK)
    return nick


# Each of these checks one field of Modify Guild Member and returns the deed to be done once all are checked.


def _time_out(call: Call, guild: Guild, target: Member) -> Any:
    permissions.require_may_time_out(guild, call.bot_id, target.user_id, call.stage.now())
    until = moment_or_none("communication_disabled_until", call.body["communication_disabled_until"])
    if until is not None and until >= call.stage.now() + MOST_TIME_OUT:
        raise errors.invalid_form(
            "communication_disabled_until",
            "GUILD_MEMBER_TIMEOUT_TOO_LONG",
            "The timeout must end within 28 days.",
        )
    return lambda: deeds.time_out(call.stage, guild, target, until, by=call.bot_id, reason=call.reason)


def _rename(call: Call, guild: Guild, target: Member) -> Any:
    permissions.require(guild, call.bot_id, permissions.MANAGE_NICKNAMES, call.stage.now())
    permissions.require_rank(guild, call.bot_id, target.user_id)
    nick = _nick(call)
    return lambda: deeds.rename(call.stage, guild, target, nick, by=call.bot_id, reason=call.reason)


def _set_roles(call: Call, guild: Guild, target: Member) -> Any:
    permissions.require(guild, call.bot_id, permissions.MANAGE_ROLES, call.stage.now())
    wanted = [snowflake("roles", role_id) for role_id in call.body["roles"] or []]
    if any(role_id not in guild.roles for role_id in wanted):
        raise errors.unknown_role()
    for role_id in set(wanted) ^ set(target.roles):
        permissions.require_role(guild, call.bot_id, guild.roles[role_id])
    roles = [guild.roles[role_id] for role_id in dict.fromkeys(wanted)]
    return lambda: deeds.set_roles(call.stage, guild, target, roles, by=call.bot_id, reason=call.reason)


def _move(call: Call, guild: Guild, target: Member) -> Any:
    permissions.require(guild, call.bot_id, permissions.MOVE_MEMBERS, call.stage.now())
    if target.user_id not in guild.voice:
        raise errors.target_not_in_voice()
    if call.body["channel_id"] is None:
        return lambda: voice.put_out(call.stage, guild, target, by=call.bot_id, reason=call.reason)
    channel = call.world.channels.get(snowflake("channel_id", call.body["channel_id"]))
    if channel is None or channel.guild_id != guild.id:
        raise errors.unknown_channel()
    if channel.type != ChannelType.VOICE:
        raise errors.wrong_channel_type()
    permissions.require_in(guild, channel, call.bot_id, permissions.CONNECT, call.stage.now())
    return lambda: voice.move(call.stage, guild, target, channel, by=call.bot_id, reason=call.reason)


def _silence(call: Call, guild: Guild, target: Member, what: str, needs: int) -> Any:
    permissions.require(guild, call.bot_id, needs, call.stage.now())
    if target.user_id not in guild.voice:
        raise errors.target_not_in_voice()
    on = bool(call.body[what])
    return lambda: voice.silence(call.stage, guild, target, what, on, by=call.bot_id, reason=call.reason)


_STEPS = {
    "communication_disabled_until": _time_out,
    "nick": _rename,
    "roles": _set_roles,
    "channel_id": _move,
    "mute": partial(_silence, what="mute", needs=permissions.MUTE_MEMBERS),
    "deaf": partial(_silence, what="deaf", needs=permissions.DEAFEN_MEMBERS),
}
