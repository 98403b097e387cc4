"""One open stream's end of the hub: a bounded buffer that is filled by the hub and emptied by one reader."""

from __future__ import annotations

import logging
import queue
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal

from kovra.ids import GuildId
from kovra.live.events import Hint
from kovra.live.ports import EventLike

#: Frames that may wait for one reader. Whoever is further behind is cut off and resumes by number.
BUFFER = 256

Visible = Callable[[EventLike | Hint], bool]

#: Why a subscription is closed: its reader left, was too slow, its filter failed, or the hub stops.
Why = Literal["left", "overflow", "filter", "stopped"]

_log = logging.getLogger(__name__)


class Subscription:
    """An iterator of frames, in order, none missing and none twice; one reader only.

    Attributes:
        sent: frames its reader has taken.
        why: why it was closed, None while it is open.
    """

    def __init__(
        self, guild_id: GuildId, shown: int, visible: Visible, on_close: Callable[[Subscription], None]
    ) -> None:
        self.guild_id = guild_id
        self.sent = 0
        self.why: Why | None = None
        self._visible, self._on_close = visible, on_close
        self._replay: deque[bytes] = deque()
        self._live: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        # Live frames begin behind this number; what lies before it is replayed, or its reader has it.
        self._shown = shown

    @property
    def closed(self) -> bool:
        return self.why is not None

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
                    return None
            if found is not None and self.why is None:
                self.sent += 1
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

    def close(self, why: Why = "left") -> None:
        """End it: the reader wakes at once and what it had not taken is dropped. Twice is once."""
        if self.why is None:
            self.why = why
            self._live.put(None)  # wakes the reader
            self._on_close(self)

    def begin(self, replay: Iterable[bytes]) -> None:
        """Say what comes before the live frames. Its reader gets the subscription only after this."""
        self._replay.extend(replay)

    def sees(self, event: EventLike | Hint) -> bool:
        """Whether its viewer may see this. A filter that fails shows nothing more at all."""
        try:
            return self._visible(event)
        except Exception:
            _log.exception("the filter of a stream of guild %d failed; the stream is closed", self.guild_id)
            self.close("filter")
            return False

    def offer(self, event: EventLike, frame: bytes) -> None:
        """Hand it a live event unless it has shown it already or its viewer may not see it."""
        if event.seq > self._shown:
            self._shown = event.seq
            self._put(event, frame)

    def offer_hint(self, hint: Hint, frame: bytes) -> None:
        self._put(hint, frame)

    def _put(self, event: EventLike | Hint, frame: bytes) -> None:
        if self.why is None and self.sees(event):
            if self._live.qsize() >= BUFFER:
                self.close("overflow")
            else:
                self._live.put(frame)
