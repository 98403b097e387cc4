"""What the mirror and the ears ask of Discord, through the bot."""

from __future__ import annotations

from typing import Any

import discord

from kovra.guard.deleters import DELETE
from kovra.ids import GuildId, UserId


class Inquiries:
    """Members, bans, the audit log and invites of a guild, as Discord has them now."""

    def __init__(self, bot: discord.AutoShardedBot) -> None:
        self._bot = bot

    async def ask_members(self, guild_id: GuildId, nonce: str) -> None:
        await self._bot._connection.chunker(guild_id, nonce=nonce)

    async def bans_after(self, guild_id: GuildId, user_id: UserId, limit: int) -> list[dict[str, Any]]:
        return await self._bot.http.get_bans(guild_id, limit=limit, after=user_id)

    async def audit_after(self, guild_id: GuildId, audit_id: int | None, limit: int) -> list[dict[str, Any]]:
        log_page = await self._bot.http.get_audit_logs(guild_id, limit=limit, after=audit_id)
        return log_page["audit_log_entries"]

    async def deletions(self, guild_id: GuildId) -> list[dict[str, Any]]:
        log_page = await self._bot.http.get_audit_logs(guild_id, limit=100, action_type=DELETE)
        return log_page["audit_log_entries"]

    async def invites_of(self, guild_id: GuildId) -> list[dict[str, Any]]:
        return await self._bot.http.invites_from(guild_id)
