"""What a person may do in a guild: capabilities, and the Discord permissions that give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Flag, StrEnum
from types import MappingProxyType

from kovra.actions.request import Action
from kovra.ids import UserId


class Permission(Flag):
    """The bits of Discord's permissions that Kovra reads (API reference, Permissions)."""

    KICK_MEMBERS = 1 << 1
    BAN_MEMBERS = 1 << 2
    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    VIEW_AUDIT_LOG = 1 << 7
    MANAGE_MESSAGES = 1 << 13
    MANAGE_ROLES = 1 << 28
    MODERATE_MEMBERS = 1 << 40


ALL_PERMISSIONS = (1 << 63) - 1


class Capability(StrEnum):
    """What a person may do in a guild's Kovra."""

    VIEW = "view"
    VIEW_NOTES = "view_notes"
    NOTE = "note"
    WARN = "warn"
    MUTE = "mute"
    KICK = "kick"
    BAN = "ban"
    CHANNELS = "channels"
    ROLES = "roles"
    INBOX = "inbox"
    MASS = "mass"
    LOCKDOWN = "lockdown"
    AMEND = "amend"
    REVERSE = "reverse"
    APPROVE = "approve"
    APPEALS = "appeals"
    VIEW_AUDIT = "view_audit"
    AUTOMOD = "automod"
    ANTINUKE = "antinuke"
    QUEUE_OPS = "queue_ops"
    EXPORT = "export"
    SETTINGS = "settings"


_P = Permission

#: Each capability and the Discord permissions that together give it without any grant.
GIVEN_BY: Mapping[Capability, Permission] = MappingProxyType(
    {
        Capability.NOTE: _P.MODERATE_MEMBERS,
        Capability.WARN: _P.MODERATE_MEMBERS,
        Capability.MUTE: _P.MODERATE_MEMBERS,
        Capability.KICK: _P.KICK_MEMBERS,
        Capability.BAN: _P.BAN_MEMBERS,
        Capability.CHANNELS: _P.MANAGE_MESSAGES | _P.MANAGE_CHANNELS,
        Capability.ROLES: _P.MANAGE_ROLES,
        Capability.INBOX: _P.MODERATE_MEMBERS,
        Capability.MASS: _P.BAN_MEMBERS | _P.MANAGE_GUILD,
        Capability.LOCKDOWN: _P.MANAGE_GUILD,
        Capability.AMEND: _P.MANAGE_GUILD,
        Capability.REVERSE: _P.MANAGE_GUILD,
        Capability.APPROVE: _P.MANAGE_GUILD,
        Capability.APPEALS: _P.MANAGE_GUILD,
        Capability.VIEW_AUDIT: _P.VIEW_AUDIT_LOG,
        Capability.AUTOMOD: _P.MANAGE_GUILD,
        Capability.ANTINUKE: _P.MANAGE_GUILD,
        Capability.QUEUE_OPS: _P.MANAGE_GUILD,
        Capability.EXPORT: _P.MANAGE_GUILD,
        Capability.SETTINGS: _P.MANAGE_GUILD,
    }
)

#: Whoever holds any of the above may look; a look needs no Discord permission of its own.
GIVEN_BY_ANY = (Capability.VIEW, Capability.VIEW_NOTES)

#: The capability an action asks of the moderator.
NEEDS: Mapping[Action, Capability] = MappingProxyType(
    {
        Action.BAN: Capability.BAN,
        Action.UNBAN: Capability.BAN,
        Action.KICK: Capability.KICK,
        Action.MUTE: Capability.MUTE,
        Action.UNMUTE: Capability.MUTE,
        Action.WARN: Capability.WARN,
        Action.NOTE: Capability.NOTE,
        Action.SOFTBAN: Capability.BAN,
        Action.ROLE_ADD: Capability.ROLES,
        Action.ROLE_REMOVE: Capability.ROLES,
        Action.QUARANTINE: Capability.ROLES,
        Action.UNQUARANTINE: Capability.ROLES,
        Action.PURGE: Capability.CHANNELS,
        Action.LOCK: Capability.CHANNELS,
        Action.UNLOCK: Capability.CHANNELS,
        Action.SLOWMODE: Capability.CHANNELS,
        Action.SLOWMODE_OFF: Capability.CHANNELS,
        Action.LOCKDOWN: Capability.LOCKDOWN,
        Action.LOCKDOWN_OFF: Capability.LOCKDOWN,
        # Of others' cases; of their own it takes what the case took (``case_rights``).
        Action.AMEND: Capability.AMEND,
        Action.VOID: Capability.AMEND,
        Action.RESEND: Capability.AMEND,
        Action.COMMENT: Capability.NOTE,
    }
)

#: The Discord permission Guard itself needs for an action; warn and note touch nothing on Discord but messages.
GUARD_NEEDS: Mapping[Action, Permission] = MappingProxyType(
    {
        Action.BAN: _P.BAN_MEMBERS,
        Action.UNBAN: _P.BAN_MEMBERS,
        Action.KICK: _P.KICK_MEMBERS,
        Action.MUTE: _P.MODERATE_MEMBERS,
        Action.UNMUTE: _P.MODERATE_MEMBERS,
        Action.SOFTBAN: _P.BAN_MEMBERS,
        Action.ROLE_ADD: _P.MANAGE_ROLES,
        Action.ROLE_REMOVE: _P.MANAGE_ROLES,
        Action.QUARANTINE: _P.MANAGE_ROLES,
        Action.UNQUARANTINE: _P.MANAGE_ROLES,
        Action.PURGE: _P.MANAGE_MESSAGES,
        # What a channel allows is changed by whoever may manage roles (API reference, Edit Channel Permissions).
        Action.LOCK: _P.MANAGE_ROLES,
        Action.UNLOCK: _P.MANAGE_ROLES,
        Action.SLOWMODE: _P.MANAGE_CHANNELS,
        Action.SLOWMODE_OFF: _P.MANAGE_CHANNELS,
        Action.LOCKDOWN: _P.MANAGE_GUILD,
        Action.LOCKDOWN_OFF: _P.MANAGE_GUILD,
    }
)

#: What a person reads for a permission.
PERMISSION_NAMES: Mapping[Permission, str] = MappingProxyType(
    {
        _P.KICK_MEMBERS: "Kick Members",
        _P.BAN_MEMBERS: "Ban Members",
        _P.MODERATE_MEMBERS: "Timeout Members",
        _P.MANAGE_GUILD: "Manage Server",
        _P.MANAGE_CHANNELS: "Manage Channels",
        _P.MANAGE_MESSAGES: "Manage Messages",
        _P.MANAGE_ROLES: "Manage Roles",
        _P.VIEW_AUDIT_LOG: "View Audit Log",
    }
)


@dataclass(frozen=True, kw_only=True)
class Person:
    """A user as the guild sees them now.

    ``rank`` is the position of the highest role (0 for @everyone), ``permissions`` the guild-level bits of the roles,
    before ownership, administrator and time-outs are taken into account. ``dms_closed``: Discord lately refused a DM of
    Guard's to them and would again.
    """

    user_id: UserId
    name: str
    member: bool
    permissions: int = 0
    rank: int = 0
    bot: bool = False
    timed_out: bool = False
    dms_closed: bool = False


@dataclass(frozen=True, kw_only=True)
class Limit:
    """The bound of a granted capability: longest duration in seconds, largest batch; ``None`` is no bound."""

    longest_s: int | None = None
    largest_batch: int | None = None


def effective_permissions(person: Person, owner_id: UserId) -> int:
    """The guild-level bits a person really has: owner and administrator have all, a timed-out member none."""
    if not person.member:
        return 0
    if person.user_id == owner_id or person.permissions & Permission.ADMINISTRATOR.value:
        return ALL_PERMISSIONS
    return 0 if person.timed_out else person.permissions


_NO_BOUND = Limit()
# Looked up for every page, and for all viewers of open streams twice a minute.
_BITS_GIVING = {capability: needed.value for capability, needed in GIVEN_BY.items()}


def capabilities(
    person: Person, owner_id: UserId, grants: Mapping[Capability, Limit] | None = None
) -> Mapping[Capability, Limit]:
    """The capabilities of one person, each with its limit. Empty means: no right to see anything of the guild.

    Without any grant a person has what their Discord permissions give; a grant adds to it. Someone who is no member
    has none, whatever was granted.
    """
    if not person.member:
        return {}
    bits = effective_permissions(person, owner_id)
    given = {capability: _NO_BOUND for capability, needed in _BITS_GIVING.items() if bits & needed == needed}
    if not person.timed_out or bits:
        for capability, limit in (grants or {}).items():
            given.setdefault(capability, limit)
    if given:
        for capability in GIVEN_BY_ANY:
            given.setdefault(capability, _NO_BOUND)
    return given


def permission_names(needed: Permission) -> str:
    """What a person reads for one permission or several together."""
    return " and ".join(name for permission, name in PERMISSION_NAMES.items() if permission & needed)
