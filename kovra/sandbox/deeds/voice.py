"""Deeds upon those in voice: moved to another channel, put out, muted or deafened by the server."""

from __future__ import annotations

from kovra.sandbox import payloads
from kovra.sandbox.deeds import members
from kovra.sandbox.stage import AuditAction, Stage, change
from kovra.sandbox.world import Channel, Guild, Member


def move(stage: Stage, guild: Guild, member: Member, channel: Channel, *, by: int, reason: str | None) -> None:
    """Move a connected member; nothing happens when they are there already. Discord's entry names no target."""
    news = guild.voice[member.user_id] != channel.id
    if news:
        members.connect(stage, guild, member, channel.id)
        options = {"channel_id": str(channel.id), "count": "1"}
        stage.record(guild, AuditAction.MEMBER_MOVE, None, by=by, reason=reason, options=options)
    stage.count(by, reason, f"move {channel.id}", changed=news)


def put_out(stage: Stage, guild: Guild, member: Member, *, by: int, reason: str | None) -> None:
    """Disconnect a member from voice. Discord's entry names no target."""
    members.disconnect(stage, guild, member.user_id)
    stage.record(guild, AuditAction.MEMBER_DISCONNECT, None, by=by, reason=reason, options={"count": "1"})
    stage.count(by, reason, "disconnect")


def silence(stage: Stage, guild: Guild, member: Member, what: str, on: bool, *, by: int, reason: str | None) -> None:
    """Mute or deafen a connected member for the whole server, or lift it.

    Args:
        what: ``mute`` or ``deaf``.
    """
    before = getattr(member, what)
    if before != on:
        setattr(member, what, on)
        stage.changed = True
        user = stage.world.users[member.user_id]
        whole = {**payloads.member(member, user), "guild_id": str(guild.id)}
        stage.tell("GUILD_MEMBER_UPDATE", guild, lambda: whole)
        members.tell_voice(stage, guild, member)
        changes = [change(what, before, on)]
        stage.record(guild, AuditAction.MEMBER_UPDATE, member.user_id, by=by, reason=reason, changes=changes)
    stage.count(by, reason, what if on else f"un{what}", changed=before != on)
