"""Who comes and goes, by which invite, and how much members write: told by the gateway, kept for their profiles."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Protocol

import aiohttp
import discord

from kovra.bot.payloads import Payload
from kovra.bot.writer import Writer
from kovra.ids import GuildId, UserId
from kovra.store.bygone import BygoneKeeper

log = logging.getLogger(__name__)


class InviteReader(Protocol):
    """What is asked of Discord."""

    async def invites_of(self, guild_id: GuildId) -> list[dict[str, Any]]:
        """The invites of a guild, with their uses."""


class Comings:
    """Counts, and compares the uses of invites before and after somebody came. Belongs to the gateway's loop."""

    def __init__(self, keeper: BygoneKeeper, writer: Writer, reader: InviteReader) -> None:
        self._keeper, self._writer, self._reader = keeper, writer, reader
        #: The invites by code; a guild that is not here is not known.
        self._invites: dict[GuildId, dict[str, _Invite]] = {}
        #: Who came since the invites were last read.
        self._came: dict[GuildId, list[tuple[UserId, datetime]]] = defaultdict(list)
        self._reading: dict[GuildId, asyncio.Task[None]] = {}
        self._wrote: dict[GuildId, Counter[tuple[UserId, date]]] = defaultdict(Counter)

    def tap(self, name: str, data: Payload) -> None:
        """See one event of the gateway."""
        if name == "MESSAGE_CREATE":
            self._wrote_one(data)
        elif name == "GUILD_MEMBER_ADD":
            self._joined(data)
        elif name == "GUILD_MEMBER_REMOVE":
            guild_id, user_id = GuildId(int(data["guild_id"])), UserId(int(data["user"]["id"]))
            self._writer.put_with(("left", guild_id), user_id, lambda ids: self._keeper.left(guild_id, ids))
        elif name == "GUILD_CREATE" and not data.get("unavailable"):
            # Whatever was used meanwhile cannot be told from what was used before.
            self._invites.pop(GuildId(int(data["id"])), None)
            self._look(GuildId(int(data["id"])))
        elif (
            name == "INVITE_CREATE"
            and (known := self._invites.get(GuildId(int(data.get("guild_id") or 0)))) is not None
        ):
            known[data["code"]] = _invite(data)

    def ask_again(self) -> None:
        """Write down what was counted."""
        counted, self._wrote = self._wrote, defaultdict(Counter)
        for guild_id, counts in counted.items():
            self._writer.put(lambda guild_id=guild_id, counts=counts: self._keeper.wrote(guild_id, counts))

    def close(self) -> None:
        """Write down what was counted, and ask Discord for nothing more."""
        self.ask_again()
        for task in self._reading.values():
            task.cancel()

    def _wrote_one(self, data: Payload) -> None:
        # A webhook's author is no member.
        if data.get("guild_id") and not data.get("webhook_id"):
            day = datetime.fromisoformat(data["timestamp"]).astimezone(UTC).date()
            self._wrote[GuildId(int(data["guild_id"]))][UserId(int(data["author"]["id"])), day] += 1

    def _joined(self, data: Payload) -> None:
        if not data.get("joined_at"):
            return
        guild_id = GuildId(int(data["guild_id"]))
        came = (UserId(int(data["user"]["id"])), datetime.fromisoformat(data["joined_at"]))
        self._writer.part(("left", guild_id))
        self._writer.put(lambda: self._keeper.joined(guild_id, [came]))
        if not data["user"].get("bot"):
            self._came[guild_id].append(came)
            self._look(guild_id)

    def _look(self, guild_id: GuildId) -> None:
        # In a raid hundreds come in a moment: the invites are read once for all that came since the last look.
        if guild_id not in self._reading:
            task = self._reading[guild_id] = asyncio.get_running_loop().create_task(self._read(guild_id))
            task.add_done_callback(lambda _: self._looked(guild_id))

    def _looked(self, guild_id: GuildId) -> None:
        task = self._reading.pop(guild_id)
        if not task.cancelled() and (error := task.exception()):
            log.error("the invites of %s could not be compared", guild_id, exc_info=error)
        elif not task.cancelled() and self._came.get(guild_id):
            self._look(guild_id)

    async def _read(self, guild_id: GuildId) -> None:
        came = self._came.pop(guild_id, [])
        try:
            page = await self._reader.invites_of(guild_id)
        except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
            # It takes Manage Server to see them; who came is kept all the same.
            log.debug("the invites of %s cannot be read: %s", guild_id, error)
            self._invites.pop(guild_id, None)
            return
        before = self._invites.get(guild_id)
        now = self._invites[guild_id] = {one["code"]: _invite(one) for one in page}
        if before is None or not came:
            return
        used = {code: one.uses - (before[code].uses if code in before else 0) for code, one in now.items()}
        used = {code: more for code, more in used.items() if more > 0}
        # With its last use an invite is gone; one that ran out or was revoked has brought nobody.
        spent = [code for code, one in before.items() if code not in now and one.uses + 1 == one.most]
        code = next(iter(used), None) if not spent else spent[0] if not used and len(spent) == len(came) == 1 else None
        if code is None or (used and (len(used) > 1 or used[code] < len(came))):
            return  # several were used at once: nobody can tell who came by which
        inviter_id = (now.get(code) or before[code]).inviter_id
        self._writer.put(lambda: self._keeper.joined(guild_id, came, code, inviter_id))


@dataclass(frozen=True, kw_only=True)
class _Invite:
    """An invite as it was last seen. ``most``: how often it may be used; 0 is without a limit."""

    uses: int
    most: int
    inviter_id: UserId | None


def _invite(data: Payload) -> _Invite:
    inviter = data.get("inviter") or {}
    return _Invite(
        uses=data.get("uses") or 0,
        most=data.get("max_uses") or 0,
        inviter_id=UserId(int(inviter["id"])) if inviter.get("id") else None,
    )
