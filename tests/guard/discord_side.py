"""A Discord in memory that knows nonces, loses answers, and writes its audit log late when it is told to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from kovra.actions.request import Action
from kovra.errors import DiscordRefused, DiscordUnknown, DiscordUnreached
from kovra.ids import ChannelId, GuildId, MessageId, UserId
from tests.guard.cast import JOINED, MANAGED, TARGET, a_message
from tests.guard.story import Story
from tests.wishes import ROLE


@dataclass
class DiscordSide(Story):
    """The executor's ports to Discord.

    ``lost[what]`` counts how often Discord does ``what`` and its answer is lost on the way; ``silent[what]`` how often
    it does nothing and says nothing.
    """

    lost: Counter = field(default_factory=Counter)
    silent: Counter = field(default_factory=Counter)
    messages: dict[str, Any] = field(default_factory=dict)
    forgotten: bool = False
    bans: dict[UserId, str] = field(default_factory=dict)
    joined: dict[UserId, datetime] = field(default_factory=lambda: {TARGET: JOINED})
    muted: dict[UserId, datetime] = field(default_factory=dict)
    roles: dict[UserId, set[int]] = field(default_factory=lambda: {TARGET: {11, 12}})
    place: dict[str, Any] = field(
        default_factory=lambda: {
            "everyone": (1 << 10, 1 << 4),
            "slow_s": 5,
            "level": 1,
            "invites_until": None,
            "dms_until": None,
        }
    )
    written: dict[int, list[Any]] = field(default_factory=lambda: {TARGET: [a_message(number) for number in range(9)]})
    closed: set[int] = field(default_factory=set)
    edited: list[Any] = field(default_factory=list)
    audit: list[tuple[Action, str]] = field(default_factory=list)
    unwritten: list[tuple[Action, str]] = field(default_factory=list)
    audit_lags: bool = False
    deeds: list[tuple] = field(default_factory=list)
    leave_before: float | None = None

    @contextmanager
    def leaving_before(self, moment: float) -> Iterator[None]:
        self.leave_before = moment
        try:
            yield
        finally:
            self.leave_before = None

    @contextmanager
    def _deed(self, verb: str, *rest: Any, **more: Any) -> Iterator[None]:
        if self.leave_before is not None and self.now.timestamp() >= self.leave_before:
            raise DiscordUnreached("too late to leave")
        self._tell(verb)
        if self.silent[verb]:
            self.silent[verb] -= 1
            raise DiscordUnknown("time is up")
        yield
        self.deeds.append((verb, *rest, more))
        if verb in set(Action):
            (self.unwritten if self.audit_lags else self.audit).append((Action(verb), more["reason"]))
        if self.lost[verb]:
            self.lost[verb] -= 1
            raise DiscordUnknown("reset")

    def ban(self, guild_id: GuildId, user_id: UserId, **more: Any) -> None:
        with self._deed("ban", guild_id, user_id, **more):
            self.bans.setdefault(user_id, more["reason"])
            self.joined.pop(user_id, None)

    def unban(self, guild_id: GuildId, user_id: UserId, **more: Any) -> None:
        with self._deed("unban", guild_id, user_id, **more):
            self.bans.pop(user_id, None)

    def kick(self, guild_id: GuildId, user_id: UserId, **more: Any) -> None:
        with self._deed("kick", guild_id, user_id, **more):
            if self.joined.pop(user_id, None) is None:
                raise DiscordRefused(404, 10007, "Unknown Member")

    def mute(self, guild_id: GuildId, user_id: UserId, **more: Any) -> None:
        with self._deed("mute", guild_id, user_id, **more):
            self.muted[user_id] = more["until"]

    def unmute(self, guild_id: GuildId, user_id: UserId, **more: Any) -> None:
        with self._deed("unmute", guild_id, user_id, **more):
            self.muted.pop(user_id, None)

    def add_role(self, guild_id: GuildId, user_id: UserId, role_id: int, **more: Any) -> None:
        with self._deed("role_add", guild_id, user_id, role_id, **more):
            self.roles.setdefault(user_id, set()).add(role_id)

    def remove_role(self, guild_id: GuildId, user_id: UserId, role_id: int, **more: Any) -> None:
        with self._deed("role_remove", guild_id, user_id, role_id, **more):
            self.roles.setdefault(user_id, set()).discard(role_id)

    def set_roles(self, guild_id: GuildId, user_id: UserId, role_ids: Any, **more: Any) -> None:
        with self._deed("set_roles", guild_id, user_id, tuple(role_ids), **more):
            self.roles[user_id] = set(role_ids)

    def set_everyone(self, guild_id: GuildId, channel_id: int, bits: Any, **more: Any) -> None:
        with self._deed("set_everyone", guild_id, channel_id, bits, **more):
            self.place["everyone"] = bits

    def set_slowmode(self, channel_id: int, slow_s: int, **more: Any) -> None:
        with self._deed("set_slowmode", channel_id, slow_s, **more):
            self.place["slow_s"] = slow_s

    def set_level(self, guild_id: GuildId, level: int, **more: Any) -> None:
        with self._deed("set_level", guild_id, level, **more):
            self.place["level"] = level

    def pause(self, guild_id: GuildId, *, invites_until: Any, dms_until: Any, **more: Any) -> None:
        with self._deed("pause", guild_id, **more):
            self.place |= {"invites_until": invites_until, "dms_until": dms_until}

    def delete_messages(self, channel_id: int, message_ids: Any, **more: Any) -> None:
        with self._deed("delete_messages", channel_id, tuple(message_ids), **more):
            gone = set(message_ids)
            self.written[channel_id] = [one for one in self.written[channel_id] if one.message_id not in gone]

    # Looking is no part of the story: it changes nothing.

    def _looked(self) -> None:
        if (error := self.fail.get("look")) is not None:
            raise error

    def fetch_member(self, guild_id: GuildId, user_id: UserId) -> Any:
        self._looked()
        if user_id not in self.joined:
            return None
        return SimpleNamespace(
            joined_at=self.joined[user_id],
            timed_out_until=self.muted.get(user_id),
            role_ids=tuple(self.roles.get(user_id, ())),
        )

    def fetch_channel(self, guild_id: GuildId, channel_id: int) -> Any:
        self._looked()
        return SimpleNamespace(channel_id=channel_id, kind=0, **self.place)

    def fetch_channels(self, guild_id: GuildId) -> Any:
        return [self.fetch_channel(guild_id, channel_id) for channel_id in self.written]

    def fetch_server(self, guild_id: GuildId) -> Any:
        self._looked()
        return SimpleNamespace(**self.place)

    def latest_messages(self, channel_id: int, *, before: int | None) -> Any:
        self._looked()
        if channel_id in self.closed:
            raise DiscordRefused(403, 50001, "Missing Access")
        there = [one for one in self.written.get(channel_id, ()) if before is None or one.message_id < before]
        return sorted(there, key=lambda one: -one.message_id)[:100]

    def fetch_roles(self, guild_id: GuildId) -> Any:
        """Four plain roles, one of a boost, and one above Guard."""
        self._looked()
        ranks = {ROLE: 2, 11: 1, 12: 3, 13: 3, 14: 12, MANAGED: 4}
        return [
            SimpleNamespace(role_id=role_id, position=rank, managed=role_id == MANAGED)
            for role_id, rank in ranks.items()
        ]

    def fetch_ban(self, guild_id: GuildId, user_id: UserId) -> Any:
        self._looked()
        return SimpleNamespace(reason=self.bans[user_id]) if user_id in self.bans else None

    def noted(self, guild_id: GuildId, action: Action, mark: str) -> bool:
        self._looked()
        if (error := self.fail.get("audit")) is not None:
            raise error
        return any(done is action and reason.endswith(mark) for done, reason in self.audit)

    def find_message(self, channel_id: ChannelId, message: Any, *, nonce: str, since: datetime) -> MessageId | None:
        self._looked()
        return MessageId(7) if nonce in self.messages else None

    def open_dm(self, user_id: UserId) -> ChannelId:
        self._tell("open_dm")
        return ChannelId(6)

    def send(self, channel_id: ChannelId, message: Any, *, nonce: str) -> MessageId:
        what = "dm" if nonce.endswith("-d") else "log"
        self._tell(what)
        assert not (self.forgotten and nonce in self.messages), "a second message: its nonce was forgotten"
        self.messages.setdefault(nonce, message)
        if self.lost[what]:
            self.lost[what] -= 1
            raise DiscordUnknown("reset")
        return MessageId(len(self.messages))

    def edit(self, channel_id: ChannelId, message_id: MessageId, message: Any) -> None:
        self._tell("edit")
        self.edited.append(message)
