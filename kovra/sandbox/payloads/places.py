"""Channels and threads in Discord's JSON."""

from __future__ import annotations

from kovra.sandbox.payloads.people import Json, iso, member, user
from kovra.sandbox.world import Channel, ChannelType, Guild, Thread, World

#: Discord stops counting a thread's members here.
MOST_COUNTED = 50


def channel(one: Channel, world: World) -> Json:
    if one.type == ChannelType.DM:
        return _dm(one, world)
    if one.thread is not None:
        return _thread(one, one.thread, world)
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


def _thread(one: Channel, thread: Thread, world: World) -> Json:
    """A thread; with the bot's own membership when it is in it."""
    metadata: Json = {
        "archived": thread.archived,
        "archive_timestamp": iso(thread.archived_at),
        "auto_archive_duration": thread.auto_archive_min,
        "locked": thread.locked,
        "create_timestamp": iso(thread.created_at),
    }
    if one.type == ChannelType.PRIVATE_THREAD:
        metadata["invitable"] = thread.invitable
    payload: Json = {
        "id": str(one.id),
        "type": one.type,
        "guild_id": str(one.guild_id),
        "parent_id": str(one.parent_id),
        "owner_id": str(thread.owner_id),
        "name": one.name,
        "flags": 0,
        "last_message_id": None if one.last_message_id is None else str(one.last_message_id),
        "rate_limit_per_user": one.slowmode_s,
        "message_count": thread.message_count,
        "total_message_sent": thread.total_sent,
        "member_count": min(len(thread.members), MOST_COUNTED),
        "thread_metadata": metadata,
    }
    if world.bot_id in thread.members:
        payload["member"] = thread_member(one, thread, world.bot_id)
    return payload


def thread_member(one: Channel, thread: Thread, user_id: int) -> Json:
    """Somebody in a thread."""
    return {"id": str(one.id), "user_id": str(user_id), "join_timestamp": iso(thread.members[user_id]), "flags": 0}


def whole_thread_member(one: Channel, thread: Thread, user_id: int, guild: Guild, world: World) -> Json:
    """Somebody in a thread, with their place in the guild."""
    somebody = member(guild.members[user_id], world.users[user_id])
    return {**thread_member(one, thread, user_id), "member": somebody}
