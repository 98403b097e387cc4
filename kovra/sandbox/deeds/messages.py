"""Deeds with messages: posting, editing, deleting one or many, opening a DM."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kovra.sandbox import dressing, payloads
from kovra.sandbox.deeds import attendance
from kovra.sandbox.stage import AuditAction, Stage
from kovra.sandbox.world import Channel, ChannelType, Guild, Message

#: Message type of an answer to a slash command, and the flags Discord sets on such answers.
COMMAND_ANSWER = 20
EPHEMERAL = 1 << 6
LOADING = 1 << 7


def open_dm(stage: Stage, user_id: int) -> Channel:
    """The bot's DM channel with a user; the same one every time."""
    found = stage.world.dm_with(user_id)
    if found is not None:
        return found
    channel = Channel(id=stage.new_id(), type=ChannelType.DM, recipient_id=user_id)
    stage.world.channels[channel.id] = channel
    stage.world.dms[user_id] = channel.id
    stage.changed = True
    return channel


def post(stage: Stage, channel: Channel, author_id: int, body: dict[str, Any], **more: Any) -> Message:
    """Put a message into a channel and tell of it.

    Args:
        body: ``content``, ``embeds``, ``components``, ``flags``, ``nonce`` as in Discord's Create Message.
        more: further fields of the :class:`Message`, such as ``type`` or ``ephemeral_for``.
    """
    world = stage.world
    guild = world.guilds.get(channel.guild_id or 0)
    if guild is not None and channel.thread is not None and more.get("type") != payloads.THREAD_STARTER:
        attendance.heard(stage, guild, channel, author_id)
    message = Message(
        id=stage.new_id(),
        channel_id=channel.id,
        author_id=author_id,
        content=body.get("content") or "",
        sent_at=stage.now(),
        embeds=dressing.embeds(body.get("embeds")),
        components=dressing.components(body.get("components")),
        flags=int(body.get("flags") or 0),
        nonce=body.get("nonce"),
        **more,
    )
    world.messages.setdefault(channel.id, {})[message.id] = message
    channel.last_message_id = message.id
    stage.changed = True
    if author_id == world.bot_id:
        kind = "dm" if channel.type == ChannelType.DM else "channel"
        stage.effects.message(message.content, message.embeds, message.nonce, kind)
    if message.ephemeral_for is None:
        stage.tell("MESSAGE_CREATE", guild, lambda: payloads.message_event(message, world), channel)
    return message


def edit(stage: Stage, channel: Channel, message: Message, body: dict[str, Any]) -> None:
    """Change what a message says; keys that the body lacks stay as they were."""
    if "content" in body:
        message.content = body["content"] or ""
    if "embeds" in body:
        message.embeds = dressing.embeds(body["embeds"])
    if "components" in body:
        message.components = dressing.components(body["components"])
    message.flags &= ~LOADING
    message.edited_at = stage.now()
    stage.changed = True
    if message.ephemeral_for is None:
        guild = stage.world.guilds.get(channel.guild_id or 0)
        stage.tell("MESSAGE_UPDATE", guild, lambda: payloads.message_event(message, stage.world), channel)


def delete(stage: Stage, channel: Channel, message: Message, *, by: int, reason: str | None) -> None:
    """Delete one message. Only what a person deletes of someone else's leaves an audit entry.

    A bot's deletion leaves none either, unless it is of many at once (discord-api-docs #7856).
    """
    guild = stage.world.guilds.get(channel.guild_id or 0)
    del stage.world.messages[channel.id][message.id]
    _uncount(channel, 1)
    stage.changed = True
    stage.tell("MESSAGE_DELETE", guild, lambda: _gone(channel, message.id), channel)
    if guild is not None and message.author_id != by and not stage.world.users[by].bot:
        stage.record_deletion(guild, message.author_id, channel.id, by=by, reason=reason)
    stage.count(by, reason, "delete_message")


def bulk_delete(stage: Stage, guild: Guild, channel: Channel, ids: list[int], *, by: int, reason: str | None) -> None:
    """Delete many messages of one channel; ids that are not there are passed over, as Discord does."""
    gone = _remove(stage, guild, channel, ids)
    options = {"count": str(len(gone))}
    stage.record(guild, AuditAction.MESSAGE_BULK_DELETE, channel.id, by=by, reason=reason, options=options)
    stage.count(by, reason, "bulk_delete", changed=bool(gone))


def sweep(stage: Stage, guild: Guild, author_id: int, since: datetime) -> None:
    """Delete an author's messages since a moment, in every channel of the guild: what a ban does on the way."""
    places = [*stage.world.guild_channels(guild), *(thread for thread, _ in stage.world.guild_threads(guild))]
    for channel in places:
        held = stage.world.messages.get(channel.id, {})
        ids = [m.id for m in held.values() if m.author_id == author_id and m.sent_at >= since]
        if ids:
            _remove(stage, guild, channel, ids)


def _remove(stage: Stage, guild: Guild, channel: Channel, ids: list[int]) -> list[int]:
    held = stage.world.messages.get(channel.id, {})
    gone = [i for i in ids if held.pop(i, None)]
    _uncount(channel, len(gone))
    stage.changed = True
    if gone:
        stage.tell(
            "MESSAGE_DELETE_BULK",
            guild,
            lambda: {"ids": [str(i) for i in gone], "channel_id": str(channel.id), "guild_id": str(guild.id)},
            channel,
        )
    return gone


def _uncount(channel: Channel, gone: int) -> None:
    """A thread counts the messages it has."""
    if channel.thread is not None:
        channel.thread.message_count = max(0, channel.thread.message_count - gone)


def _gone(channel: Channel, message_id: int) -> dict[str, Any]:
    payload = {"id": str(message_id), "channel_id": str(channel.id)}
    if channel.guild_id is not None:
        payload["guild_id"] = str(channel.guild_id)
    return payload
