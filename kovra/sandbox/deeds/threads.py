"""Threads: started, changed, deleted, and who is put into them or out."""

from __future__ import annotations

from typing import Any

from kovra.sandbox import payloads
from kovra.sandbox.deeds import attendance, messages
from kovra.sandbox.stage import AuditAction, Stage, change
from kovra.sandbox.world import Channel, ChannelType, Guild, Message, Thread

#: Message types: what a channel says when a thread is started without a message, and how one from a message begins.
THREAD_CREATED, STARTER = 18, payloads.THREAD_STARTER


def start(
    stage: Stage,
    guild: Guild,
    parent: Channel,
    name: str,
    *,
    by: int,
    reason: str | None,
    type: int = ChannelType.PUBLIC_THREAD,
    message: Message | None = None,
    slowmode_s: int = 0,
    auto_archive_min: int,
    invitable: bool = True,
) -> Channel:
    """Start a thread; its starter is in it. One from a message has the message's id."""
    now = stage.now()
    channel = Channel(
        id=stage.new_id() if message is None else message.id,
        type=type,
        guild_id=guild.id,
        name=name,
        parent_id=parent.id,
        slowmode_s=slowmode_s,
        overwrites=parent.overwrites,
        thread=Thread(
            owner_id=by,
            created_at=now,
            archived_at=now,
            spoken_at=now,
            auto_archive_min=auto_archive_min,
            invitable=invitable,
            members={by: now},
        ),
    )
    stage.world.channels[channel.id] = channel
    guild.thread_ids.append(channel.id)
    _announce(stage, guild, parent, channel, by, message)
    changes = [change("name", None, name), change("type", None, type), change("archived", None, False)]
    changes += [change("locked", None, False), change("auto_archive_duration", None, auto_archive_min)]
    stage.record(guild, AuditAction.THREAD_CREATE, channel.id, by=by, reason=reason, changes=changes)
    stage.count(by, reason, "create_thread")
    return channel


def _announce(stage: Stage, guild: Guild, parent: Channel, channel: Channel, by: int, message: Message | None) -> None:
    """Tell of a thread just started, and say so where it was started."""
    stage.changed = True
    made = {**payloads.channel(channel, stage.world), "newly_created": True}
    stage.tell("THREAD_CREATE", guild, lambda: made, channel)
    if message is not None:
        message.flags |= payloads.HAS_THREAD
        stage.tell("MESSAGE_UPDATE", guild, lambda: payloads.message_event(message, stage.world), parent)
        messages.post(stage, channel, message.author_id, {}, type=STARTER, reply_to=message.id, signed=message.signed)
    elif channel.type == ChannelType.PUBLIC_THREAD:
        messages.post(stage, parent, by, {"content": channel.name}, type=THREAD_CREATED)


def edit(stage: Stage, guild: Guild, channel: Channel, wanted: dict[str, Any], *, by: int, reason: str | None) -> None:
    """Change what ``wanted`` names, of the thread and of its channel alike, in Discord's words."""
    thread = channel.thread
    assert thread is not None
    changes = []
    for key, new in wanted.items():
        owner, attribute = _HOMES[key](channel, thread)
        old = getattr(owner, attribute)
        if new != old:
            setattr(owner, attribute, new)
            changes.append(change(key, old, new))
    if any(each["key"] == "archived" for each in changes):
        thread.archived_at = thread.spoken_at = stage.now()
    if changes:
        stage.changed = True
        stage.tell("THREAD_UPDATE", guild, lambda: payloads.channel(channel, stage.world), channel)
        stage.record(guild, AuditAction.THREAD_UPDATE, channel.id, by=by, reason=reason, changes=changes)
    stage.count(by, reason, f"edit_thread {channel.id}", changed=bool(changes))


_HOMES: dict[str, Any] = {
    "name": lambda channel, thread: (channel, "name"),
    "rate_limit_per_user": lambda channel, thread: (channel, "slowmode_s"),
    "archived": lambda channel, thread: (thread, "archived"),
    "locked": lambda channel, thread: (thread, "locked"),
    "invitable": lambda channel, thread: (thread, "invitable"),
    "auto_archive_duration": lambda channel, thread: (thread, "auto_archive_min"),
}


def delete(stage: Stage, guild: Guild, channel: Channel, *, by: int, reason: str | None) -> None:
    """Delete a thread with its messages; the message it was started from stays."""
    gone = {
        "id": str(channel.id), "guild_id": str(guild.id), "parent_id": str(channel.parent_id), "type": channel.type
    }  # fmt: skip
    stage.tell("THREAD_DELETE", guild, lambda: gone, channel)
    forget(stage, guild, channel)
    changes = [change("name", channel.name, None), change("type", channel.type, None)]
    stage.record(guild, AuditAction.THREAD_DELETE, channel.id, by=by, reason=reason, changes=changes)
    stage.count(by, reason, "delete_thread")


def forget(stage: Stage, guild: Guild, channel: Channel) -> None:
    """Take a thread out of the world without a word, as when its channel is deleted."""
    guild.thread_ids.remove(channel.id)
    del stage.world.channels[channel.id]
    stage.world.messages.pop(channel.id, None)
    stage.changed = True


def add(stage: Stage, guild: Guild, channel: Channel, user_id: int, *, by: int, reason: str | None) -> None:
    news = attendance.join(stage, guild, channel, user_id)
    stage.count(by, reason, f"add_to_thread {channel.id}", changed=news)


def remove(stage: Stage, guild: Guild, channel: Channel, user_id: int, *, by: int, reason: str | None) -> None:
    news = attendance.leave(stage, guild, channel, user_id)
    stage.count(by, reason, f"remove_from_thread {channel.id}", changed=news)
