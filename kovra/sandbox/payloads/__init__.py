"""The state in Discord's JSON: one function per kind of thing. Pure.

``people`` users, members, roles; ``places`` channels, threads; ``invites``; ``guilds`` a guild whole, and voice;
``messages`` with reactions and webhooks; ``records`` the audit log and the application.

Ids and permission bits are text; moments are ISO 8601 with the offset. Optional objects that a thing does not have are
left out rather than null where clients break on null (``guild_id`` of a DM message, ``thread``).
"""

from kovra.sandbox.payloads.guilds import guild, guild_create, incidents, voice_state
from kovra.sandbox.payloads.invites import invite, invite_event
from kovra.sandbox.payloads.messages import (
    HAS_THREAD,
    THREAD_STARTER,
    emoji,
    forwarded,
    message,
    message_event,
    webhook,
)
from kovra.sandbox.payloads.people import Json, iso, member, own_user, role, user
from kovra.sandbox.payloads.places import MOST_COUNTED, channel, thread_member, whole_thread_member
from kovra.sandbox.payloads.records import application, audit_entry

__all__ = [
    "HAS_THREAD",
    "MOST_COUNTED",
    "THREAD_STARTER",
    "Json",
    "application",
    "audit_entry",
    "channel",
    "emoji",
    "forwarded",
    "guild",
    "guild_create",
    "incidents",
    "invite",
    "invite_event",
    "iso",
    "member",
    "message",
    "message_event",
    "own_user",
    "role",
    "thread_member",
    "user",
    "voice_state",
    "webhook",
    "whole_thread_member",
]
