"""Guard's ear for what is done in Discord itself: its audit log, from the gateway or, after a time away, from the list.

Nothing is decided here. Entries are written down in their order, as often as they are heard, and a worker makes cases
of them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import aiohttp
import discord

from kovra.bot import payloads
from kovra.bot.payloads import Payload
from kovra.bot.writer import Writer
from kovra.errors import Unavailable
from kovra.guard.native import HEARD, MEMBER_UPDATE, NativeEntry
from kovra.ids import GuildId
from kovra.store.native_inbox import Cursor, NativeInbox

log = logging.getLogger(__name__)

#: A page of the audit log (API reference, Get Guild Audit Log).
PAGE = 100

#: How long to wait before a page is asked for again, in seconds.
_PAUSE_S = 5.0

#: Reading goes back this much further than what was read last: an entry may appear after a younger one, in
#: milliseconds.
_OVERLAP_MS = 60_000

#: A log that Guard may not read is asked for again so often, in seconds: each refusal counts against Guard.
_BLIND_S = 600.0


class AuditReader(Protocol):
    """What is asked of Discord."""

    async def audit_after(self, guild_id: GuildId, audit_id: int | None, limit: int) -> list[dict[str, Any]]:
        """The entries that are younger than this one, the oldest of them first; without one, the youngest of all."""


class NativeEar:
    """Hears entries and queues their writing. Belongs to the gateway's loop, and never blocks it."""

    def __init__(self, inbox: NativeInbox, writer: Writer, reader: AuditReader) -> None:
        self._inbox, self._writer, self._reader = inbox, writer, reader
        #: Guilds whose log has been read up to the present of this session: from here on, the gateway tells all.
        self._in_step: set[GuildId] = set()
        self._reading: dict[GuildId, asyncio.Task[None]] = {}
        self._blind_since: dict[GuildId, float] = {}

    def tap(self, name: str, data: Payload) -> None:
        """See one event of the gateway."""
        if name == "GUILD_AUDIT_LOG_ENTRY_CREATE":
            self._heard(data)
        elif name == "READY":
            # A new session: what was done between the two is known once its guilds' logs have been read.
            self._in_step -= {GuildId(int(guild["id"])) for guild in data["guilds"]}
        elif name == "GUILD_CREATE" and not data.get("unavailable"):
            self._catch_up(GuildId(int(data["id"])))
        elif name == "GUILD_DELETE":
            self._forget(GuildId(int(data["id"])))

    def ask_again(self) -> None:
        """Try again where the log could not be read: Guard may have been given the right since."""
        now = time.monotonic()
        for guild_id, since in list(self._blind_since.items()):
            if now - since >= _BLIND_S:
                self._catch_up(guild_id)

    def close(self) -> None:
        """Ask Discord for nothing more."""
        for task in self._reading.values():
            task.cancel()

    def _heard(self, data: Payload) -> None:
        guild_id = GuildId(int(data["guild_id"]))
        kept = _wanted([data], guild_id)
        if guild_id in self._blind_since:
            # Discord tells these only to who may read the log: what was missed meanwhile can be read now.
            self._catch_up(guild_id)
        if kept:
            read_to = int(data["id"]) if guild_id in self._in_step else None
            self._writer.put_with(("native", guild_id), (kept, read_to), lambda heard: self._keep(guild_id, heard))

    def _keep(self, guild_id: GuildId, heard: Sequence[tuple[list[NativeEntry], int | None]]) -> None:
        entries = [entry for kept, _ in heard for entry in kept]
        self._inbox.keep(guild_id, entries, max((read_to for _, read_to in heard if read_to), default=None))

    def _catch_up(self, guild_id: GuildId) -> None:
        self._forget(guild_id)
        task = asyncio.get_running_loop().create_task(self._read(guild_id))
        self._reading[guild_id] = task
        task.add_done_callback(self._read_to_end)

    def _forget(self, guild_id: GuildId) -> None:
        self._in_step.discard(guild_id)
        self._blind_since.pop(guild_id, None)
        if (task := self._reading.pop(guild_id, None)) is not None:
            task.cancel()

    async def _read(self, guild_id: GuildId) -> None:
        """Read what was done since the last entry that was heard, to the present."""
        while True:
            try:
                cursor = await asyncio.to_thread(self._inbox.cursor, guild_id)
                if cursor is None:
                    await self._begin(guild_id)
                else:
                    await self._read_on(guild_id, cursor)
                return
            except (discord.Forbidden, discord.NotFound) as error:
                log.warning("the audit log of %s cannot be read: %s", guild_id, error)
                self._blind_since[guild_id] = time.monotonic()
                return
            except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError, Unavailable) as error:
                log.info("the audit log of %s is read again in %s s: %r", guild_id, _PAUSE_S, error)
                await asyncio.sleep(_PAUSE_S)  # before the log is asked for again

    async def _begin(self, guild_id: GuildId) -> None:
        newest = await self._reader.audit_after(guild_id, None, 1)
        newest_id = max((int(entry["id"]) for entry in newest), default=0)
        self._writer.part(("native", guild_id))
        self._writer.put(lambda: self._inbox.begin(guild_id, newest_id))
        self._in_step.add(guild_id)

    async def _read_on(self, guild_id: GuildId, cursor: Cursor) -> None:
        after, found = max(cursor.since_id, _earlier(cursor.last_id)), 0
        while True:
            page = await self._reader.audit_after(guild_id, after, PAGE)
            after = max((int(entry["id"]) for entry in page), default=after)
            kept, whole = _wanted(page, guild_id), len(page) < PAGE
            found += len(kept)
            read_to = max(after, cursor.last_id)
            if kept or whole:
                # What is heard from now on says how far was read: it must not be written before this page.
                self._writer.part(("native", guild_id))
                self._writer.put(lambda kept=kept, read_to=read_to: self._inbox.keep(guild_id, kept, read_to))
            if whole:
                break
        if found:
            log.info("%s entries of the audit log of %s were read after a time away", found, guild_id)
        self._in_step.add(guild_id)

    def _read_to_end(self, task: asyncio.Task[None]) -> None:
        for guild_id in [guild_id for guild_id, known in self._reading.items() if known is task]:
            del self._reading[guild_id]
        if not task.cancelled() and (error := task.exception()):
            log.error("reading an audit log failed", exc_info=error)


def _wanted(page: Iterable[Payload], guild_id: GuildId) -> list[NativeEntry]:
    """The entries of a page that may become cases."""
    heard = [payloads.native_entry(entry, guild_id) for entry in page if entry["action_type"] in HEARD]
    return [entry for entry in heard if entry.kind != MEMBER_UPDATE or entry.until or entry.until_before]


def _earlier(audit_id: int) -> int:
    """An id that was made a little before this one."""
    return max(0, audit_id - (_OVERLAP_MS << 22))
