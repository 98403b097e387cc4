"""What one process knows of one queue."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from kovra.queue.entry import Entry


class QueueState:
    """What a process knows of one queue; it outlives the consumers that Dramatiq makes anew after errors."""

    def __init__(self) -> None:
        self.cache: deque[Entry] = deque()
        self.done: deque[Entry] = deque()  # entries that are done and of which the server has not heard
        self._freed, self._naps = threading.Event(), False
        self.booted = False
        self.unsure: set[str] = set()  # prefixes where an answer was lost: the server may hold more for us than we know
        self.dues: dict[str, float] = {}  # prefix -> monotonic time of its next delayed message
        self.picks = 0  # entries fetched so far: every eighth favours bulk
        self.swept = 0  # where the slow look goes on
        self.looked_at = 0.0  # monotonic time of the last slow look
        self.beat_at = 0.0  # monotonic time of the last heartbeat
        self.heard_at: float | None = None  # monotonic time when the server last answered a slow look

    def nap(self, timeout_s: float, enough: Callable[[], bool]) -> None:
        """Wait until somebody stirs, unless there is enough to do."""
        self._freed.clear()
        self._naps = True
        try:
            if not enough():
                self._freed.wait(timeout_s)
        finally:
            self._naps = False

    def stir(self) -> None:
        """An entry was begun or done: wake the consumer if it waits for that."""
        if self._naps:
            self._freed.set()
