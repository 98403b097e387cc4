"""Keeps the open wires of a process: beats, writes what waited, notices who left, ends what has had its time.

One thread, green under gevent's patching, whatever the number of wires. It alone registers and closes their sockets.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import selectors
import socket
import threading
import time
from _socket import socket as KernelSocket  # the one that gevent does not replace: its send never waits
from collections import deque

from kovra.live.turns import TURN, give_way
from kovra.live.wire import Wire

#: Streams that began together must not all end together: each ends after this share of its time, or later.
EARLIEST_END = 0.8

#: Who is due to beat within this share of the interval beats with who is due now: streams open one by one, and each
#: would be a round of its own for as long as it lasts.
TOGETHER = 0.1

_log = logging.getLogger(__name__)


class Wires:
    """Takes connections over from a web server.

    Args:
        beat: the frame that shows that a line lives, and how often it is written, in seconds.
        longest_s: how long a wire lasts at most.
        selector: waits for sockets; under gevent its own, because the patched standard one asks anew at each look.
    """

    def __init__(self, beat: bytes, heartbeat_s: float, longest_s: float, selector: selectors.BaseSelector) -> None:
        self._beat, self._heartbeat_s, self._longest_s = beat, heartbeat_s, longest_s
        self._selector = selector
        self._lines: dict[Wire, KernelSocket] = {}
        self._due: deque[tuple[float, Wire]] = deque()  # equal intervals: the oldest is due first
        self._changed: deque[Wire] = deque()
        self._bell, self._wakes = socket.socketpair()
        self._bell.setblocking(False)
        self._wakes.setblocking(False)
        self._selector.register(self._wakes.fileno(), selectors.EVENT_READ, None)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kovra-wires", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._lines)

    def take(self, wire: Wire, connection: socket.socket, head: bytes) -> None:
        """Let a stream write into this connection, which its server may close: the line goes on as a copy."""
        line = KernelSocket(fileno=os.dup(connection.fileno()))
        line.setblocking(False)
        wire.ends_at = time.monotonic() + self._longest_s * random.uniform(EARLIEST_END, 1)
        self._lines[wire] = line
        self._due.append((time.monotonic() + self._heartbeat_s, wire))
        wire.open(line, head, self._look_at)
        self._look_at(wire)

    def close(self) -> None:
        """Let go of everything and stop."""
        self._stopping.set()
        self._ring()
        self._thread.join(timeout=2)

    def _look_at(self, wire: Wire) -> None:
        self._changed.append(wire)
        self._ring()

    def _ring(self) -> None:
        # Full: it rings already, and one is enough. Closed: nobody listens any more.
        with contextlib.suppress(OSError):
            self._bell.send(b"!")

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._round()
            except Exception:
                # Without this thread no closed stream of the process would ever go away.
                _log.exception("a round over the open streams failed; the next one follows")
                self._stopping.wait(0.1)
        for wire in list(self._lines):
            wire.close("stopped")
            self._drop(wire)
        self._selector.close()
        self._bell.close()
        self._wakes.close()

    def _round(self) -> None:
        wait_s = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
        for key, ready in self._selector.select(wait_s):
            wire = key.data
            if wire is None:
                # Another round took the rings; what changed is in the queue either way.
                with contextlib.suppress(BlockingIOError):
                    self._wakes.recv(4096)
                continue
            if ready & selectors.EVENT_READ and _left(self._lines[wire]):
                wire.close()
            elif ready & selectors.EVENT_WRITE:
                wire.flush()
            self._changed.append(wire)
        for _ in range(len(self._changed)):
            self._settle(self._changed.popleft())
        self._beat_those_due()

    def _settle(self, wire: Wire) -> None:
        """Wait for what it needs now: more room when it is stuck, always for its end; or close it."""
        if (line := self._lines.get(wire)) is None:
            return
        if wire.closed:
            self._drop(wire)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if wire.stuck else 0)
        known = self._selector.get_map().get(line.fileno())
        if known is None:
            self._selector.register(line.fileno(), wanted, wire)
        elif known.events != wanted:
            self._selector.modify(line.fileno(), wanted, wire)

    def _drop(self, wire: Wire) -> None:
        line = self._lines.pop(wire)
        # It was closed before the first look at it, so nobody waits for it.
        with contextlib.suppress(KeyError):
            self._selector.unregister(line.fileno())
        # Its reader was quicker to hang up.
        with contextlib.suppress(OSError):
            # The server's own copy may still be open; the reader must see the end now.
            line.shutdown(socket.SHUT_RDWR)
        line.close()

    def _beat_those_due(self) -> None:
        now, turn = time.monotonic(), 0
        if not self._due or self._due[0][0] > now:
            return
        until = now + self._heartbeat_s * TOGETHER
        while self._due and self._due[0][0] <= until:
            _, wire = self._due.popleft()
            if wire.closed:
                continue
            if now >= wire.ends_at:
                wire.close("over")
                continue
            wire.beat(self._beat, since=now - self._heartbeat_s)
            self._due.append((now + self._heartbeat_s, wire))
            turn += 1
            if turn % TURN == 0:
                give_way()


def _left(line: KernelSocket) -> bool:
    """Whether the reader has closed; whatever else it says is not listened to."""
    try:
        return line.recv(4096) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
