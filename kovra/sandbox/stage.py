"""The stage: the world with its clock, its listeners and its ledger. Every deed happens on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from enum import IntEnum
from functools import partial
from typing import Any, Protocol

from kovra.ids import snowflake_ms
from kovra.sandbox import payloads
from kovra.sandbox.effects import Effects
from kovra.sandbox.world import AuditEntry, Channel, Clock, Guild, World, moment

Build = Callable[[], dict[str, Any]]

#: For so long Discord counts the deletions of one person in one entry. It is not documented; this is what is seen.
COUNTED_TOGETHER_S = 300.0


class AuditAction(IntEnum):
    """Discord's numbers for what stands in an audit log."""

    GUILD_UPDATE = 1
    CHANNEL_CREATE = 10
    CHANNEL_UPDATE = 11
    CHANNEL_DELETE = 12
    OVERWRITE_CREATE = 13
    OVERWRITE_UPDATE = 14
    OVERWRITE_DELETE = 15
    MEMBER_KICK = 20
    MEMBER_PRUNE = 21
    MEMBER_BAN_ADD = 22
    MEMBER_BAN_REMOVE = 23
    MEMBER_UPDATE = 24
    MEMBER_ROLE_UPDATE = 25
    MEMBER_MOVE = 26
    MEMBER_DISCONNECT = 27
    ROLE_CREATE = 30
    ROLE_UPDATE = 31
    ROLE_DELETE = 32
    INVITE_CREATE = 40
    INVITE_DELETE = 42
    WEBHOOK_CREATE = 50
    WEBHOOK_UPDATE = 51
    WEBHOOK_DELETE = 52
    MESSAGE_DELETE = 72
    MESSAGE_BULK_DELETE = 73
    MESSAGE_PIN = 74
    MESSAGE_UNPIN = 75
    THREAD_CREATE = 110
    THREAD_UPDATE = 111
    THREAD_DELETE = 112
    AUTOMOD_RULE_CREATE = 140
    AUTOMOD_RULE_UPDATE = 141
    AUTOMOD_RULE_DELETE = 142
    AUTOMOD_BLOCK_MESSAGE = 143
    AUTOMOD_TIME_OUT = 145


class Listeners(Protocol):
    """Whoever is told of events: the gateway."""

    def tell(self, name: str, guild: Guild | None, build: Build, channel: Channel | None = None) -> None:
        """Dispatch an event to every session that may hear it; ``build`` is called only when one does."""


class Stage:
    """Where deeds happen.

    Args:
        world: the state.
        clock: Unix time in seconds.
        listeners: who is told of events.
        effects: the ledger of what each request of Guard caused.
    """

    def __init__(self, world: World, clock: Clock, listeners: Listeners, effects: Effects) -> None:
        self.world, self.clock, self.effects = world, clock, effects
        self.tell = listeners.tell
        #: Set by every deed; the snapshot clears it once the state is on disk.
        self.changed = False
        #: How long after a deed its audit entry appears, in seconds: on Discord it may come late.
        self.audit_delay_s = 0.0
        #: Whether whoever was kicked comes back at once, so that a second kick would be seen.
        self.rejoin = False

    def now(self) -> datetime:
        return moment(self.clock())

    def new_id(self) -> int:
        return self.world.new_id(self.clock())

    def record(
        self,
        guild: Guild,
        action: AuditAction,
        target_id: int | None,
        *,
        by: int | None,
        reason: str | None,
        changes: list[dict[str, Any]] | None = None,
        options: dict[str, str] | None = None,
    ) -> None:
        """Write an audit-log entry and tell of it; it is always the last event of a deed."""
        if self.audit_delay_s:
            # Asked for by a test or a demo; what is late is neither readable nor told of before.
            later = partial(self._write, guild, action, target_id, by, reason, changes, options)
            asyncio.get_running_loop().call_later(self.audit_delay_s, later)
        else:
            self._write(guild, action, target_id, by, reason, changes, options)

    def record_deletion(self, guild: Guild, author_id: int, channel_id: int, *, by: int, reason: str | None) -> None:
        """Write that somebody deleted a message of somebody else.

        Discord counts what one person deletes of another in a channel in one entry, and tells of that entry only when
        it is made (discord-api-docs #5911).
        """
        since = self.clock() - COUNTED_TOGETHER_S
        for entry in reversed(guild.audit):
            if snowflake_ms(entry.id) / 1000 < since:
                break
            same = (int(AuditAction.MESSAGE_DELETE), by, author_id)
            options = entry.options or {}
            if (entry.action, entry.user_id, entry.target_id) == same and options["channel_id"] == str(channel_id):
                options["count"] = str(int(options["count"]) + 1)
                self.changed = True
                return
        options = {"channel_id": str(channel_id), "count": "1"}
        self.record(guild, AuditAction.MESSAGE_DELETE, author_id, by=by, reason=reason, options=options)

    def _write(
        self,
        guild: Guild,
        action: AuditAction,
        target_id: int | None,
        by: int | None,
        reason: str | None,
        changes: list[dict[str, Any]] | None,
        options: dict[str, str] | None,
    ) -> None:
        entry = AuditEntry(
            id=self.new_id(),
            action=int(action),
            user_id=by,
            target_id=target_id,
            reason=reason,
            changes=changes,
            options=options,
        )
        guild.audit.append(entry)
        self.changed = True
        self.tell(
            "GUILD_AUDIT_LOG_ENTRY_CREATE",
            guild,
            lambda: {**payloads.audit_entry(entry), "guild_id": str(guild.id)},
        )

    def count(self, by: int | None, reason: str | None, verb: str, *, changed: bool = True) -> None:
        """Enter a deed of the bot into the ledger."""
        if by == self.world.bot_id:
            self.effects.deed(reason, verb, changed=changed)


def change(key: str, old: Any, new: Any) -> dict[str, Any]:
    """One ``changes`` item of an audit entry. Discord leaves a missing value out and never sends null."""
    item = {"key": key}
    if old is not None:
        item["old_value"] = old
    if new is not None:
        item["new_value"] = new
    return item
