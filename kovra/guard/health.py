"""The health check of a server: what keeps Guard from its work, and what to do about each. Decisions only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from kovra.actions.capabilities import ALL_PERMISSIONS, PERMISSION_NAMES, Permission
from kovra.guard.log_channels import OF_CASES, EventClass
from kovra.ids import GuildId, UserId

#: A request that is due should be begun well before; later, no worker is at work on this server.
LATE_AFTER = timedelta(seconds=30)

#: What is written to a log channel takes these (API reference, Permissions).
VIEW_CHANNEL, SEND_MESSAGES, EMBED_LINKS = 1 << 10, 1 << 11, 1 << 14
_POSTING = {VIEW_CHANNEL: "View Channel", SEND_MESSAGES: "Send Messages", EMBED_LINKS: "Embed Links"}

#: Flags of an application: the intent, and the same for a bot in fewer than a hundred servers.
_MEMBERS_INTENT, _CONTENT_INTENT = 1 << 14 | 1 << 15, 1 << 18 | 1 << 19

_P = Permission
#: What Guard cannot do without each.
_LOST = {
    _P.BAN_MEMBERS: "nobody can be banned or unbanned",
    _P.KICK_MEMBERS: "nobody can be kicked",
    _P.MODERATE_MEMBERS: "nobody can be muted or unmuted",
    _P.MANAGE_ROLES: "no role can be given or taken, nobody put in quarantine and no channel locked",
    _P.MANAGE_MESSAGES: "no messages can be purged",
    _P.MANAGE_CHANNELS: "no channel can be slowed down",
    _P.MANAGE_GUILD: "there is no lockdown and no bulk ban, and which invite somebody used is not seen",
    _P.VIEW_AUDIT_LOG: "what is done in Discord itself becomes no case",
}
_GRAVE = frozenset({_P.BAN_MEMBERS, _P.KICK_MEMBERS, _P.MODERATE_MEMBERS})


class Severity(StrEnum):
    """How bad it is."""

    BROKEN = "broken"
    """Something that people rely on does not work."""
    WEAK = "weak"
    """Something works less well than it could."""


class Area(StrEnum):
    """What a finding is about."""

    MEMBERSHIP = "membership"
    PERMISSIONS = "permissions"
    ROLE_ORDER = "role_order"
    INTENTS = "intents"
    LOG_CHANNEL = "log_channel"
    COMMANDS = "commands"
    GATEWAY = "gateway"
    MIRROR = "mirror"
    QUEUE = "queue"
    AUDIT_LOG = "audit_log"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is not as it should be: what, what it means, and what to do."""

    area: Area
    severity: Severity
    sentence: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class LogChannel:
    """A channel in which cases are posted. ``name`` is None when the chosen one does not exist any more.

    ``of``: the classes it was chosen for; of the common one, none.
    """

    name: str | None
    overwrites: Sequence[Mapping[str, Any]] | None = None
    of: Sequence[EventClass] = ()


@dataclass(frozen=True, kw_only=True)
class Vitals:
    """All that the check looks at, at one moment.

    ``permissions`` are Guard's in the whole server; ``above`` names the roles that stand above Guard's or level with
    it. ``flags`` are the application's, None while no bot has started; ``commands_here`` and ``commands_told`` are the
    fingerprints of the commands that this version has and that Discord was told. ``log_channel`` is the common one,
    None when there is none; ``own_channels`` are those of single classes. ``unposted`` counts the cases that wait for
    their post, and ``refused`` is Discord's code when it lately refused one.
    """

    guild_id: GuildId
    guard_id: UserId
    now: datetime
    gone: bool
    permissions: int
    role_ids: Sequence[int]
    above: Sequence[str]
    flags: int | None
    commands_here: str | None
    commands_told: str | None
    log_channel: LogChannel | None
    own_channels: Sequence[LogChannel] = ()
    unposted: int = 0
    refused: int | None = None
    gateway_silent: bool
    members_known: bool
    bans_known: bool
    oldest_due_at: datetime | None
    oldest_heard_at: datetime | None


def examine(vitals: Vitals) -> list[Finding]:
    """What is found, the worst first."""
    if vitals.gone:
        return [
            _broken(
                Area.MEMBERSHIP,
                "Guard is not in this server, so it can neither act nor see.",
                "Invite it again; everything that was kept is still here.",
            )
        ]
    found = [
        *_permissions(vitals),
        *_intents(vitals),
        *_log_channels(vitals),
        *_lag(vitals),
        *_role_order(vitals),
        *_commands(vitals),
    ]
    return sorted(found, key=lambda finding: finding.severity is not Severity.BROKEN)


def channel_permissions(
    overwrites: Iterable[Mapping[str, Any]], *, guild_id: int, user_id: int, role_ids: Sequence[int], base: int
) -> int:
    """What a member may do in a channel (API reference, Permissions): @everyone's, then the roles', then their own."""
    if base & Permission.ADMINISTRATOR.value:
        return ALL_PERMISSIONS
    by_id = {int(one["id"]): one for one in overwrites}
    steps = [[guild_id], [role_id for role_id in role_ids if role_id != guild_id], [user_id]]
    for ids in steps:
        here = [by_id[each] for each in ids if each in by_id]
        deny = allow = 0
        for one in here:
            deny, allow = deny | int(one["deny"]), allow | int(one["allow"])
        base = base & ~deny | allow
    return base


def lacking_to_post(
    overwrites: Iterable[Mapping[str, Any]], *, guild_id: int, guard_id: int, role_ids: Sequence[int], permissions: int
) -> list[str]:
    """Which permissions Guard lacks to post in a channel; ``permissions`` are Guard's in the whole server."""
    may = channel_permissions(overwrites, guild_id=guild_id, user_id=guard_id, role_ids=role_ids, base=permissions)
    return [name for bit, name in _POSTING.items() if not may & bit]


def _permissions(vitals: Vitals) -> list[Finding]:
    if vitals.permissions & _P.ADMINISTRATOR.value:
        return []
    return [
        Finding(
            area=Area.PERMISSIONS,
            severity=Severity.BROKEN if permission in _GRAVE else Severity.WEAK,
            sentence=f"Guard’s role lacks {PERMISSION_NAMES[permission]}: {lost}.",
            remedy=f"In Discord: Server Settings, Roles, Guard’s role, switch on {PERMISSION_NAMES[permission]}.",
        )
        for permission, lost in _LOST.items()
        if not vitals.permissions & permission.value
    ]


def _intents(vitals: Vitals) -> list[Finding]:
    if vitals.flags is None:
        return []
    wanted = {"Server Members Intent": _MEMBERS_INTENT, "Message Content Intent": _CONTENT_INTENT}
    return [
        _broken(
            Area.INTENTS,
            f"Discord does not give Guard the {name}, so it will be refused at its next start.",
            "Whoever runs Kovra switches it on for the bot in Discord’s developer portal.",
        )
        for name, flags in wanted.items()
        if not vitals.flags & flags
    ]


def _log_channels(vitals: Vitals) -> list[Finding]:
    found = []
    if vitals.log_channel is None and not {one for own in vitals.own_channels for one in own.of} >= OF_CASES:
        # What waits was posted somewhere once: the channel is gone.
        going_on, made_up = (f" {_going_on(vitals)}", f" {_MADE_UP}") if vitals.unposted else ("", "")
        found.append(
            Finding(
                area=Area.LOG_CHANNEL,
                severity=Severity.BROKEN if vitals.unposted else Severity.WEAK,
                sentence=f"This server has no log channel, so cases are posted nowhere in Discord.{going_on}",
                remedy=f"Choose one in the settings, or make a channel named mod-log.{made_up}",
            )
        )
    there = [vitals.log_channel] if vitals.log_channel is not None else []
    for channel in (*there, *vitals.own_channels):
        of = f" for {_listed(channel.of)}" if channel.of else ""
        if channel.name is None:
            found.append(
                _broken(
                    Area.LOG_CHANNEL,
                    f"The log channel{of} was deleted, so nothing of it is posted in Discord. {_going_on(vitals)}",
                    f"Choose another one in the settings. {_MADE_UP}",
                )
            )
        elif lacking := _lacking(vitals, channel):
            found.append(
                _broken(
                    Area.LOG_CHANNEL,
                    f"Guard cannot post in #{channel.name}: it lacks {lacking} there. {_going_on(vitals)}",
                    f"In Discord: Edit Channel, Permissions, add Guard’s role and allow {lacking}. {_MADE_UP}",
                )
            )
    if vitals.refused is not None and not found:
        found.append(
            _broken(
                Area.LOG_CHANNEL,
                f"Discord refused Guard’s last post in a log channel (code {vitals.refused}). {_going_on(vitals)}",
                f"See whether the channel exists and what Guard may do in it, or choose another one. {_MADE_UP}",
            )
        )
    return found


#: What becomes of the cases that were not posted meanwhile.
_MADE_UP = "What waits is then posted within a minute; what is older than a day is not."


def _going_on(vitals: Vitals) -> str:
    """Moderation never stops for a post."""
    if not vitals.unposted:
        return "Moderation goes on."
    one = vitals.unposted == 1
    return f"Moderation goes on; {vitals.unposted:,} {'case waits' if one else 'cases wait'} to be posted."


def _listed(classes: Sequence[EventClass]) -> str:
    names = [_CALLED[one] for one in classes]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


#: What a class is called in a sentence.
_CALLED = {
    EventClass.ACTIONS: "what moderators do",
    EventClass.NOTES: "notes",
    EventClass.NATIVE: "what is done in Discord itself",
    EventClass.AUTOMOD: "AutoMod",
    EventClass.ENDS: "what ends by itself",
    EventClass.JOINS: "who joins",
    EventClass.LEAVES: "who leaves",
    EventClass.NAMES: "changed names",
    EventClass.ROLES: "changed roles",
    EventClass.EDITS: "edited messages",
    EventClass.DELETIONS: "deleted messages",
    EventClass.VOICE: "voice channels",
}


def _lacking(vitals: Vitals, channel: LogChannel) -> str:
    """The permissions that Guard lacks in a channel, in words; empty when it lacks none."""
    lacking = lacking_to_post(
        channel.overwrites or (),
        guild_id=vitals.guild_id,
        guard_id=vitals.guard_id,
        role_ids=vitals.role_ids,
        permissions=vitals.permissions,
    )
    return " and ".join(lacking)


def _role_order(vitals: Vitals) -> list[Finding]:
    if not vitals.above:
        return []
    few = ", ".join(vitals.above[:5]) + (" and others" if len(vitals.above) > 5 else "")
    return [
        Finding(
            area=Area.ROLE_ORDER,
            severity=Severity.WEAK,
            sentence=f"Guard’s role is not above {few}: nobody who has such a role can be acted on.",
            remedy="If Guard is to act on them, move its role higher in Discord’s role list.",
        )
    ]


def _commands(vitals: Vitals) -> list[Finding]:
    if vitals.commands_here is None or vitals.commands_here == vitals.commands_told:
        return []
    return [
        Finding(
            area=Area.COMMANDS,
            severity=Severity.WEAK,
            sentence="Discord shows other slash commands than this version of Kovra has.",
            remedy="Whoever runs Kovra runs its release step; Discord then knows them at once.",
        )
    ]


def _lag(vitals: Vitals) -> list[Finding]:
    found = []
    if vitals.gateway_silent:
        found.append(
            _broken(
                Area.GATEWAY,
                "Nothing was heard from Discord for a minute, so pages may show what was. Actions still run.",
                "Whoever runs Kovra looks whether the bot runs; if it does, Discord’s status page may say more.",
            )
        )
    late = vitals.now - LATE_AFTER
    if vitals.oldest_due_at is not None and vitals.oldest_due_at < late:
        found.append(
            _broken(
                Area.QUEUE,
                "An action has been waiting for its turn for longer than half a minute.",
                "See the Action Queue. Whoever runs Kovra looks whether a worker runs.",
            )
        )
    if vitals.oldest_heard_at is not None and vitals.oldest_heard_at < late:
        found.append(
            _broken(
                Area.AUDIT_LOG,
                "Something that was done in Discord itself waits to become a case.",
                "Whoever runs Kovra looks whether a worker runs, and into its log.",
            )
        )
    if not vitals.members_known:
        found.append(
            Finding(
                area=Area.MIRROR,
                severity=Severity.WEAK,
                sentence="Guard does not know all members of this server yet.",
                remedy="It asks Discord again by itself; in a large server this takes a minute.",
            )
        )
    if not vitals.bans_known:
        found.append(
            Finding(
                area=Area.MIRROR,
                severity=Severity.WEAK,
                sentence="Guard does not know all bans of this server.",
                remedy="It takes the permission Ban Members to read them; then it reads them by itself.",
            )
        )
    return found


def _broken(area: Area, sentence: str, remedy: str) -> Finding:
    return Finding(area=area, severity=Severity.BROKEN, sentence=sentence, remedy=remedy)
