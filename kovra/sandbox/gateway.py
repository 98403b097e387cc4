"""The gateway: who is connected, what each is told, and how a connection begins, goes on and ends.

HELLO, heartbeats, IDENTIFY, READY, GUILD_CREATE, dispatch, RESUME with replay, INVALID_SESSION, shards. ``sockets`` one
connection, ``sessions`` what survives it, ``chunks`` requests for members, ``events`` who hears what.
The transport is ``zlib-stream`` when the client asks for it (one compressor per socket, flushed per message),
else plain text. The payload compression that IDENTIFY may ask for is never used: clients that ask for both cannot
read it.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from kovra.sandbox import events, payloads
from kovra.sandbox.chunks import Chunks
from kovra.sandbox.sessions import Session
from kovra.sandbox.sockets import Op, Socket, dumps
from kovra.sandbox.stage import Build
from kovra.sandbox.world import Channel, Clock, Guild, World, moment

HEARTBEAT_INTERVAL_MS = 41_250
#: Discord closes a connection that sends a larger payload (Gateway, Sending Events).
MOST_BYTES = 4096
#: How long a session waits for its client to come back.
RESUME_WINDOW_S = 600

#: How long a client may take to answer a close, in seconds; a hung one must not hold up the stop.
_GOODBYE_S = 2.0


class Gateway:
    """All sessions of the bot.

    Args:
        world: the state.
        clock: Unix time in seconds.
        token: the bot's token.
        limited: says whether rate limits are on.
    """

    def __init__(self, world: World, clock: Clock, token: str, limited: Callable[[], bool]) -> None:
        self._world, self._clock, self._token = world, clock, token
        self.members = Chunks(world, clock, limited)
        self._sessions: dict[str, Session] = {}
        self._sockets: set[Socket] = set()
        #: Close codes for the IDENTIFYs and RESUMEs to come, one each, as somebody asked for.
        self.refusals: deque[int] = deque()
        self.url = ""
        #: What an operator may want to know: connections, identifies and resumes since the start.
        #: How many shards may identify at once (``max_concurrency``), and how long a slot rests; 0 s refuses nobody.
        self.slots, self.identify_gap_s = 1, 0.0
        self._identified_at: dict[int, float] = {}
        self.counts = {"connected": 0, "identified": 0, "resumed": 0, "invalidated": 0}

    # -- telling ---------------------------------------------------------------------------------------------------

    def tell(self, name: str, guild: Guild | None, build: Build, channel: Channel | None = None) -> None:
        """Dispatch an event to every session that may hear it; ``build`` is called only when one does."""
        if not self._sessions:
            return
        guild_id = None if guild is None else guild.id
        audience = [session for session in self._sessions.values() if session.carries(guild_id)]
        if not audience or not events.bot_may_hear(name, self._world, guild, channel, moment(self._clock())):
            return
        payload = build()
        intent = events.intent_of(name, in_guild=guild is not None)
        if intent and events.concerns_bot(name, payload, self._world.bot_id):
            intent = 0
        whole = dumps(payload)
        veiled = None
        for session in audience:
            if intent and not session.intents & intent:
                continue
            text = whole
            if not session.intents & events.MESSAGE_CONTENT and events.is_veiled(name, payload, self._world.bot_id):
                text = veiled = veiled or dumps(events.veil(payload))
            session.push(name, text)

    def sessions(self) -> list[dict[str, Any]]:
        """The sessions as the control API shows them."""
        return [
            {"id": s.id, "shard": list(s.shard), "seq": s.seq, "intents": s.intents, "connected": s.socket is not None}
            for s in self._sessions.values()
        ]

    def sent(self) -> list[str]:
        """The events that are still kept for a Op.RESUME, as they went over the wire."""
        return [text for session in self._sessions.values() for text in session.since(0) or []]

    async def disconnect_all(self, code: int = 4000) -> None:
        """Close every socket; sessions stay resumable."""
        await asyncio.gather(*(socket.close(code) for socket in list(self._sockets)))

    def ask_reconnect(self) -> None:
        """Send op 7 to every client."""
        for socket in self._sockets:
            socket.send(Op.RECONNECT, None)

    def ask_resume(self) -> None:
        """Tell every client that its session is invalid and may be resumed (op 9 with true)."""
        for socket in self._sockets:
            socket.send(Op.INVALID, True)

    def fall_silent(self) -> None:
        """Say nothing more on the connections there are; new ones are served. Sessions keep what is missed."""
        for socket in self._sockets:
            socket.silent = True

    def invalidate_all(self) -> None:
        """Forget every session and tell its client so (op 9, not resumable)."""
        for session in list(self._sessions.values()):
            if session.socket is not None:
                session.socket.session = None
                session.socket.send(Op.INVALID, False)
        self._sessions.clear()

    async def cut(self) -> None:
        """Close every connection, and let the time in which their sessions may be resumed have passed."""
        for session in self._sessions.values():
            if session.socket is not None:
                session.socket.session = None
        self._sessions.clear()
        await self.disconnect_all()

    # -- one connection --------------------------------------------------------------------------------------------

    async def connect(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one connection until it ends."""
        ws = web.WebSocketResponse(max_msg_size=1 << 20, timeout=_GOODBYE_S)
        await ws.prepare(request)
        if request.query.get("v", "10") != "10" or request.query.get("encoding", "json") != "json":
            await ws.close(code=4012)
            return ws
        socket = Socket(ws, compressed=request.query.get("compress") == "zlib-stream")
        self._sockets.add(socket)
        self.counts["connected"] += 1
        writer = asyncio.create_task(socket.drain())
        socket.send(Op.HELLO, {"heartbeat_interval": HEARTBEAT_INTERVAL_MS, "_trace": []})
        try:
            async for message in ws:
                code = await self._hear(socket, message.data if message.type is WSMsgType.TEXT else b"")
                if code is not None:
                    await socket.close(code)
                    break
        finally:
            writer.cancel()
            self._sockets.discard(socket)
            self._detach(socket, ws.close_code)
        return ws

    def _detach(self, socket: Socket, code: int | None) -> None:
        session = socket.session
        if session is None or session.socket is not socket:
            return
        session.socket, session.detached_at = None, self._clock()
        # Only the client's own goodbye ends a session (Gateway, Disconnecting).
        if code in (1000, 1001) and not socket.closed_by_server:
            self._sessions.pop(session.id, None)

    async def _hear(self, socket: Socket, text: str | bytes) -> int | None:
        """Act on one client message; returns the close code when it ends the connection."""
        if not isinstance(text, str) or len(text) > MOST_BYTES:
            return 4002
        try:
            message = json.loads(text)
            op, data = message["op"], message.get("d")
        except (ValueError, KeyError, TypeError):
            return 4002
        if socket.too_many(self._clock()):
            return 4008
        if op == Op.HEARTBEAT:
            socket.send(Op.ACK, None)
            return None
        if op in (Op.IDENTIFY, Op.RESUME) and self.refusals:
            return self.refusals.popleft()
        if op == Op.IDENTIFY:
            return self._identify(socket, data)
        if op == Op.RESUME:
            return self._resume(socket, data)
        if socket.session is None:
            return 4003
        if op == Op.MEMBERS:
            await self.members.answer(socket.session, data)
            return None
        return None if op in (Op.PRESENCE, Op.VOICE, Op.SOUNDBOARD) else 4001

    def _identify(self, socket: Socket, data: dict[str, Any]) -> int | None:
        if socket.session is not None:
            return 4005
        if data.get("token", "").removeprefix("Bot ") != self._token:
            return 4004
        shard, shards = data.get("shard") or (0, 1)
        if not 0 <= shard < shards:
            return 4010
        slot, now = shard % self.slots, self._clock()
        if now - self._identified_at.get(slot, float("-inf")) < self.identify_gap_s:
            self.counts["invalidated"] += 1
            socket.send(Op.INVALID, False)
            return None
        self._identified_at[slot] = now
        session = Session((shard, shards), int(data.get("intents", 0)), data.get("large_threshold", 50), socket)
        socket.session = session
        self._forget_old()
        self._sessions[session.id] = session
        self.counts["identified"] += 1
        guilds = [g for g in self._world.members_of(self._world.bot_id) if session.carries(g.id)]
        session.push("READY", dumps(self._ready(session, guilds)))
        for guild in guilds:
            self._open_guild(session, guild)
        return None

    def _ready(self, session: Session, guilds: list[Guild]) -> dict[str, Any]:
        application = payloads.application(self._world)
        return {
            "v": 10,
            "user": payloads.own_user(self._world.users[self._world.bot_id]),
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": self.url,
            "shard": list(session.shard),
            "application": {key: application[key] for key in ("id", "flags", "flags_new")},
            "private_channels": [],
            "presences": [],
            "relationships": [],
            "user_settings": {},
            "guild_join_requests": [],
            "geo_ordered_rtc_regions": [],
            "auth": {},
            "_trace": [],
        }

    def _open_guild(self, session: Session, guild: Guild) -> None:
        large = len(guild.members) > session.large_threshold
        listed = bool(session.intents & events.GUILD_PRESENCES) and not large
        payload = payloads.guild_create(guild, self._world, moment(self._clock()), with_members=listed, large=large)
        session.push("GUILD_CREATE", dumps(payload))

    def open_guild(self, guild: Guild) -> None:
        """Tell of a guild the bot has just been added to."""
        for session in self._sessions.values():
            if session.carries(guild.id):
                payload = payloads.guild_create(
                    guild, self._world, moment(self._clock()), with_members=False, large=False
                )
                del payload["unavailable"]
                session.push("GUILD_CREATE", dumps(payload))

    def _forget_old(self) -> None:
        overdue = self._clock() - RESUME_WINDOW_S
        for session in [s for s in self._sessions.values() if s.socket is None and s.detached_at < overdue]:
            del self._sessions[session.id]

    def _resume(self, socket: Socket, data: dict[str, Any]) -> int | None:
        self._forget_old()
        session = self._sessions.get(data.get("session_id", ""))
        if data.get("token", "").removeprefix("Bot ") != self._token:
            return 4004
        seq = data.get("seq") or 0
        missed = None if session is None else session.since(seq)
        if session is None or missed is None:
            self.counts["invalidated"] += 1
            socket.send(Op.INVALID, False)
            return None
        if seq > session.seq:
            return 4007
        session.socket, socket.session = socket, session
        self.counts["resumed"] += 1
        for text in missed:
            socket.put(text)
        # An object, not null: Pycord writes into it.
        session.push("RESUMED", '{"_trace":[]}')
        return None
