"""The state in Discord's JSON: one function per kind of thing. Pure.

Ids and permission bits are text; moments are ISO 8601 with the offset. Optional objects that a thing does not have are
left out rather than null where clients break on null (``guild_id`` of a DM message, ``thread``).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from kovra.sandbox.world import AuditEntry, Channel, ChannelType, Guild, Invite, Member, Message, Role, User, World

Json = dict[str, Any]


def iso(at: datetime | None) -> str | None:
    """A moment as Discord writes it."""
    return None if at is None else at.isoformat(timespec="microseconds")


def user(who: User) -> Json:
    return {
        "id": str(who.id),
        "username": who.username,
        "discriminator": "0000" if who.bot else "0",
        "global_name": who.global_name,
        "avatar": None,
        "bot": who.bot,
        "system": False,
        "public_flags": 0,
        "flags": 0,
        "banner": None,
        "accent_color": None,
        "avatar_decoration_data": None,
        "collectibles": None,
        "primary_guild": None,
    }


def own_user(who: User) -> Json:
    """A user as that user sees itself: with mfa and locale; no e-mail, for the scope is never granted here."""
    return {**user(who), "mfa_enabled": who.mfa, "locale": "en-US", "verified": True, "email": None}


def member(one: Member, who: User | None) -> Json:
    """A member; without ``who`` the user is left out, as in messages and ``resolved``."""
    payload: Json = {
        "avatar": None,
        "banner": None,
        "communication_disabled_until": iso(one.timed_out_until),
        "flags": one.flags,
        "joined_at": iso(one.joined_at),
        "nick": one.nick,
        "pending": False,
        "premium_since": None,
        "roles": [str(role_id) for role_id in one.roles],
        "mute": one.mute,
        "deaf": one.deaf,
    }
    if who is not None:
        payload["user"] = user(who)
    return payload


def role(one: Role) -> Json:
    return {
        "id": str(one.id),
        "name": one.name,
        "description": None,
        "permissions": str(one.permissions),
        "position": one.position,
        "color": one.color,
        "colors": {"primary_color": one.color, "secondary_color": None, "tertiary_color": None},
        "hoist": one.hoist,
        "managed": one.managed,
        "mentionable": one.mentionable,
        "icon": None,
        "unicode_emoji": None,
        "flags": 0,
    }


def channel(one: Channel, world: World) -> Json:
    if one.type == ChannelType.DM:
        return _dm(one, world)
    payload: Json = {
        "id": str(one.id),
        "type": one.type,
        "guild_id": str(one.guild_id),
        "name": one.name,
        "position": one.position,
        "flags": 0,
        "parent_id": None if one.parent_id is None else str(one.parent_id),
        "permission_overwrites": [
            {"id": str(o.id), "type": o.type, "allow": str(o.allow), "deny": str(o.deny)}
            for o in one.overwrites.values()
        ],
        "nsfw": one.nsfw,
        "last_message_id": None if one.last_message_id is None else str(one.last_message_id),
        "rate_limit_per_user": one.slowmode_s,
    }
    if one.type == ChannelType.TEXT:
        payload["topic"] = one.topic
    if one.type == ChannelType.VOICE:
        payload |= {"bitrate": 64000, "user_limit": 0, "rtc_region": None, "video_quality_mode": 1}
    return payload


def _dm(one: Channel, world: World) -> Json:
    return {
        "id": str(one.id),
        "type": int(ChannelType.DM),
        "flags": 0,
        "last_message_id": None if one.last_message_id is None else str(one.last_message_id),
        "recipients": [user(world.users[one.recipient_id])] if one.recipient_id is not None else [],
    }


#: What every guild of the sandbox has in common; the keys a client's parser asks for.
_GUILD_CONSTANTS: Json = {
    "icon": None,
    "description": None,
    "home_header": None,
    "splash": None,
    "discovery_splash": None,
    "banner": None,
    "application_id": None,
    "region": "us-west",
    "afk_channel_id": None,
    "afk_timeout": 300,
    "system_channel_flags": 0,
    "widget_enabled": False,
    "widget_channel_id": None,
    "default_message_notifications": 1,
    "explicit_content_filter": 0,
    "max_presences": None,
    "max_members": 500000,
    "max_stage_video_channel_users": 50,
    "max_video_channel_users": 25,
    "vanity_url_code": None,
    "premium_tier": 0,
    "premium_subscription_count": 0,
    "preferred_locale": "en-US",
    "rules_channel_id": None,
    "safety_alerts_channel_id": None,
    "public_updates_channel_id": None,
    "premium_progress_bar_enabled": False,
    "nsfw": False,
    "nsfw_level": 0,
    "hub_type": None,
    "emojis": [],
    "stickers": [],
}


def guild(one: Guild) -> Json:
    return {
        **_GUILD_CONSTANTS,
        "id": str(one.id),
        "name": one.name,
        "owner_id": str(one.owner_id),
        "features": one.features,
        "verification_level": one.verification_level,
        "mfa_level": one.mfa_level,
        "system_channel_id": None if one.system_channel_id is None else str(one.system_channel_id),
        "roles": [role(r) for r in one.roles.values()],
        "incidents_data": incidents(one),
    }


def incidents(one: Guild) -> Json | None:
    """The guild's incident actions, null when nothing is paused."""
    if one.invites_disabled_until is None and one.dms_disabled_until is None:
        return None
    return {
        "invites_disabled_until": iso(one.invites_disabled_until),
        "dms_disabled_until": iso(one.dms_disabled_until),
        "raid_detected_at": None,
        "dm_spam_detected_at": None,
    }


def guild_create(one: Guild, world: World, *, with_members: bool, large: bool) -> Json:
    """A guild as the gateway opens it. Without presences only the bot and those in voice are listed as members."""
    listed = one.members.values() if with_members else [one.members[world.bot_id]]
    if not with_members:
        listed += [one.members[i] for i in one.voice if i in one.members and i != world.bot_id]
    return {
        **guild(one),
        "joined_at": iso(one.members[world.bot_id].joined_at),
        "large": large,
        "unavailable": False,
        "member_count": len(one.members),
        "members": [member(m, world.users[m.user_id]) for m in listed],
        "channels": [channel(c, world) for c in world.guild_channels(one)],
        "voice_states": [voice_state(one, i) for i in one.voice],
        "threads": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def voice_state(one: Guild, user_id: int) -> Json:
    """Where a member is connected to voice; ``channel_id`` is null once the member has left it."""
    channel_id, who = one.voice.get(user_id), one.members.get(user_id)
    return {
        "guild_id": str(one.id),
        "channel_id": None if channel_id is None else str(channel_id),
        "user_id": str(user_id),
        "session_id": f"{user_id:x}",
        "deaf": who is not None and who.deaf,
        "mute": who is not None and who.mute,
        "self_deaf": False,
        "self_mute": False,
        "self_stream": False,
        "self_video": False,
        "suppress": False,
        "request_to_speak_timestamp": None,
    }


def message(one: Message, world: World) -> Json:
    payload: Json = {
        "id": str(one.id),
        "channel_id": str(one.channel_id),
        "type": one.type,
        "content": one.content,
        "mentions": [],
        "mention_roles": [],
        "attachments": one.attachments,
        "embeds": one.embeds,
        "timestamp": iso(one.sent_at),
        "edited_timestamp": iso(one.edited_at),
        "flags": one.flags,
        "components": one.components,
        "author": user(world.users[one.author_id]),
        "pinned": one.pinned,
        "mention_everyone": False,
        "tts": False,
    }
    if one.nonce is not None:
        payload["nonce"] = one.nonce
    if one.reply_to is not None:
        payload["message_reference"] = {"type": 0, "channel_id": str(one.channel_id), "message_id": str(one.reply_to)}
    return payload


def message_event(one: Message, world: World) -> Json:
    """A message as the gateway tells of it: with the guild and the author's membership."""
    payload = message(one, world)
    guild_id = world.channels[one.channel_id].guild_id
    if guild_id is not None:
        payload["guild_id"] = str(guild_id)
        author = world.guilds[guild_id].members.get(one.author_id)
        if author is not None:
            payload["member"] = member(author, None)
    return payload


def audit_entry(one: AuditEntry) -> Json:
    payload: Json = {
        "id": str(one.id),
        "action_type": one.action,
        "user_id": None if one.user_id is None else str(one.user_id),
        "target_id": None if one.target_id is None else str(one.target_id),
    }
    if one.changes is not None:
        payload["changes"] = one.changes
    if one.options is not None:
        payload["options"] = one.options
    if one.reason:
        payload["reason"] = one.reason
    return payload


def invite(one: Invite, guild: Guild, world: World) -> Json:
    where = world.channels[one.channel_id]
    return {
        "type": 0,
        **_invite_facts(one, world),
        "guild_id": str(guild.id),
        "guild": {
            **{key: _GUILD_CONSTANTS[key] for key in _INVITE_GUILD},
            "id": str(guild.id),
            "name": guild.name,
            "features": guild.features,
            "verification_level": guild.verification_level,
        },
        "channel": {"id": str(where.id), "type": where.type, "name": where.name},
    }


_INVITE_GUILD = (
    "splash", "banner", "description", "icon", "vanity_url_code", "nsfw_level", "nsfw", "premium_subscription_count"
)  # fmt: skip


def invite_event(one: Invite, guild: Guild, world: World) -> Json:
    """An invite as the gateway tells of it: with ids in place of the guild and the channel."""
    return {**_invite_facts(one, world), "guild_id": str(guild.id), "channel_id": str(one.channel_id)}


def _invite_facts(one: Invite, world: World) -> Json:
    ends_at = one.created_at + timedelta(seconds=one.max_age_s) if one.max_age_s else None
    return {
        "code": one.code,
        "inviter": user(world.users[one.inviter_id]),
        "created_at": iso(one.created_at),
        "expires_at": iso(ends_at),
        "max_age": one.max_age_s,
        "max_uses": one.max_uses,
        "uses": one.uses,
        "temporary": False,
    }


def application(world: World) -> Json:
    """The bot's application. Flags: message content and members intents, limited, as for a small bot."""
    flags = 1 << 15 | 1 << 19
    return {
        "id": str(world.bot_id),
        "name": world.users[world.bot_id].username,
        "icon": None,
        "description": "",
        "type": None,
        "verify_key": "00" * 32,
        "flags": flags,
        "flags_new": str(flags),
        "bot_public": True,
        "bot_require_code_grant": False,
        "summary": "",
    }
