"""Guard's ear for who deleted messages: what was deleted and what Discord's audit log says of it, brought together.

Both come over the gateway, in any order, so each waits a moment for the other. Where one entry counts several deletions
Discord tells of it only once, and the log is read. Nothing here is kept: what was not settled when Guard ends is posted
without a name.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from uuid import UUID

import aiohttp
import discord

from kovra.bot.payloads import Payload
from kovra.guard.deleters import DELETE, Deleter, Deletion, LogEntry, log_entry, whose
from kovra.ids import GuildId

log = logging.getLogger(__name__)

#: How long a deletion and an entry wait for each other, and how long a deletion may still be what an entry means, in
#: seconds. What was heard is posted after two.
SETTLE_S, MAY_BE_S = 1.0, 5.0

#: How long Discord may go on counting in an entry, in seconds, and how many of a guild are watched.
_COUNTS_FOR_S, _MOST_WATCHED = 600.0, 200

#: Deletions of a guild that may be open at once.
_MOST_OPEN = 500


class DeletionLog(Protocol):
    """What is asked of Discord."""

    async def deletions(self, guild_id: GuildId) -> list[dict[str, Any]]:
        """The latest entries of the audit log about single messages."""


@dataclass
class _Guild:
    """What is open in a guild, with when it was heard. ``counted``: what is known of each entry, and until when."""

    deletions: OrderedDict[UUID, tuple[float, Deletion]] = field(default_factory=OrderedDict)
    entries: list[tuple[float, LogEntry]] = field(default_factory=list)
    counted: OrderedDict[int, tuple[float, LogEntry]] = field(default_factory=OrderedDict)
    looked_at: set[UUID] = field(default_factory=set)
    task: asyncio.Task[None] | None = None


class Deleters:
    """Belongs to the gateway's loop; ``credit`` is told who deleted what, as soon as it is known."""

    def __init__(
        self,
        reader: DeletionLog,
        credit: Callable[[GuildId, Mapping[UUID, Deleter]], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader, self._credit, self._monotonic = reader, credit, monotonic
        self._guilds: dict[GuildId, _Guild] = {}

    def deleted(self, guild_id: GuildId, deletion: Deletion) -> None:
        """Messages were deleted."""
        mine = self._guilds.setdefault(guild_id, _Guild())
        mine.deletions[deletion.event_id] = (self._monotonic(), deletion)
        if len(mine.deletions) > _MOST_OPEN:
            mine.looked_at.discard(mine.deletions.popitem(last=False)[0])
        self._settle_soon(guild_id, mine)

    def logged(self, guild_id: GuildId, payload: Payload) -> None:
        """An entry of the audit log was made."""
        if (entry := log_entry(payload)) is None:
            return
        mine, now = self._guilds.setdefault(guild_id, _Guild()), self._monotonic()
        mine.entries.append((now, entry))
        if payload["action_type"] == DELETE:
            mine.counted[entry.audit_id] = (now + _COUNTS_FOR_S, entry)
            if len(mine.counted) > _MOST_WATCHED:
                mine.counted.popitem(last=False)
        self._settle_soon(guild_id, mine)

    def close(self) -> None:
        """Settle nothing more."""
        for mine in self._guilds.values():
            if mine.task is not None:
                mine.task.cancel()

    def _settle_soon(self, guild_id: GuildId, mine: _Guild) -> None:
        if mine.task is None or mine.task.done():
            mine.task = asyncio.get_running_loop().create_task(self._settle(guild_id, mine))
            mine.task.add_done_callback(_log_failure)

    async def _settle(self, guild_id: GuildId, mine: _Guild) -> None:
        while mine.deletions or mine.entries:
            await asyncio.sleep(SETTLE_S / 4)  # what belongs together comes within a moment
            now = self._monotonic()
            for event_id, (heard_at, _) in list(mine.deletions.items()):
                if now - heard_at > MAY_BE_S:
                    del mine.deletions[event_id]
                    mine.looked_at.discard(event_id)
            self._forget_counts(mine, now)
            entries = self._due(mine, now)
            found = whose([one for _, one in mine.deletions.values()], entries)
            if doubtful := self._doubtful(mine, found, now):
                mine.looked_at |= doubtful
                grown = await self._grown(guild_id, mine)
                open_ = [one for _, one in mine.deletions.values()]
                found = whose(open_, [*entries, *grown])
            if found:
                self._credit(guild_id, found)
            for event_id, deleter in found.items():
                # What is only probable may still be what another entry means.
                if deleter.certain:
                    mine.deletions.pop(event_id, None)
                elif event_id in mine.deletions:
                    heard_at, one = mine.deletions[event_id]
                    mine.deletions[event_id] = (heard_at, replace(one, suspects=deleter.actor_ids))
        mine.task = None
        if not mine.counted:
            self._guilds.pop(guild_id, None)

    def _due(self, mine: _Guild, now: float) -> list[LogEntry]:
        """Take the entries for which everything has been waited for; those of one place go together."""
        waiting = {entry.of for heard_at, entry in mine.entries if now - heard_at < SETTLE_S}
        due = [entry for _, entry in mine.entries if entry.of not in waiting]
        mine.entries = [(heard_at, entry) for heard_at, entry in mine.entries if entry.of in waiting]
        return due

    def _doubtful(self, mine: _Guild, found: Mapping[UUID, Deleter], now: float) -> set[UUID]:
        """Deletions that an entry may have counted without Discord telling of it."""
        counting = {entry.of for _, entry in mine.counted.values()} - {entry.of for _, entry in mine.entries}
        return {
            event_id
            for event_id, (heard_at, one) in mine.deletions.items()
            if now - heard_at >= SETTLE_S
            and event_id not in mine.looked_at
            and (one.channel_id, one.author_id) in counting
            and not (event_id in found and found[event_id].certain)
        }

    async def _grown(self, guild_id: GuildId, mine: _Guild) -> list[LogEntry]:
        """By how much the entries that are watched have grown since they were last looked at."""
        try:
            page = await self._reader.deletions(guild_id)
        except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
            log.info("who deleted messages in %s cannot be looked up: %r", guild_id, error)
            return []
        grown = []
        for payload in page:
            until, known = mine.counted.get(int(payload["id"]), (0.0, None))
            if known is not None and (more := log_entry(payload, known.count, fresh=False)) is not None:
                grown.append(more)
                mine.counted[known.audit_id] = (until, replace(known, count=known.count + more.count))
        return grown

    @staticmethod
    def _forget_counts(mine: _Guild, now: float) -> None:
        for audit_id in [audit_id for audit_id, (until, _) in mine.counted.items() if until < now]:
            del mine.counted[audit_id]


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("telling who deleted messages failed", exc_info=error)
