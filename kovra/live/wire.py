"""A stream that the hub writes straight into its socket: no thread, greenlet or copy of a frame stands between.

A write never waits. What the kernel does not take is kept, in order and up to a bound, with the number of bytes that
went out; :class:`kovra.live.wires.Wires` writes the rest once the reader takes more.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from socket import MSG_DONTWAIT, MSG_NOSIGNAL
from typing import Protocol

from kovra.ids import GuildId
from kovra.live.events import revoked_frame
from kovra.live.stream import Stream, Visible

#: Bytes of live frames that may wait for one reader, about 256 frames; the kernel holds as much again and more.
#: Whoever is further behind is cut off and resumes by number.
BUFFER_BYTES = 64 * 1024

_NOW = MSG_DONTWAIT | MSG_NOSIGNAL


class Line(Protocol):
    """A connected socket of the kernel; not one of gevent's, whose writes may wait."""

    def send(self, data: bytes, flags: int, /) -> int: ...


class Wire(Stream):
    """A stream on a connection of its own.

    Attributes:
        fresh: something was written since ``beat`` was called last.
        ends_at: when it has had its time, in monotonic seconds.
    """

    def __init__(self, guild_id: GuildId, shown: int, visible: Visible, on_close: Callable[[Stream], None]) -> None:
        super().__init__(guild_id, shown, visible, on_close)
        self.fresh = True
        self.ends_at = float("inf")
        self._lock = threading.Lock()  # the hub writes, and so does whoever writes the rest
        self._send: Callable[[bytes, int], int] | None = None
        self._on_change: Callable[[Wire], None] | None = None
        # What waits, in order; None when nothing does and the hub may write. Until it is opened, everything waits.
        self._waiting: deque[bytes] | None = deque()
        self._offset = 0  # of the first that waits, bytes that went out
        self._live_bytes = 0  # of live frames, bytes that wait: a long replay is not its reader's fault

    @property
    def stuck(self) -> bool:
        """Whether something waits for its reader."""
        return self._waiting is not None

    def begin(self, replay: Iterable[bytes]) -> None:
        frames = list(replay)
        with self._lock:
            assert self._waiting is not None
            # The hub may have handed in live frames since; what is replayed lies before them.
            self._waiting.extendleft(reversed(frames))
            self.sent += len(frames)

    def open(self, line: Line, head: bytes, on_change: Callable[[Wire], None]) -> None:
        """Write the head and all that waited; from now on the hub writes by itself.

        ``on_change`` is called, from any thread, when it gets stuck and when it is closed.
        """
        with self._lock:
            assert self._waiting is not None
            self._waiting.appendleft(head)
            self._send, self._on_change = line.send, on_change
        self.flush()

    def beat(self, frame: bytes) -> None:
        """Show that the line lives, unless it was used since the last beat."""
        if self.fresh or self.stuck:
            self.fresh = False
            return
        self._write(frame)
        self.fresh = False

    def flush(self) -> bool:
        """Write what waits; False when some of it still does."""
        gone = False
        with self._lock:
            while self._waiting and not gone:
                try:
                    self._offset += self._send(memoryview(self._waiting[0])[self._offset :], _NOW)  # type: ignore
                except BlockingIOError:
                    return False
                except OSError:
                    gone = True
                else:
                    if self._offset == len(self._waiting[0]):
                        self._waiting.popleft()
                        self._offset = 0
            if not gone:
                self._waiting, self._live_bytes = None, 0
        if gone:
            self.close()
        return True

    def _put(self, frames: Sequence[bytes], whole: bytes) -> None:
        self.sent += len(frames)
        self._write(whole)

    def _write(self, data: bytes) -> None:
        """Send it, or keep what the kernel did not take."""
        self.fresh = True
        gone = stuck = full = False
        with self._lock:
            if self._waiting is not None:
                full = self._live_bytes + len(data) > BUFFER_BYTES
                if not full:
                    self._waiting.append(data)
                    self._live_bytes += len(data)
            else:
                try:
                    sent = self._send(data, _NOW)  # type: ignore[misc]  # opened: nothing waits
                except BlockingIOError:
                    sent = 0
                except OSError:
                    sent, gone = len(data), True
                if sent < len(data):
                    self._waiting, self._offset, self._live_bytes, stuck = deque([data]), sent, len(data) - sent, True
        if gone or full:
            self.close("overflow" if full else "left")
        elif stuck and self._on_change is not None:
            self._on_change(self)

    def _close(self) -> None:
        if self.why == "revoked" and not self.stuck:
            self._write(revoked_frame())
        if self._on_change is not None:
            self._on_change(self)
