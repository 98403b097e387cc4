"""A guild in Discord's JSON: its settings, all of it as the gateway opens it, and who is in voice."""

from __future__ import annotations

from datetime import datetime

from kovra.sandbox import permissions
from kovra.sandbox.payloads.people import Json, iso, member, role
from kovra.sandbox.payloads.places import channel
from kovra.sandbox.world import Channel, Guild, World

#: What every guild of the sandbox has in common; the keys a client's parser asks for.
GUILD_CONSTANTS: Json = {
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
        **GUILD_CONSTANTS,
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


def guild_create(one: Guild, world: World, now: datetime, *, with_members: bool, large: bool) -> Json:
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
        "threads": [channel(c, world) for c in _active_threads(one, world, now)],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def _active_threads(one: Guild, world: World, now: datetime) -> list[Channel]:
    """The threads the bot can see that are not at rest."""
    awake = (c for c, thread in world.guild_threads(one) if not thread.archived)
    return [c for c in awake if permissions.in_channel(one, c, world.bot_id, now) & permissions.VIEW_CHANNEL]


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
