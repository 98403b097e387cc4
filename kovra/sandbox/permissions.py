"""Who may do what: Discord's permission and hierarchy rules, as the server applies them. Pure.

Numbers are Discord's permission bits. A refusal is raised as the error Discord would send.
"""

from __future__ import annotations

from datetime import datetime

from kovra.sandbox import errors
from kovra.sandbox.world import Channel, ChannelType, Guild, Member, Role

CREATE_INVITE = 1 << 0
KICK_MEMBERS = 1 << 1
BAN_MEMBERS = 1 << 2
ADMINISTRATOR = 1 << 3
MANAGE_CHANNELS = 1 << 4
MANAGE_GUILD = 1 << 5
ADD_REACTIONS = 1 << 6
VIEW_AUDIT_LOG = 1 << 7
VIEW_CHANNEL = 1 << 10
SEND_MESSAGES = 1 << 11
MANAGE_MESSAGES = 1 << 13
EMBED_LINKS = 1 << 14
ATTACH_FILES = 1 << 15
READ_MESSAGE_HISTORY = 1 << 16
MENTION_EVERYONE = 1 << 17
CONNECT = 1 << 20
SPEAK = 1 << 21
MUTE_MEMBERS = 1 << 22
DEAFEN_MEMBERS = 1 << 23
MOVE_MEMBERS = 1 << 24
CHANGE_NICKNAME = 1 << 26
MANAGE_NICKNAMES = 1 << 27
MANAGE_ROLES = 1 << 28
MANAGE_WEBHOOKS = 1 << 29
USE_APPLICATION_COMMANDS = 1 << 31
MANAGE_THREADS = 1 << 34
CREATE_PUBLIC_THREADS = 1 << 35
CREATE_PRIVATE_THREADS = 1 << 36
SEND_MESSAGES_IN_THREADS = 1 << 38
MODERATE_MEMBERS = 1 << 40
PIN_MESSAGES = 1 << 51

ALL = (1 << 53) - 1

#: What is left to a member while timed out (API reference, Permissions for Timed Out Members).
TIMED_OUT = VIEW_CHANNEL | READ_MESSAGE_HISTORY


def of_member(guild: Guild, user_id: int, now: datetime) -> int:
    """What a user may do in the guild as a whole; 0 when not a member."""
    if user_id == guild.owner_id:
        return ALL
    member = guild.members.get(user_id)
    if member is None:
        return 0
    have = guild.roles[guild.id].permissions
    for role_id in member.roles:
        have |= guild.roles[role_id].permissions
    if have & ADMINISTRATOR:
        return ALL
    return have & TIMED_OUT if is_timed_out(member, now) else have


def in_channel(guild: Guild, channel: Channel, user_id: int, now: datetime) -> int:
    """What a user may do in one channel: @everyone's overwrite first, then all roles', then the member's own."""
    have = of_member(guild, user_id, now)
    member = guild.members.get(user_id)
    if have == ALL or member is None:
        return have
    if channel.overwrites:
        have = _overwritten(have, channel, [guild.id])
        have = _overwritten(have, channel, member.roles)
        have = _overwritten(have, channel, [user_id])
        have = have & TIMED_OUT if is_timed_out(member, now) else have
    return have if channel.thread is None else _in_thread(have, channel, user_id)


def _in_thread(have: int, thread: Channel, user_id: int) -> int:
    """What of its channel's permissions holds in a thread: talking has its own bit, private ones are for members."""
    may_talk = SEND_MESSAGES if have & SEND_MESSAGES_IN_THREADS else 0
    have = have & ~SEND_MESSAGES | may_talk
    hidden = thread.type == ChannelType.PRIVATE_THREAD and not have & MANAGE_THREADS
    if hidden and thread.thread is not None and user_id not in thread.thread.members:
        have &= ~VIEW_CHANNEL
    return have


def _overwritten(have: int, channel: Channel, ids: list[int]) -> int:
    found = [channel.overwrites[i] for i in ids if i in channel.overwrites]
    allow = deny = 0
    for overwrite in found:
        allow |= overwrite.allow
        deny |= overwrite.deny
    return have & ~deny | allow


def is_timed_out(member: Member, now: datetime) -> bool:
    return member.timed_out_until is not None and member.timed_out_until > now


def top_role(guild: Guild, user_id: int) -> tuple[int, int]:
    """The member's highest role as something to compare: the position, then the lower id wins."""
    member = guild.members.get(user_id)
    held = [guild.roles[role_id] for role_id in member.roles] if member else []
    return max((_rank(role) for role in held), default=(0, 0))


def _rank(role: Role) -> tuple[int, int]:
    return role.position, -role.id


def outranks(guild: Guild, actor_id: int, target_id: int) -> bool:
    """Whether the actor stands above the target: the owner above all, others by their highest role."""
    if target_id == guild.owner_id:
        return False
    return actor_id == guild.owner_id or top_role(guild, actor_id) > top_role(guild, target_id)


def require(guild: Guild, user_id: int, wanted: int, now: datetime) -> None:
    """Refuse unless the user holds every wanted permission in the guild."""
    if of_member(guild, user_id, now) & wanted != wanted:
        raise errors.missing_permissions()


def require_in(guild: Guild, channel: Channel, user_id: int, wanted: int, now: datetime) -> None:
    """Refuse unless the user sees the channel and holds every wanted permission there."""
    have = in_channel(guild, channel, user_id, now)
    if not have & VIEW_CHANNEL:
        raise errors.missing_access()
    if have & wanted != wanted:
        raise errors.missing_permissions()


def require_rank(guild: Guild, actor_id: int, target_id: int) -> None:
    """Refuse unless the actor may act on the target; a target that is no member has no rank."""
    if target_id == guild.owner_id:
        raise errors.missing_permissions()
    if target_id in guild.members and target_id != actor_id and not outranks(guild, actor_id, target_id):
        raise errors.missing_permissions()


def require_role(guild: Guild, actor_id: int, role: Role) -> None:
    """Refuse unless the actor may give, take or change this role."""
    above = actor_id == guild.owner_id or _rank(role) < top_role(guild, actor_id)
    if not above or role.managed or role.id == guild.id:
        raise errors.missing_permissions()


def require_may_time_out(guild: Guild, actor_id: int, target_id: int, now: datetime) -> None:
    """Refuse to time out the owner, anyone with Administrator, and anyone not below the actor."""
    require(guild, actor_id, MODERATE_MEMBERS, now)
    require_rank(guild, actor_id, target_id)
    if of_member(guild, target_id, now) & ADMINISTRATOR:
        raise errors.missing_permissions()
