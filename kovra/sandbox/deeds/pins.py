"""Pins: a message put up in its channel, and taken down."""

from __future__ import annotations

from kovra.sandbox import payloads
from kovra.sandbox.deeds import messages
from kovra.sandbox.stage import AuditAction, Stage
from kovra.sandbox.world import Channel, Message

#: The type of the message by which a channel says that something was pinned.
PINNED = 6


def pinned(stage: Stage, channel: Channel) -> list[Message]:
    """What is pinned in a channel, the latest first."""
    held = stage.world.messages.get(channel.id, {}).values()
    return sorted((m for m in held if m.pinned_at is not None), key=lambda m: (m.pinned_at, m.id), reverse=True)


def pin(stage: Stage, channel: Channel, message: Message, *, by: int, reason: str | None) -> None:
    """Pin a message, and say so in the channel; a pinned one stays as it is."""
    news = not message.pinned
    if news:
        message.pinned, message.pinned_at = True, stage.now()
        _tell(stage, channel, message, AuditAction.MESSAGE_PIN, by, reason)
        messages.post(stage, channel, by, {}, type=PINNED, reply_to=message.id)
    stage.count(by, reason, "pin", changed=news)


def unpin(stage: Stage, channel: Channel, message: Message, *, by: int, reason: str | None) -> None:
    news = message.pinned
    if news:
        message.pinned, message.pinned_at = False, None
        _tell(stage, channel, message, AuditAction.MESSAGE_UNPIN, by, reason)
    stage.count(by, reason, "unpin", changed=news)


def _tell(stage: Stage, channel: Channel, message: Message, action: AuditAction, by: int, reason: str | None) -> None:
    stage.changed = True
    guild = stage.world.guilds.get(channel.guild_id or 0)
    newest = next(iter(pinned(stage, channel)), None)
    told = {
        "channel_id": str(channel.id),
        "last_pin_timestamp": payloads.iso(None if newest is None else newest.pinned_at),
    }
    if guild is not None:
        told["guild_id"] = str(guild.id)
    stage.tell("MESSAGE_UPDATE", guild, lambda: payloads.message_event(message, stage.world), channel)
    stage.tell("CHANNEL_PINS_UPDATE", guild, lambda: told, channel)
    if guild is not None:
        options = {"channel_id": str(channel.id), "message_id": str(message.id)}
        stage.record(guild, action, message.author_id, by=by, reason=reason, options=options)
