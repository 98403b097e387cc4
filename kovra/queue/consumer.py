"""The consuming side of one queue in one process: listen for a doorbell, fetch, hand out, finish."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import redis
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.errors import ConnectionClosed
from dramatiq.logging import get_logger

from kovra.queue.acks import Acks
from kovra.queue.client import UNREACHED, told_as_closed
from kovra.queue.doorbells import ClusterDoorbells, Doorbells
from kovra.queue.entry import MAX_BYTES, Entry, Fetched, Refused, read_item
from kovra.queue.intake import Intake
from kovra.queue.keys import BULK

if TYPE_CHECKING:
    from kovra.queue.broker import LanesBroker

#: A worker that is told to wake must not sleep longer than this, so that a stop is seen soon.
_LONGEST_NAP_S = 1.0

#: How long a trip waits at most for more to carry.
_GATHER_S = 0.002


class LanesConsumer(Consumer):
    """Iterates over the entries of the shards that the broker serves.

    It sleeps in one BLPOP over the doorbells of all its shards and fetches only from those that rang or had more when
    they were last asked. What no bell announces (dead consumers, lost tokens) a slow look finds: a part of the shards
    each second.
    """

    def __init__(self, broker: LanesBroker, queue_name: str, prefetch: int, timeout_ms: int) -> None:
        self.logger = get_logger(__name__, type(self))
        self.broker, self.queue_name, self.prefetch = broker, queue_name, prefetch
        self.timeout_s = min(timeout_ms / 1000, _LONGEST_NAP_S)
        self.state = broker.state(queue_name)
        self.prefixes = [broker.keys.prefix(queue_name, shard) for shard in broker.serve]
        self.own_bell = f"{self.prefixes[0]}bell:{broker.consumer_name}"
        self.wants_room = False  # it sleeps in Redis with its bulk slots used up: ring when one is free
        bells = ClusterDoorbells if broker.scripts.clustered else Doorbells
        self.doorbells = bells(
            broker.scripts, prefixes=self.prefixes, own_bell=self.own_bell, bulk_turn=broker.bulk_turn
        )
        self.acks = Acks(broker, self.state.done, self.state.stir, self._ended)
        self.intake = Intake(broker, queue_name)
        self.bulk_slots = max(1, int(prefetch * broker.bulk_share))
        # Every shard is looked at once in a quarter of the heartbeat time-out.
        round_s = broker.heartbeat_timeout_ms / 4000
        self.nap_s = min(_LONGEST_NAP_S, round_s)
        self.slice = math.ceil(len(self.prefixes) * self.nap_s / round_s)
        self.state.looked_at = -math.inf  # a new consumer looks at everything: the last one may have lost a token
        self.whole = True

    # -- Dramatiq's contract ------------------------------------------------------------------------------------------

    def __next__(self) -> MessageProxy | None:
        if self.state.cache:
            return self.state.cache.popleft()
        with told_as_closed():
            return self._next()

    def ack(self, message: MessageProxy) -> None:
        if not isinstance(message, Entry):
            return
        if message.dropped:
            self._let_go(message)
        else:
            self.acks.ack(message)

    def nack(self, message: MessageProxy) -> None:
        if not isinstance(message, Entry):
            return
        error = message._exception
        detail = "" if error is None else f"{type(error).__name__}: {error}"
        try:
            if not message.dropped:
                self.intake.bury(message, "failed", detail)
        except UNREACHED as lost:
            raise ConnectionClosed(lost) from lost
        except redis.RedisError:
            self._ended(message, None)
            raise
        self._let_go(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Hand entries back that were not started; another consumer gets them at once."""
        entries = [message for message in messages if isinstance(message, Entry)]
        with told_as_closed():
            for prefix in {entry.prefix for entry in entries}:
                refs = [entry.ref for entry in entries if entry.prefix == prefix]
                self._run("finish", prefix, "requeue", self.broker.consumer_name, *refs)
        for entry in entries:
            self._let_go(entry)

    def close(self) -> None:
        self.doorbells.close()
        self.acks.taker = None
        self.acks.send()
        self.requeue([self.state.cache.popleft() for _ in range(len(self.state.cache))])
        solo = self.broker.holdings.solo
        if solo is not None and solo[0] == self.queue_name and self.broker.holdings.empty():
            self.broker.holdings.solo = None
            with told_as_closed():
                self._run("finish", solo[1], "leave", self.broker.consumer_name)

    # -- one round ----------------------------------------------------------------------------------------------------

    def _next(self) -> Entry | None:
        self._keep_up()
        self.acks.taker = threading.get_ident()
        try:
            self._ask_for_more()
            if self.state.cache:
                return self.state.cache.popleft()
        except BaseException:
            self.acks.taker = None
            raise
        # A worker that pauses or stops does so now, and does not come back.
        self.acks.taker = None
        self.acks.send()
        return None

    def _ask_for_more(self) -> None:
        if self.broker.holdings.solo is not None:  # it waits for all else to be told
            self.acks.send()
        if self._free() <= 0:
            self.state.nap(min(self.timeout_s, self.nap_s), lambda: self._free() > 0)
            if self._free() <= 0:
                self.doorbells.give_back()
                return
        if self._no_hurry():
            self.state.nap(_GATHER_S, lambda: not self._no_hurry())
        prefixes = self._listen()
        if prefixes or self.acks.waiting():
            self._fetch(prefixes)

    def _no_hurry(self) -> bool:
        """Whether a trip now would carry little: few slots are free, and something fetched still waits for a thread."""
        return self._free() * 2 < self.prefetch and self.broker.holdings.waits(self.queue_name)

    def _free(self) -> int:
        """How many entries may be fetched. While a suspect runs or waits in this process: none beside it."""
        holdings, done = self.broker.holdings, self.acks.waiting()
        if holdings.solo is None:
            return self.prefetch - sum(holdings.count(self.queue_name)) + done
        return int(holdings.solo[0] == self.queue_name and holdings.empty())

    def _bulk_room(self) -> int:
        return self.bulk_slots - self.broker.holdings.count(self.queue_name)[BULK]

    def _listen(self) -> list[str]:
        """Wait for work; the prefixes where there may be some, at most one for each free slot."""
        solo = self.broker.holdings.solo
        if solo is not None:
            return [solo[1]]
        now = time.monotonic()
        for prefix, due in self.state.dues.items():
            if due <= now:
                del self.state.dues[prefix]
                return [prefix]
        naps = [
            self.timeout_s,
            self.state.looked_at + self.nap_s - now,
            *(due - now for due in self.state.dues.values()),
        ]
        # Both are said before what waits is reckoned, so that an ack in between goes by itself, and rings.
        taker, self.acks.taker, self.wants_room = self.acks.taker, None, True
        try:
            bulk = self._bulk_room() > 0
            self.wants_room = not bulk
            nap_s = None if self.acks.waiting() else max(0.001, min(naps))
            return self.doorbells.listen(free=self._free(), bulk=bulk, nap_s=nap_s)
        finally:
            self.acks.taker, self.wants_room = taker, False

    def _fetch(self, prefixes: list[str]) -> None:
        """Fetch from these shards and from those where something was done, in one round trip; they share the slots."""
        broker, state, asked_at = self.broker, self.state, time.monotonic()
        for prefix in state.unsure.intersection(prefixes):
            self._resync(prefix)
        done = self.acks.take()
        try:
            shares = self._shares(prefixes, done)
            before = {prefix: self._held_but(prefix, done) for prefix, _, _ in shares}
            alone = int(len(shares) == 1 and sum(map(len, done.values())) == broker.holdings.total())
            calls = [
                (prefix, (*self._wish(free, room, alone), *self.acks.words(done.get(prefix, ()))))
                for prefix, free, room in shares
            ]
            state.unsure.update(before)
            answers = broker.scripts.run_each("fetch", calls)
        except BaseException as error:
            for entries in done.values():
                self.acks.settle(entries, error)
            raise
        for (prefix, _), answer in zip(calls, answers, strict=True):
            failed = isinstance(answer, redis.RedisError)
            self.acks.settle(done.get(prefix, ()), answer if failed else 0)
        for (prefix, _), answer in zip(calls, answers, strict=True):
            if not isinstance(answer, redis.RedisError):
                state.unsure.discard(prefix)
                self._receive(prefix, answer, before[prefix], asked_at)
            elif isinstance(answer, UNREACHED):
                raise answer
            else:  # somebody spoiled a key: the other shards go on, and the slow look tries this one again
                self.logger.error("Could not fetch from %s: %s", prefix, answer)

    def _held_but(self, prefix: str, done: dict[str, list[Entry]]) -> list[Entry]:
        """What we hold of a shard, without what is done there."""
        ended = {id(entry) for entry in done.get(prefix, ())}
        return [entry for entry in self.broker.holdings.within(prefix) if id(entry) not in ended]

    def _shares(self, prefixes: list[str], done: dict[str, list[Entry]]) -> list[tuple[str, int, int]]:
        """Each shard of a trip, how many slots it may fill, and how many of these for bulk.

        Shards where only something was done fill slots when no other shard is known to have work: its end may have made
        room for more there. Else they only say what is left.
        """
        ended = [entry for entries in done.values() for entry in entries]
        free = self._free() + len(ended) if self.broker.holdings.solo is None else self._free()
        room = max(0, self._bulk_room() + sum(entry.priority == BULK for entry in ended))
        filling = (prefixes or list(done))[:free]
        n = len(filling)
        shares = [(prefix, (free + n - 1 - i) // n, (room + n - 1 - i) // n) for i, prefix in enumerate(filling)]
        return shares + [(prefix, 0, 0) for prefix in dict.fromkeys([*prefixes, *done]) if prefix not in filling]

    def _wish(self, free: int, room: int, alone: int) -> tuple[object, ...]:
        broker = self.broker
        return (
            broker.consumer_name, free, room, alone, broker.max_deliveries, self.state.picks, broker.bulk_turn,
            MAX_BYTES, broker.heartbeat_timeout_ms, broker.lock_ttl_ms,
        )  # fmt: skip

    def _receive(self, prefix: str, answer: list, before: list[Entry], asked_at: float) -> None:
        broker = self.broker
        held, alive, due_ms, hold, left, *items = answer
        self.doorbells.note_left(prefix, left)
        self.state.picks += len(items)
        if before and not alive:
            self._lose(before)
        broker.leases.renew(prefix, asked_at)
        self._note_due(prefix, due_ms, asked_at)
        mine = (self.queue_name, prefix)
        if hold and broker.holdings.solo in (None, mine):
            broker.holdings.solo = mine
        elif hold:  # one suspect at a time in a process: let another take this one
            self._run("finish", prefix, "leave", broker.consumer_name)
        elif broker.holdings.solo == mine:
            broker.holdings.solo = None
            broker.stir()
        self._sort_out(prefix, [read_item(prefix, item) for item in items])
        if held > len(before) + len(items):  # the answer to an earlier fetch was lost on its way
            self._resync(prefix)

    def _sort_out(self, prefix: str, items: list[Fetched]) -> None:
        """Take the good entries, then quarantine the others: when that fails, the good ones are not lost."""
        refused: list[tuple[Fetched, Refused]] = []
        for item in items:
            try:
                message = self.intake.examine(item)
            except Refused as refusal:
                refused.append((item, refusal))
                continue
            entry = Entry(message, item)
            self.broker.holdings.add(self.queue_name, entry)
            self.state.cache.append(entry)
        self.state.unsure.update([prefix] if refused else [])
        for item, refusal in refused:
            self.intake.quarantine(item, refusal)
        self.state.unsure.difference_update([prefix] if refused else [])

    # -- what must be kept up -----------------------------------------------------------------------------------------

    def _keep_up(self) -> None:
        now = time.monotonic()
        if now - self.state.beat_at >= self.broker.heartbeat_timeout_ms / 4000:
            self._beat(now)
            self.state.beat_at = now
        if now - self.state.looked_at >= self.nap_s:
            self._look(now)
            self.state.looked_at = now

    def _beat(self, now: float) -> None:
        """Say that we live, in each shard where we hold something; learn where we were given up."""
        prefixes = self.broker.holdings.prefixes(self.queue_name)
        solo = self.broker.holdings.solo
        if solo is not None and solo[0] == self.queue_name and solo[1] not in prefixes:
            prefixes.append(solo[1])
        if not prefixes:
            return
        held = {prefix: self.broker.holdings.within(prefix) for prefix in prefixes}
        words = (self.broker.consumer_name, self.broker.heartbeat_timeout_ms)
        calls = [(prefix, words) for prefix in prefixes]
        for prefix, alive in zip(prefixes, self.broker.scripts.run_each("beat", calls), strict=True):
            if alive == 1:
                self.broker.leases.renew(prefix, now)
            else:
                self._lose(held[prefix])

    def _look(self, now: float) -> None:
        """The slow look: a slice of the shards, all of them when this consumer is new."""
        state, broker = self.state, self.broker
        for prefix in list(state.unsure):
            self._resync(prefix)
        if self.whole:
            prefixes = self.prefixes
        else:
            prefixes = [self.prefixes[(state.swept + i) % len(self.prefixes)] for i in range(self.slice)]
            state.swept = (state.swept + self.slice) % len(self.prefixes)
        words = (broker.consumer_name, int(not state.booted), broker.heartbeat_timeout_ms, broker.lock_ttl_ms)
        calls = [(prefix, words) for prefix in prefixes]
        answers = broker.scripts.run_each("sweep", calls)
        self.whole, state.booted, state.heard_at = False, True, time.monotonic()
        for prefix, due_ms in zip(prefixes, answers, strict=True):
            if isinstance(due_ms, redis.RedisError):
                self.logger.error("Could not look into %s: %s", prefix, due_ms)
                continue
            self._note_due(prefix, due_ms, now)

    def _note_due(self, prefix: str, due_ms: int, now: float) -> None:
        if due_ms >= 0:
            self.state.dues[prefix] = now + due_ms / 1000
        else:
            self.state.dues.pop(prefix, None)

    def _resync(self, prefix: str) -> None:
        known = [entry.ref for entry in self.broker.holdings.within(prefix)]
        (answer,) = self.broker.scripts.run_each("finish", [(prefix, ("resync", self.broker.consumer_name, *known))])
        if isinstance(answer, UNREACHED):
            raise answer
        if isinstance(answer, redis.RedisError):
            self.logger.error("Could not compare with %s: %s", prefix, answer)
        else:
            self.state.unsure.discard(prefix)

    def _lose(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            entry.lost = True

    def _ended(self, entry: Entry, left: int | None) -> None:
        """An entry was acknowledged and that much is left in its shard; None: the server would not, and holds it for us
        still, so let it be delivered again."""
        if left is None:
            self.state.unsure.add(entry.prefix)
        else:
            self.doorbells.note_left(entry.prefix, left)
            if self.broker.on_acknowledged is not None:
                self.broker.on_acknowledged(entry.message_id)
        self._let_go(entry)

    def _let_go(self, entry: Entry) -> None:
        self.broker.holdings.drop(entry)
        self.broker.stir()
        if self.wants_room and entry.priority == BULK:
            self.wants_room = False
            try:
                self.broker.scripts.lines.ask("LPUSH", self.own_bell, 1)
                self.broker.scripts.lines.ask("PEXPIRE", self.own_bell, 60_000)
            except UNREACHED:
                self.logger.debug("Could not ring; the consumer wakes by itself within a second.")

    def _run(self, script: str, prefix: str, *args: object):
        return self.broker.scripts.run(script, prefix, *args)
