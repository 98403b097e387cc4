"""Webhooks: made, changed, taken away, and what is posted by them."""

from __future__ import annotations

import secrets
from typing import Any

from kovra.sandbox.deeds import messages
from kovra.sandbox.stage import AuditAction, Stage, change
from kovra.sandbox.world import Channel, Guild, Message, Webhook

#: The type of every webhook made here: incoming.
INCOMING = 1


def create(
    stage: Stage, guild: Guild, channel: Channel, name: str, avatar: str | None, *, by: int, reason: str | None
) -> Webhook:
    webhook = Webhook(
        id=stage.new_id(),
        guild_id=guild.id,
        channel_id=channel.id,
        creator_id=by,
        name=name,
        token=secrets.token_urlsafe(51),
        avatar=avatar,
    )
    stage.world.webhooks[webhook.id] = webhook
    _tell(stage, guild, channel.id)
    changes = [
        change("type", None, INCOMING), change("channel_id", None, str(channel.id)), change("name", None, name)
    ]  # fmt: skip
    stage.record(guild, AuditAction.WEBHOOK_CREATE, webhook.id, by=by, reason=reason, changes=changes)
    stage.count(by, reason, "create_webhook")
    return webhook


def edit(stage: Stage, guild: Guild, webhook: Webhook, wanted: dict[str, Any], *, by: int, reason: str | None) -> None:
    """Rename it, give it another picture, or move it to another channel: whatever ``wanted`` names."""
    changes, before = [], webhook.channel_id
    for key, new in wanted.items():
        old = getattr(webhook, key)
        if new != old:
            setattr(webhook, key, new)
            named = "avatar_hash" if key == "avatar" else key
            changes.append(change(named, *(str(old), str(new)) if key == "channel_id" else (old, new)))
    if changes:
        for channel_id in dict.fromkeys((before, webhook.channel_id)):
            _tell(stage, guild, channel_id)
        stage.record(guild, AuditAction.WEBHOOK_UPDATE, webhook.id, by=by, reason=reason, changes=changes)
    stage.count(by, reason, "edit_webhook", changed=bool(changes))


def delete(stage: Stage, guild: Guild, webhook: Webhook, *, by: int | None, reason: str | None) -> None:
    """Take it away; its messages stay."""
    del stage.world.webhooks[webhook.id]
    _tell(stage, guild, webhook.channel_id)
    changes = [
        change("type", INCOMING, None),
        change("channel_id", str(webhook.channel_id), None),
        change("name", webhook.name, None),
    ]
    stage.record(guild, AuditAction.WEBHOOK_DELETE, webhook.id, by=by, reason=reason, changes=changes)
    stage.count(by, reason, "delete_webhook")


def post(
    stage: Stage, webhook: Webhook, channel: Channel, body: dict[str, Any], files: list[dict[str, Any]]
) -> Message:
    """Post a message by it, under its own name or the one that the message is signed with."""
    name = body.get("username") or webhook.name
    message = messages.post(stage, channel, webhook.id, body, attachments=files, signed=name)
    if webhook.creator_id == stage.world.bot_id:
        stage.effects.message(message.content, message.embeds, None, "webhook")
    return message


def _tell(stage: Stage, guild: Guild, channel_id: int) -> None:
    stage.changed = True
    told = {"guild_id": str(guild.id), "channel_id": str(channel_id)}
    stage.tell("WEBHOOKS_UPDATE", guild, lambda: told, stage.world.channels.get(channel_id))
