"""How full the lanes are, read from the streams themselves: no counter that could drift."""

from __future__ import annotations

from dataclasses import dataclass

import redis
from redis.cluster import RedisCluster

from kovra.queue.keys import Keys


@dataclass(frozen=True, kw_only=True)
class LaneGauge:
    """One lane: entries it holds, of these in flight and parked behind their order key, age of the oldest held."""

    lane: str
    shard: int
    depth: int
    in_flight: int
    parked: int
    oldest_age_ms: int


@dataclass(frozen=True, kw_only=True)
class QueueGauge:
    """A whole queue: messages held, of these delayed; lanes that hold some, lanes that are paused; dead letters."""

    depth: int
    delayed: int
    lanes: int
    paused: int
    dead: int


def whole(client: redis.Redis, keys: Keys, queue: str) -> QueueGauge:
    """One look over all shards, in one round trip; its cost grows with the lanes that hold something."""
    with client.pipeline(transaction=False) as pipe:
        for shard in range(keys.shards):
            prefix = keys.prefix(queue, shard)
            pipe.zrange(prefix + "parts", 0, -1, withscores=True)
            pipe.zcard(prefix + "delayed").scard(prefix + "paused").xlen(prefix + "dead")
        answers = pipe.execute()
    parts, delayed = answers[::4], sum(answers[1::4])
    return QueueGauge(
        depth=sum(int(held) for lanes in parts for _, held in lanes) + delayed,
        delayed=delayed,
        lanes=sum(map(len, parts)),
        paused=sum(answers[2::4]),
        dead=sum(answers[3::4]),
    )


def lanes(client: redis.Redis, keys: Keys, queue: str) -> list[LaneGauge]:
    """All lanes of a queue that hold something."""
    with client.pipeline(transaction=False) as pipe:
        for shard in range(keys.shards):
            pipe.zrange(keys.prefix(queue, shard) + "parts", 0, -1)
        found = [(shard, lane.decode()) for shard, names in enumerate(pipe.execute()) for lane in names]
    seconds, micros = _time(client)
    return [
        gauge
        for shard, lane in found
        if (gauge := _gauge(client, keys, queue, shard, lane, seconds * 1000 + micros // 1000))
    ]


def _time(client: redis.Redis | RedisCluster) -> tuple[int, int]:
    """The server's clock; of a cluster, any node's."""
    if isinstance(client, RedisCluster):
        return client.time(target_nodes=client.get_random_node())
    return client.time()


def _gauge(client: redis.Redis, keys: Keys, queue: str, shard: int, lane: str, now_ms: int) -> LaneGauge | None:
    depth = in_flight = parked = 0
    oldest_ms = now_ms
    for priority in (0, 1):
        key = keys.stream(queue, shard, lane, priority)
        try:
            with client.pipeline(transaction=False) as pipe:
                length, first, rows = pipe.xlen(key).xrange(key, count=1).xpending(key, f"s{shard}").execute()
        except redis.ResponseError:  # the stream ended between two looks
            continue
        waiting = sum(int(c["pending"]) for c in rows["consumers"] if c["name"] == b"-")
        depth, parked = depth + length, parked + waiting
        in_flight += rows["pending"] - waiting
        if first:
            oldest_ms = min(oldest_ms, int(first[0][0].split(b"-")[0]) // 1000)  # ids are microseconds
    if depth == 0:
        return None
    return LaneGauge(
        lane=lane, shard=shard, depth=depth, in_flight=in_flight, parked=parked, oldest_age_ms=now_ms - oldest_ms
    )
