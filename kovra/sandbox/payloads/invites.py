"""Invites in Discord's JSON."""

from __future__ import annotations

from datetime import timedelta

from kovra.sandbox.payloads.guilds import GUILD_CONSTANTS
from kovra.sandbox.payloads.people import Json, iso, user
from kovra.sandbox.world import Guild, Invite, World


def invite(one: Invite, guild: Guild, world: World) -> Json:
    where = world.channels[one.channel_id]
    return {
        "type": 0,
        **_invite_facts(one, world),
        "guild_id": str(guild.id),
        "guild": {
            **{key: GUILD_CONSTANTS[key] for key in _INVITE_GUILD},
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
