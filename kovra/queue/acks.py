"""Acknowledgements, many at a time: while some are on their way, those of other threads gather for the next trip."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import redis
from dramatiq.errors import ConnectionClosed

from kovra.queue.client import UNREACHED
from kovra.queue.entry import Entry

if TYPE_CHECKING:
    from kovra.queue.broker import LanesBroker


class Wish:
    """One thread's wish to acknowledge one entry, and what became of it."""

    __slots__ = ("answered", "entry", "error")

    def __init__(self, entry: Entry) -> None:
        self.entry, self.answered, self.error = entry, False, None


class Acks:
    """Acknowledges the entries of one queue.

    Args:
        ended: hears of each entry that this process no longer holds, and what is left in its shard; None when the
            server would not let it go.
    """

    def __init__(self, broker: LanesBroker, ended: Callable[[Entry, int | None], None]) -> None:
        self._broker, self._ended = broker, ended
        self._wishes: deque[Wish] = deque()
        self._trip = threading.Lock()

    def ack(self, entry: Entry) -> None:
        """Return when the server has it.

        Raises:
            ConnectionClosed: Redis did not answer; asking again does no harm.
            RedisError: Redis answered with an error; the entry will be delivered again.
        """
        wish = Wish(entry)
        self._wishes.append(wish)
        with self._trip:
            if not wish.answered:
                self._send()
        if wish.error is not None:
            raise wish.error

    def _send(self) -> None:
        wishes: dict[str, list[Wish]] = defaultdict(list)
        while self._wishes:
            wish = self._wishes.popleft()
            wishes[wish.entry.prefix].append(wish)
        broker = self._broker
        calls = [
            (prefix, ["ack", broker.consumer_name, *self._words([wish.entry for wish in row])])
            for prefix, row in wishes.items()
        ]
        try:
            answers = broker.scripts.run_each("finish", calls)
        except redis.RedisError as error:
            answers = [error] * len(calls)
        for row, answer in zip(wishes.values(), answers, strict=True):
            for wish in row:
                self._settle(wish, answer)

    def _words(self, entries: list[Entry]) -> list[object]:
        return [
            word for entry in entries for word in (entry.ref, entry.order_key, entry.lock, self._broker.lock_ttl_ms)
        ]

    def _settle(self, wish: Wish, answer: object) -> None:
        if isinstance(answer, UNREACHED):
            wish.error = ConnectionClosed(answer)
            wish.error.__cause__ = answer
        elif isinstance(answer, BaseException):
            wish.error = answer
            self._ended(wish.entry, None)
        else:
            self._ended(wish.entry, answer[1])
        wish.answered = True
