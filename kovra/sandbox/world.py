"""The state of the small Discord: who exists, where they are and what was said. Pure: no clock, no socket, no rule.

Everything here is plain mutable data, kept in dicts by id, so that ``snapshot`` can write all of it to one JSON file.
Rules live in ``permissions``; what happens, with its events and audit entries, in ``deeds``. Moments are aware UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from kovra.ids import DISCORD_EPOCH_MS

#: Unix time in seconds; handed in, so that tests can set it.
Clock = Callable[[], float]

#: How long Discord remembers a nonce ("past few minutes", API reference, Create Message).
NONCE_WINDOW_S = 300


class ChannelType(IntEnum):
    """The kinds of channel the sandbox knows (Discord's numbers)."""

    TEXT = 0
    DM = 1
    VOICE = 2
    CATEGORY = 4
    PUBLIC_THREAD = 11
    PRIVATE_THREAD = 12


@dataclass(slots=True, kw_only=True)
class User:
    """An account. ``dms_open`` is the person's privacy setting towards bots."""

    id: int
    username: str
    global_name: str | None = None
    bot: bool = False
    dms_open: bool = True
    mfa: bool = True


@dataclass(slots=True, kw_only=True)
class Role:
    """A role of one guild; the one whose id is the guild's is @everyone."""

    id: int
    name: str
    position: int
    permissions: int
    color: int = 0
    hoist: bool = False
    managed: bool = False
    mentionable: bool = False


@dataclass(slots=True, kw_only=True)
class Member:
    """A user's place in one guild."""

    user_id: int
    joined_at: datetime
    roles: list[int] = field(default_factory=list)
    nick: str | None = None
    timed_out_until: datetime | None = None
    mute: bool = False
    deaf: bool = False
    flags: int = 0


@dataclass(slots=True, kw_only=True)
class Overwrite:
    """What one role (type 0) or member (type 1) may and may not do in one channel."""

    id: int
    type: int
    allow: int = 0
    deny: int = 0


@dataclass(slots=True, kw_only=True)
class Thread:
    """What a channel that is a thread has besides: who is in it since when, and whether it is at rest.

    ``archived_at`` is when that changed last; ``spoken_at`` when something was said, which keeps it awake.
    """

    owner_id: int
    created_at: datetime
    archived_at: datetime
    spoken_at: datetime
    auto_archive_min: int
    members: dict[int, datetime] = field(default_factory=dict)
    archived: bool = False
    locked: bool = False
    invitable: bool = True
    message_count: int = 0
    total_sent: int = 0


@dataclass(slots=True, kw_only=True)
class Channel:
    """A channel or thread of a guild, or the DM of one person with the bot (``guild_id`` is None then).

    A thread's overwrites are those of its channel: the same dict.
    """

    id: int
    type: int
    guild_id: int | None = None
    name: str = ""
    position: int = 0
    topic: str | None = None
    nsfw: bool = False
    parent_id: int | None = None
    slowmode_s: int = 0
    overwrites: dict[int, Overwrite] = field(default_factory=dict)
    recipient_id: int | None = None
    last_message_id: int | None = None
    thread: Thread | None = None


@dataclass(slots=True, kw_only=True)
class Message:
    """One message. ``ephemeral_for`` names the only person who sees it; None is everybody.

    A webhook's has the webhook as its author and bears the name it was ``signed`` with. ``reactions`` are user ids by
    emoji, in the order they came. ``forwards`` is the message that it passes on, as it was then: its channel, its id
    and a copy in Discord's JSON.
    """

    id: int
    channel_id: int
    author_id: int
    content: str
    sent_at: datetime
    type: int = 0
    embeds: list[dict[str, Any]] = field(default_factory=list)
    components: list[dict[str, Any]] = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    flags: int = 0
    nonce: str | int | None = None
    edited_at: datetime | None = None
    pinned: bool = False
    pinned_at: datetime | None = None
    reply_to: int | None = None
    ephemeral_for: int | None = None
    signed: str | None = None
    reactions: dict[str, list[int]] = field(default_factory=dict)
    stickers: list[dict[str, Any]] = field(default_factory=list)
    forwards: dict[str, Any] | None = None


@dataclass(slots=True, kw_only=True)
class AuditEntry:
    """One entry of a guild's audit log, as Discord writes it: ``changes`` and ``options`` in Discord's own form."""

    id: int
    action: int
    user_id: int | None
    target_id: int | None
    reason: str | None = None
    changes: list[dict[str, Any]] | None = None
    options: dict[str, str] | None = None


@dataclass(slots=True, kw_only=True)
class Invite:
    """A way into a guild; ``max_age_s`` and ``max_uses`` of 0 are without end."""

    code: str
    channel_id: int
    inviter_id: int
    created_at: datetime
    max_age_s: int
    max_uses: int
    uses: int = 0


@dataclass(slots=True, kw_only=True)
class Webhook:
    """A way to post into one channel for whoever holds its token."""

    id: int
    guild_id: int
    channel_id: int
    creator_id: int
    name: str
    token: str
    avatar: str | None = None


@dataclass(slots=True, kw_only=True)
class Guild:
    """A server: its roles, members, channels, bans and audit log (newest entry last)."""

    id: int
    name: str
    owner_id: int
    roles: dict[int, Role] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    channel_ids: list[int] = field(default_factory=list)
    thread_ids: list[int] = field(default_factory=list)
    bans: dict[int, str | None] = field(default_factory=dict)
    audit: list[AuditEntry] = field(default_factory=list)
    rules: dict[int, dict[str, Any]] = field(default_factory=dict)
    invites: dict[str, Invite] = field(default_factory=dict)
    voice: dict[int, int] = field(default_factory=dict)
    features: list[str] = field(default_factory=lambda: ["COMMUNITY"])
    verification_level: int = 1
    mfa_level: int = 0
    system_channel_id: int | None = None
    invites_disabled_until: datetime | None = None
    dms_disabled_until: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Nonce:
    """What a nonce was used for, and when (Unix seconds)."""

    channel_id: int
    message_id: int
    used_at: float


@dataclass(slots=True, kw_only=True)
class Person:
    """Someone a reader of the demo may want to be, with the rank and abilities to show next to the name."""

    user_id: int
    rank: str
    can: str


@dataclass(slots=True, kw_only=True)
class Cast:
    """Which people and places of the seeded world are worth pointing at."""

    guild_id: int = 0
    people: list[Person] = field(default_factory=list)
    above_guard: int = 0
    bot_member: int = 0
    closed_dm: list[int] = field(default_factory=list)
    plain: list[int] = field(default_factory=list)
    outsider: int = 0


@dataclass(slots=True, kw_only=True)
class World:
    """All of it. ``bot_id`` is the bot's user id and its application id alike, as for every modern application."""

    bot_id: int
    cast: Cast = field(default_factory=Cast)
    users: dict[int, User] = field(default_factory=dict)
    guilds: dict[int, Guild] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    messages: dict[int, dict[int, Message]] = field(default_factory=dict)
    dms: dict[int, int] = field(default_factory=dict)
    webhooks: dict[int, Webhook] = field(default_factory=dict)
    nonces: dict[str, Nonce] = field(default_factory=dict)
    commands: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    last_id: int = 0

    def __post_init__(self) -> None:
        for channel in self.channels.values():
            if channel.thread is not None and channel.parent_id in self.channels:
                channel.overwrites = self.channels[channel.parent_id].overwrites

    def new_id(self, at: float) -> int:
        """A fresh snowflake for a moment in Unix seconds; always larger than every one before it."""
        self.last_id = max(self.last_id + 1, (int(at * 1000) - DISCORD_EPOCH_MS) << 22)
        return self.last_id

    def members_of(self, user_id: int) -> Iterator[Guild]:
        """The guilds this user is in."""
        return (guild for guild in self.guilds.values() if user_id in guild.members)

    def shares_guild(self, one: int, other: int) -> bool:
        """Whether two users meet in some guild; without one Discord refuses a bot's DM."""
        return any(other in guild.members for guild in self.members_of(one))

    def guild_channels(self, guild: Guild) -> list[Channel]:
        """The guild's channels, in the order they were made."""
        return [self.channels[channel_id] for channel_id in guild.channel_ids]

    def guild_threads(self, guild: Guild) -> list[tuple[Channel, Thread]]:
        """The guild's threads, archived ones too, in the order they were started."""
        found = (self.channels[thread_id] for thread_id in guild.thread_ids)
        return [(channel, channel.thread) for channel in found if channel.thread is not None]

    def dm_with(self, user_id: int) -> Channel | None:
        """The bot's DM channel with a user, if one was opened."""
        channel_id = self.dms.get(user_id)
        return None if channel_id is None else self.channels[channel_id]

    def remember_nonce(self, author_id: int, nonce: str, message: Message, at: float) -> None:
        """Keep a nonce for the window, and forget those that are past it."""
        while self.nonces:
            oldest = next(iter(self.nonces))
            if at - self.nonces[oldest].used_at <= NONCE_WINDOW_S:
                break
            del self.nonces[oldest]
        # Taken out and put in again, so that the dict stays in the order of use.
        self.nonces.pop(f"{author_id}:{nonce}", None)
        self.nonces[f"{author_id}:{nonce}"] = Nonce(channel_id=message.channel_id, message_id=message.id, used_at=at)

    def used_nonce(self, author_id: int, nonce: str, at: float) -> Nonce | None:
        """What this author used the nonce for within the window."""
        used = self.nonces.get(f"{author_id}:{nonce}")
        return used if used and at - used.used_at <= NONCE_WINDOW_S else None


def moment(at: float) -> datetime:
    """Unix seconds as an aware UTC moment."""
    return datetime.fromtimestamp(at, UTC)
