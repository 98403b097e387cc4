"""Acknowledgements, many at a time: those of several threads share a trip, best one that asks for more work."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import redis
from dramatiq.errors import ConnectionClosed

from kovra.queue.client import UNREACHED
from kovra.queue.entry import Entry

if TYPE_CHECKING:
    from kovra.queue.broker import LanesBroker

#: How long a thread waits to be taken along before it goes itself.
_PATIENCE_S = 0.005


class Wish:
    """One thread's wish to acknowledge one entry, and what became of it."""

    __slots__ = ("_unanswered", "answered", "entry", "error")

    def __init__(self, entry: Entry) -> None:
        self.entry, self.answered = entry, False
        self.error: Exception | None = None
        self._unanswered = threading.Lock()
        self._unanswered.acquire()

    def answer(self, error: Exception | None) -> None:
        self.error, self.answered = error, True
        self._unanswered.release()

    def wait(self, timeout_s: float) -> None:
        self._unanswered.acquire(timeout=timeout_s)


class Acks:
    """Acknowledges the entries of one queue.

    Args:
        waits: called when a wish waits to be taken along.
        ended: hears of each entry that this process no longer holds, and what is left in its shard, 0 when another
            will say that; None when the server would not let it go.
    """

    def __init__(
        self, broker: LanesBroker, waits: Callable[[], None], ended: Callable[[Entry, int | None], None]
    ) -> None:
        self._broker, self._waits, self._ended = broker, waits, ended
        self._wishes: deque[Wish] = deque()
        self._trip = threading.Lock()
        #: The consumer is about to make a trip of its own and takes along what waits.
        self.taken_along = False

    def ack(self, entry: Entry) -> None:
        """Return when the server has it.

        Raises:
            ConnectionClosed: Redis did not answer; asking again does no harm.
            RedisError: Redis answered with an error; the entry will be delivered again.
        """
        wish = Wish(entry)
        self._wishes.append(wish)
        if self.taken_along:
            self._waits()
            wish.wait(_PATIENCE_S)
        if not wish.answered:
            with self._trip:
                if not wish.answered:
                    self._send()
        if not wish.answered:  # the consumer has it in hand, and answers whatever happens
            wish.wait(-1)
        if wish.error is not None:
            raise wish.error

    def waiting(self) -> int:
        return len(self._wishes)

    def take(self) -> dict[str, list[Wish]]:
        """All that wait, by prefix. Whoever takes them must answer them."""
        wishes: dict[str, list[Wish]] = defaultdict(list)
        while self._wishes:
            try:
                wish = self._wishes.popleft()
            except IndexError:  # another took the last one
                break
            wishes[wish.entry.prefix].append(wish)
        return wishes

    def words(self, wishes: Iterable[Wish]) -> list[object]:
        """What the scripts want to know of the entries."""
        return [
            word
            for wish in wishes
            for word in (wish.entry.ref, wish.entry.order_key, wish.entry.lock, self._broker.lock_ttl_ms)
        ]

    def settle(self, wishes: Iterable[Wish], left: int | Exception) -> None:
        """Tell what became of wishes that were taken."""
        for wish in wishes:
            if isinstance(left, UNREACHED):
                error: Exception | None = ConnectionClosed(left)
                error.__cause__ = left
            elif isinstance(left, Exception):
                error = left
                self._ended(wish.entry, None)
            else:
                error = None
                self._ended(wish.entry, left)
            wish.answer(error)

    def _send(self) -> None:
        broker, wishes = self._broker, self.take()
        if not wishes:
            return
        calls = [(prefix, ["ack", broker.consumer_name, *self.words(row)]) for prefix, row in wishes.items()]
        try:
            answers = broker.scripts.run_each("finish", calls)
        except redis.RedisError as error:
            answers = [error] * len(calls)
        for row, answer in zip(wishes.values(), answers, strict=True):
            self.settle(row, answer if isinstance(answer, Exception) else answer[1])
