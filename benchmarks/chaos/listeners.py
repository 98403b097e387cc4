"""One open stream as a browser holds it: comes back after a break, says what it saw last, and stops when it must."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from urllib.parse import urlsplit

from benchmarks.person import Person

#: Browsers wait as long as the stream's ``retry`` says (1 to 2.5 s); this is a quicker one, so that more breaks fit in.
RETRY_S = 0.3

#: A slow reader takes so many bytes so often.
SLOW_BYTES, SLOW_EVERY_S = 512, 0.1

_ID, _KIND = re.compile(rb"^id: (\d+)$", re.MULTILINE), re.compile(rb"^event: (\S+)$", re.MULTILINE)


class Listener:
    """Keeps the numbers of all events in the order they came.

    Attributes:
        refused: answers other than 200 and 204.
        resumed: each break: when it began, in monotonic seconds, and how many milliseconds from the end of one
            connection to the first answer of the next.
        revoked_at: when it was told that its right has ended, in monotonic seconds.
        after_revocation: events heard after that; a stream that comes back is asked for three seconds more.
    """

    def __init__(self, person: Person, guild_id: int, since: int, *, slow: bool) -> None:
        self.person, self.guild_id, self._last, self.slow = person, guild_id, since, slow
        address = urlsplit(person.web_url)
        self._address = (str(address.hostname), int(address.port or 80))
        self._cookie = "; ".join(f"{name}={value}" for name, value in person.session.cookies.get_dict().items())
        self.seen: list[int] = []
        self.resumed: list[tuple[float, float]] = []
        self.refused = self.resyncs = self.after_revocation = 0
        self.revoked_at: float | None = None
        self._broke_at: float | None = None
        self._open, self._closed = threading.Event(), threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def await_open(self) -> None:
        """Wait for the first answer."""
        if not self._open.wait(60):
            raise RuntimeError("a stream did not open within a minute")

    def close(self) -> None:
        """Come back no more."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            # A cut line is what this measures: how long it lasted is kept, whatever cut it.
            with contextlib.suppress(OSError), socket.socket() as line:
                self._read(line)
            if self._open.is_set() and self._broke_at is None and self.revoked_at is None:
                self._broke_at = time.monotonic()
            self._closed.wait(RETRY_S)  # as an EventSource, which waits before it comes back

    def _read(self, line: socket.socket) -> None:
        if self.slow:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.settimeout(60)
        line.connect(self._address)
        line.sendall(
            f"GET /g/{self.guild_id}/live HTTP/1.1\r\nHost: {self._address[0]}:{self._address[1]}\r\n"
            f"Sec-Fetch-Site: same-origin\r\nLast-Event-ID: {self._last}\r\nCookie: {self._cookie}\r\n\r\n".encode()
        )
        rest = b""
        while b"\r\n\r\n" not in rest:
            more = line.recv(4096)
            if not more:
                return
            rest += more
        head, rest = rest.split(b"\r\n\r\n", 1)
        status = int(head.split()[1])
        self.refused += status not in (200, 204)
        if status in (204, 403, 404):  # what tells a browser to stop; a reader who was behind hears it only so
            self.revoked_at = self.revoked_at or time.monotonic()
            self._closed.wait(RETRY_S)
        if status != 200:
            return
        self._open.set()
        if self._broke_at is not None:
            self.resumed.append((self._broke_at, (time.monotonic() - self._broke_at) * 1000))
            self._broke_at = None
        while True:
            *frames, rest = rest.split(b"\n\n")
            for frame in frames:
                self._hear(frame)
            if self.slow:
                time.sleep(SLOW_EVERY_S)  # this is what makes it a slow reader
            more = line.recv(SLOW_BYTES if self.slow else 65536)
            if not more or self._closed.is_set():
                return
            rest += more

    def _hear(self, frame: bytes) -> None:
        kind, number = _KIND.search(frame), _ID.search(frame)
        if kind and kind[1] == b"revoked":
            self.revoked_at = time.monotonic()
        elif kind and kind[1] == b"resync":
            self.resyncs += 1
            self._last = int(number[1]) if number else self._last
        elif number:
            self._last = int(number[1])
            self.seen.append(self._last)
            self.after_revocation += self.revoked_at is not None
