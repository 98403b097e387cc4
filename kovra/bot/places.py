"""Guard's hands on channels and on the server itself: a part of :class:`~kovra.bot.rest.GuardRest`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kovra.bot.http import GuardHTTP
from kovra.ids import GuildId

#: A hundred messages are the most Discord tells or deletes at once; fewer than two it deletes one by one.
_PAGE, _FEWEST_AT_ONCE = 100, 2

#: A role's overwrite, as Discord numbers kinds of overwrites (API reference, Channel).
_OF_ROLE = 0


@dataclass(frozen=True, kw_only=True)
class MessageNow:
    """A message, as far as deleting it goes."""

    message_id: int
    author_id: int
    pinned: bool


@dataclass(frozen=True, kw_only=True)
class ChannelNow:
    """A channel. ``everyone``: the bits it allows and denies @everyone, None when it says nothing of its own."""

    channel_id: int
    kind: int
    slow_s: int
    everyone: tuple[int, int] | None


@dataclass(frozen=True, kw_only=True)
class ServerNow:
    """What of a server a lockdown changes."""

    level: int
    invites_until: datetime | None
    dms_until: datetime | None


class PlaceCalls:
    """Acts and looks of Guard that are about places; each act is one HTTP attempt."""

    _call: Callable[[Callable[[GuardHTTP], Awaitable[Any]]], Any]

    def set_everyone(self, guild_id: GuildId, channel_id: int, bits: tuple[int, int] | None, *, reason: str) -> None:
        """What a channel allows and denies @everyone, whose role has the guild's id."""
        if bits is None:
            self._call(lambda http: http.delete_channel_permissions(channel_id, guild_id, reason=reason))
            return
        allow, deny = (str(each) for each in bits)
        self._call(
            lambda http: http.edit_channel_permissions(channel_id, guild_id, allow, deny, _OF_ROLE, reason=reason)
        )

    def set_slowmode(self, channel_id: int, slow_s: int, *, reason: str) -> None:
        """The pause between two messages of one person, in seconds; 0 for none."""
        self._call(lambda http: http.edit_channel(channel_id, rate_limit_per_user=slow_s, reason=reason))

    def set_level(self, guild_id: GuildId, level: int, *, reason: str) -> None:
        """The verification level, 0 to 4."""
        self._call(lambda http: http.edit_guild(guild_id, verification_level=level, reason=reason))

    def pause(
        self, guild_id: GuildId, *, invites_until: datetime | None, dms_until: datetime | None, reason: str
    ) -> None:
        """Pause invites and DMs until these moments; None lifts the pause."""
        wanted = {"invites_disabled_until": _iso(invites_until), "dms_disabled_until": _iso(dms_until)}
        self._call(lambda http: http.modify_guild_incident_actions(guild_id, wanted, reason=reason))

    def delete_messages(self, channel_id: int, message_ids: Sequence[int], *, reason: str) -> None:
        """Delete up to a hundred messages younger than 14 days."""
        if len(message_ids) < _FEWEST_AT_ONCE:
            self._call(lambda http: http.delete_message(channel_id, message_ids[0], reason=reason))
            return
        ids = [str(message_id) for message_id in message_ids]
        self._call(lambda http: http.delete_messages(channel_id, ids, reason=reason))

    def fetch_channel(self, guild_id: GuildId, channel_id: int) -> ChannelNow:
        """A channel as Discord has it now."""
        return _channel(guild_id, self._call(lambda http: http.get_channel(channel_id)))

    def fetch_channels(self, guild_id: GuildId) -> list[ChannelNow]:
        """All channels of a guild, without its threads."""
        return [_channel(guild_id, each) for each in self._call(lambda http: http.get_all_guild_channels(guild_id))]

    def fetch_server(self, guild_id: GuildId) -> ServerNow:
        """The safety settings of a server."""
        found = self._call(lambda http: http.get_guild(guild_id, with_counts=False))
        paused = found.get("incidents_data") or {}
        return ServerNow(
            level=found["verification_level"],
            invites_until=_moment(paused.get("invites_disabled_until")),
            dms_until=_moment(paused.get("dms_disabled_until")),
        )

    def latest_messages(self, channel_id: int, *, before: int | None) -> list[MessageNow]:
        """The latest hundred messages, or those before this one, newest first."""
        page = self._call(lambda http: http.logs_from(channel_id, _PAGE, before=before))
        return [
            MessageNow(message_id=int(each["id"]), author_id=int(each["author"]["id"]), pinned=bool(each["pinned"]))
            for each in page
        ]


def _channel(guild_id: GuildId, payload: Mapping[str, Any]) -> ChannelNow:
    own = [each for each in payload.get("permission_overwrites") or () if int(each["id"]) == guild_id]
    return ChannelNow(
        channel_id=int(payload["id"]),
        kind=payload["type"],
        slow_s=payload.get("rate_limit_per_user") or 0,
        everyone=(int(own[0]["allow"]), int(own[0]["deny"])) if own else None,
    )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
