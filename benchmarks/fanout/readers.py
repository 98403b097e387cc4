"""All readers in one process: one epoll, no parsing but for the moment that each event carries."""

from __future__ import annotations

import multiprocessing
import os
import resource
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

#: Stands before the nanoseconds (CLOCK_MONOTONIC, one for all processes) in every event.
MARK = b'"at_ns":"'

#: Connections opened before waiting for their answers: more would overrun a listener's backlog.
AT_ONCE = 100


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What came since the last question: how many events in all, and how long each was on its way, in ms."""

    count: int
    ms: Sequence[float]


class Readers:
    """Opens streams and reads them in a process of its own.

    Args:
        address: of the server.
        heads: the bytes of each stream's request.
    """

    def __init__(self, address: tuple[str, int], heads: Sequence[bytes]) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._ours, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_read, args=(theirs, address, list(heads)), daemon=True)
        self._process.start()

    def open(self, patience_s: float = 240) -> int:
        """Wait until all streams are open; how many are."""
        return int(self._ask("opened", patience_s))

    def heard(self) -> Heard:
        """What came since the last time."""
        return self._ask("heard", 60)

    def close(self) -> None:
        """Close every stream."""
        self._ask("close", 60)
        self._process.join(timeout=20)

    def _ask(self, what: str, patience_s: float) -> object:
        self._ours.send(what)
        if not self._ours.poll(patience_s):
            self._process.kill()
            raise RuntimeError(f"the readers did not answer within {patience_s:.0f} s")
        return self._ours.recv()


def _read(line: Connection, address: tuple[str, int], heads: list[bytes]) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Clients are elsewhere. Left alone, the kernel wakes them where somebody writes to them, and they push him aside.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    streams = {}
    for start in range(0, len(heads), AT_ONCE):
        opening = [_ask_for(address, head) for head in heads[start : start + AT_ONCE]]
        streams |= {stream.fileno(): stream for stream in opening if _opened(stream)}
    poll = select.epoll()
    for number, stream in streams.items():
        stream.setblocking(False)
        poll.register(number, select.EPOLLIN)
    poll.register(line.fileno(), select.EPOLLIN)
    rests: dict[int, bytes] = {}
    moments: list[int] = []
    while True:
        for number, _ in poll.poll():
            if number == line.fileno():
                asked = line.recv()
                if asked == "opened":
                    line.send(len(streams))
                elif asked == "heard":
                    line.send(Heard(count=len(moments), ms=[way / 1e6 for way in moments]))
                    moments = []
                else:
                    for stream in streams.values():
                        stream.close()
                    line.send("closed")
                    return
                continue
            try:
                data = streams[number].recv(1 << 18)
            except (BlockingIOError, OSError):
                continue  # nothing there yet, or a line that is cut: whoever waits for its events says so
            if not data:
                poll.unregister(number)
                continue
            now = time.monotonic_ns()
            if number in rests:
                data = rests.pop(number) + data
            first, *events = data.split(MARK)
            for event in events:
                end = event.find(b'"')
                if end >= 0:
                    moments.append(now - int(event[:end]))
            # A mark that is cut in two, or its number, is read with what follows.
            if events and events[-1].find(b'"') < 0:
                rests[number] = MARK + events[-1]
            elif not data.endswith(b"\n"):
                rests[number] = (events[-1][events[-1].find(b'"') :] if events else first)[-len(MARK) :]


def _ask_for(address: tuple[str, int], head: bytes) -> socket.socket:
    stream = socket.create_connection(address, timeout=60)
    stream.sendall(head)
    return stream


def _opened(stream: socket.socket) -> bool:
    got = b""
    while b"\r\n\r\n" not in got:
        more = stream.recv(4096)
        if not more:
            return False
        got += more
    return b" 200 " in got.split(b"\r\n", 1)[0]
