"""Keeping a message as evidence: what it says at once, its files as Discord gives them.

Files are fetched from Discord's own server of files and nowhere else, without following it elsewhere, and no more of
them than is kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import aiohttp

from kovra.errors import Unavailable
from kovra.guard.evidence import MAX_FILE_BYTES, FileStatus, on_discord, seen
from kovra.ids import GuildId, UserId
from kovra.store.evidence import EvidenceKeeper

log = logging.getLogger(__name__)

#: How long Discord may take for one file, in seconds, and how many are fetched at once in this process.
_FILE_S, _AT_ONCE = 30.0, 3

#: A file of which nothing comes for so long is lost, in seconds: the others of its message must not wait for it until
#: they are gone too.
STALLED_S = 8.0

_PART = 64 << 10


class EvidenceRoom:
    """Keeps messages for requests that are yet to be asked.

    Args:
        keeper: where they are written down.
        cdn_url: Discord's own server of files.
        stalled_s: how long nothing may come of a file.
    """

    def __init__(self, keeper: EvidenceKeeper, cdn_url: str, stalled_s: float = STALLED_S) -> None:
        self._keeper, self._cdn_url = keeper, cdn_url
        self._patience = aiohttp.ClientTimeout(total=_FILE_S, sock_connect=stalled_s, sock_read=stalled_s)
        # Apart from the threads that submit: a file of 8 MB must not keep a ban waiting.
        self._writing = ThreadPoolExecutor(2, "evidence")
        self._fetching = asyncio.Semaphore(_AT_ONCE)
        self._under_way: dict[UUID, asyncio.Task[None]] = {}

    def begin(self, guild_id: GuildId, request_id: UUID, kept_by: UserId, message: Mapping[str, Any]) -> None:
        """Keep this message, beside everything else; its files follow."""
        self._start(request_id, self._keep(guild_id, request_id, kept_by, message))

    async def settled(self, guild_id: GuildId, request_id: UUID, patience_s: float) -> bool:
        """Whether the message is kept, once its files are there or have been waited for so long.

        Raises:
            Unavailable: the database does not answer.
        """
        if request_id not in self._under_way and await self._in_thread(self._keeper.waiting, guild_id, request_id):
            # Guard was restarted in between.
            self._start(request_id, self._fetch_all(guild_id, request_id))
        if task := self._under_way.get(request_id):
            await asyncio.wait([task], timeout=patience_s)
        return await self._in_thread(self._keeper.holds, guild_id, request_id)

    async def close(self) -> None:
        """Let go of what is being fetched; whoever sends the form later has it fetched again."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._writing.shutdown(wait=False, cancel_futures=True)

    def _start(self, request_id: UUID, work: Any) -> None:
        if request_id in self._under_way:
            work.close()
            return
        task = self._under_way[request_id] = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(lambda _: self._under_way.pop(request_id, None))

    async def _keep(self, guild_id: GuildId, request_id: UUID, kept_by: UserId, message: Mapping[str, Any]) -> None:
        try:
            await self._in_thread(self._keeper.keep, guild_id, request_id, kept_by, seen(message, self._cdn_url))
        except Unavailable:
            # Whoever sends the form is told that nothing is kept.
            log.warning("a message could not be kept as evidence: the database does not answer")
            return
        await self._fetch_all(guild_id, request_id)

    async def _fetch_all(self, guild_id: GuildId, request_id: UUID) -> None:
        async def bring(place: int, url: str) -> None:
            async with self._fetching:
                content = await self._fetch(url)
                await self._in_thread(self._keeper.fetched, guild_id, request_id, place, content)

        try:
            waiting = await self._in_thread(self._keeper.waiting, guild_id, request_id)
            # Beside each other: one that stalls must not cost the others.
            await asyncio.gather(*(bring(place, url) for place, url in waiting))
        except Unavailable:
            log.warning("a file could not be kept as evidence: the database does not answer")

    async def _fetch(self, url: str) -> bytes | FileStatus:
        """What a file holds, or why it is not kept."""
        if not on_discord(url, self._cdn_url):
            return FileStatus.ELSEWHERE
        # Packed, a small answer could unfold to any length.
        plain = {"Accept-Encoding": "identity"}
        try:
            async with (
                aiohttp.ClientSession(timeout=self._patience, auto_decompress=False, headers=plain) as session,
                session.get(url, allow_redirects=False) as answer,
            ):
                if answer.status != 200 or answer.headers.get("Content-Encoding", "identity") != "identity":
                    log.info("Discord did not give a file of a message: %s", answer.status)
                    return FileStatus.LOST
                return await _at_most(answer, MAX_FILE_BYTES)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.info("Discord did not give a file of a message: %r", error)
            return FileStatus.LOST

    async def _in_thread(self, work: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._writing, work, *args)


async def _at_most(answer: aiohttp.ClientResponse, most: int) -> bytes | FileStatus:
    """Read as much as is kept, whatever length was announced before."""
    if (answer.content_length or 0) > most:
        return FileStatus.TOO_LARGE
    read = bytearray()
    async for part in answer.content.iter_chunked(_PART):
        read += part
        if len(read) > most:
            return FileStatus.TOO_LARGE
    return bytes(read)
