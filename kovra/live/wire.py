"""A stream that the hub writes straight into its socket: no thread, greenlet or copy of a frame stands between.

A write never waits. What the kernel does not take is kept, in order and up to a bound, with the number of bytes that
went out; :class:`kovra.live.wires.Wires` writes the rest once the reader takes more. A wire that has caught up is
written to with many others (:mod:`kovra.live.crowd`), until it does not take a frame whole.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from kovra.live.crowd import NOW, Crowd, Send
from kovra.live.events import revoked_frame
from kovra.live.stream import Stream

#: Bytes of live frames that may wait for one reader, about 256 frames; the kernel holds as much again and more.
#: Whoever is further behind is cut off and resumes by number.
BUFFER_BYTES = 64 * 1024


class Line(Protocol):
    """A connected socket of the kernel; not one of gevent's, whose writes may wait."""

    def send(self, data: bytes, flags: int, /) -> int: ...


class Wire(Stream):
    """A stream on a connection of its own.

    Attributes:
        ends_at: when it has had its time, in monotonic seconds.
        place: in its crowd.
    """

    def __init__(self, *how: Any) -> None:
        super().__init__(*how)
        self.ends_at = float("inf")
        self.place = 0
        self._used_at = float("-inf")
        self._crowd: Crowd | None = None
        self._send: Send | None = None
        self._on_change: Callable[[Wire], None] | None = None
        # What waits, in order; None when nothing does and the hub may write. Until it is opened, everything waits.
        self._waiting: deque[bytes] | None = deque()
        self._offset = 0  # of the first that waits, bytes that went out
        self._live_bytes = 0  # of live frames, bytes that wait: a long replay is not its reader's fault

    @property
    def shown(self) -> int:
        return self._shown if self._crowd is None else self._crowd.shown_to(self)

    @property
    def stuck(self) -> bool:
        """Whether something waits for its reader."""
        return self._waiting is not None

    def begin(self, replay: Iterable[bytes]) -> None:
        frames = list(replay)
        with self._writing:
            assert self._waiting is not None
            # The hub may have handed in live frames since; what is replayed lies before them.
            self._waiting.extendleft(reversed(frames))
            self.sent += len(frames)
            self.sent_bytes += sum(map(len, frames))

    def open(self, line: Line, head: bytes, on_change: Callable[[Wire], None]) -> None:
        """Write the head and all that waited; from now on the hub writes by itself.

        ``on_change`` is called, from any thread, when it gets stuck and when it is closed.
        """
        with self._writing:
            assert self._waiting is not None
            self._waiting.appendleft(head)
            self._send, self._on_change = line.send, on_change
        self.flush()

    def beat(self, frame: bytes, since: float) -> None:
        """Show that the line lives, unless it was used since that moment."""
        used_at = self._used_at if self._crowd is None else max(self._used_at, self._crowd.used_at)
        if used_at <= since and not self.stuck:
            self._write(frame)

    def flush(self) -> bool:
        """Write what waits; False when some of it still does."""
        gone = False
        with self._writing:
            while self._waiting and not gone:
                try:
                    self._offset += self._send(memoryview(self._waiting[0])[self._offset :], NOW)  # type: ignore
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

    def join(self, crowd: Crowd, shown: int) -> bool:
        """Be written to with others that stand at this number; False when it cannot, now."""
        with self._writing:
            if self.why is not None or self._waiting is not None or self._shown != shown:
                return False
            self._crowd = crowd
            crowd.add(self, self._send)  # type: ignore[arg-type]  # opened: nothing waits
            return True

    def left_by(self, error: OSError) -> None:
        self.close()

    def left_with(self, rest: bytes, offset: int, shown: int) -> None:
        self._leave_crowd(goes_on=True)
        self._shown = shown
        self._keep(rest, offset)

    def told_of_change(self) -> None:
        if self._on_change is not None:
            self._on_change(self)

    def _put(self, frames: Sequence[bytes], whole: bytes) -> None:
        self.sent += len(frames)
        self.sent_bytes += len(whole)
        self._write(whole)

    def _write(self, data: bytes) -> None:
        """Send it, or keep what the kernel did not take."""
        self._used_at = time.monotonic()
        gone = stuck = full = False
        with self._writing:
            if self._waiting is not None:
                full = self._live_bytes + len(data) > BUFFER_BYTES
                if not full:
                    self._waiting.append(data)
                    self._live_bytes += len(data)
            else:
                try:
                    sent = self._send(data, NOW)  # type: ignore[misc]  # opened: nothing waits
                except BlockingIOError:
                    sent = 0
                except OSError:
                    sent, gone = len(data), True
                if sent < len(data):
                    self._leave_crowd(goes_on=True)
                    self._keep(data, sent)
                    stuck = True
        if gone or full:
            self.close("overflow" if full else "left")
        elif stuck:
            self.told_of_change()

    def _keep(self, data: bytes, offset: int) -> None:
        self._waiting, self._offset, self._live_bytes = deque([data]), offset, len(data) - offset

    def _leave_crowd(self, *, goes_on: bool) -> None:
        if (crowd := self._crowd) is not None:
            self._shown, self._used_at = crowd.shown_to(self), max(self._used_at, crowd.used_at)
            self._crowd = None
            crowd.remove(self, goes_on=goes_on)

    def _close(self) -> None:
        with self._writing:
            # Before the last word: nothing may come behind it.
            self._leave_crowd(goes_on=False)
        if self.why == "revoked" and not self.stuck:
            self._write(revoked_frame())
        self.told_of_change()
