"""Bans: list, look up, ban, unban, and bulk ban."""

from __future__ import annotations

from typing import Any

from kovra.sandbox import errors, payloads, permissions
from kovra.sandbox.deeds import members as deeds
from kovra.sandbox.rest.call import Call, snowflake, whole_number
from kovra.sandbox.rest.routing import Table
from kovra.sandbox.world import Guild

table = Table()

#: Seven days, in seconds, and the most ids of a bulk ban (API reference, Create Guild Ban, Bulk Guild Ban).
MOST_DELETE_S = 604_800
MOST_BULK = 200


@table.on("GET", "/guilds/{guild_id}/bans")
def bans(call: Call) -> list[dict[str, Any]]:
    guild = call.guild(permissions.BAN_MEMBERS)
    before, after, most = call.before(), call.after(), call.limit(1000, 1000)
    ids = sorted(guild.bans)
    if before is not None:
        ids = [user_id for user_id in ids if user_id < before][-most:]
    elif after is not None:
        ids = [user_id for user_id in ids if user_id > after]
    return [_payload(call, guild, user_id) for user_id in ids[:most]]


@table.on("GET", "/guilds/{guild_id}/bans/{user_id}")
def ban(call: Call) -> dict[str, Any]:
    guild, user_id = call.guild(permissions.BAN_MEMBERS), call.id("user_id")
    if user_id not in guild.bans:
        raise errors.unknown_ban()
    return _payload(call, guild, user_id)


@table.on("PUT", "/guilds/{guild_id}/bans/{user_id}")
def create_ban(call: Call) -> None:
    """Ban a user. Clients send ``delete_message_seconds`` in the body or, as Pycord does, in the query."""
    guild = call.guild(permissions.BAN_MEMBERS)
    delete_s = _delete_s(call, call.query.get("delete_message_seconds"))
    user_id = call.user().id
    permissions.require_rank(guild, call.bot_id, user_id)
    if user_id == call.bot_id:
        raise errors.missing_permissions()
    deeds.ban(call.stage, guild, user_id, by=call.bot_id, reason=call.reason, delete_s=delete_s)


@table.on("DELETE", "/guilds/{guild_id}/bans/{user_id}")
def unban(call: Call) -> None:
    guild, user_id = call.guild(permissions.BAN_MEMBERS), call.id("user_id")
    if user_id not in guild.bans:
        raise errors.unknown_ban()
    deeds.unban(call.stage, guild, user_id, by=call.bot_id, reason=call.reason)


@table.on("POST", "/guilds/{guild_id}/bulk-ban")
def bulk_ban(call: Call) -> dict[str, Any]:
    """Ban up to 200 users; whoever cannot be banned, or is already, is listed as failed, and no reason is given."""
    guild = call.guild(permissions.BAN_MEMBERS | permissions.MANAGE_GUILD)
    asked = [snowflake("user_ids", user_id) for user_id in call.body.get("user_ids") or []]
    if not asked:
        raise errors.required("user_ids")
    if len(asked) > MOST_BULK:
        raise errors.too_long("user_ids", MOST_BULK)
    delete_s = _delete_s(call, None)
    banned, failed = [], []
    for user_id in dict.fromkeys(asked):
        # The bot's own id appears in neither list.
        if user_id == call.bot_id:
            continue
        done = _may_ban(call, guild, user_id) and deeds.ban(
            call.stage, guild, user_id, by=call.bot_id, reason=call.reason, delete_s=delete_s, credited=False
        )
        (banned if done else failed).append(str(user_id))
    if not banned:
        raise errors.nobody_banned()
    return {"banned_users": banned, "failed_users": failed}


def _may_ban(call: Call, guild: Guild, user_id: int) -> bool:
    if user_id not in call.world.users or user_id == guild.owner_id:
        return False
    return user_id not in guild.members or permissions.outranks(guild, call.bot_id, user_id)


def _delete_s(call: Call, from_query: str | None) -> int:
    value = whole_number("delete_message_seconds", call.body.get("delete_message_seconds", from_query) or 0)
    if value > MOST_DELETE_S:
        raise errors.too_large("delete_message_seconds", MOST_DELETE_S)
    if value < 0:
        message = "int value should be greater than or equal to 0."
        raise errors.invalid_form("delete_message_seconds", "NUMBER_TYPE_MIN", message)
    return value


def _payload(call: Call, guild: Guild, user_id: int) -> dict[str, Any]:
    return {"user": payloads.user(call.world.users[user_id]), "reason": guild.bans[user_id]}
