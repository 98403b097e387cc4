"""Prune: count, or put out, the members without a role who were not seen for some days."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kovra.sandbox import errors, permissions
from kovra.sandbox.deeds import members as deeds
from kovra.sandbox.rest.call import Call, snowflake, whole_number
from kovra.sandbox.rest.routing import Table
from kovra.sandbox.world import Guild

table = Table()

#: Days (API reference, Begin Guild Prune).
MOST_DAYS, DEFAULT_DAYS = 30, 7
_NEEDED = permissions.MANAGE_GUILD | permissions.KICK_MEMBERS


@table.on("GET", "/guilds/{guild_id}/prune")
def count(call: Call) -> dict[str, Any]:
    guild = call.guild(_NEEDED)
    roles = [each for each in call.query.get("include_roles", "").split(",") if each]
    return {"pruned": len(_prunable(call, guild, _days(call.query.get("days")), roles))}


@table.on("POST", "/guilds/{guild_id}/prune")
def begin(call: Call) -> dict[str, Any]:
    guild = call.guild(_NEEDED)
    days, roles = _days(call.body.get("days")), call.body.get("include_roles") or []
    gone = _prunable(call, guild, days, roles.split(",") if isinstance(roles, str) else roles)
    deeds.prune(call.stage, guild, gone, days=days, by=call.bot_id, reason=call.reason)
    return {"pruned": None if call.body.get("compute_prune_count") is False else len(gone)}


def _days(value: object) -> int:
    days = DEFAULT_DAYS if value is None else whole_number("days", value)
    if days > MOST_DAYS:
        raise errors.too_large("days", MOST_DAYS)
    if days < 1:
        raise errors.invalid_form("days", "NUMBER_TYPE_MIN", "int value should be greater than or equal to 1.")
    return days


def _prunable(call: Call, guild: Guild, days: int, include: list[Any]) -> list[int]:
    """Who was not seen since, and holds no role but those included. Here one is seen by joining and by talking."""
    allowed = {snowflake("include_roles", each) for each in include}
    if unknown := allowed - guild.roles.keys():
        raise errors.not_a_snowflake("include_roles", min(unknown))
    since = call.stage.now() - timedelta(days=days)
    places = [*call.world.guild_channels(guild), *(channel for channel, _ in call.world.guild_threads(guild))]
    talked = {
        message.author_id
        for channel in places
        for message in call.world.messages.get(channel.id, {}).values()
        if message.sent_at >= since
    }
    return [
        user_id
        for user_id, member in guild.members.items()
        if member.joined_at < since
        and user_id not in talked
        and user_id not in (guild.owner_id, call.bot_id)
        and not call.world.users[user_id].bot
        and set(member.roles) <= allowed
        and permissions.outranks(guild, call.bot_id, user_id)
    ]
