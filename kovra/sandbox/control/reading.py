"""Reading what is and what happened: people, places, messages, effects, requests, findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kovra.sandbox import payloads, people, permissions
from kovra.sandbox.control.asking import Ask, Json, Table, find_channel, find_guild, find_user
from kovra.sandbox.deeds import attendance
from kovra.sandbox.rest.commands import known_commands

if TYPE_CHECKING:
    from kovra.sandbox.server import Sandbox

table = Table()


@table.on("GET", "people")
def _people(sandbox: Sandbox, ask: Ask) -> list[Json]:
    return people.staff(sandbox.world)


@table.on("GET", "world")
def _world(sandbox: Sandbox, ask: Ask) -> Json:
    world, cast = sandbox.world, sandbox.world.cast
    guild = find_guild(sandbox, cast.guild_id)
    return {
        "guild_id": str(guild.id),
        "name": guild.name,
        "owner_id": str(guild.owner_id),
        "bot_id": str(world.bot_id),
        "members": len(guild.members),
        "bans": len(guild.bans),
        "channels": {channel.name: str(channel.id) for channel in world.guild_channels(guild)},
        "roles": {role.name: str(role.id) for role in guild.roles.values()},
        "guilds": [{"id": str(g.id), "name": g.name} for g in world.guilds.values()],
        "notable": {
            "above_guard": str(cast.above_guard),
            "closed_dm": str(cast.closed_dm[0]) if cast.closed_dm else None,
            "closed_dms": [str(user_id) for user_id in cast.closed_dm],
            "bot_member": str(cast.bot_member),
            "outsider": str(cast.outsider),
            "plain": [str(user_id) for user_id in cast.plain],
        },
    }


@table.on("GET", "guilds/*/members")
def _members(sandbox: Sandbox, ask: Ask) -> list[Json]:
    guild = find_guild(sandbox, ask.path_id())
    return [payloads.member(m, sandbox.world.users[m.user_id]) for m in guild.members.values()]


@table.on("GET", "guilds/*/bans")
def _bans(sandbox: Sandbox, ask: Ask) -> list[Json]:
    guild = find_guild(sandbox, ask.path_id())
    return [{"user": payloads.user(sandbox.world.users[i]), "reason": why} for i, why in guild.bans.items()]


@table.on("GET", "guilds/*/channels")
def _channels(sandbox: Sandbox, ask: Ask) -> list[Json]:
    """The guild's channels; ``?as=`` leaves those that this person sees."""
    guild = find_guild(sandbox, ask.path_id())
    channels = sandbox.world.guild_channels(guild)
    if "as" in ask.query:
        now, viewer = sandbox.stage.now(), int(ask.query["as"])
        seen = permissions.VIEW_CHANNEL
        channels = [c for c in channels if permissions.in_channel(guild, c, viewer, now) & seen]
    return [payloads.channel(channel, sandbox.world) for channel in channels]


@table.on("GET", "guilds/*/threads")
def _threads(sandbox: Sandbox, ask: Ask) -> list[Json]:
    """The guild's threads that are awake; ``?as=`` leaves those that this person sees."""
    guild = find_guild(sandbox, ask.path_id())
    attendance.settle(sandbox.stage, guild)
    awake = [channel for channel, thread in sandbox.world.guild_threads(guild) if not thread.archived]
    if "as" in ask.query:
        now, viewer = sandbox.stage.now(), int(ask.query["as"])
        awake = [c for c in awake if permissions.in_channel(guild, c, viewer, now) & permissions.VIEW_CHANNEL]
    return [payloads.channel(channel, sandbox.world) for channel in awake]


@table.on("GET", "commands")
def _commands(sandbox: Sandbox, ask: Ask) -> list[Json]:
    """The commands people can run in the guild (``?guild_id=``, or the demo's)."""
    guild_id = int(ask.query.get("guild_id", sandbox.world.cast.guild_id))
    return known_commands(sandbox.world, guild_id)


@table.on("GET", "guilds/*/audit")
def _audit(sandbox: Sandbox, ask: Ask) -> list[Json]:
    entries = find_guild(sandbox, ask.path_id()).audit
    return [payloads.audit_entry(entry) for entry in reversed(entries[-200:])]


@table.on("GET", "guilds/*")
def _guild_settings(sandbox: Sandbox, ask: Ask) -> Json:
    return payloads.guild(find_guild(sandbox, ask.path_id()))


@table.on("GET", "channels/*/messages")
def _messages(sandbox: Sandbox, ask: Ask) -> list[Json]:
    """The channel's messages, oldest first; ``?as=`` adds what only that person sees."""
    channel = find_channel(sandbox, ask.path_id())
    viewer = int(ask.query.get("as", 0))
    most = int(ask.query.get("limit", 100))
    held = sandbox.world.messages.get(channel.id, {}).values()
    seen = [m for m in held if m.ephemeral_for in (None, viewer)]
    return [payloads.message(m, sandbox.world) for m in seen[-most:]]


@table.on("GET", "users/*/dms")
def _dms(sandbox: Sandbox, ask: Ask) -> list[Json]:
    channel = sandbox.world.dm_with(find_user(sandbox, ask.path_id()).id)
    held = {} if channel is None else sandbox.world.messages.get(channel.id, {})
    return [payloads.message(m, sandbox.world) for m in held.values()]


@table.on("GET", "effects")
def _effects(sandbox: Sandbox, ask: Ask) -> Json:
    return sandbox.effects.report(ask.query.get("ref"))


@table.on("GET", "requests")
def _requests(sandbox: Sandbox, ask: Ask) -> Json:
    """The last requests, oldest first."""
    most = int(ask.query.get("limit", 200))
    tail = [
        {
            "at": round(r.at, 3),
            "method": r.method,
            "path": r.path,
            "status": r.status,
            "ms": round(r.ms, 2),
            "reason": r.reason,
            "body": r.body,
            "answer": r.answer if r.status >= 400 else None,
        }
        for r in list(sandbox.requests)[-most:]
    ]
    return {"served": sandbox.served, "requests": tail}


@table.on("GET", "findings")
def _findings(sandbox: Sandbox, ask: Ask) -> Json:
    """What the check against Discord's description found; ``findings`` is null when there is no check."""
    if sandbox.conformance is None:
        return {"findings": None, "checked": 0}
    return {"findings": sandbox.conformance.findings(), "checked": sandbox.conformance.checked}


@table.on("GET", "gateway")
def _sessions(sandbox: Sandbox, ask: Ask) -> Json:
    return {"sessions": sandbox.gateway.sessions(), **sandbox.gateway.counts}
