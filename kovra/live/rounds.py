"""Questions that many ask at the same moment, asked once for all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class _Round(Generic[K, V]):
    def __init__(self) -> None:
        self.keys: set[K] = set()
        self.found: Mapping[K, V] | None = None
        self.error: Exception | None = None


class Rounds(Generic[K, V]):
    """Asks in rounds: who comes while a question is on its way goes with the next one, whoever else comes.

    No answer is older than the call that gets it: a question takes nobody in once it is on its way.

    Args:
        ask: finds what there is for these keys; one call at a time.
    """

    def __init__(self, ask: Callable[[Collection[K]], Mapping[K, V]]) -> None:
        self._ask = ask
        self._lock = threading.Lock()  # guards what is next
        self._asking = threading.Lock()
        self._next: _Round[K, V] = _Round()

    def of(self, key: K) -> V | None:
        """What there is for this key, None when nothing is.

        Raises:
            Exception: what the question of its round raised, to everybody in it.
        """
        with self._lock:
            mine = self._next
            mine.keys.add(key)
        with self._asking:
            if mine.found is None and mine.error is None:
                self._lead(mine)
        if mine.error is not None:
            raise mine.error
        assert mine.found is not None
        return mine.found.get(key)

    def _lead(self, mine: _Round[K, V]) -> None:
        with self._lock:
            if self._next is mine:
                self._next = _Round()
        # Whoever is killed in here leaves the question to the next one in the round.
        try:
            mine.found = self._ask(mine.keys)
        except Exception as error:
            mine.error = error
