"""Which events a gateway session hears: intents, shards, and what the bot may see. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kovra.sandbox import permissions
from kovra.sandbox.world import Channel, Guild, World

GUILDS = 1 << 0
GUILD_MEMBERS = 1 << 1
GUILD_MODERATION = 1 << 2
GUILD_WEBHOOKS = 1 << 5
GUILD_INVITES = 1 << 6
GUILD_VOICE_STATES = 1 << 7
GUILD_PRESENCES = 1 << 8
GUILD_MESSAGES = 1 << 9
GUILD_REACTIONS = 1 << 10
DIRECT_MESSAGES = 1 << 12
DIRECT_REACTIONS = 1 << 13
MESSAGE_CONTENT = 1 << 15
AUTOMOD_CONFIGURATION = 1 << 20
AUTOMOD_EXECUTION = 1 << 21

_NAMES_BY_INTENT = {
    GUILDS: "GUILD_CREATE GUILD_UPDATE GUILD_DELETE GUILD_ROLE_CREATE GUILD_ROLE_UPDATE GUILD_ROLE_DELETE "
    "CHANNEL_CREATE CHANNEL_UPDATE CHANNEL_DELETE CHANNEL_PINS_UPDATE THREAD_CREATE THREAD_UPDATE THREAD_DELETE "
    "THREAD_LIST_SYNC THREAD_MEMBER_UPDATE",
    GUILD_MEMBERS: "GUILD_MEMBER_ADD GUILD_MEMBER_UPDATE GUILD_MEMBER_REMOVE THREAD_MEMBERS_UPDATE",
    GUILD_MODERATION: "GUILD_AUDIT_LOG_ENTRY_CREATE GUILD_BAN_ADD GUILD_BAN_REMOVE",
    GUILD_WEBHOOKS: "WEBHOOKS_UPDATE",
    GUILD_INVITES: "INVITE_CREATE INVITE_DELETE",
    GUILD_VOICE_STATES: "VOICE_STATE_UPDATE",
    GUILD_MESSAGES: "MESSAGE_CREATE MESSAGE_UPDATE MESSAGE_DELETE MESSAGE_DELETE_BULK",
    GUILD_REACTIONS: "MESSAGE_REACTION_ADD MESSAGE_REACTION_REMOVE MESSAGE_REACTION_REMOVE_ALL "
    "MESSAGE_REACTION_REMOVE_EMOJI",
    AUTOMOD_CONFIGURATION: "AUTO_MODERATION_RULE_CREATE AUTO_MODERATION_RULE_UPDATE AUTO_MODERATION_RULE_DELETE",
    AUTOMOD_EXECUTION: "AUTO_MODERATION_ACTION_EXECUTION",
}
_INTENT = {name: intent for intent, names in _NAMES_BY_INTENT.items() for name in names.split()}

#: Permissions one of which the bot must hold to be told (Discord's documentation of each event).
_NEEDED = {
    "GUILD_BAN_ADD": permissions.BAN_MEMBERS | permissions.VIEW_AUDIT_LOG,
    "GUILD_BAN_REMOVE": permissions.BAN_MEMBERS | permissions.VIEW_AUDIT_LOG,
    "GUILD_AUDIT_LOG_ENTRY_CREATE": permissions.VIEW_AUDIT_LOG,
    "AUTO_MODERATION_RULE_CREATE": permissions.MANAGE_GUILD,
    "AUTO_MODERATION_RULE_UPDATE": permissions.MANAGE_GUILD,
    "AUTO_MODERATION_RULE_DELETE": permissions.MANAGE_GUILD,
    "AUTO_MODERATION_ACTION_EXECUTION": permissions.MANAGE_GUILD,
}

_CONTENT_EVENTS = frozenset({"MESSAGE_CREATE", "MESSAGE_UPDATE"})


def shard_of(guild_id: int | None, shards: int) -> int:
    """The shard that carries a guild's events; what belongs to no guild goes to the first."""
    return 0 if guild_id is None else (guild_id >> 22) % shards


def intent_of(name: str, *, in_guild: bool) -> int:
    """The intent an event needs; 0 for those that are always sent."""
    if name.startswith("MESSAGE_") and not in_guild:
        return DIRECT_REACTIONS if name.startswith("MESSAGE_REACTION_") else DIRECT_MESSAGES
    return _INTENT.get(name, 0)


def concerns_bot(name: str, payload: dict[str, Any], bot_id: int) -> bool:
    """Whether a member event is the bot's own affair, and is sent without the members intent."""
    if name == "GUILD_MEMBER_UPDATE":
        return payload["user"]["id"] == str(bot_id)
    if name == "THREAD_MEMBERS_UPDATE":
        joined = [each["user_id"] for each in payload.get("added_members", [])]
        return str(bot_id) in joined + payload.get("removed_member_ids", [])
    return False


def bot_may_hear(name: str, world: World, guild: Guild | None, channel: Channel | None, now: datetime) -> bool:
    """Whether the bot's own rights let it hear the event."""
    # A guild's end is told when the bot is out of it already.
    if guild is None or name == "GUILD_DELETE":
        return True
    if world.bot_id not in guild.members:
        return False
    needed = _NEEDED.get(name)
    if needed is not None and not permissions.of_member(guild, world.bot_id, now) & needed:
        return False
    if channel is None or not name.startswith(("MESSAGE_", "THREAD_", "CHANNEL_PINS_")):
        return True
    return bool(permissions.in_channel(guild, channel, world.bot_id, now) & permissions.VIEW_CHANNEL)


def is_veiled(name: str, payload: dict[str, Any], bot_id: int) -> bool:
    """Whether a session without the content intent gets this message without what it says.

    The bot's own messages, DMs, and messages that mention the bot come whole (Discord, Message Content Intent).
    """
    if name not in _CONTENT_EVENTS or "guild_id" not in payload:
        return False
    return payload["author"]["id"] != str(bot_id) and f"<@{bot_id}>" not in payload["content"]


def veil(payload: dict[str, Any]) -> dict[str, Any]:
    """The message without its content, embeds, attachments and components."""
    return {**payload, "content": "", "embeds": [], "attachments": [], "components": []}
