"""What open pages are told, as values and as the bytes of server-sent events.

A frame carries ids and states only: the page fetches what it shows again, with its reader's own rights.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from kovra.ids import GuildId
from kovra.live.ports import EventLike

#: A browser reads larger whole numbers wrong, so they travel as text (ECMAScript, Number.MAX_SAFE_INTEGER).
LARGEST_NUMBER = 2**53 - 1

#: Browsers hide comments from scripts; a beat is an event, so that a page notices a line that died without a word.
BEAT = b"event: beat\ndata: {}\n\n"

_KIND = re.compile(r"[a-z_]+(\.[a-z_]+)*")


class HintKind(StrEnum):
    """What a hint can be about, with the ids that it names: of Discord's, but for the last two."""

    MEMBER_JOINED = "member.joined"  # user_id
    MEMBER_LEFT = "member.left"  # user_id
    MEMBER_UPDATED = "member.updated"  # user_id
    BAN_ADDED = "ban.added"  # user_id
    BAN_REMOVED = "ban.removed"  # user_id
    ROLE_UPDATED = "role.updated"  # role_id, none when it may be any; made, changed or deleted
    CHANNEL_UPDATED = "channel.updated"  # channel_id; made, changed or deleted
    VOICE_UPDATED = "voice.updated"  # user_id; who is in which voice channel
    GUILD_UPDATED = "guild.updated"  # its name, its picture, its settings
    GUILD_LEFT = "guild.left"
    WORKERS_CHANGED = "workers.changed"  # nothing: who executes came, went, fell silent or came back
    SESSION_ENDED = "session.ended"  # user_id; no page hears it: it ends that person's streams


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something kept that happened in a guild; ``seq`` is the guild's running number of it."""

    guild_id: GuildId
    seq: int
    kind: str
    request_id: UUID | None
    facts: Mapping[str, object] = field(default_factory=dict)
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Hint:
    """Something on Discord that nobody keeps, such as a member joining. It has no number and may be lost.

    A writer says one thing, ``{"user_id": …}``; a page is told of all that came together, ``{"count": 2, "user_ids":
    […]}``, without the ids when they are too many.
    """

    guild_id: GuildId
    kind: HintKind
    facts: Mapping[str, object] = field(default_factory=dict)


def frame(event: EventLike) -> bytes:
    """A numbered event; the browser sends its number back as ``Last-Event-ID``.

    Raises:
        ValueError: the kind is no dotted lower-case word, so it could break out of its line.
    """
    facts = event.facts if event.request_id is None else {"request_id": event.request_id, **event.facts}
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, _kind(event.kind), compact(facts))


def hint_frame(hint: Hint) -> bytes:
    """A hint: without a number, so it moves no bookmark."""
    return b"event: %s\ndata: %s\n\n" % (_kind(hint.kind), compact(hint.facts))


def resync_frame(newest: int) -> bytes:
    """The history does not reach back far enough: reload every live fragment, and go on from ``newest``."""
    return b"id: %d\nevent: resync\ndata: {}\n\n" % newest


def revoked_frame() -> bytes:
    """The viewer's access has ended; the last frame of a stream."""
    return b"event: revoked\ndata: {}\n\n"


def comment(text: str = "") -> bytes:
    """A heartbeat: ignored by the browser, it shows the server when nobody listens any more."""
    return b": %s\n\n" % re.sub(r"[\r\n]+", " ", text).encode()


def retry_frame(wait_ms: int) -> bytes:
    """How long the browser waits before it connects again."""
    return b"retry: %d\n\n" % wait_ms


def compact(facts: Mapping[str, object]) -> bytes:
    """JSON on one line: ids and large numbers as text, no spaces."""
    return json.dumps({name: _plain(name, value) for name, value in facts.items()}, separators=(",", ":")).encode()


def _plain(name: str, value: object) -> object:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and (name.endswith("_id") or abs(value) > LARGEST_NUMBER):
        return str(value)
    return value


def _kind(kind: str) -> bytes:
    if not _KIND.fullmatch(kind):
        raise ValueError(f"{kind!r} is no kind of event")
    return kind.encode()
