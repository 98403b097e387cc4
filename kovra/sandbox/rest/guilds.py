"""The guild itself: its settings, incident actions, and what else hangs on it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kovra.sandbox import errors, payloads, permissions
from kovra.sandbox.deeds import places as deeds
from kovra.sandbox.rest.call import Call, moment_or_none, snowflake, whole_number
from kovra.sandbox.rest.routing import Table
from kovra.sandbox.stage import change

table = Table()

#: The highest verification level.
HIGHEST_LEVEL = 4
#: What a server may switch on by itself (API reference, Mutable Guild Features).
MUTABLE_FEATURES = ("COMMUNITY", "DISCOVERABLE", "INVITES_DISABLED", "RAID_ALERTS_DISABLED")
#: The longest pause of invites or DMs, and a little slack for clocks that differ.
MOST_PAUSE = timedelta(hours=24, seconds=5)


@table.on("GET", "/guilds/{guild_id}")
def guild(call: Call) -> dict[str, Any]:
    found = call.guild()
    payload = payloads.guild(found)
    if call.flag("with_counts"):
        payload |= {"approximate_member_count": len(found.members), "approximate_presence_count": 1}
    return payload


@table.on("GET", "/guilds/{guild_id}/preview")
def preview(call: Call) -> dict[str, Any]:
    found = call.guild()
    payload = payloads.guild(found)
    pictures = ("icon", "home_header", "splash", "discovery_splash", "emojis", "stickers")
    return {
        **{key: payload[key] for key in ("id", "name", "description", "features", *pictures)},
        "approximate_member_count": len(found.members),
        "approximate_presence_count": 1,
    }


@table.on("GET", "/guilds/{guild_id}/emojis")
@table.on("GET", "/guilds/{guild_id}/stickers")
def own_pictures(call: Call) -> list[Any]:
    """The sandbox has none of its own."""
    call.guild()
    return []


@table.on("GET", "/guilds/{guild_id}/regions")
def guild_regions(call: Call) -> list[dict[str, Any]]:
    call.guild()
    return regions(call)


@table.on("GET", "/voice/regions")
def regions(call: Call) -> list[dict[str, Any]]:
    return [{"id": "us-west", "name": "US West", "custom": False, "deprecated": False, "optimal": True}]


@table.on("PATCH", "/guilds/{guild_id}")
def edit_guild(call: Call) -> dict[str, Any]:
    found = call.guild(permissions.MANAGE_GUILD)
    changes = []
    for key in ("name", "features", "verification_level"):
        if call.body.get(key) is None:
            continue
        new = whole_number(key, call.body[key]) if key == "verification_level" else call.body[key]
        if key == "verification_level" and new not in range(HIGHEST_LEVEL + 1):
            raise errors.invalid_form(key, "BASE_TYPE_CHOICES", "Value must be one of (0, 1, 2, 3, 4).")
        if key == "features":
            _require_known_features(new, found.features)
        old = getattr(found, key)
        if new != old:
            setattr(found, key, new)
            changes.append(change(key, old, new))
    if "system_channel_id" in call.body:
        new = call.body["system_channel_id"]
        found.system_channel_id = None if new is None else snowflake("system_channel_id", new)
    deeds.guild_changed(call.stage, found, changes, by=call.bot_id, reason=call.reason)
    return payloads.guild(found)


def _require_known_features(wanted: list[str], held: list[str]) -> None:
    """Refuse features that a server cannot give itself and does not have."""
    for at, feature in enumerate(wanted):
        if feature not in MUTABLE_FEATURES and feature not in held:
            raise errors.invalid_form(f"features.{at}", "BASE_TYPE_CHOICES", f'Unknown feature "{feature}".')


@table.on("PUT", "/guilds/{guild_id}/incident-actions")
def incident_actions(call: Call) -> dict[str, Any]:
    """Pause invites and DMs for at most 24 hours; null or a missing key lifts that pause."""
    found = call.guild(permissions.MANAGE_GUILD)
    wanted = {}
    for key in ("invites_disabled_until", "dms_disabled_until"):
        wanted[key] = moment_or_none(key, call.body.get(key))
        if wanted[key] is not None and wanted[key] > call.stage.now() + MOST_PAUSE:
            raise errors.invalid_form(key, "INCIDENT_ACTIONS_DATE_TOO_FAR", "Must be within 24 hours.")
    found.invites_disabled_until = wanted["invites_disabled_until"]
    found.dms_disabled_until = wanted["dms_disabled_until"]
    # Discord does not document an audit entry for these; the guild's update is told of, nothing is recorded.
    deeds.guild_changed(call.stage, found, [], by=call.bot_id, reason=None)
    call.stage.count(call.bot_id, call.reason, "incident_actions")
    return {key: payloads.iso(until) for key, until in wanted.items()}
