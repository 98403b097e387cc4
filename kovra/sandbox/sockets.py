"""One connection of a client to the gateway: what goes out, in order, compressed when asked for."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections import deque
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from kovra.sandbox.sessions import Session

#: Client events per connection and minute (Gateway, Rate Limiting).
MOST_EVENTS = 120
#: The lightest compression: on loopback, time is dearer than bytes.
_LEVEL = 1

dumps = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Op(IntEnum):
    """What a message over the gateway is (Gateway, Opcodes)."""

    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    PRESENCE = 3
    VOICE = 4
    RESUME = 6
    RECONNECT = 7
    MEMBERS = 8
    INVALID = 9
    HELLO = 10
    ACK = 11
    SOUNDBOARD = 31


class Socket:
    """One connection: an outbox drained in order by its own task."""

    def __init__(self, ws: web.WebSocketResponse, compressed: bool) -> None:
        self._ws = ws
        self._compressor = zlib.compressobj(_LEVEL) if compressed else None
        self._outbox: deque[str] = deque()
        self._filled = asyncio.Event()
        self.session: Session | None = None
        self.closed_by_server = False
        #: A silent connection stays open and says nothing, not even that it is alive.
        self.silent = False
        self._heard: deque[float] = deque()

    def put(self, text: str) -> None:
        if self.silent:
            return
        self._outbox.append(text)
        self._filled.set()

    def send(self, op: Op, data: Any) -> None:
        """Send something that is no event: HELLO, ACK, RECONNECT, INVALID_SESSION."""
        self.put(dumps({"op": op, "d": data, "s": None, "t": None}))

    def too_many(self, now: float) -> bool:
        """Count a client event; says whether it was one too many for this minute."""
        self._heard.append(now)
        while self._heard[0] <= now - 60:
            self._heard.popleft()
        return len(self._heard) > MOST_EVENTS

    async def drain(self) -> None:
        """Write the outbox to the wire until the connection ends."""
        while not self._ws.closed:
            await self._filled.wait()
            self._filled.clear()
            while self._outbox and not self._ws.closed:
                await self._write(self._outbox.popleft())

    async def _write(self, text: str) -> None:
        try:
            if self._compressor is None:
                await self._ws.send_str(text)
            else:
                data = self._compressor.compress(text.encode()) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
                await self._ws.send_bytes(data)
        except (ConnectionError, RuntimeError):
            # The client has gone; what it missed is in its session's replay buffer.
            self._outbox.clear()

    async def close(self, code: int) -> None:
        """Close from the server's side; the session stays resumable."""
        self.closed_by_server = True
        await self._ws.close(code=code)
