"""Channels: list, create, edit (slowmode, topic, overwrites), delete, single overwrites."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kovra.sandbox import errors, payloads, permissions
from kovra.sandbox.deeds import attendance
from kovra.sandbox.deeds import places as deeds
from kovra.sandbox.rest import threads
from kovra.sandbox.rest.call import Call, choice, snowflake, whole_number
from kovra.sandbox.rest.routing import Table
from kovra.sandbox.stage import change
from kovra.sandbox.world import Channel, ChannelType, Guild, Overwrite

table = Table()

#: Six hours, in seconds (API reference, Modify Channel).
MOST_SLOWMODE_S = 21_600
#: Channels of one guild, threads left out (error 30013).
MOST_CHANNELS = 500
#: The kinds of channel that are made here; Discord knows more.
_KINDS = (ChannelType.TEXT, ChannelType.VOICE, ChannelType.CATEGORY)


@table.on("GET", "/guilds/{guild_id}/channels")
def channels(call: Call) -> list[dict[str, Any]]:
    return [payloads.channel(channel, call.world) for channel in call.world.guild_channels(call.guild())]


@table.on("POST", "/guilds/{guild_id}/channels", status=201)
def create_channel(call: Call) -> dict[str, Any]:
    guild = call.guild(permissions.MANAGE_CHANNELS)
    if not call.body.get("name"):
        raise errors.required("name")
    if len(guild.channel_ids) >= MOST_CHANNELS:
        raise errors.too_many(30013, "guild channels", MOST_CHANNELS)
    parent = call.body.get("parent_id")
    created = deeds.create_channel(
        call.stage,
        guild,
        call.body["name"],
        by=call.bot_id,
        reason=call.reason,
        type=choice("type", call.body.get("type") or 0, _KINDS),
        topic=call.body.get("topic"),
        parent_id=None if parent is None else snowflake("parent_id", parent),
        overwrites=_overwrites(call, guild, call.body.get("permission_overwrites") or []),
    )
    return payloads.channel(created, call.world)


@table.on("PATCH", "/guilds/{guild_id}/channels", body=list)
def move_channels(call: Call) -> None:
    """Put channels into other places, or under another category (whose overwrites they may take over)."""
    guild = call.guild(permissions.MANAGE_CHANNELS)
    wanted = []
    for at, item in enumerate(call.body):
        channel = call.world.channels.get(snowflake(f"{at}.id", item.get("id")))
        if channel is None or channel.id not in guild.channel_ids:
            raise errors.unknown_channel()
        wanted.append((channel, _place(call, guild, item, f"{at}."), item.get("lock_permissions") is True))
    for channel, place, locked in wanted:
        changes = _set(channel, place)
        parent = call.world.channels.get(channel.parent_id or 0)
        if locked and parent is not None:
            _replace_overwrites(channel, {o.id: replace(o) for o in parent.overwrites.values()})
        deeds.channel_changed(call.stage, guild, channel, changes, by=call.bot_id, reason=call.reason)


def _place(call: Call, guild: Guild, item: dict[str, Any], at: str) -> dict[str, Any]:
    """The position and category an item names."""
    place: dict[str, Any] = {}
    if item.get("position") is not None:
        place["position"] = whole_number(f"{at}position", item["position"])
    if "parent_id" in item:
        parent = item["parent_id"]
        place["parent_id"] = None if parent is None else snowflake(f"{at}parent_id", parent)
        above = call.world.channels.get(place["parent_id"] or 0)
        if parent is not None and (above is None or above.guild_id != guild.id or above.type != ChannelType.CATEGORY):
            raise errors.invalid_form(f"{at}parent_id", "CHANNEL_PARENT_INVALID", "Not a category of this server.")
    return place


def _set(channel: Channel, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """Change what differs; returns the changes for the audit log."""
    changes = []
    for attribute, new in wanted.items():
        old = getattr(channel, attribute)
        if new != old:
            setattr(channel, attribute, new)
            named = "rate_limit_per_user" if attribute == "slowmode_s" else attribute
            texts = (None if v is None else str(v) for v in (old, new)) if attribute == "parent_id" else (old, new)
            changes.append(change(named, *texts))
    return changes


def _replace_overwrites(channel: Channel, overwrites: dict[int, Overwrite]) -> None:
    # In place: threads of the channel share them.
    channel.overwrites.clear()
    channel.overwrites.update(overwrites)


@table.on("GET", "/channels/{channel_id}")
def channel(call: Call) -> dict[str, Any]:
    found = call.channel()
    if found.thread is not None:
        attendance.settle(call.stage, call.world.guilds[found.guild_id or 0])
    return payloads.channel(found, call.world)


@table.on("PATCH", "/channels/{channel_id}")
def edit_channel(call: Call) -> dict[str, Any]:
    guild, edited = call.guild_channel()
    if edited.thread is not None:
        return threads.edit(call, guild, edited, edited.thread)
    call.require_in(edited, permissions.MANAGE_CHANNELS)
    wanted = _wanted(call)
    overwrites = None
    if call.body.get("permission_overwrites") is not None:
        permissions.require_in(guild, edited, call.bot_id, permissions.MANAGE_ROLES, call.stage.now())
        overwrites = _overwrites(call, guild, call.body["permission_overwrites"])
    changes = _set(edited, wanted | _place(call, guild, call.body, ""))
    if overwrites is not None:
        _replace_overwrites(edited, overwrites)
    deeds.channel_changed(call.stage, guild, edited, changes, by=call.bot_id, reason=call.reason)
    return payloads.channel(edited, call.world)


@table.on("DELETE", "/channels/{channel_id}")
def delete_channel(call: Call) -> dict[str, Any]:
    guild, gone = call.guild_channel()
    if gone.thread is not None:
        return threads.delete(call, guild, gone)
    call.require_in(gone, permissions.MANAGE_CHANNELS)
    payload = payloads.channel(gone, call.world)
    deeds.delete_channel(call.stage, guild, gone, by=call.bot_id, reason=call.reason)
    return payload


@table.on("PUT", "/channels/{channel_id}/permissions/{overwrite_id}")
def put_overwrite(call: Call) -> None:
    guild, where = _overwritten(call)
    overwrite = _overwrite(call, guild, where, {**call.body, "id": call.id("overwrite_id")})
    deeds.put_overwrite(call.stage, guild, where, overwrite, by=call.bot_id, reason=call.reason)


@table.on("DELETE", "/channels/{channel_id}/permissions/{overwrite_id}")
def delete_overwrite(call: Call) -> None:
    guild, where = _overwritten(call)
    if call.id("overwrite_id") not in where.overwrites:
        raise errors.unknown_overwrite()
    deeds.delete_overwrite(call.stage, guild, where, call.id("overwrite_id"), by=call.bot_id, reason=call.reason)


def _overwritten(call: Call) -> tuple[Guild, Channel]:
    """The channel whose overwrites are to be changed; a thread has none of its own."""
    guild, where = call.guild_channel(permissions.MANAGE_ROLES)
    if where.thread is not None:
        raise errors.wrong_channel_type()
    return guild, where


@table.on("POST", "/channels/{channel_id}/typing")
def typing(call: Call) -> None:
    call.channel(permissions.SEND_MESSAGES)


def _wanted(call: Call) -> dict[str, Any]:
    wanted = {key: call.body[key] for key in ("name", "topic", "nsfw") if key in call.body}
    if call.body.get("rate_limit_per_user") is not None:
        wanted["slowmode_s"] = whole_number("rate_limit_per_user", call.body["rate_limit_per_user"])
        if not 0 <= wanted["slowmode_s"] <= MOST_SLOWMODE_S:
            raise errors.too_large("rate_limit_per_user", MOST_SLOWMODE_S)
    return wanted


def _overwrites(call: Call, guild: Guild, items: list[dict[str, Any]]) -> dict[int, Overwrite]:
    made = [_overwrite(call, guild, None, item) for item in items]
    return {overwrite.id: overwrite for overwrite in made}


def _overwrite(call: Call, guild: Guild, channel: Channel | None, item: dict[str, Any]) -> Overwrite:
    """One overwrite of the body: the bot may allow or deny only what it holds itself."""
    overwrite = Overwrite(
        id=snowflake("id", item.get("id")),
        type=choice("type", item.get("type") or 0, (0, 1)),
        allow=whole_number("allow", item.get("allow") or 0),
        deny=whole_number("deny", item.get("deny") or 0),
    )
    before = channel.overwrites.get(overwrite.id) if channel else None
    touched = (overwrite.allow ^ (before.allow if before else 0)) | (overwrite.deny ^ (before.deny if before else 0))
    have = permissions.of_member(guild, call.bot_id, call.stage.now())
    if channel is not None and touched & ~have:
        raise errors.missing_permissions()
    return overwrite
