"""Invites: of a guild, of a channel, and one by its code."""

from __future__ import annotations

from typing import Any

from kovra.sandbox import errors, payloads, permissions
from kovra.sandbox.deeds import invites as deeds
from kovra.sandbox.rest.call import Call, whole_number
from kovra.sandbox.rest.routing import Table
from kovra.sandbox.world import Guild, Invite

table = Table()

#: Limits and defaults (API reference, Create Channel Invite); seconds.
MOST_AGE_S, MOST_USES, DEFAULT_AGE_S = 604_800, 100, 86_400


@table.on("GET", "/guilds/{guild_id}/invites")
def guild_invites(call: Call) -> list[dict[str, Any]]:
    guild = call.guild(permissions.MANAGE_GUILD)
    return [payloads.invite(each, guild, call.world) for each in deeds.valid(guild, call.stage.now())]


@table.on("GET", "/channels/{channel_id}/invites")
def channel_invites(call: Call) -> list[dict[str, Any]]:
    guild, channel = call.guild_channel(permissions.MANAGE_CHANNELS)
    found = deeds.valid(guild, call.stage.now())
    return [payloads.invite(each, guild, call.world) for each in found if each.channel_id == channel.id]


@table.on("POST", "/channels/{channel_id}/invites")
def create_invite(call: Call) -> dict[str, Any]:
    guild, channel = call.guild_channel(permissions.CREATE_INVITE)
    if channel.thread is not None:
        raise errors.wrong_channel_type()
    made = deeds.create(
        call.stage,
        guild,
        channel,
        by=call.bot_id,
        reason=call.reason,
        max_age_s=_number(call, "max_age", DEFAULT_AGE_S, MOST_AGE_S),
        max_uses=_number(call, "max_uses", 0, MOST_USES),
    )
    return payloads.invite(made, guild, call.world)


@table.on("GET", "/invites/{code}")
def invite(call: Call) -> dict[str, Any]:
    guild, found = _find(call)
    payload = payloads.invite(found, guild, call.world)
    if call.flag("with_counts"):
        payload |= {"approximate_member_count": len(guild.members), "approximate_presence_count": 1}
    return payload


@table.on("DELETE", "/invites/{code}")
def delete_invite(call: Call) -> dict[str, Any]:
    guild, found = _find(call)
    now = call.stage.now()
    if not permissions.of_member(guild, call.bot_id, now) & permissions.MANAGE_GUILD:
        channel = call.world.channels[found.channel_id]
        permissions.require_in(guild, channel, call.bot_id, permissions.MANAGE_CHANNELS, now)
    deeds.delete(call.stage, guild, found, by=call.bot_id, reason=call.reason)
    return payloads.invite(found, guild, call.world)


def _find(call: Call) -> tuple[Guild, Invite]:
    for guild in call.world.guilds.values():
        for each in deeds.valid(guild, call.stage.now()):
            if each.code == call.params["code"] and each.channel_id in call.world.channels:
                return guild, each
    raise errors.unknown_invite()


def _number(call: Call, key: str, default: int, most: int) -> int:
    given = call.body.get(key)
    value = default if given is None else whole_number(key, given)
    if value > most:
        raise errors.too_large(key, most)
    if value < 0:
        raise errors.invalid_form(key, "NUMBER_TYPE_MIN", "int value should be greater than or equal to 0.")
    return value
