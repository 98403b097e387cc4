"""Deeds upon members: join, leave, kick, ban, unban, time out, rename, give and take roles."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import Any

from kovra.sandbox import payloads
from kovra.sandbox.deeds import attendance, messages
from kovra.sandbox.stage import AuditAction, Stage, change
from kovra.sandbox.world import Guild, Member, Role


def join(stage: Stage, guild: Guild, user_id: int) -> Member:
    """A user comes in, without roles."""
    member = Member(user_id=user_id, joined_at=stage.now())
    guild.members[user_id] = member
    stage.changed = True
    user = stage.world.users[user_id]
    stage.tell("GUILD_MEMBER_ADD", guild, lambda: {**payloads.member(member, user), "guild_id": str(guild.id)})
    return member


def leave(stage: Stage, guild: Guild, user_id: int) -> bool:
    """A user goes, or is put out; says whether there was someone to go."""
    if guild.members.pop(user_id, None) is None:
        return False
    stage.changed = True
    disconnect(stage, guild, user_id)
    attendance.leave_all(stage, guild, user_id)
    if user_id == stage.world.bot_id:
        stage.tell("GUILD_DELETE", guild, lambda: {"id": str(guild.id)})
        return True
    user = stage.world.users[user_id]
    stage.tell("GUILD_MEMBER_REMOVE", guild, lambda: {"guild_id": str(guild.id), "user": payloads.user(user)})
    return True


def connect(stage: Stage, guild: Guild, member: Member, channel_id: int) -> None:
    """Put a member into a voice channel, or into another one."""
    guild.voice[member.user_id] = channel_id
    stage.changed = True
    tell_voice(stage, guild, member)


def tell_voice(stage: Stage, guild: Guild, member: Member) -> None:
    """Tell where a member is in voice, and whether they can speak and hear."""
    user = stage.world.users[member.user_id]
    state = payloads.voice_state(guild, member.user_id)
    stage.tell("VOICE_STATE_UPDATE", guild, lambda: {**state, "member": payloads.member(member, user)})


def disconnect(stage: Stage, guild: Guild, user_id: int) -> bool:
    """Take a user out of voice; says whether there was someone to take."""
    if guild.voice.pop(user_id, None) is None:
        return False
    stage.changed = True
    stage.tell("VOICE_STATE_UPDATE", guild, lambda: payloads.voice_state(guild, user_id))
    return True


def kick(stage: Stage, guild: Guild, user_id: int, *, by: int, reason: str | None) -> None:
    leave(stage, guild, user_id)
    stage.record(guild, AuditAction.MEMBER_KICK, user_id, by=by, reason=reason)
    stage.count(by, reason, "kick")
    if stage.rejoin:
        join(stage, guild, user_id)


def prune(stage: Stage, guild: Guild, user_ids: list[int], *, days: int, by: int, reason: str | None) -> None:
    """Put many out at once; one entry counts them."""
    for user_id in user_ids:
        leave(stage, guild, user_id)
    options = {"delete_member_days": str(days), "members_removed": str(len(user_ids))}
    stage.record(guild, AuditAction.MEMBER_PRUNE, None, by=by, reason=reason, options=options)
    stage.count(by, reason, "prune", changed=bool(user_ids))


def ban(
    stage: Stage,
    guild: Guild,
    user_id: int,
    *,
    by: int,
    reason: str | None,
    delete_s: int = 0,
    credited: bool = True,
) -> bool:
    """Ban a user, member or not; says whether it was news. Events: ban, then removal, then the audit entry.

    Args:
        delete_s: how many seconds of the user's messages go with them.
        credited: whether the audit entry names ``by``; Discord leaves it null in a bulk ban.
    """
    if user_id in guild.bans:
        stage.count(by, reason, "ban", changed=False)
        return False
    guild.bans[user_id] = reason
    stage.changed = True
    user = stage.world.users[user_id]
    stage.tell("GUILD_BAN_ADD", guild, lambda: {"guild_id": str(guild.id), "user": payloads.user(user)})
    leave(stage, guild, user_id)
    if delete_s:
        messages.sweep(stage, guild, user_id, stage.now() - timedelta(seconds=delete_s))
    stage.record(guild, AuditAction.MEMBER_BAN_ADD, user_id, by=by if credited else None, reason=reason)
    stage.count(by, reason, "ban")
    return True


def unban(stage: Stage, guild: Guild, user_id: int, *, by: int, reason: str | None) -> None:
    del guild.bans[user_id]
    user = stage.world.users[user_id]
    stage.tell("GUILD_BAN_REMOVE", guild, lambda: {"guild_id": str(guild.id), "user": payloads.user(user)})
    stage.record(guild, AuditAction.MEMBER_BAN_REMOVE, user_id, by=by, reason=reason)
    stage.count(by, reason, "unban")


def time_out(
    stage: Stage, guild: Guild, member: Member, until: datetime | None, *, by: int, reason: str | None
) -> None:
    """Time a member out until a moment, or lift it with None."""
    before, member.timed_out_until = member.timed_out_until, until
    changes = [change("communication_disabled_until", payloads.iso(before), payloads.iso(until))]
    updated(stage, guild, member)
    stage.record(guild, AuditAction.MEMBER_UPDATE, member.user_id, by=by, reason=reason, changes=changes)
    stage.count(by, reason, "untimeout" if until is None else "timeout", changed=before != until)


def rename(stage: Stage, guild: Guild, member: Member, nick: str | None, *, by: int, reason: str | None) -> None:
    before, member.nick = member.nick, nick or None
    updated(stage, guild, member)
    changes = [change("nick", before, member.nick)]
    stage.record(guild, AuditAction.MEMBER_UPDATE, member.user_id, by=by, reason=reason, changes=changes)
    stage.count(by, reason, "nick", changed=before != member.nick)


def set_roles(stage: Stage, guild: Guild, member: Member, roles: list[Role], *, by: int, reason: str | None) -> None:
    """Give a member exactly these roles; one audit entry names what was added and what was taken."""
    held, wanted = set(member.roles), {role.id for role in roles}
    added = [role for role in roles if role.id not in held]
    removed = [guild.roles[role_id] for role_id in member.roles if role_id not in wanted]
    if added or removed:
        with _opening(stage, guild, member):
            member.roles = [role.id for role in roles]
        updated(stage, guild, member)
        changes = [_role_change(key, some) for key, some in (("$add", added), ("$remove", removed)) if some]
        stage.record(guild, AuditAction.MEMBER_ROLE_UPDATE, member.user_id, by=by, reason=reason, changes=changes)
    stage.count(by, reason, "roles", changed=bool(added or removed))


def give_role(stage: Stage, guild: Guild, member: Member, role: Role, *, by: int, reason: str | None) -> None:
    """Add one role; nothing happens when it is held already."""
    news = role.id not in member.roles
    if news:
        with _opening(stage, guild, member):
            member.roles.append(role.id)
        updated(stage, guild, member)
        changes = [_role_change("$add", [role])]
        stage.record(guild, AuditAction.MEMBER_ROLE_UPDATE, member.user_id, by=by, reason=reason, changes=changes)
    stage.count(by, reason, f"give_role {role.id}", changed=news)


def take_role(stage: Stage, guild: Guild, member: Member, role: Role, *, by: int, reason: str | None) -> None:
    """Remove one role; nothing happens when it is not held."""
    news = role.id in member.roles
    if news:
        member.roles.remove(role.id)
        updated(stage, guild, member)
        changes = [_role_change("$remove", [role])]
        stage.record(guild, AuditAction.MEMBER_ROLE_UPDATE, member.user_id, by=by, reason=reason, changes=changes)
    stage.count(by, reason, f"take_role {role.id}", changed=news)


def _role_change(key: str, roles: list[Role]) -> dict[str, Any]:
    return change(key, None, [{"id": str(role.id), "name": role.name} for role in roles])


def _opening(stage: Stage, guild: Guild, member: Member) -> AbstractContextManager[None]:
    """Around a change of roles: the bot's own may open channels to it."""
    return attendance.opening(stage, guild) if member.user_id == stage.world.bot_id else nullcontext()


def updated(stage: Stage, guild: Guild, member: Member) -> None:
    """Tell what a member is now."""
    stage.changed = True
    user = stage.world.users[member.user_id]
    stage.tell("GUILD_MEMBER_UPDATE", guild, lambda: {**payloads.member(member, user), "guild_id": str(guild.id)})
