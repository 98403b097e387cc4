"""A Dramatiq broker that is fair between lanes, over Redis Streams.

A lane has a stream for interactive and one for bulk work. Lanes are spread over shards; the streams of a shard share a
consumer group, a rotation of the lanes that have work, and a doorbell. Each step (append, hand out, end) is one script.
`docs/queue.md` says what is promised and shows how to look inside.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import uuid4

import redis
from dramatiq.broker import Broker
from dramatiq.errors import QueueJoinTimeout, QueueNotFound
from dramatiq.message import Message
from dramatiq.middleware import Middleware
from redis.cluster import RedisCluster

from kovra.queue import dead, gauges, locks
from kovra.queue.client import told_as_closed
from kovra.queue.consumer import LanesConsumer
from kovra.queue.entry import MAX_BYTES, Entry, Holdings, Leases, place_of
from kovra.queue.keys import Keys, ShardOf, is_lane, is_name, spread
from kovra.queue.locks import Offer
from kovra.queue.middleware import LanesMiddleware
from kovra.queue.scripts import Scripts
from kovra.queue.state import QueueState

_DAY_MS = 86_400_000

#: Refuses an entry before it runs: given lane and message, a word for the cause, or None.
Check = Callable[[str, Message], str | None]
#: Hears of an entry that was refused: lane, payload (at most 32 KiB of it) and cause.
OnQuarantine = Callable[[str, bytes, str], None]


class LaneFull(Exception):
    """A lane holds as many entries as it takes."""


class LanesBroker(Broker):
    """Carries messages on lanes. A message travels by its options:

    ``lane`` (text; a lane of its own for a queue's messages without one), ``priority`` (0 interactive, 1 bulk),
    ``order_key`` (one message of a key in flight at a time, in the order of arrival) and ``lock`` (one message at a
    time, and none after it is done, until ``lock_ttl_ms``).

    Args:
        client: from ``connect``, of one server or of a cluster; its socket time-out must be above one second, the
            longest blocking call.
        namespace: first part of every key.
        shards: over how many shards the lanes are spread; the same in every process.
        serve: the shards that this process consumes; all when None.
        shard_of: from lane to shard.
        in_flight: entries of one lane that may be in flight at a time, over all processes.
        kept: how many of these bulk work leaves free.
        longest: how many entries of one priority a lane takes, so that no lane can fill the server's memory.
        bulk_share: the part of a worker's slots that bulk work may hold.
        bulk_turn: one pick in this many favours bulk, so that it never starves.
        heartbeat_timeout_ms: after this silence of a process its entries are delivered again.
        max_deliveries: an entry that was there at more crashes than this is given up.
        lock_ttl_ms: how long a lock is kept, from the last time its message moved.
        dead_ttl_ms: how long dead letters are kept.
        dead_most: how many of the newest of a shard are kept.
        check: refuses entries before they run.
        on_quarantine: hears of refused entries.
        on_acknowledged: hears the id of each message whose end the server has kept.
        consumer_name: unique per process by default. A name that is used again hands over at once what its last
            process held; two living processes of one name would steal from each other.
    """

    def __init__(
        self,
        client: redis.Redis | RedisCluster,
        *,
        namespace: str = "kovra",
        shards: int = 64,
        serve: Iterable[int] | None = None,
        shard_of: ShardOf | None = None,
        in_flight: int = 8,
        kept: int = 1,
        longest: int = 10_000,
        bulk_share: float = 0.75,
        bulk_turn: int = 8,
        heartbeat_timeout_ms: int = 15_000,
        max_deliveries: int = 5,
        lock_ttl_ms: int = _DAY_MS,
        dead_ttl_ms: int = 30 * _DAY_MS,
        dead_most: int = 1_000,
        check: Check | None = None,
        on_quarantine: OnQuarantine | None = None,
        on_acknowledged: Callable[[str], None] | None = None,
        consumer_name: str | None = None,
        middleware: list[Middleware] | None = None,
    ) -> None:
        super().__init__(middleware=middleware)
        self.add_middleware(LanesMiddleware())
        self.queues: set[str] = set()
        self.client, self.keys = client, Keys(namespace, shards)
        self.shard_of = shard_of or spread(shards)
        self.serve = tuple(range(shards)) if serve is None else tuple(serve)
        self.bulk_share, self.bulk_turn = bulk_share, bulk_turn
        self.heartbeat_timeout_ms, self.max_deliveries = heartbeat_timeout_ms, max_deliveries
        self.lock_ttl_ms, self.dead_ttl_ms, self.dead_most = lock_ttl_ms, dead_ttl_ms, dead_most
        self.check, self.on_quarantine, self.on_acknowledged = check, on_quarantine, on_acknowledged
        self.consumer_name = consumer_name or str(uuid4())
        if not is_name(self.consumer_name) or self.consumer_name == "-":
            raise ValueError(f"{self.consumer_name!r} is no consumer name")
        self.scripts = Scripts(client, in_flight=in_flight, kept=kept, longest=longest)
        self.holdings, self.leases = Holdings(), Leases(heartbeat_timeout_ms)
        self._states: dict[str, QueueState] = {}

    def state(self, queue_name: str) -> QueueState:
        """What this process knows of a queue, for its consumer."""
        return self._states.setdefault(queue_name, QueueState())

    def stir(self) -> None:
        """Wake the consumers of this process that wait until something is begun or done."""
        for state in list(self._states.values()):
            state.stir()

    # -- queues -------------------------------------------------------------------------------------------------------

    def declare_queue(self, queue_name: str) -> None:
        """Declare a queue. Delays are kept in Redis, so there is no delay queue and no thread for one."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def get_declared_queues(self) -> set[str]:
        return self.queues.copy()

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> LanesConsumer:
        """Consume a queue's entries in the shards that this broker serves.

        Raises:
            QueueNotFound: nobody declared it.
            ValueError: the broker serves no shard, or the client gives up before a blocking call ends.
        """
        if queue_name not in self.queues:
            raise QueueNotFound(queue_name)
        if not self.serve:
            raise ValueError("this broker serves no shard")
        kwargs = None if self.scripts.clustered else self.client.connection_pool.connection_kwargs
        silence_s = kwargs.get("socket_timeout") if kwargs else None
        if silence_s is not None and silence_s <= 1.0:
            raise ValueError(f"socket_timeout is {silence_s} s; the consumer blocks for up to one second")
        return LanesConsumer(self, queue_name, prefetch, timeout)

    # -- sending ------------------------------------------------------------------------------------------------------

    def enqueue(self, message: Message, *, delay: int | None = None) -> Message:
        """Enqueue a message; one whose lock says no is left out silently (``offer`` tells which).

        Raises:
            LaneFull: the lane takes no more now.
            Otherwise as ``offer``.
        """
        if self.offer(message, delay=delay) is Offer.FULL:
            raise LaneFull(f"lane {message.options.get('lane')!r} of queue {message.queue_name!r} takes no more now")
        return message

    def offer(self, message: Message, *, delay: int | None = None, again: bool = False) -> Offer:
        """Put a message into its lane unless its lock says no.

        A message that holds its own lock but whose entry is gone (Redis lost it) is enqueued anew.

        Args:
            delay: milliseconds; for messages without a lane only.
            again: the message's record still wants it: a lock that says this very message is done or dead does not
                stop it.

        Raises:
            ValueError: an option has a wrong form, the message is larger than 32 KiB, or it has a lane and a delay.
            ConnectionClosed: Redis did not answer; the message may or may not lie in its lane.
        """
        held = message if isinstance(message, Entry) and delay is not None else None
        message = message.copy()
        if delay is not None and message.options.get("lane") is not None:
            if held is not None:
                held.fail()  # a retry that cannot be: a dead letter rather than an acknowledged failure
            raise ValueError("a message with a lane takes no delay: when it is due is for its record to say")
        self.logger.debug("Enqueueing message %r on queue %r.", message.message_id, message.queue_name)
        self.emit_before("enqueue", message, delay)
        prefix, words = self._step(message, "" if delay is None else int(delay), again)
        replaced = (self.consumer_name, held.ref, held.order_key) if held and held.prefix == prefix else ("", "", "")
        return self._offered(message, self._run("enqueue", prefix, *words, *replaced), delay)

    def offer_each(self, messages: Iterable[Message], *, again: bool = False) -> list[Offer | None]:
        """``offer`` several messages in one round trip; None for each that Redis did not take.

        Raises:
            ValueError: as ``offer``; none was put into its lane.
            ConnectionClosed: Redis did not answer; each may or may not lie in its lane.
        """
        copies = [message.copy() for message in messages]
        for message in copies:
            self.emit_before("enqueue", message, None)
        steps = [self._step(message, "", again) for message in copies]
        with told_as_closed():
            answers = self.scripts.run_each("enqueue", [(prefix, (*words, "", "", "")) for prefix, words in steps])
        offers: list[Offer | None] = []
        for message, answer in zip(copies, answers, strict=True):
            failed = isinstance(answer, redis.RedisError)
            if failed:
                self.logger.warning("Message %r was not enqueued: %s", message.message_id, answer)
            offers.append(None if failed else self._offered(message, answer, None))
        return offers

    def _step(self, message: Message, delay: int | str, again: bool) -> tuple[str, tuple[object, ...]]:
        """The shard's prefix, and the words of ``enqueue.lua`` but for what is replaced."""
        place = place_of(message)
        payload = message.encode()
        if len(payload) > MAX_BYTES:
            raise ValueError(f"message {message.message_id} has {len(payload)} bytes; a lane carries up to {MAX_BYTES}")
        prefix = self.keys.prefix(message.queue_name, self.shard_of(place.lane))
        return prefix, (
            place.lane, place.priority, payload, place.order_key, place.lock, message.message_id,
            self.lock_ttl_ms, int(again), delay, str(uuid4()),
        )  # fmt: skip

    def _offered(self, message: Message, answer: bytes, delay: int | None) -> Offer:
        offer = Offer(answer.decode())
        if offer is Offer.ENQUEUED:
            self.emit_after("enqueue", message, delay)
        else:
            self.logger.info("Message %r was not enqueued: %s.", message.message_id, offer)
        return offer

    def lock(self, message: Message) -> locks.Lock | None:
        """What the lock of a message says now; None when it has none or nobody holds it.

        Raises:
            ConnectionClosed: Redis did not answer.
        """
        place = place_of(message)
        if not place.lock:
            return None
        key = self.keys.lock(message.queue_name, self.shard_of(place.lane), place.lock)
        with told_as_closed():
            return locks.parse(self.client.get(key))

    def _run(self, script: str, prefix: str, *args: object) -> Any:
        with told_as_closed():
            return self.scripts.run(script, prefix, *args)

    # -- looking and cleaning; each raises ConnectionClosed when Redis does not answer ---------------------------------

    def lanes(self, queue_name: str) -> list[gauges.LaneGauge]:
        """Every lane of a queue that holds something, in all shards: depth, age and how much is in flight."""
        with told_as_closed():
            named = gauges.holding(self.client, self.keys, queue_name)
            found = gauges.lanes(self.client, self.keys, queue_name, named)
            return [gauge for gauge in found if gauge.depth]

    def lane(self, queue_name: str, lane: str) -> gauges.LaneGauge:
        """One lane, in one round trip; of one that holds nothing all numbers are 0."""
        with told_as_closed():
            (gauge,) = gauges.lanes(self.client, self.keys, queue_name, [(self.shard_of(lane), lane)])
            return gauge

    def qsize(self, queue_name: str) -> int:
        """How many messages a queue holds: waiting, in flight and delayed."""
        return self.gauge(queue_name).depth

    def gauge(self, queue_name: str, *, fullest: int = 0) -> gauges.QueueGauge:
        """A whole queue in numbers, with the names of so many of its fullest lanes."""
        with told_as_closed():
            return gauges.whole(self.scripts, self.keys, queue_name, fullest)

    def pause(self, queue_name: str, lane: str) -> bool:
        """Hand out nothing more of a lane until ``resume``; what is in flight goes on. False when it was paused.

        Redis may forget it: whoever keeps the record of the pause says it again.
        """
        return self._pause(queue_name, lane, 1)

    def resume(self, queue_name: str, lane: str) -> bool:
        """Open a paused lane; False when it was open."""
        return self._pause(queue_name, lane, 0)

    def _pause(self, queue_name: str, lane: str, close: int) -> bool:
        if not is_lane(lane):
            raise ValueError(f"{lane!r} is no lane")
        return self._run("pause", self.keys.prefix(queue_name, self.shard_of(lane)), lane, close) == 1

    def paused(self, queue_name: str) -> set[str]:
        """The lanes that are paused."""
        with told_as_closed(), self.client.pipeline(transaction=False) as pipe:
            for shard in range(self.keys.shards):
                pipe.smembers(self.keys.prefix(queue_name, shard) + "paused")
            return {lane.decode() for lanes in pipe.execute() for lane in lanes}

    def answers(self) -> bool:
        """Whether Redis answers now."""
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False

    def unheard_s(self, queue_name: str) -> float | None:
        """Since how many seconds the server has not let this process look into its lanes; None: it never did."""
        heard_at = self.state(queue_name).heard_at
        return None if heard_at is None else time.monotonic() - heard_at

    def silent(self, queue_name: str) -> set[str]:
        """Consumers that hold something and missed a heartbeat, this process aside.

        Raises:
            ConnectionClosed: Redis did not answer.
        """
        with told_as_closed():
            seconds, micros = self.client.time()
            # A beat comes every quarter of the time-out.
            late = seconds * 1000 + micros // 1000 - self.heartbeat_timeout_ms * 3 // 10
            with self.client.pipeline(transaction=False) as pipe:
                for shard in self.serve:
                    pipe.zrangebyscore(self.keys.prefix(queue_name, shard) + "hb", "-inf", late)
                found = {name.decode() for names in pipe.execute() for name in names}
        return found - {self.consumer_name}

    def give_up(self, queue_name: str, consumer_name: str) -> int:
        """Deliver again at once what a consumer held that is known to be dead; how many entries.

        Raises:
            ConnectionClosed: Redis did not answer.
        """
        calls = [(self.keys.prefix(queue_name, shard), (consumer_name,)) for shard in self.serve]
        with told_as_closed():
            answers = self.scripts.run_each("give_up", calls)
        # A step that failed is left to the heartbeat's time-out.
        return sum(answer for answer in answers if isinstance(answer, int))

    def dead_letters(self, queue_name: str, *, lane: str | None = None, count: int = 100) -> Iterator[dead.DeadLetter]:
        """The newest dead letters of a queue or of one lane, up to ``count`` per shard."""
        shards = range(self.keys.shards) if lane is None else (self.shard_of(lane),)
        with told_as_closed():
            yield from dead.letters(self.client, self.keys, queue_name, shards, lane=lane, count=count)

    def redrive(self, letter_id: str) -> Offer | None:
        """Put a dead letter back at the end of its lane; None when there is no such letter.

        Raises:
            ValueError: it does not decode, so it can only be discarded.
            ConnectionClosed: Redis did not answer.
        """
        with told_as_closed():
            letter = dead.find(self.client, self.keys, letter_id)
        if letter is None:
            return None
        if letter.message is None:
            raise ValueError(f"dead letter {letter_id} cannot be read; discard it")
        prefix = self.keys.prefix(letter.queue, letter.shard)
        answer = self._run("redrive", prefix, letter.entry, letter.message.message_id, self.lock_ttl_ms).decode()
        return None if answer == "gone" else Offer(answer)

    def discard(self, letter_id: str) -> bool:
        """Forget a dead letter; False when there is none of this id."""
        with told_as_closed():
            return dead.discard(self.client, self.keys, letter_id)

    def flush(self, queue_name: str) -> None:
        """Drop everything of a queue: messages, locks, dead letters, and what consumers hold."""
        with told_as_closed():
            keys = list(self.client.scan_iter(self.keys.pattern(queue_name), count=1000))
            for i in range(0, len(keys), 500):
                self.client.delete(*keys[i : i + 500])

    def flush_all(self) -> None:
        for queue_name in self.queues:
            self.flush(queue_name)

    def join(self, queue_name: str, *, interval: int = 100, timeout: int | None = None) -> None:
        """Wait until a queue holds nothing. For tests.

        Args:
            interval: milliseconds between looks.
            timeout: milliseconds.

        Raises:
            QueueJoinTimeout: it still held something.
        """
        deadline = None if timeout is None else time.monotonic() + timeout / 1000
        while self.qsize(queue_name) > 0:
            if deadline is not None and time.monotonic() >= deadline:
                raise QueueJoinTimeout(queue_name)
            time.sleep(interval / 1000)  # between two looks, as Dramatiq promises
