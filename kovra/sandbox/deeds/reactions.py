"""Reactions: put on a message and taken off. None of it is in the audit log, as on Discord."""

from __future__ import annotations

from typing import Any

from kovra.sandbox import payloads
from kovra.sandbox.stage import Stage
from kovra.sandbox.world import Channel, Message


def add(stage: Stage, channel: Channel, message: Message, emoji: str, user_id: int, reason: str | None = None) -> None:
    """Somebody reacts; a second time changes nothing."""
    who = message.reactions.setdefault(emoji, [])
    news = user_id not in who
    if news:
        who.append(user_id)
        more = {"burst": False, "type": 0, "message_author_id": str(message.author_id), "burst_colors": []}
        if channel.guild_id is not None:
            member = stage.world.guilds[channel.guild_id].members.get(user_id)
            if member is not None:
                more["member"] = payloads.member(member, stage.world.users[user_id])
        _tell(stage, "ADD", channel, message, emoji=payloads.emoji(emoji), user_id=str(user_id), **more)
    stage.count(user_id, reason, "react", changed=news)


def remove(
    stage: Stage, channel: Channel, message: Message, emoji: str, user_id: int, *, by: int, reason: str | None
) -> None:
    """Take one person's reaction off; nothing happens when there is none."""
    who = message.reactions.get(emoji, [])
    news = user_id in who
    if news:
        who.remove(user_id)
        if not who:
            del message.reactions[emoji]
        more = {"burst": False, "type": 0}
        _tell(stage, "REMOVE", channel, message, emoji=payloads.emoji(emoji), user_id=str(user_id), **more)
    stage.count(by, reason, "unreact", changed=news)


def clear(stage: Stage, channel: Channel, message: Message, *, by: int, reason: str | None) -> None:
    """Take every reaction off a message."""
    news = bool(message.reactions)
    message.reactions = {}
    if news:
        _tell(stage, "REMOVE_ALL", channel, message)
    stage.count(by, reason, "clear_reactions", changed=news)


def clear_emoji(stage: Stage, channel: Channel, message: Message, emoji: str, *, by: int, reason: str | None) -> None:
    """Take every reaction of one emoji off a message."""
    news = message.reactions.pop(emoji, None) is not None
    if news:
        _tell(stage, "REMOVE_EMOJI", channel, message, emoji=payloads.emoji(emoji))
    stage.count(by, reason, "clear_emoji", changed=news)


def _tell(stage: Stage, what: str, channel: Channel, message: Message, **more: Any) -> None:
    stage.changed = True
    payload = {"channel_id": str(channel.id), "message_id": str(message.id), **more}
    if channel.guild_id is not None:
        payload["guild_id"] = str(channel.guild_id)
    guild = stage.world.guilds.get(channel.guild_id or 0)
    stage.tell(f"MESSAGE_REACTION_{what}", guild, lambda: payload, channel)
