"""Names in Redis. Every key of one shard carries the tag ``{s<shard>}``, so that it lies in one slot of a Cluster."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

#: Which shard carries a lane.
ShardOf = Callable[[str], int]

#: The lane of messages that name none, one per queue.
DEFAULT_LANE = "default"

#: Interactive work is served before bulk work.
INTERACTIVE, BULK = 0, 1

_LANE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# Refs and delayed records are joined by "|", locks by blanks; a name may hold neither.
_NAME = re.compile(r"[!-{}~]{1,200}")
_NAMESPACE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, kw_only=True)
class Found:
    """A key that a scan found: the shard, what kind of key it is, and the rest of its name."""

    shard: int
    kind: str
    rest: str


class Keys:
    """The names of one namespace.

    Args:
        namespace: first part of every key; letters, digits, ``_ . -``.
        shards: how many shards there are.

    Raises:
        ValueError: the namespace has other characters.
    """

    def __init__(self, namespace: str, shards: int) -> None:
        if not _NAMESPACE.fullmatch(namespace):
            raise ValueError(f"{namespace!r} is no namespace: letters, digits, '_', '.' and '-' only")
        self.namespace, self.shards = namespace, shards

    def prefix(self, queue: str, shard: int) -> str:
        """What every key of a queue in a shard begins with."""
        return f"{self.namespace}:{{s{shard}}}:{queue}:"

    def lock(self, queue: str, shard: int, name: str) -> str:
        return f"{self.prefix(queue, shard)}lock:{name}"

    def stream(self, queue: str, shard: int, lane: str, priority: int) -> str:
        return f"{self.prefix(queue, shard)}q:{lane}:{priority}"

    def pattern(self, queue: str) -> str:
        """A SCAN pattern for all keys of a queue, whatever the shard."""
        return f"{self.namespace}:{{s*}}:{queue}:*"

    def found(self, queue: str, key: str) -> Found | None:
        """Read a key that a scan of ``pattern`` returned; None when it is not one of this queue."""
        match = re.fullmatch(
            rf"{re.escape(self.namespace)}:\{{s(\d{{1,5}})\}}:{re.escape(queue)}:([^:]+):?(.*)", key, re.DOTALL
        )
        if match is None or int(match[1]) >= self.shards:
            return None
        return Found(shard=int(match[1]), kind=match[2], rest=match[3])


def lane_of_stream(rest: str) -> str | None:
    """The lane in ``<lane>:<priority>``, what follows ``q:`` in a stream's name; None when it is not of that form."""
    lane, _, priority = rest.rpartition(":")
    return lane if is_lane(lane) and priority in ("0", "1") else None


def is_lane(text: str) -> bool:
    """Whether a text can be a lane: up to 64 letters, digits, ``_ . -``."""
    return _LANE.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether a text can be an order key, a lock or a message id: up to 200 visible ASCII characters without ``|``."""
    return _NAME.fullmatch(text) is not None


def spread(shards: int) -> ShardOf:
    """The usual way from lane to shard: a snowflake by its time bits, any other text by its CRC-32."""

    def shard_of(lane: str) -> int:
        number = int(lane) >> 22 if lane.isascii() and lane.isdigit() else zlib.crc32(lane.encode())
        return number % shards

    return shard_of
