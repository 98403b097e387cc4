"""The open streams of this process: counted per session, ended together."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

from kovra.live.subscription import Subscription

#: Tabs share one stream per browser and server; more than this is a mistake or an attack.
MOST_PER_SESSION = 6


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often a stream does what, in seconds: show it is alive, look whether its viewer still may, end."""

    heartbeat_s: float = 15.0
    reauthorise_s: float = 30.0
    longest_s: float = 15 * 60.0


class Streams:
    """Knows every open stream, so that a stopping process can end them at once and they resume elsewhere."""

    def __init__(self, most_per_session: int = MOST_PER_SESSION) -> None:
        self._most = most_per_session
        self._lock = threading.Lock()
        self._open: dict[Subscription, bytes] = {}
        self._counts: Counter[bytes] = Counter()
        self._closed = False

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, session_id: bytes) -> bool:
        """Take a place for one more stream of a session; False when it has its share, or the process stops."""
        with self._lock:
            if self._closed or self._counts[session_id] >= self._most:
                return False
            self._counts[session_id] += 1
            return True

    def hold(self, session_id: bytes, stream: Subscription) -> None:
        """Remember the stream that sits on a place taken before."""
        with self._lock:
            self._open[stream] = session_id
            closed = self._closed
        if closed:
            stream.close("stopped")

    def leave(self, session_id: bytes, stream: Subscription | None) -> None:
        """Give the place back and end its stream."""
        with self._lock:
            self._counts[session_id] -= 1
            if self._counts[session_id] <= 0:
                del self._counts[session_id]
            if stream is not None:
                self._open.pop(stream, None)
        if stream is not None:
            stream.close()

    def close(self) -> None:
        """End every stream and take no new one: the process is stopping. Browsers reconnect and resume."""
        with self._lock:
            self._closed = True
            streams = list(self._open)
        for stream in streams:
            stream.close("stopped")
