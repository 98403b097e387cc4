"""The gateway: sessions that survive their socket, and the sockets that carry them.

HELLO, heartbeats, IDENTIFY, READY, GUILD_CREATE, dispatch, RESUME with replay, INVALID_SESSION, member chunks, shards.
The transport is ``zlib-stream`` when the client asks for it (one compressor per socket, flushed per message),
else plain text. The payload compression that IDENTIFY may ask for is never used: clients that ask for both cannot
read it.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import zlib
from collections import deque
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from kovra.sandbox import events, payloads
from kovra.sandbox.stage import Build
from kovra.sandbox.world import Channel, Clock, Guild, Member, World, moment

HEARTBEAT_INTERVAL_MS = 41_250
#: Discord closes a connection that sends a larger payload (Gateway, Sending Events).
MOST_BYTES = 4096
#: Client events per connection and minute (Gateway, Rate Limiting).
MOST_EVENTS = 120
#: Events kept for a RESUME; a session that missed more starts anew.
REPLAY_EVENTS = 50_000
#: How long a session waits for its client to come back.
RESUME_WINDOW_S = 600
#: Members in one GUILD_MEMBERS_CHUNK, and members a search or a list of ids may return.
CHUNK = 1000
MOST_FOUND = 100
#: One full member list per guild in this time, while rate limits are on (Gateway, Request Guild Members).
FULL_CHUNK_EVERY_S = 30

DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, VOICE, RESUME, RECONNECT, MEMBERS, INVALID, HELLO, ACK = (
    0,
    1,
    2,
    3,
    4,
    6,
    7,
    8,
    9,
    10,
    11,
)
SOUNDBOARD = 31

#: How long a client may take to answer a close, in seconds; a hung one must not hold up the stop.
_GOODBYE_S = 2.0
#: The lightest compression: on loopback, time is dearer than bytes.
_LEVEL = 1

_dumps = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


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

    def send(self, op: int, data: Any) -> None:
        """Send something that is no event: HELLO, ACK, RECONNECT, INVALID_SESSION."""
        self.put(_dumps({"op": op, "d": data, "s": None, "t": None}))

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


class Session:
    """What a client identified as: its shard, intents, sequence and the events it may ask for again."""

    def __init__(self, shard: tuple[int, int], intents: int, large_threshold: int, socket: Socket) -> None:
        self.id = secrets.token_hex(16)
        self.shard, self.intents, self.large_threshold = shard, intents, large_threshold
        self.socket: Socket | None = socket
        self.seq = 0
        self.detached_at = 0.0
        self._sent: deque[tuple[int, str]] = deque(maxlen=REPLAY_EVENTS)

    def push(self, name: str, data: str) -> None:
        """Number an event, keep it for a RESUME, and send it when somebody is connected."""
        self.seq += 1
        text = f'{{"op":0,"s":{self.seq},"t":"{name}","d":{data}}}'
        self._sent.append((self.seq, text))
        if self.socket is not None:
            self.socket.put(text)

    def carries(self, guild_id: int | None) -> bool:
        return events.shard_of(guild_id, self.shard[1]) == self.shard[0]

    def since(self, seq: int) -> list[str] | None:
        """The events after ``seq``, or None when some of them are no longer kept."""
        if self._sent and self._sent[0][0] > seq + 1:
            return None
        return [text for number, text in self._sent if number > seq]


class Gateway:
    """All sessions of the bot.

    Args:
        world: the state.
        clock: Unix time in seconds.
        token: the bot's token.
        limited: says whether rate limits are on.
    """

    def __init__(self, world: World, clock: Clock, token: str, limited: Callable[[], bool]) -> None:
        self._world, self._clock, self._token, self._limited = world, clock, token, limited
        self._sessions: dict[str, Session] = {}
        self._sockets: set[Socket] = set()
        self._last_full: dict[int, float] = {}
        #: Close codes for the IDENTIFYs and RESUMEs to come, one each, as somebody asked for.
        self.refusals: deque[int] = deque()
        self.url = ""
        #: What an operator may want to know: connections, identifies and resumes since the start.
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
        whole = _dumps(payload)
        veiled = None
        for session in audience:
            if intent and not session.intents & intent:
                continue
            text = whole
            if not session.intents & events.MESSAGE_CONTENT and events.is_veiled(name, payload, self._world.bot_id):
                text = veiled = veiled or _dumps(events.veil(payload))
            session.push(name, text)

    def sessions(self) -> list[dict[str, Any]]:
        """The sessions as the control API shows them."""
        return [
            {"id": s.id, "shard": list(s.shard), "seq": s.seq, "intents": s.intents, "connected": s.socket is not None}
            for s in self._sessions.values()
        ]

    def sent(self) -> list[str]:
        """The events that are still kept for a RESUME, as they went over the wire."""
        return [text for session in self._sessions.values() for text in session.since(0) or []]

    async def disconnect_all(self, code: int = 4000) -> None:
        """Close every socket; sessions stay resumable."""
        await asyncio.gather(*(socket.close(code) for socket in list(self._sockets)))

    def ask_reconnect(self) -> None:
        """Send op 7 to every client."""
        for socket in self._sockets:
            socket.send(RECONNECT, None)

    def ask_resume(self) -> None:
        """Tell every client that its session is invalid and may be resumed (op 9 with true)."""
        for socket in self._sockets:
            socket.send(INVALID, True)

    def fall_silent(self) -> None:
        """Say nothing more on the connections there are; new ones are served. Sessions keep what is missed."""
        for socket in self._sockets:
            socket.silent = True

    def invalidate_all(self) -> None:
        """Forget every session and tell its client so (op 9, not resumable)."""
        for session in list(self._sessions.values()):
            if session.socket is not None:
                session.socket.session = None
                session.socket.send(INVALID, False)
        self._sessions.clear()

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
        socket.send(HELLO, {"heartbeat_interval": HEARTBEAT_INTERVAL_MS, "_trace": []})
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
        if op == HEARTBEAT:
            socket.send(ACK, None)
            return None
        if op in (IDENTIFY, RESUME) and self.refusals:
            return self.refusals.popleft()
        if op == IDENTIFY:
            return self._identify(socket, data)
        if op == RESUME:
            return self._resume(socket, data)
        if socket.session is None:
            return 4003
        if op == MEMBERS:
            await self._members(socket.session, data)
            return None
        return None if op in (PRESENCE, VOICE, SOUNDBOARD) else 4001

    def _identify(self, socket: Socket, data: dict[str, Any]) -> int | None:
        if socket.session is not None:
            return 4005
        if data.get("token", "").removeprefix("Bot ") != self._token:
            return 4004
        shard, shards = data.get("shard") or (0, 1)
        if not 0 <= shard < shards:
            return 4010
        session = Session((shard, shards), int(data.get("intents", 0)), data.get("large_threshold", 50), socket)
        socket.session = session
        self._forget_old()
        self._sessions[session.id] = session
        self.counts["identified"] += 1
        guilds = [g for g in self._world.members_of(self._world.bot_id) if session.carries(g.id)]
        session.push("READY", _dumps(self._ready(session, guilds)))
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
        session.push("GUILD_CREATE", _dumps(payload))

    def open_guild(self, guild: Guild) -> None:
        """Tell of a guild the bot has just been added to."""
        for session in self._sessions.values():
            if session.carries(guild.id):
                payload = payloads.guild_create(
                    guild, self._world, moment(self._clock()), with_members=False, large=False
                )
                del payload["unavailable"]
                session.push("GUILD_CREATE", _dumps(payload))

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
            socket.send(INVALID, False)
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

    # -- members ---------------------------------------------------------------------------------------------------

    async def _members(self, session: Session, data: dict[str, Any]) -> None:
        """Answer a request for members: all, by prefix, or by id."""
        guild = self._world.guilds.get(int(data["guild_id"]))
        if guild is None or self._world.bot_id not in guild.members:
            return
        nonce = data.get("nonce")
        full = not data.get("user_ids") and not data.get("query") and not data.get("limit")
        if full and self._full_too_soon(session, guild, nonce):
            return
        found, missing = self._find_members(guild, data, full)
        chunks = [found[at : at + CHUNK] for at in range(0, len(found), CHUNK)] or [[]]
        for index, chunk in enumerate(chunks):
            payload: dict[str, Any] = {
                "guild_id": str(guild.id),
                "members": [payloads.member(m, self._world.users[m.user_id]) for m in chunk],
                "chunk_index": index,
                "chunk_count": len(chunks),
            }
            if missing:
                payload["not_found"] = missing
            # A longer nonce is dropped by Discord without a word.
            if nonce and len(nonce.encode()) <= 32:
                payload["nonce"] = nonce
            session.push("GUILD_MEMBERS_CHUNK", _dumps(payload))
            # Large guilds take a while; others get their turn between two chunks.
            await asyncio.sleep(0)

    def _find_members(self, guild: Guild, data: dict[str, Any], full: bool) -> tuple[list[Member], list[str]]:
        if full:
            return list(guild.members.values()), []
        if data.get("user_ids"):
            asked = data["user_ids"] if isinstance(data["user_ids"], list) else [data["user_ids"]]
            ids = [int(user_id) for user_id in asked[:MOST_FOUND]]
            return [guild.members[i] for i in ids if i in guild.members], [
                str(i) for i in ids if i not in guild.members
            ]
        most = min(MOST_FOUND, data.get("limit") or MOST_FOUND)
        return search(self._world, guild, data.get("query", ""), most), []

    def _full_too_soon(self, session: Session, guild: Guild, nonce: str | None) -> bool:
        now = self._clock()
        wait_s = self._last_full.get(guild.id, 0) + FULL_CHUNK_EVERY_S - now
        if not self._limited() or wait_s <= 0:
            self._last_full[guild.id] = now
            return False
        meta = {"guild_id": str(guild.id), "nonce": nonce}
        session.push("RATE_LIMITED", _dumps({"opcode": MEMBERS, "retry_after": round(wait_s, 3), "meta": meta}))
        return True


def search(world: World, guild: Guild, prefix: str, most: int) -> list[Member]:
    """Members whose user name, display name or nickname begins with a text, without regard to case."""
    wanted = prefix.casefold()
    found = []
    for member in guild.members.values():
        user = world.users[member.user_id]
        names = (user.username, user.global_name or "", member.nick or "")
        if any(name.casefold().startswith(wanted) for name in names):
            found.append(member)
            if len(found) == most:
                break
    return found
