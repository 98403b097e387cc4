"""Deeds upon the place itself: channels, their overwrites, roles, and the guild's settings."""

from __future__ import annotations

from typing import Any

from kovra.sandbox import payloads
from kovra.sandbox.deeds import attendance, threads
from kovra.sandbox.stage import AuditAction, Stage, change
from kovra.sandbox.world import Channel, ChannelType, Guild, Overwrite, Role

Changes = list[dict[str, Any]]


def create_channel(
    stage: Stage, guild: Guild, name: str, *, by: int, reason: str | None, type: int = ChannelType.TEXT, **more: Any
) -> Channel:
    channel = Channel(
        id=stage.new_id(), type=type, guild_id=guild.id, name=name, position=len(guild.channel_ids), **more
    )
    stage.world.channels[channel.id] = channel
    guild.channel_ids.append(channel.id)
    stage.tell("CHANNEL_CREATE", guild, lambda: payloads.channel(channel, stage.world), channel)
    changes = [change("name", None, name), change("type", None, type)]
    stage.record(guild, AuditAction.CHANNEL_CREATE, channel.id, by=by, reason=reason, changes=changes)
    stage.count(by, reason, "create_channel")
    return channel


def channel_changed(
    stage: Stage, guild: Guild, channel: Channel, changes: Changes, *, by: int, reason: str | None
) -> None:
    """Tell of a channel that was changed just now, and record what changed."""
    stage.tell("CHANNEL_UPDATE", guild, lambda: payloads.channel(channel, stage.world), channel)
    if changes:
        stage.record(guild, AuditAction.CHANNEL_UPDATE, channel.id, by=by, reason=reason, changes=changes)
    stage.count(by, reason, "edit_channel", changed=bool(changes))


def delete_channel(stage: Stage, guild: Guild, channel: Channel, *, by: int, reason: str | None) -> None:
    """Delete a channel with its messages, threads and webhooks; Discord tells of the channel alone."""
    stage.tell("CHANNEL_DELETE", guild, lambda: payloads.channel(channel, stage.world), channel)
    guild.channel_ids.remove(channel.id)
    del stage.world.channels[channel.id]
    stage.world.messages.pop(channel.id, None)
    for thread in [c for c, _ in stage.world.guild_threads(guild) if c.parent_id == channel.id]:
        threads.forget(stage, guild, thread)
    for webhook in [w for w in stage.world.webhooks.values() if w.channel_id == channel.id]:
        del stage.world.webhooks[webhook.id]
    changes = [change("name", channel.name, None), change("type", channel.type, None)]
    stage.record(guild, AuditAction.CHANNEL_DELETE, channel.id, by=by, reason=reason, changes=changes)
    stage.count(by, reason, "delete_channel")


def put_overwrite(
    stage: Stage, guild: Guild, channel: Channel, overwrite: Overwrite, *, by: int, reason: str | None
) -> None:
    """Set what one role or member may do in a channel."""
    before = channel.overwrites.get(overwrite.id)
    with attendance.opening(stage, guild):
        channel.overwrites[overwrite.id] = overwrite
    stage.tell("CHANNEL_UPDATE", guild, lambda: payloads.channel(channel, stage.world), channel)
    action = AuditAction.OVERWRITE_CREATE if before is None else AuditAction.OVERWRITE_UPDATE
    changes = [
        change("allow", None if before is None else str(before.allow), str(overwrite.allow)),
        change("deny", None if before is None else str(before.deny), str(overwrite.deny)),
    ]
    options = {"id": str(overwrite.id), "type": str(overwrite.type)}
    stage.record(guild, action, channel.id, by=by, reason=reason, changes=changes, options=options)
    stage.count(by, reason, f"overwrite {channel.id}", changed=before != overwrite)


def delete_overwrite(
    stage: Stage, guild: Guild, channel: Channel, overwrite_id: int, *, by: int, reason: str | None
) -> None:
    with attendance.opening(stage, guild):
        gone = channel.overwrites.pop(overwrite_id)
    stage.tell("CHANNEL_UPDATE", guild, lambda: payloads.channel(channel, stage.world), channel)
    changes = [change("allow", str(gone.allow), None), change("deny", str(gone.deny), None)]
    options = {"id": str(gone.id), "type": str(gone.type)}
    stage.record(
        guild, AuditAction.OVERWRITE_DELETE, channel.id, by=by, reason=reason, changes=changes, options=options
    )
    stage.count(by, reason, f"delete_overwrite {channel.id}")


def create_role(stage: Stage, guild: Guild, role: Role, *, by: int, reason: str | None) -> None:
    """Add a role just above @everyone; the others move up, as they do on Discord."""
    for other in guild.roles.values():
        if other.position >= role.position and other.id != guild.id:
            other.position += 1
    guild.roles[role.id] = role
    stage.tell("GUILD_ROLE_CREATE", guild, lambda: {"guild_id": str(guild.id), "role": payloads.role(role)})
    changes = [change("name", None, role.name), change("permissions", None, str(role.permissions))]
    stage.record(guild, AuditAction.ROLE_CREATE, role.id, by=by, reason=reason, changes=changes)
    stage.count(by, reason, "create_role")


def role_changed(stage: Stage, guild: Guild, role: Role, changes: Changes, *, by: int, reason: str | None) -> None:
    """Tell of a role that was changed just now, and record what changed."""
    stage.tell("GUILD_ROLE_UPDATE", guild, lambda: {"guild_id": str(guild.id), "role": payloads.role(role)})
    if changes:
        stage.record(guild, AuditAction.ROLE_UPDATE, role.id, by=by, reason=reason, changes=changes)
    stage.count(by, reason, "edit_role", changed=bool(changes))


def delete_role(stage: Stage, guild: Guild, role: Role, *, by: int, reason: str | None) -> None:
    """Delete a role; everyone who held it holds it no more (Discord tells of the role alone)."""
    del guild.roles[role.id]
    for member in guild.members.values():
        if role.id in member.roles:
            member.roles.remove(role.id)
    for channel in stage.world.guild_channels(guild):
        channel.overwrites.pop(role.id, None)
    stage.tell("GUILD_ROLE_DELETE", guild, lambda: {"guild_id": str(guild.id), "role_id": str(role.id)})
    stage.record(
        guild, AuditAction.ROLE_DELETE, role.id, by=by, reason=reason, changes=[change("name", role.name, None)]
    )
    stage.count(by, reason, "delete_role")


def guild_changed(stage: Stage, guild: Guild, changes: Changes, *, by: int, reason: str | None) -> None:
    """Tell of guild settings that were changed just now, and record what changed."""
    stage.changed = True
    stage.tell("GUILD_UPDATE", guild, lambda: payloads.guild(guild))
    if changes:
        stage.record(guild, AuditAction.GUILD_UPDATE, guild.id, by=by, reason=reason, changes=changes)
    stage.count(by, reason, "edit_guild", changed=bool(changes))
