"""Channels in Discord's JSON."""

from __future__ import annotations

from kovra.sandbox.payloads.people import Json, user
from kovra.sandbox.world import Channel, ChannelType, World


def channel(one: Channel, world: World) -> Json:
    if one.type == ChannelType.DM:
        return _dm(one, world)
    payload: Json = {
        "id": str(one.id),
        "type": one.type,
        "guild_id": str(one.guild_id),
        "name": one.name,
        "position": one.position,
        "flags": 0,
        "parent_id": None if one.parent_id is None else str(one.parent_id),
        "permission_overwrites": [
            {"id": str(o.id), "type": o.type, "allow": str(o.allow), "deny": str(o.deny)}
            for o in one.overwrites.values()
        ],
        "nsfw": one.nsfw,
        "last_message_id": None if one.last_message_id is None else str(one.last_message_id),
        "rate_limit_per_user": one.slowmode_s,
    }
    if one.type == ChannelType.TEXT:
        payload["topic"] = one.topic
    if one.type == ChannelType.VOICE:
        payload |= {"bitrate": 64000, "user_limit": 0, "rtc_region": None, "video_quality_mode": 1}
    return payload


def _dm(one: Channel, world: World) -> Json:
    return {
        "id": str(one.id),
        "type": int(ChannelType.DM),
        "flags": 0,
        "last_message_id": None if one.last_message_id is None else str(one.last_message_id),
        "recipients": [user(world.users[one.recipient_id])] if one.recipient_id is not None else [],
    }
