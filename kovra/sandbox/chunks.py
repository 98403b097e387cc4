"""Requests for members over the gateway: all of a guild, by prefix, or by id, in chunks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from kovra.sandbox import payloads
from kovra.sandbox.sessions import Session
from kovra.sandbox.sockets import Op, dumps
from kovra.sandbox.world import Clock, Guild, Member, World

#: Members in one GUILD_MEMBERS_CHUNK, and members a search or a list of ids may return.
CHUNK = 1000
MOST_FOUND = 100
#: One full member list per guild in this time, while rate limits are on (Gateway, Request Guild Members).
FULL_CHUNK_EVERY_S = 30


class Chunks:
    """Answers such requests.

    Args:
        world: the state.
        clock: Unix time in seconds.
        limited: says whether rate limits are on.
    """

    def __init__(self, world: World, clock: Clock, limited: Callable[[], bool]) -> None:
        self._world, self._clock, self._limited = world, clock, limited
        self._last_full: dict[int, float] = {}

    async def answer(self, session: Session, data: dict[str, Any]) -> None:
        """Answer a request for members: all, by prefix, or by id."""
        guild = self._world.guilds.get(int(data["guild_id"]))
        if guild is None or self._world.bot_id not in guild.members:
            return
        nonce = data.get("nonce")
        full = not data.get("user_ids") and not data.get("query") and not data.get("limit")
        if full and self._full_too_soon(session, guild, nonce):
            return
        found, missing = self._find_members(guild, data, full)
        chunks = [found[at : at + CHUNK] for at in range(0, len(found), CHUNK)] or [[]]
        for index, chunk in enumerate(chunks):
            payload: dict[str, Any] = {
                "guild_id": str(guild.id),
                "members": [payloads.member(m, self._world.users[m.user_id]) for m in chunk],
                "chunk_index": index,
                "chunk_count": len(chunks),
            }
            if missing:
                payload["not_found"] = missing
            # A longer nonce is dropped by Discord without a word.
            if nonce and len(nonce.encode()) <= 32:
                payload["nonce"] = nonce
            session.push("GUILD_MEMBERS_CHUNK", dumps(payload))
            await asyncio.sleep(0)  # large guilds take a while: others get their turn between two chunks

    def _find_members(self, guild: Guild, data: dict[str, Any], full: bool) -> tuple[list[Member], list[str]]:
        if full:
            return list(guild.members.values()), []
        if data.get("user_ids"):
            asked = data["user_ids"] if isinstance(data["user_ids"], list) else [data["user_ids"]]
            ids = [int(user_id) for user_id in asked[:MOST_FOUND]]
            return [guild.members[i] for i in ids if i in guild.members], [
                str(i) for i in ids if i not in guild.members
            ]
        most = min(MOST_FOUND, data.get("limit") or MOST_FOUND)
        return search(self._world, guild, data.get("query", ""), most), []

    def _full_too_soon(self, session: Session, guild: Guild, nonce: str | None) -> bool:
        now = self._clock()
        wait_s = self._last_full.get(guild.id, 0) + FULL_CHUNK_EVERY_S - now
        if not self._limited() or wait_s <= 0:
            self._last_full[guild.id] = now
            return False
        meta = {"guild_id": str(guild.id), "nonce": nonce}
        session.push("RATE_LIMITED", dumps({"opcode": Op.MEMBERS, "retry_after": round(wait_s, 3), "meta": meta}))
        return True


def search(world: World, guild: Guild, prefix: str, most: int) -> list[Member]:
    """Members whose user name, display name or nickname begins with a text, without regard to case."""
    wanted = prefix.casefold()
    found = []
    for member in guild.members.values():
        user = world.users[member.user_id]
        names = (user.username, user.global_name or "", member.nick or "")
        if any(name.casefold().startswith(wanted) for name in names):
            found.append(member)
            if len(found) == most:
                break
    return found
