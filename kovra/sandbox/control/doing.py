"""People do things: run commands, come and go, and moderate by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kovra.sandbox import payloads, people, permissions, settlement
from kovra.sandbox.commands import run_command
from kovra.sandbox.control.asking import (
    Ask,
    ControlError,
    Json,
    Table,
    actor,
    asked_guild,
    find_channel,
    find_guild,
    find_member,
    find_user,
)
from kovra.sandbox.deeds import automod, invites, members, messages, places
from kovra.sandbox.world import Channel, ChannelType, Guild, Invite, User

if TYPE_CHECKING:
    from kovra.sandbox.server import Sandbox

table = Table()


@table.on("POST", "interactions")
def _interact(sandbox: Sandbox, ask: Ask) -> Json:
    user = find_user(sandbox, ask.id("user_id"))
    channel, guild = _place(sandbox, ask, user)
    interaction = run_command(sandbox.desk, sandbox.world, user, guild, channel, ask.body)
    return {"interaction_id": str(interaction.id)}


def _place(sandbox: Sandbox, ask: Ask, user: User) -> tuple[Channel, Guild | None]:
    """Where a command is run: the channel named, the first open one of the guild, or the person's DM."""
    if "channel_id" in ask.body:
        channel = find_channel(sandbox, ask.id("channel_id"))
        guild = sandbox.world.guilds.get(channel.guild_id or 0)
        if guild is not None:
            find_member(sandbox, guild, user.id)
        return channel, guild
    if ask.body.get("guild_id", "") is None:
        return messages.open_dm(sandbox.stage, user.id), None
    guild = asked_guild(sandbox, ask)
    find_member(sandbox, guild, user.id)
    now = sandbox.stage.now()
    wanted = permissions.VIEW_CHANNEL | permissions.SEND_MESSAGES
    for channel in sandbox.world.guild_channels(guild):
        have = permissions.in_channel(guild, channel, user.id, now)
        if channel.type == ChannelType.TEXT and have & wanted == wanted:
            return channel, guild
    raise ControlError(f"user {user.id} can talk in no channel of {guild.name}")


@table.on("GET", "interactions/*")
def _interaction(sandbox: Sandbox, ask: Ask) -> Json:
    report = sandbox.desk.report(ask.path_id())
    if report is None:
        raise ControlError(f"there is no interaction {ask.values[0]}", 404)
    return report


@table.on("POST", "users")
def _make_user(sandbox: Sandbox, ask: Ask) -> Json:
    """Someone new: ``username``, and ``made_at`` (Unix seconds) for the age of the account."""
    made_at = float(ask.body.get("made_at", sandbox.clock()))
    user = people.newcomer(sandbox.world, ask.body, made_at)
    sandbox.stage.changed = True
    return payloads.user(user)


@table.on("POST", "join")
def _join(sandbox: Sandbox, ask: Ask) -> Json:
    """Someone joins: ``user_id``, or ``username`` for a new account; by an ``invite`` when its code is given."""
    guild = asked_guild(sandbox, ask)
    invite = _invite(sandbox, guild, ask.body.get("invite"))
    if "user_id" in ask.body:
        user = find_user(sandbox, ask.id("user_id"))
    else:
        user = people.newcomer(sandbox.world, ask.body, float(ask.body.get("made_at", sandbox.clock())))
    if user.id in guild.bans:
        raise ControlError(f"user {user.id} is banned", 403)
    if user.id in guild.members:
        raise ControlError(f"user {user.id} is a member already")
    if user.id == sandbox.world.bot_id:
        members.join(sandbox.stage, guild, user.id)
        sandbox.gateway.open_guild(guild)
        return payloads.user(user)
    if invite is not None:
        invites.use(sandbox.stage, guild, invite)
    return payloads.member(members.join(sandbox.stage, guild, user.id), user)


def _invite(sandbox: Sandbox, guild: Guild, code: object) -> Invite | None:
    if code is None:
        return None
    now = sandbox.stage.now()
    if guild.invites_disabled_until is not None and guild.invites_disabled_until > now:
        raise ControlError(f"invites to {guild.name} are paused", 403)
    found = next((each for each in invites.valid(guild, now) if each.code == code), None)
    if found is None:
        raise ControlError(f"there is no invite {code!r}", 404)
    return found


@table.on("POST", "leave")
def _leave(sandbox: Sandbox, ask: Ask) -> None:
    guild = asked_guild(sandbox, ask)
    members.leave(sandbox.stage, guild, find_member(sandbox, guild, ask.id("user_id")).user_id)


@table.on("POST", "dms")
def _set_dms(sandbox: Sandbox, ask: Ask) -> None:
    find_user(sandbox, ask.id("user_id")).dms_open = bool(ask.body["open"])
    sandbox.stage.changed = True


@table.on("POST", "roles")
def _roles(sandbox: Sandbox, ask: Ask) -> Json:
    """Give or take a role by hand: ``user_id``, ``role_id`` or ``role`` (its name), ``give`` (default true), ``by``."""
    guild = asked_guild(sandbox, ask)
    member = find_member(sandbox, guild, ask.id("user_id"))
    role = guild.roles.get(ask.id("role_id", _role_named(guild, ask.body.get("role"))))
    if role is None:
        raise ControlError("there is no such role", 404)
    deed = members.give_role if ask.body.get("give", True) else members.take_role
    deed(sandbox.stage, guild, member, role, by=actor(sandbox, ask, guild), reason=ask.body.get("reason"))
    return payloads.member(member, sandbox.world.users[member.user_id])


def _role_named(guild: Guild, name: str | None) -> int | None:
    return next((role.id for role in guild.roles.values() if role.name == name), None)


@table.on("POST", "channels/*/delete")
def _delete_channel(sandbox: Sandbox, ask: Ask) -> None:
    channel = find_channel(sandbox, ask.path_id())
    guild = find_guild(sandbox, channel.guild_id or 0)
    by, reason = actor(sandbox, ask, guild), ask.body.get("reason")
    places.delete_channel(sandbox.stage, guild, channel, by=by, reason=reason)


@table.on("POST", "bans")
def _ban(sandbox: Sandbox, ask: Ask) -> None:
    """Ban by hand: ``user_id``, ``by``, ``reason``, ``delete_s``; not ``named``, its entry names nobody."""
    guild = asked_guild(sandbox, ask)
    user, by = find_user(sandbox, ask.id("user_id")), actor(sandbox, ask, guild)
    reason, delete_s = ask.body.get("reason"), int(ask.body.get("delete_s", 0))
    credited = bool(ask.body.get("named", True))
    members.ban(sandbox.stage, guild, user.id, by=by, reason=reason, delete_s=delete_s, credited=credited)


@table.on("POST", "unbans")
def _unban(sandbox: Sandbox, ask: Ask) -> None:
    guild = asked_guild(sandbox, ask)
    if ask.id("user_id") not in guild.bans:
        raise ControlError("nobody of this id is banned", 404)
    by = actor(sandbox, ask, guild)
    members.unban(sandbox.stage, guild, ask.id("user_id"), by=by, reason=ask.body.get("reason"))


@table.on("POST", "kicks")
def _kick(sandbox: Sandbox, ask: Ask) -> None:
    guild = asked_guild(sandbox, ask)
    member = find_member(sandbox, guild, ask.id("user_id"))
    by = actor(sandbox, ask, guild)
    members.kick(sandbox.stage, guild, member.user_id, by=by, reason=ask.body.get("reason"))


@table.on("POST", "prunes")
def _prune(sandbox: Sandbox, ask: Ask) -> None:
    """Put these out at once: ``user_ids``, ``days``, ``by``, ``reason``. One entry counts them."""
    guild = asked_guild(sandbox, ask)
    gone = [find_member(sandbox, guild, int(user_id)).user_id for user_id in ask.body["user_ids"]]
    by, days = actor(sandbox, ask, guild), int(ask.body.get("days", 7))
    members.prune(sandbox.stage, guild, gone, days=days, by=by, reason=ask.body.get("reason"))


@table.on("POST", "timeouts")
def _time_out(sandbox: Sandbox, ask: Ask) -> Json:
    """Time out by hand: ``user_id``, ``seconds`` (0 lifts it), ``by``, ``reason``."""
    guild = asked_guild(sandbox, ask)
    member = find_member(sandbox, guild, ask.id("user_id"))
    seconds = float(ask.body.get("seconds", 0))
    until = people.later(sandbox.stage.now(), seconds) if seconds else None
    by, reason = actor(sandbox, ask, guild), ask.body.get("reason")
    members.time_out(sandbox.stage, guild, member, until, by=by, reason=reason)
    return payloads.member(member, sandbox.world.users[member.user_id])


@table.on("POST", "rejoin")
def _rejoin(sandbox: Sandbox, ask: Ask) -> Json:
    """Whether whoever is kicked comes back at once (``on``), so that a second kick shows."""
    sandbox.stage.rejoin = bool(ask.body["on"])
    return {"on": sandbox.stage.rejoin}


@table.on("POST", "automod")
def _automod(sandbox: Sandbox, ask: Ask) -> None:
    """Discord's AutoMod stops a message: ``user_id``, ``channel_id``, ``content``, ``matched``, and a ``rule_id``.

    With ``seconds`` it times its author out too.
    """
    channel = find_channel(sandbox, ask.id("channel_id"))
    guild = find_guild(sandbox, channel.guild_id or 0)
    member = find_member(sandbox, guild, ask.id("user_id"))
    unknown: Json = {"id": "0", "name": "Blocked words", "trigger_type": automod.KEYWORD}
    rule = guild.rules.get(ask.id("rule_id", 0), unknown)
    content, matched = str(ask.body["content"]), str(ask.body.get("matched", ask.body["content"]))
    automod.block(sandbox.stage, guild, channel, member.user_id, content, rule, matched)
    if seconds := float(ask.body.get("seconds", 0)):
        automod.time_out(sandbox.stage, guild, channel, member, rule, people.later(sandbox.stage.now(), seconds))


@table.on("POST", "voice")
def _voice(sandbox: Sandbox, ask: Ask) -> None:
    """Someone joins a voice channel (``channel_id``), or leaves voice (null)."""
    guild = asked_guild(sandbox, ask)
    member = find_member(sandbox, guild, ask.id("user_id"))
    if ask.body.get("channel_id") is None:
        members.disconnect(sandbox.stage, guild, member.user_id)
    else:
        channel = find_channel(sandbox, ask.id("channel_id"))
        members.connect(sandbox.stage, guild, member, channel.id)


@table.on("POST", "guilds")
def _settle(sandbox: Sandbox, ask: Ask) -> Json:
    """A further guild with the bot in it: ``name``, ``members`` (how many)."""
    settled = settlement.settle(sandbox.stage, str(ask.body["name"]), int(ask.body.get("members", 0)))
    sandbox.gateway.open_guild(settled.guild)
    return {
        "guild_id": str(settled.guild.id),
        "owner_id": str(settled.owner_id),
        "moderator_id": str(settled.moderator_id),
        "members": [str(user_id) for user_id in settled.member_ids],
        "channels": settlement.channels_of(sandbox.world, settled.guild),
    }
