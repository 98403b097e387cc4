"""Names of things: snowflakes, request ids, and the short texts derived from them."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from datetime import datetime
from typing import NewType
from uuid import UUID

from kovra.errors import Malformed

GuildId = NewType("GuildId", int)
UserId = NewType("UserId", int)
RoleId = NewType("RoleId", int)
ChannelId = NewType("ChannelId", int)
MessageId = NewType("MessageId", int)

#: First millisecond of Discord's snowflakes: 2015-01-01T00:00Z (API reference, Snowflakes).
DISCORD_EPOCH_MS = 1_420_070_400_000

#: Lanes are spread over a fixed number of slots, so that adding workers or gateway shards moves no message.
SHARDS = 64


def parse_snowflake(text: str) -> int:
    """Read a Discord id as people paste it: digits, or a mention such as ``<@123>``.

    Raises:
        Malformed: it is not 17 to 20 digits.
    """
    digits = text.strip().removeprefix("<@").removeprefix("!").removesuffix(">")
    if not (digits.isascii() and digits.isdigit() and 17 <= len(digits) <= 20 and int(digits) < 1 << 63):
        raise Malformed(f"{text.strip()[:40]!r} is not a Discord id: an id is 17 to 20 digits")
    return int(digits)


def snowflake_ms(snowflake: int) -> int:
    """The Unix time in milliseconds at which Discord made this id."""
    return (snowflake >> 22) + DISCORD_EPOCH_MS


def snowflake_at(moment: datetime) -> int:
    """The first id that Discord could make at this moment; 0 for one before Discord."""
    ms = int(moment.timestamp() * 1000) - DISCORD_EPOCH_MS
    return min(max(ms, 0) << 22, (1 << 63) - 1)


def shard_of(guild_id: GuildId) -> int:
    """The queue shard that carries a guild's lane; independent of Discord's gateway shards."""
    return (guild_id >> 22) % SHARDS


def new_request_id(now_ms: int | None = None) -> UUID:
    """A fresh UUIDv7 (RFC 9562): 48 bits of time, 74 random bits."""
    return _uuid7(time.time_ns() // 1_000_000 if now_ms is None else now_ms, os.urandom(10))


def derived_request_id(made_ms: int, *parts: object) -> UUID:
    """A UUIDv7 that is always the same for the same parts, so that a replayed event cannot ask twice."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return _uuid7(made_ms, digest[:10])


def _uuid7(ms: int, tail: bytes) -> UUID:
    value = (ms & (1 << 48) - 1) << 80 | int.from_bytes(tail, "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)


def audit_ref(request_id: UUID) -> str:
    """The mark that ends every audit-log reason of Guard, by which a deed is known again: ``[kv:…]``.

    It carries 80 bits of the SHA-256 of the request id: 16 base32 letters, always 21 characters with the brackets.
    """
    digest = hashlib.sha256(request_id.bytes).digest()
    return f"[kv:{base64.b32encode(digest[:10]).decode().lower()}]"


def message_nonce(request_id: UUID, kind: str) -> str:
    """The nonce of one message of one request; ``kind`` is ``d`` (notice), ``l`` (log post) or ``x``.

    24 characters: Discord takes at most 25, and nonces share one name space per author, so kinds must differ.
    """
    return base64.urlsafe_b64encode(request_id.bytes).decode().rstrip("=") + f"-{kind}"
