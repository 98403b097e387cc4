"""Roles of a guild."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from kovra.sandbox import errors, payloads, permissions
from kovra.sandbox.deeds import places as deeds
from kovra.sandbox.rest.call import Call, snowflake, whole_number
from kovra.sandbox.rest.routing import Table
from kovra.sandbox.stage import change
from kovra.sandbox.world import Guild, Role

table = Table()

MOST_COLOR = 0xFFFFFF
#: Roles of one guild (error 30005).
MOST_ROLES = 250


@table.on("GET", "/guilds/{guild_id}/roles")
def roles(call: Call) -> list[dict[str, Any]]:
    return [payloads.role(role) for role in call.guild().roles.values()]


@table.on("GET", "/guilds/{guild_id}/roles/member-counts")
def member_counts(call: Call) -> dict[str, int]:
    """How many hold each role, @everyone left out."""
    guild = call.guild()
    held = Counter(role_id for member in guild.members.values() for role_id in member.roles)
    return {str(role_id): held[role_id] for role_id in guild.roles if role_id != guild.id}


@table.on("PATCH", "/guilds/{guild_id}/roles", body=list)
def move_roles(call: Call) -> list[dict[str, Any]]:
    """Put roles into other places; nobody moves a role that is not below their own, or to a place that is not."""
    guild = call.guild(permissions.MANAGE_ROLES)
    wanted = []
    for at, item in enumerate(call.body):
        role = guild.roles.get(snowflake(f"{at}.id", item.get("id")))
        if role is None:
            raise errors.unknown_role()
        if item.get("position") is None:
            continue
        position = whole_number(f"{at}.position", item["position"])
        permissions.require_role(guild, call.bot_id, role)
        permissions.require_role(guild, call.bot_id, replace(role, position=position))
        wanted.append((role, position))
    for role, position in wanted:
        before, role.position = role.position, position
        changes = [change("position", before, position)] if before != position else []
        deeds.role_changed(call.stage, guild, role, changes, by=call.bot_id, reason=call.reason)
    return roles(call)


@table.on("GET", "/guilds/{guild_id}/roles/{role_id}")
def role(call: Call) -> dict[str, Any]:
    return payloads.role(call.role(call.guild()))


@table.on("POST", "/guilds/{guild_id}/roles")
def create_role(call: Call) -> dict[str, Any]:
    guild = call.guild(permissions.MANAGE_ROLES)
    if len(guild.roles) >= MOST_ROLES:
        raise errors.too_many(30005, "guild roles", MOST_ROLES)
    created = Role(
        id=call.stage.new_id(),
        name=call.body.get("name") or "new role",
        position=1,
        permissions=_permissions(call, guild, guild.roles[guild.id].permissions),
        color=_color(call.body.get("color") or 0),
        hoist=bool(call.body.get("hoist")),
        mentionable=bool(call.body.get("mentionable")),
    )
    deeds.create_role(call.stage, guild, created, by=call.bot_id, reason=call.reason)
    return payloads.role(created)


@table.on("PATCH", "/guilds/{guild_id}/roles/{role_id}")
def edit_role(call: Call) -> dict[str, Any]:
    guild = call.guild(permissions.MANAGE_ROLES)
    edited = call.role(guild)
    # @everyone may be edited by whoever manages roles; it has no rank of its own.
    if edited.id != guild.id:
        permissions.require_role(guild, call.bot_id, edited)
    wanted = {key: call.body[key] for key in ("name", "hoist", "mentionable") if call.body.get(key) is not None}
    if call.body.get("color") is not None:
        wanted["color"] = _color(call.body["color"])
    if call.body.get("permissions") is not None:
        wanted["permissions"] = _permissions(call, guild, edited.permissions)
    changes = []
    for key, new in wanted.items():
        old = getattr(edited, key)
        if new != old:
            setattr(edited, key, new)
            changes.append(
                change(key, str(old) if key == "permissions" else old, str(new) if key == "permissions" else new)
            )
    deeds.role_changed(call.stage, guild, edited, changes, by=call.bot_id, reason=call.reason)
    return payloads.role(edited)


@table.on("DELETE", "/guilds/{guild_id}/roles/{role_id}")
def delete_role(call: Call) -> None:
    guild = call.guild(permissions.MANAGE_ROLES)
    gone = call.role(guild)
    permissions.require_role(guild, call.bot_id, gone)
    deeds.delete_role(call.stage, guild, gone, by=call.bot_id, reason=call.reason)


def _color(value: object) -> int:
    color = whole_number("color", value)
    if color > MOST_COLOR:
        raise errors.too_large("color", MOST_COLOR)
    if color < 0:
        raise errors.invalid_form("color", "NUMBER_TYPE_MIN", "int value should be greater than or equal to 0.")
    return color


def _permissions(call: Call, guild: Guild, default: int) -> int:
    """The permissions of the body: nobody grants what they lack."""
    if call.body.get("permissions") is None:
        return default
    wanted = whole_number("permissions", call.body["permissions"])
    if wanted & ~default & ~permissions.of_member(guild, call.bot_id, call.stage.now()):
        raise errors.missing_permissions()
    return wanted
