"""Dead letters: entries that were refused, failed, or killed their worker too often, kept for people to decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import redis
from dramatiq.errors import DecodeError
from dramatiq.message import Message

from kovra.queue.keys import Keys


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """One dead letter.

    ``cause`` is ``failed`` (its actor gave up), ``poison`` (there at too many crashes), or why it was refused:
    ``fields``, ``size``, ``undecodable``, ``queue``, ``options``, ``lane``, ``priority``, ``order_key``, ``lock``,
    ``shard``, ``actor``, or a word of the broker's own check. ``payload`` is cut after 32 KiB.
    """

    queue: str
    shard: int
    entry: str
    lane: str
    priority: int
    payload: bytes
    cause: str
    detail: str
    deliveries: int

    @property
    def id(self) -> str:
        """The name by which it is redriven or discarded."""
        return f"{self.queue}:{self.shard}:{self.entry}"

    @property
    def died_at(self) -> datetime:
        return datetime.fromtimestamp(int(self.entry.split("-")[0]) / 1_000_000, tz=UTC)

    @property
    def message(self) -> Message | None:
        """The message, or None when it does not decode."""
        try:
            return Message.decode(self.payload)
        except DecodeError:
            return None  # that is why it is here


def letters(
    client: redis.Redis, keys: Keys, queue: str, shards: Iterable[int], *, lane: str | None, count: int
) -> Iterator[DeadLetter]:
    """The newest dead letters of some shards, of one lane when given; up to ``count`` per shard."""
    for shard in shards:
        left = count
        for entry, fields in _newest_first(client, keys.prefix(queue, shard) + "dead"):
            if left == 0:
                break
            letter = _letter(queue, shard, entry, fields)
            if lane is None or letter.lane == lane:
                left -= 1
                yield letter


def find(client: redis.Redis, keys: Keys, letter_id: str) -> DeadLetter | None:
    queue, shard, entry = _split(keys, letter_id)
    for found, fields in client.xrange(keys.prefix(queue, shard) + "dead", min=entry, max=entry):
        return _letter(queue, shard, found, fields)
    return None


def discard(client: redis.Redis, keys: Keys, letter_id: str) -> bool:
    queue, shard, entry = _split(keys, letter_id)
    return client.xdel(keys.prefix(queue, shard) + "dead", entry) == 1


def _split(keys: Keys, letter_id: str) -> tuple[str, int, str]:
    queue, shard, entry = ([*letter_id.split(":"), "", ""])[:3]
    if not (shard.isdigit() and int(shard) < keys.shards and entry.replace("-", "", 1).isdigit()):
        raise ValueError(f"{letter_id!r} is not the id of a dead letter")
    return queue, int(shard), entry


def _newest_first(client: redis.Redis, key: str) -> Iterator[tuple[bytes, dict[bytes, bytes]]]:
    below = "+"
    while page := client.xrevrange(key, max=below, min="-", count=100):
        yield from page
        below = "(" + page[-1][0].decode()


def _letter(queue: str, shard: int, entry: bytes, fields: dict[bytes, bytes]) -> DeadLetter:
    def text(name: bytes) -> str:
        return fields.get(name, b"").decode(errors="replace")

    return DeadLetter(
        queue=queue,
        shard=shard,
        entry=entry.decode(),
        lane=text(b"lane"),
        priority=int(text(b"priority") or 0),
        payload=fields.get(b"d", b""),
        cause=text(b"cause"),
        detail=text(b"detail"),
        deliveries=int(text(b"deliveries") or 0),
    )
