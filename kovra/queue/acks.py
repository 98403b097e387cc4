"""Acknowledgements, many at a time: best they travel with the trip that asks for more work."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import redis
from dramatiq.logging import get_logger

from kovra.queue.client import UNREACHED
from kovra.queue.entry import Entry

if TYPE_CHECKING:
    from kovra.queue.broker import LanesBroker


class Acks:
    """Acknowledges the entries of one queue.

    Whose end is told to the server when is decided here: a thread that is done goes on at once when the consumer is
    about to make a trip, and makes the trip itself when the consumer sleeps. What is done stays *held* until the server
    has it, so it takes a slot and is beaten for; after a lost connection it is told again.

    Args:
        done: entries that are done and not told yet. It outlives the consumer.
        stir: wakes the consumer when it waits for something to be done.
        ended: hears of each entry that this process no longer holds, and what is left in its shard, 0 when another
            will say that; None when the server would not let it go.
    """

    def __init__(
        self,
        broker: LanesBroker,
        done: deque[Entry],
        stir: Callable[[], None],
        ended: Callable[[Entry, int | None], None],
    ) -> None:
        self._logger = get_logger(__name__, type(self))
        self._broker, self._done, self._stir, self._ended = broker, done, stir, ended
        self._trip = threading.Lock()
        #: The thread that is about to make a trip for the consumer and takes along what others have done.
        self.taker: int | None = None

    def ack(self, entry: Entry) -> None:
        """See to it that the server hears that an entry is done."""
        self._done.append(entry)
        if self.taker not in (None, threading.get_ident()):
            self._stir()
            return
        with self._trip:  # who had to wait here finds that another has told it
            self.send()

    def waiting(self) -> int:
        return len(self._done)

    def take(self) -> dict[str, list[Entry]]:
        """All that wait, by prefix. Whoever takes them must settle them."""
        taken: dict[str, list[Entry]] = defaultdict(list)
        while self._done:
            try:
                entry = self._done.popleft()
            except IndexError:  # another took the last one
                break
            taken[entry.prefix].append(entry)
        return taken

    def words(self, entries: Iterable[Entry]) -> list[object]:
        """What the scripts want to know of the entries."""
        return [
            word for entry in entries for word in (entry.ref, entry.order_key, entry.lock, self._broker.lock_ttl_ms)
        ]

    def settle(self, entries: Iterable[Entry], left: int | BaseException) -> None:
        """What became of entries that were taken: what is left in their shard, or why nobody knows."""
        if not isinstance(left, redis.RedisError):
            if isinstance(left, BaseException):  # interrupted: the server may have heard it or not
                self._done.extend(entries)
                return
            for entry in entries:
                self._ended(entry, left)
        elif isinstance(left, UNREACHED):
            self._done.extend(entries)
        else:
            for entry in entries:
                self._logger.error("The end of %s in %s was refused: %s", entry.ref, entry.prefix, left)
                self._ended(entry, None)

    def send(self) -> None:
        """Tell what is done in a trip of its own. What does not reach the server goes along later."""
        taken = self.take()
        if not taken:
            return
        calls = [(prefix, ["ack", self._broker.consumer_name, *self.words(row)]) for prefix, row in taken.items()]
        try:
            answers = self._broker.scripts.run_each("finish", calls)
        except redis.RedisError as error:
            answers = [error] * len(calls)
        for row, answer in zip(taken.values(), answers, strict=True):
            self.settle(row, answer if isinstance(answer, Exception) else answer[1])
