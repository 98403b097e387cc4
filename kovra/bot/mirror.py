"""The mirror: Discord's state, written down from what the gateway says, so that nobody else has to ask Discord.

A guild is told whole when it becomes available; its members and bans are then asked for. From there on each event is
written as it comes. Everything is queued in the order of the events and written by one thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Protocol

import aiohttp
import discord

from kovra.bot import payloads
from kovra.bot.payloads import Payload
from kovra.bot.ports import Hints
from kovra.bot.rejoin import RejoinDoor
from kovra.bot.rolls import Roll
from kovra.bot.writer import Writer
from kovra.ids import ChannelId, GuildId, RoleId, UserId
from kovra.store.mirror import BanRow, GuildRow, MemberRow
from kovra.store.mirror import Mirror as StoredMirror

log = logging.getLogger(__name__)

#: A member list that is not complete after this long is asked for again, in seconds. Discord allows one per 30 s.
ASK_AGAIN_S = 60.0

#: A page of bans (API reference, Get Guild Bans).
_BANS_PAGE = 1000

#: How long to wait before a page of bans is asked for again, in seconds.
_PAUSE_S = 5.0


class Asker(Protocol):
    """What the mirror asks of Discord."""

    async def ask_members(self, guild_id: GuildId, nonce: str) -> None:
        """Ask for the member list of a guild; it comes in GUILD_MEMBERS_CHUNK events with this nonce."""

    async def bans_after(self, guild_id: GuildId, user_id: UserId, limit: int) -> list[dict[str, Any]]:
        """The next page of bans, by rising user id."""


class Mirror:
    """Reads events and queues writes. Belongs to the gateway's loop, and never blocks it."""

    def __init__(
        self,
        stored: StoredMirror,
        writer: Writer,
        asker: Asker,
        hints: Hints | None = None,
        rejoins: RejoinDoor | None = None,
    ) -> None:
        self._stored, self._writer, self._asker, self._hints = stored, writer, asker, hints
        self._rejoins = rejoins
        self._guard_id = UserId(0)
        self._guilds: dict[GuildId, GuildRow] = {}
        #: Guilds whose members (and bans) are being taken down.
        self._member_rolls: dict[GuildId, Roll[MemberRow]] = {}
        self._ban_rolls: dict[GuildId, Roll[BanRow]] = {}
        self._calm = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._readers = {
            name.removeprefix("_on_").upper(): getattr(self, name) for name in dir(self) if name.startswith("_on_")
        }

    def tap(self, name: str, data: Payload) -> None:
        """See one event of the gateway."""
        if reader := self._readers.get(name):
            reader(data)
            self._look_calm()

    async def settled(self) -> None:
        """Wait until no guild's members or bans are being taken down."""
        await self._calm.wait()

    def settling_on(self, shard_id: int, shard_count: int) -> bool:
        """Whether the members of some guild of this gateway shard are not all known yet."""
        return any((guild_id >> 22) % shard_count == shard_id for guild_id in self._member_rolls)

    def ask_again(self) -> None:
        """Ask anew for member lists that have not come."""
        late = time.monotonic() - ASK_AGAIN_S
        for guild_id, roll in list(self._member_rolls.items()):
            if roll.asked_at < late:
                log.warning("the members of %s have not come; asking again", guild_id)
                self._take_members(guild_id)

    def close(self) -> None:
        """Ask Discord for nothing more."""
        for task in self._tasks:
            task.cancel()

    # Guilds

    def _on_ready(self, data: Payload) -> None:
        self._guard_id = UserId(int(data["user"]["id"]))
        present = {GuildId(int(guild["id"])) for guild in data["guilds"]}
        if "shard" in data:
            shard_id, shard_count = data["shard"]
            self._writer.put(lambda: self._removed_while_away(present, shard_id, shard_count))

    def _removed_while_away(self, present: set[GuildId], shard_id: int, shard_count: int) -> None:
        for guild_id in self._stored.gone_while_away(present, shard_id, shard_count):
            log.info("Guard was removed from %s while it was away", guild_id)
            if self._hints is not None:
                self._hints(guild_id, "guild.left", {})

    def _on_guild_create(self, data: Payload) -> None:
        if data.get("unavailable"):
            return
        row = payloads.guild_row(data, self._guard_id, data["member_count"])
        channels = [payloads.channel_row(channel) for channel in data["channels"]]
        self._write_guild(row)
        self._write_roles(row.guild_id, data)
        self._writer.put(lambda: self._stored.channels(row.guild_id, channels))
        self._take_members(row.guild_id)
        self._take_bans(row.guild_id)

    def _on_guild_update(self, data: Payload) -> None:
        known = self._guilds.get(GuildId(int(data["id"])))
        if known is not None:
            self._write_guild(payloads.guild_row(data, self._guard_id, known.member_count))
            self._hint(known.guild_id, "guild.updated")
            self._write_roles(known.guild_id, data)

    def _on_guild_delete(self, data: Payload) -> None:
        guild_id = GuildId(int(data["id"]))
        self._member_rolls.pop(guild_id, None)
        self._ban_rolls.pop(guild_id, None)
        # During an outage of Discord the guild is only out of sight.
        if not data.get("unavailable"):
            self._guilds.pop(guild_id, None)
            self._writer.part(("count", guild_id))
            self._writer.put(lambda: self._stored.guild_gone(guild_id))
            self._hint(guild_id, "guild.left")

    def _write_guild(self, row: GuildRow) -> None:
        self._guilds[row.guild_id] = row
        self._writer.part(("count", row.guild_id))
        self._writer.put(lambda: self._stored.guild(row))

    def _count(self, guild_id: GuildId, more: int) -> None:
        if (known := self._guilds.get(guild_id)) is not None:
            row = self._guilds[guild_id] = replace(known, member_count=max(0, known.member_count + more))
            self._writer.put_with(("count", guild_id), row, lambda rows: self._stored.guild(rows[-1]))

    # Roles and channels

    def _write_roles(self, guild_id: GuildId, data: Payload) -> None:
        roles = [payloads.role_row(role) for role in data["roles"]]
        self._writer.put(lambda: self._stored.roles(guild_id, roles))
        self._hint(guild_id, "role.updated")

    def _on_guild_role_create(self, data: Payload) -> None:
        guild_id, row = GuildId(int(data["guild_id"])), payloads.role_row(data["role"])
        self._writer.put(lambda: self._stored.role(guild_id, row))
        self._hint(guild_id, "role.updated")

    _on_guild_role_update = _on_guild_role_create

    def _on_guild_role_delete(self, data: Payload) -> None:
        guild_id, role_id = GuildId(int(data["guild_id"])), RoleId(int(data["role_id"]))
        self._writer.put(lambda: self._stored.role_gone(guild_id, role_id))
        self._hint(guild_id, "role.updated")

    def _on_channel_create(self, data: Payload) -> None:
        if data.get("guild_id"):
            guild_id, row = GuildId(int(data["guild_id"])), payloads.channel_row(data)
            self._writer.put(lambda: self._stored.channel(guild_id, row))
            self._hint(guild_id, "channel.updated", channel_id=row.channel_id)

    _on_channel_update = _on_channel_create

    def _on_channel_delete(self, data: Payload) -> None:
        if data.get("guild_id"):
            guild_id, channel_id = GuildId(int(data["guild_id"])), ChannelId(int(data["id"]))
            self._writer.put(lambda: self._stored.channel_gone(guild_id, channel_id))
            self._hint(guild_id, "channel.updated", channel_id=channel_id)

    def _on_voice_state_update(self, data: Payload) -> None:
        # Nothing of voice is kept; whoever looks at it is told to look again.
        if data.get("guild_id"):
            self._hint(GuildId(int(data["guild_id"])), "voice.updated", user_id=UserId(int(data["user_id"])))

    # Members

    def _take_members(self, guild_id: GuildId) -> None:
        roll = self._member_rolls[guild_id] = Roll[MemberRow]()
        self._soon(self._asker.ask_members(guild_id, roll.nonce))

    def _on_guild_members_chunk(self, data: Payload) -> None:
        guild_id = GuildId(int(data["guild_id"]))
        roll = self._member_rolls.get(guild_id)
        if roll is None or roll.nonce != data.get("nonce"):
            return
        for member in data["members"]:
            row = payloads.member_row(member)
            roll.listed(row.user_id, row)
        if roll.has_part(data["chunk_index"], of=data["chunk_count"]):
            del self._member_rolls[guild_id]
            rows = list(roll.rows.values())
            log.info("%s members of %s are known", len(rows), guild_id)
            self._writer.part(("gone", guild_id))
            self._writer.put(lambda: self._stored.members(guild_id, rows, complete=True))
            self._look_for_rejoined(guild_id)

    def _on_guild_member_add(self, data: Payload) -> None:
        self._member_changed(data, "member.joined")
        self._look_for_rejoined(GuildId(int(data["guild_id"])), UserId(int(data["user"]["id"])))
        self._count(GuildId(int(data["guild_id"])), +1)

    def _look_for_rejoined(self, guild_id: GuildId, user_id: UserId | None = None) -> None:
        if (rejoins := self._rejoins) is not None:
            # In the writer's thread, after the write: rights are decided from what the mirror knows.
            self._writer.put(lambda: rejoins.look(guild_id, user_id))

    def _on_guild_member_update(self, data: Payload) -> None:
        self._member_changed(data, "member.updated")

    def _member_changed(self, data: Payload, hint: str) -> None:
        guild_id, row = GuildId(int(data["guild_id"])), payloads.member_row(data)
        if roll := self._member_rolls.get(guild_id):
            roll.changed(row.user_id, row)
        self._writer.part(("gone", guild_id))
        self._writer.put(lambda: self._stored.member(guild_id, row))
        self._hint(guild_id, hint, user_id=row.user_id)

    def _on_guild_member_remove(self, data: Payload) -> None:
        guild_id, user_id = GuildId(int(data["guild_id"])), UserId(int(data["user"]["id"]))
        if roll := self._member_rolls.get(guild_id):
            roll.changed(user_id, None)
        self._writer.put_with(("gone", guild_id), user_id, lambda ids: self._stored.members_gone(guild_id, ids))
        self._count(guild_id, -1)
        self._hint(guild_id, "member.left", user_id=user_id)

    # Bans

    def _take_bans(self, guild_id: GuildId) -> None:
        roll = self._ban_rolls[guild_id] = Roll[BanRow]()
        self._soon(self._read_bans(guild_id, roll))

    async def _read_bans(self, guild_id: GuildId, roll: Roll[BanRow]) -> None:
        """Read the pages of bans; the gateway tells only what changes."""
        last = UserId(0)
        while self._ban_rolls.get(guild_id) is roll:
            try:
                page = await self._asker.bans_after(guild_id, last, _BANS_PAGE)
            except (discord.Forbidden, discord.NotFound) as error:
                # Without Ban Members Guard sees no bans; everything else goes on.
                log.warning("the bans of %s cannot be read: %s", guild_id, error)
                self._end_bans(guild_id, roll, complete=False)
                return
            except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
                log.info("the bans of %s are read again in %s s: %r", guild_id, _PAUSE_S, error)
                await asyncio.sleep(_PAUSE_S)  # before the page is asked for again
                continue
            for ban in page:
                row = payloads.ban_row(ban)
                roll.listed(row.user_id, row)
                last = max(last, row.user_id)
            if len(page) < _BANS_PAGE:
                self._end_bans(guild_id, roll, complete=True)

    def _end_bans(self, guild_id: GuildId, roll: Roll[BanRow], *, complete: bool) -> None:
        if self._ban_rolls.get(guild_id) is not roll:
            return
        del self._ban_rolls[guild_id]
        if complete:
            rows = list(roll.rows.values())
            self._writer.part(("banned", guild_id))
            self._writer.put(lambda: self._stored.bans(guild_id, rows, complete=True))
        self._look_calm()

    def _on_guild_ban_add(self, data: Payload) -> None:
        guild_id, row = GuildId(int(data["guild_id"])), payloads.ban_row(data)
        if roll := self._ban_rolls.get(guild_id):
            roll.changed(row.user_id, row)
        self._writer.put_with(("banned", guild_id), row, lambda rows: self._stored.banned(guild_id, rows))
        self._hint(guild_id, "ban.added", user_id=row.user_id)

    def _on_guild_ban_remove(self, data: Payload) -> None:
        guild_id, user_id = GuildId(int(data["guild_id"])), UserId(int(data["user"]["id"]))
        if roll := self._ban_rolls.get(guild_id):
            roll.changed(user_id, None)
        self._writer.part(("banned", guild_id))
        self._writer.put(lambda: self._stored.ban_gone(guild_id, user_id))
        self._hint(guild_id, "ban.removed", user_id=user_id)

    # Around it

    def _look_calm(self) -> None:
        if self._member_rolls or self._ban_rolls:
            self._calm.clear()
        else:
            self._calm.set()

    def _hint(self, guild_id: GuildId, kind: str, **ids: int) -> None:
        if self._hints is not None:
            facts = {name: str(each) for name, each in ids.items()}
            # In the writer's thread, after the write: whoever looks again because of it finds the new state.
            self._writer.put(lambda: self._hints(guild_id, kind, facts))

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._asked)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            # A broken connection: the guild comes again with the next one, or its members are asked for again.
            log.warning("asking Discord for the mirror failed: %r", error)
