"""How full the lanes are, read from the streams themselves: no counter that could drift."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import redis
from redis.cluster import RedisCluster

from kovra.queue.client import UNREACHED
from kovra.queue.keys import BULK, Keys
from kovra.queue.scripts import Scripts

#: How many lanes are looked at in one trip.
_AT_ONCE = 250


@dataclass(frozen=True, kw_only=True)
class LaneGauge:
    """One lane: entries it holds, of these bulk, in flight, and parked behind their order key; age of the oldest."""

    lane: str
    shard: int
    depth: int
    bulk: int
    in_flight: int
    parked: int
    oldest_age_ms: int
    paused: bool


@dataclass(frozen=True, kw_only=True)
class ShardGauge:
    """One shard of a queue: entries held, of these in flight, age of the oldest held."""

    shard: int
    held: int
    in_flight: int
    oldest_age_ms: int


@dataclass(frozen=True, kw_only=True)
class QueueGauge:
    """A whole queue: messages held, of these in flight and delayed; age of the oldest; lanes that hold some, lanes that
    are paused; dead letters; the same by shard, and the names of the fullest lanes."""

    depth: int
    in_flight: int
    delayed: int
    oldest_age_ms: int
    lanes: int
    paused: int
    dead: int
    shards: Sequence[ShardGauge]
    fullest: Sequence[str]


def whole(scripts: Scripts, keys: Keys, queue: str, fullest: int) -> QueueGauge:
    """One look over all shards, in one round trip; its cost grows with the lanes that hold something."""
    answers = scripts.run_each("census", [(keys.prefix(queue, shard), (fullest,)) for shard in range(keys.shards)])
    for answer in answers:
        if isinstance(answer, redis.RedisError):
            raise answer
    columns = list(zip(*(answer[:7] for answer in answers), strict=True))
    lanes, held, in_flight, ages, delayed, paused, dead = columns
    named = ((int(n), lane) for answer in answers for lane, n in zip(answer[7::2], answer[8::2], strict=True))
    return QueueGauge(
        depth=sum(held) + sum(delayed),
        in_flight=sum(in_flight),
        delayed=sum(delayed),
        oldest_age_ms=max(ages),
        lanes=sum(lanes),
        paused=sum(paused),
        dead=sum(dead),
        shards=[
            ShardGauge(shard=shard, held=held[shard], in_flight=in_flight[shard], oldest_age_ms=ages[shard])
            for shard in range(keys.shards)
        ],
        fullest=[lane.decode(errors="replace") for _, lane in heapq.nlargest(fullest, named)],
    )


def holding(client: redis.Redis, keys: Keys, queue: str) -> list[tuple[int, str]]:
    """Shard and name of all lanes of a queue that hold something."""
    with client.pipeline(transaction=False) as pipe:
        for shard in range(keys.shards):
            pipe.zrange(keys.prefix(queue, shard) + "parts", 0, -1)
        return [(shard, lane.decode()) for shard, names in enumerate(pipe.execute()) for lane in names]


def lanes(client: redis.Redis, keys: Keys, queue: str, named: Sequence[tuple[int, str]]) -> Iterator[LaneGauge]:
    """These lanes, given by shard and name; of one that holds nothing all numbers are 0."""
    for start in range(0, len(named), _AT_ONCE):
        yield from _some(client, keys, queue, named[start : start + _AT_ONCE])


def _some(client: redis.Redis, keys: Keys, queue: str, named: Sequence[tuple[int, str]]) -> Iterator[LaneGauge]:
    with client.pipeline(transaction=False) as pipe:
        for shard, lane in named:
            pipe.sismember(keys.prefix(queue, shard) + "paused", lane)
            for priority in (0, BULK):
                key = keys.stream(queue, shard, lane, priority)
                pipe.xlen(key).xrange(key, count=1).xpending(key, f"s{shard}")
        answers = pipe.execute(raise_on_error=False)
    seconds, micros = _time(client)
    now_ms = seconds * 1000 + micros // 1000
    for i, (shard, lane) in enumerate(named):
        paused, *streams = answers[7 * i : 7 * i + 7]
        yield _gauge(shard, lane, bool(paused), [streams[:3], streams[3:]], now_ms)


def _gauge(shard: int, lane: str, paused: bool, streams: Sequence[Sequence], now_ms: int) -> LaneGauge:
    depths, in_flight, parked, oldest_ms = [0, 0], 0, 0, now_ms
    for priority, (length, first, rows) in enumerate(streams):
        for answer in (length, first, rows):
            if isinstance(answer, UNREACHED):
                raise answer
        if isinstance(length, redis.RedisError):  # somebody made something else of the key
            continue
        depths[priority] = length
        if first:
            oldest_ms = min(oldest_ms, int(first[0][0].split(b"-")[0]) // 1000)  # ids are microseconds
        if isinstance(rows, redis.RedisError):  # there is no stream, or nobody has made its group yet
            continue
        waiting = sum(int(c["pending"]) for c in rows["consumers"] if c["name"] == b"-")
        parked += waiting
        in_flight += rows["pending"] - waiting
    return LaneGauge(
        lane=lane,
        shard=shard,
        depth=sum(depths),
        bulk=depths[BULK],
        in_flight=in_flight,
        parked=parked,
        oldest_age_ms=now_ms - oldest_ms,
        paused=paused,
    )


def _time(client: redis.Redis | RedisCluster) -> tuple[int, int]:
    """The server's clock; of a cluster, any node's."""
    if isinstance(client, RedisCluster):
        return client.time(target_nodes=client.get_random_node())
    return client.time()
