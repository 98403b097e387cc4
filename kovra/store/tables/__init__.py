"""Every table. A change here is the next revision in ``migrations/``; a test compares the two.

Each table with a ``guild_id`` is under row-level security: a transaction sees the guild it has entered and no other.
The rights of each role stand in the revision that made the table.

``base``     what every table is made of.
``queue``    the queue of record: requests, jobs, and what is posted of them.
``cases``    cases and what hangs on them; all under the numbers of the guild.
``audit``    the audit log: who asked for what, chained.
``mirror``   what Guard knows of Discord.
``people``   who works here: settings of a guild, what roles may do, sessions, and what each person keeps.
"""

from __future__ import annotations

from kovra.store.tables.audit import AuditAnchors, AuditHeads, AuditLogRows
from kovra.store.tables.base import Base
from kovra.store.tables.cases import (
    AuditCursors,
    CaseThread,
    Evidence,
    EvidenceFiles,
    GuildCounters,
    GuildEvents,
    Holds,
    ModCases,
    NativeEntries,
    ScheduledEnds,
)
from kovra.store.tables.mirror import (
    Bans,
    BotStatus,
    Channels,
    ClosedDms,
    CommandSyncs,
    GatewayShards,
    Guilds,
    Joins,
    MemberDays,
    MemberNames,
    Members,
    Roles,
)
from kovra.store.tables.people import AccountLinks, CapabilityGrants, GuildSettings, PendingLogins, SavedViews, Sessions
from kovra.store.tables.queue import (
    ActionRequests,
    JobChunks,
    Jobs,
    LanePauses,
    LogEvents,
    LogPosts,
    MessageTests,
    PostEdits,
    Workers,
)

#: Tables whose rows belong to one guild.
GUILD_TABLES = tuple(table for table in Base.metadata.sorted_tables if "guild_id" in table.columns)

__all__ = [
    "AccountLinks",
    "ActionRequests",
    "AuditAnchors",
    "AuditCursors",
    "AuditHeads",
    "AuditLogRows",
    "Bans",
    "Base",
    "BotStatus",
    "CapabilityGrants",
    "CaseThread",
    "Channels",
    "ClosedDms",
    "CommandSyncs",
    "Evidence",
    "EvidenceFiles",
    "GUILD_TABLES",
    "GatewayShards",
    "GuildCounters",
    "GuildEvents",
    "GuildSettings",
    "Guilds",
    "Holds",
    "JobChunks",
    "Jobs",
    "Joins",
    "LanePauses",
    "LogEvents",
    "LogPosts",
    "MemberDays",
    "MemberNames",
    "Members",
    "MessageTests",
    "ModCases",
    "NativeEntries",
    "PendingLogins",
    "PostEdits",
    "Roles",
    "SavedViews",
    "ScheduledEnds",
    "Sessions",
    "Workers",
]
