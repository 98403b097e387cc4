"""People and roles in Discord's JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kovra.sandbox.world import Member, Role, User

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
