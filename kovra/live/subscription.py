"""A stream with a bounded buffer between the hub and one reader who takes frame by frame."""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from kovra.live.stream import Stream

#: Frames that may wait for one reader. Whoever is further behind is cut off and resumes by number.
BUFFER = 256


class Subscription(Stream):
    """An iterator of frames; one reader only."""

    def __init__(self, *how: Any) -> None:
        super().__init__(*how)
        self._replay: deque[bytes] = deque()
        self._live: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def next(self, timeout_s: float | None = None) -> bytes | None:
        """The next frame; None when none came in time, or when it is closed (see ``closed``)."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while self.why is None:
            if self._replay:
                found: bytes | None = self._replay.popleft()
            else:
                try:
                    left = None if deadline is None else max(0.0, deadline - time.monotonic())
                    found = self._live.get(timeout=left)
                except queue.Empty:
                    return None  # nothing came in time, as promised
            if found is not None and self.why is None:
                self.sent += 1
                self.sent_bytes += len(found)
                return found
        return None

    def __iter__(self) -> Subscription:
        return self

    def __next__(self) -> bytes:
        found = self.next()
        if found is None:
            raise StopIteration
        return found

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self, replay: Iterable[bytes]) -> None:
        self._replay.extend(replay)

    def _put(self, frames: Sequence[bytes], whole: bytes) -> None:
        for frame in frames:
            if self._live.qsize() >= BUFFER:
                self.close("overflow")
                return
            self._live.put(frame)

    def _close(self) -> None:
        self._live.put(None)  # wakes the reader
