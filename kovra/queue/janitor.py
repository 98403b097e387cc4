"""The slow repair: finds by scanning what nobody would announce, and makes it right.

In a healthy queue it mends nothing. What it mends, it counts: a count above zero is worth a look.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import redis
from dramatiq.errors import ConnectionClosed
from dramatiq.logging import get_logger

from kovra.queue.broker import LanesBroker
from kovra.queue.client import told_as_closed
from kovra.queue.keys import lane_of_stream


@dataclass(frozen=True, kw_only=True)
class Mended:
    """What one sweep found and did."""

    lanes: int = 0  #: lanes looked at
    groups: int = 0  #: streams without their consumer group
    registered: int = 0  #: lanes with work that no rotation knew
    reclaimed: int = 0  #: entries idle too long that no living consumer answered for
    dangling: int = 0  #: entries deleted while a consumer held them
    parked: int = 0  #: entries waiting for an order key that nobody would have called
    freed: int = 0  #: order keys held by an entry that is gone
    adopted: int = 0  #: entries of consumers that gave no sign of life
    scheduled: int = 0  #: delayed messages without a time
    forgotten: int = 0  #: consumers gone for an hour, struck off a group
    trimmed: int = 0  #: dead letters past their time, or older than the newest so many

    def __bool__(self) -> bool:
        """Whether something was wrong; trimming and forgetting are housekeeping."""
        return any(
            (self.groups, self.registered, self.reclaimed, self.dangling, self.parked, self.freed, self.adopted,
             self.scheduled)
        )  # fmt: skip


class Janitor:
    """Re-asserts the queue's invariants in the shards that a broker serves.

    Args:
        broker: whose shards and declared queues.
        idle_ms: an entry delivered longer ago than this, for which no living consumer answers, is delivered again.
        every_s: pause between two sweeps of ``run``.
    """

    def __init__(self, broker: LanesBroker, *, idle_ms: int = 600_000, every_s: float = 60.0) -> None:
        self._broker, self._idle_ms, self._every_s = broker, idle_ms, every_s
        self._logger = get_logger(__name__, type(self))

    def run(self, stop: threading.Event) -> None:
        """Sweep again and again until ``stop`` is set. Redis being away is waited out."""
        while not stop.wait(self._every_s):
            try:
                if mended := self.sweep():
                    self._logger.warning("The janitor had to mend something: %s", mended)
            except ConnectionClosed:
                self._logger.warning("The janitor could not reach Redis.", exc_info=True)
            except redis.RedisError:
                self._logger.exception("The janitor's sweep failed.")

    def sweep(self) -> Mended:
        """Look at every lane once.

        Raises:
            ConnectionClosed: Redis did not answer; what was mended before stays mended.
        """
        counts: dict[str, int] = defaultdict(int)
        with told_as_closed():
            for queue_name in sorted(self._broker.get_declared_queues()):
                self._sweep_queue(queue_name, counts)
        return Mended(**counts)

    def _sweep_queue(self, queue_name: str, counts: dict[str, int]) -> None:
        broker = self._broker
        lanes: dict[int, set[str]] = defaultdict(set)
        consumers: dict[int, set[str]] = defaultdict(set)
        for key in broker.client.scan_iter(broker.keys.pattern(queue_name), count=1000):
            found = broker.keys.found(queue_name, key.decode(errors="replace"))
            if found is None or found.shard not in broker.serve:
                continue
            if found.kind == "q" and (lane := lane_of_stream(found.rest)):
                lanes[found.shard].add(lane)
            elif found.kind == "busy":
                lanes[found.shard].add(found.rest)
            elif found.kind == "own":
                consumers[found.shard].add(found.rest)
        for shard in broker.serve:
            prefix = broker.keys.prefix(queue_name, shard)
            self._mend_lanes(prefix, lanes[shard], counts)
            answer = broker.scripts.run("mend_shard", prefix, broker.dead_ttl_ms, broker.dead_most, *consumers[shard])
            self._count(counts, ("adopted", "scheduled", "trimmed"), answer)

    def _mend_lanes(self, prefix: str, lanes: Iterable[str], counts: dict[str, int]) -> None:
        names = ("groups", "reclaimed", "dangling", "parked", "freed", "registered", "forgotten")
        for lane in lanes:
            answer = self._broker.scripts.run("mend_lane", prefix, lane, self._idle_ms, 3_600_000)
            self._count(counts, names, answer)
            counts["lanes"] += 1

    @staticmethod
    def _count(counts: dict[str, int], names: Iterable[str], answer: Iterable[int]) -> None:
        for name, number in zip(names, answer, strict=True):
            counts[name] += number
