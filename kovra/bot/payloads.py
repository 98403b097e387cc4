"""Discord's objects, as REST and the gateway send them, read into Kovra's values. Ids travel as text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kovra.guard.native import NativeEntry
from kovra.ids import ChannelId, GuildId, RoleId, UserId
from kovra.store.mirror import BanRow, ChannelRow, GuildRow, MemberRow, RoleRow

Payload = Mapping[str, Any]


def guild_row(payload: Payload, guard_id: UserId, member_count: int) -> GuildRow:
    """A guild. GUILD_CREATE counts its members, GUILD_UPDATE does not."""
    return GuildRow(
        guild_id=GuildId(int(payload["id"])),
        name=payload["name"],
        icon=payload.get("icon"),
        owner_id=UserId(int(payload["owner_id"])),
        guard_id=guard_id,
        member_count=member_count,
        locale=payload.get("preferred_locale"),
    )


def role_row(payload: Payload) -> RoleRow:
    """A role."""
    return RoleRow(
        role_id=RoleId(int(payload["id"])),
        name=payload["name"],
        position=payload["position"],
        permissions=int(payload["permissions"]),
        colour=payload.get("color") or 0,
        managed=bool(payload.get("managed")),
    )


def channel_row(payload: Payload) -> ChannelRow:
    """A channel of a guild."""
    parent_id = payload.get("parent_id")
    return ChannelRow(
        channel_id=ChannelId(int(payload["id"])),
        name=payload.get("name") or "",
        kind=payload["type"],
        position=payload.get("position") or 0,
        parent_id=ChannelId(int(parent_id)) if parent_id else None,
        overwrites=payload.get("permission_overwrites") or [],
    )


def member_row(payload: Payload) -> MemberRow:
    """A member with its user; ``avatar`` is the user's own, not the one shown in this guild only."""
    user = payload["user"]
    return MemberRow(
        user_id=UserId(int(user["id"])),
        username=user["username"],
        global_name=user.get("global_name"),
        nick=payload.get("nick"),
        avatar=user.get("avatar"),
        bot=bool(user.get("bot")),
        role_ids=tuple(RoleId(int(role_id)) for role_id in payload["roles"]),
        joined_at=_moment(payload.get("joined_at")),
        timed_out_until=_moment(payload.get("communication_disabled_until")),
        pending=bool(payload.get("pending")),
    )


def ban_row(payload: Payload) -> BanRow:
    """A ban: from the list with its reason, from the gateway without."""
    user = payload["user"]
    return BanRow(
        user_id=UserId(int(user["id"])),
        username=user["username"],
        global_name=user.get("global_name"),
        avatar=user.get("avatar"),
        bot=bool(user.get("bot")),
        reason=payload.get("reason"),
    )


def native_entry(payload: Payload, guild_id: GuildId) -> NativeEntry:
    """An entry of the audit log, from the gateway or from the list."""
    change: Payload = next(
        (one for one in payload.get("changes") or () if one["key"] == "communication_disabled_until"), {}
    )
    return NativeEntry(
        guild_id=guild_id,
        audit_id=int(payload["id"]),
        kind=payload["action_type"],
        actor_id=_user(payload.get("user_id")),
        target_id=_user(payload.get("target_id")),
        reason=payload.get("reason") or "",
        until=_moment(change.get("new_value")),
        until_before=_moment(change.get("old_value")),
        options={name: str(value) for name, value in (payload.get("options") or {}).items()},
    )


def _user(text: str | None) -> UserId | None:
    return UserId(int(text)) if text else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
