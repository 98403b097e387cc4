"""A stand-in for a bad network: a TCP proxy whose line can be cut, frozen, or made slow.

``pass``       as if it were not there
``blackhole``  nothing arrives, either way; what was sent arrives when it ends, as TCP's repeats would
``reset``      every open connection is reset, and new ones until it ends
``half-open``  the far side of every open connection is gone and the near side is not told; who waits for an answer gets
               none, until ``GIVE_UP_S`` later the line is reset, which on a real network the kernel's time-out for
               unacknowledged data does. New connections pass
``slow``       each piece takes 200 ms, 100 more or less
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

TOXICS = ("blackhole", "reset", "half-open", "slow")
GIVE_UP_S = 10.0
_SLOW_S, _JITTER_S = 0.2, 0.1


class Proxy:
    """One leg: from a port of its own on 127.0.0.1 to a server. Runs on a thread of its own."""

    def __init__(self, target: str) -> None:
        """Args:
        target: a URL; of its host and port, or of its Unix socket as Redis and PostgreSQL write them, only.
        """
        self._target = _place(target)
        self._dice = random.Random(7)
        self._mode, self._flowing = "pass", asyncio.Event()
        self._lines: set[_Line] = set()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True).start()
        self.port = self._run(self._listen())

    def close(self) -> None:
        """Reset everything and stop listening."""
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)

    @contextlib.contextmanager
    def toxic(self, mode: str) -> Iterator[None]:
        """The line behaves so while the block runs."""
        self._run(self._set(mode))
        try:
            yield
        finally:
            self._run(self._set("pass"))

    def _run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> int:
        self._flowing.set()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        for line in list(self._lines):
            line.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _set(self, mode: str) -> None:
        self._mode = mode
        if mode == "blackhole":
            self._flowing.clear()
        else:
            self._flowing.set()
        for line in list(self._lines):
            if mode == "reset":
                line.abort()
            elif mode == "half-open":
                line.lose_far_side()

    async def _connected(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        await self._flowing.wait()
        if self._mode == "reset":
            near_out.transport.abort()
            return
        try:
            if isinstance(self._target, str):
                far_in, far_out = await asyncio.open_unix_connection(self._target)
            else:
                far_in, far_out = await asyncio.open_connection(*self._target)
        except OSError:
            near_out.transport.abort()
            return
        line = _Line(near_out, far_out)
        self._lines.add(line)
        with contextlib.suppress(asyncio.CancelledError):  # the proxy closes
            await asyncio.gather(self._pump(near_in, far_out, line), self._pump(far_in, near_out, line))
        self._lines.discard(line)
        line.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, line: _Line) -> None:
        with contextlib.suppress(OSError):  # an end that was cut: the line goes below, on both sides
            while piece := await source.read(65_536):
                if self._mode == "slow":
                    await asyncio.sleep(_SLOW_S + self._dice.uniform(-_JITTER_S, _JITTER_S))  # the slow network itself
                await self._flowing.wait()
                if not line.lost:
                    sink.write(piece)
                    await sink.drain()
        if line.lost:
            await asyncio.sleep(GIVE_UP_S)  # half open: nobody is told before this is over
        line.abort()


class _Line:
    """One connection through the proxy."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self._near, self._far, self.lost = near, far, False

    def lose_far_side(self) -> None:
        self.lost = True
        self._far.transport.abort()

    def abort(self) -> None:
        self._near.transport.abort()
        self._far.transport.abort()


def _place(target: str) -> str | tuple[str, int]:
    """A Unix socket's path, or host and port."""
    parts = urlsplit(target)
    if parts.scheme == "unix":
        return parts.path
    if folder := parse_qs(parts.query).get("host"):
        return f"{folder[0]}/.s.PGSQL.5432"
    return parts.hostname or "127.0.0.1", parts.port or 80
