"""The sandbox as one server: REST, gateway, OAuth, control and pages on one loopback port."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from aiohttp import web

from kovra.sandbox import control, errors, pages, rest, snapshot
from kovra.sandbox.conformance import Conformance, Description
from kovra.sandbox.effects import Effects
from kovra.sandbox.errors import Refusal
from kovra.sandbox.faults import Fault, Faults, When
from kovra.sandbox.files import Files
from kovra.sandbox.gateway import Gateway
from kovra.sandbox.interactions import Desk
from kovra.sandbox.limits import Limits
from kovra.sandbox.oauth import Authority, Grant
from kovra.sandbox.rest import shapes
from kovra.sandbox.rest.call import Call
from kovra.sandbox.rest.routing import Access, Route
from kovra.sandbox.stage import Stage
from kovra.sandbox.theatre import Played, Theatre
from kovra.sandbox.world import Clock, World

#: Never a real token; shaped like one, because clients look at the shape. The first part is the default application id.
DEFAULT_TOKEN = "MTE4MDAwMDAwMDAwMDAwMDAwMQ.Gsandb.lanternfall-loopback-only-000000000000"
DEFAULT_SECRET = "sandbox"

API = "/api/v10"
#: Pycord takes a 429 without this header for a ban by Cloudflare, and gives up.
_VIA = "1.1 google"
_MOST_BODY = 26 << 20
_MOST_REASON = 512
_SAVE_EVERY_S = 2.0
_REQUESTS_KEPT = 2000


@dataclass(slots=True)
class Logged:
    """One request in the log."""

    at: float
    method: str
    path: str
    status: int
    ms: float
    reason: str | None
    body: Any
    answer: Any


class Sandbox:
    """A small Discord on loopback.

    Args:
        world: the state; :func:`kovra.sandbox.seed.lanternfall` makes a lively one.
        token: what the bot must identify with.
        client_secret: the application's OAuth2 secret; its id is the bot's.
        clock: Unix time in seconds.
        state: where to keep the state; nothing is kept when None.
        description: Discord's OpenAPI description; answers are checked against it when given.
        limited: whether rate limits are on from the start.
        effects, grants: taken up from a snapshot.
        went_on: the scenes that played when it was kept; whoever starts the sandbox says whether they go on.
        fresh: makes the world that a reset goes back to; by default the one handed in, as it was.
    """

    def __init__(
        self,
        world: World,
        *,
        token: str = DEFAULT_TOKEN,
        client_secret: str = DEFAULT_SECRET,
        clock: Clock = time.time,
        state: Path | None = None,
        description: Description | None = None,
        limited: bool = False,
        effects: Effects | None = None,
        grants: list[Grant] | None = None,
        went_on: Sequence[Played] = (),
        fresh: Callable[[], World] | None = None,
    ) -> None:
        self.world, self.token, self.clock = world, token, clock
        self.limits = Limits(clock, on=limited)
        self.faults = Faults()
        self.effects = effects or Effects()
        self.gateway = Gateway(world, clock, token, lambda: self.limits.on)
        self.stage = Stage(world, clock, self.gateway, self.effects)
        self.desk = Desk(self.stage)
        self.files = Files(world)
        self.theatre = Theatre(self.stage, self.desk)
        self.authority = Authority(clock=clock, client_id=world.bot_id, client_secret=client_secret)
        self.authority.restore(grants or [])
        self.conformance = None if description is None else Conformance(description)
        self.requests: deque[Logged] = deque(maxlen=_REQUESTS_KEPT)
        self.went_on = went_on
        self.served = 0
        self.base_url = ""
        self._state = state
        self._fresh = fresh or _copier(world)
        self._router = rest.router()
        self._runner: web.ServerRunner | None = None
        self._saver: asyncio.Task[None] | None = None

    # -- life ------------------------------------------------------------------------------------------------------

    async def start(self, port: int = 0) -> Sandbox:
        """Listen on 127.0.0.1; port 0 takes a free one. ``base_url`` is known afterwards."""
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        port = self._runner.addresses[0][1]
        self.base_url = f"http://127.0.0.1:{port}"
        self.gateway.url = f"ws://127.0.0.1:{port}/gateway"
        if self._state is not None:
            self._saver = asyncio.create_task(self._save_now_and_then())
        return self

    async def stop(self) -> None:
        """Close every connection, stop listening, keep the state."""
        going_on = self.theatre.to_keep()
        self.theatre.stop()
        if self._saver is not None:
            self._saver.cancel()
        await self.gateway.disconnect_all(1001)
        if self._runner is not None:
            await self._runner.cleanup()
        self._keep(going_on)

    def save(self) -> None:
        """Write the state now, when it is to be kept."""
        self._keep(self.theatre.to_keep())

    def _keep(self, scenes: list[Played]) -> None:
        if self._state is not None:
            grants = self.authority.grants
            kept = snapshot.Snapshot(world=self.world, effects=self.effects, grants=grants, scenes=scenes)
            snapshot.save(kept, self._state)

    def reset(self) -> None:
        """Start over: world, counters, everyone's sign-in, scenes, faults and limits; sessions are invalidated."""
        self.theatre.stop()
        fresh = self._fresh()
        for item in fields(World):
            setattr(self.world, item.name, getattr(fresh, item.name))
        self.effects.clear()
        self.authority.restore([])
        self.faults.clear()
        self.faults.latency_ms = 0
        self.stage.audit_delay_s, self.stage.rejoin = 0.0, False
        self.limits.on = False
        self.requests.clear()
        self.gateway.refusals.clear()
        self.gateway.invalidate_all()
        self.stage.changed = True

    async def _save_now_and_then(self) -> None:
        pause_s = _SAVE_EVERY_S
        while True:
            await asyncio.sleep(pause_s)
            if self.stage.changed:
                self.stage.changed = False
                began = time.perf_counter()
                self.save()
                # A very large world takes seconds to write; nobody is to be kept waiting for more than a tenth.
                pause_s = max(_SAVE_EVERY_S, 10 * (time.perf_counter() - began))

    # -- serving ---------------------------------------------------------------------------------------------------

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path.startswith(API):
            found = self._router.find(request.method, path[len(API) :])
            if not isinstance(found, set):
                return await self._rest(request, *found)
            if path != f"{API}/oauth2/token" and path != f"{API}/oauth2/token/revoke":
                refusal = errors.method_not_allowed() if found else errors.not_found()
                self._log(request, time.perf_counter(), None, None, refusal.status, refusal.body())
                return _answer(refusal.status, refusal.body(), {})
        if path == "/gateway":
            return await self.gateway.connect(request)
        if path.startswith("/control/"):
            return await control.serve(self, request)
        return await pages.serve(self, request)

    async def _rest(self, request: web.BaseRequest, route: Route, params: dict[str, str]) -> web.Response:
        """Answer one call: who, limits, faults, the handler, and the record of it."""
        began = time.perf_counter()
        headers: dict[str, str] = {}
        body: Any = None
        reason: str | None = None
        fault: Fault | None = None
        try:
            grant = self._authenticate(request, route)
            headers = self.limits.take(route, params) if grant is None else {}
            reason = _reason_of(request)
            body, files = await self._read(request)
            shapes.check(body, route.body)
            fault = self.faults.strike(route, params) if self.faults.armed else None
            if self.faults.latency_ms:
                await asyncio.sleep(self.faults.latency_ms / 1000)
            if fault is not None and fault.when is When.BEFORE:
                return await self._fail(request, began, reason, body, fault)
            call = Call(
                stage=self.stage,
                desk=self.desk,
                params=params,
                query=request.query,
                body=route.body() if body is None else body,
                files=files,
                reason=reason,
                grant=grant,
                gateway_url=self.gateway.url,
                slots=self.gateway.slots,
                api_url=self.base_url + API,
            )
            answer = route.handler(call)
            status = 204 if answer is None else route.status
        except Refusal as refusal:
            status, answer = refusal.status, refusal.body()
            headers.update(refusal.headers)
            self.limits.note(status)
        except Exception:
            # A fault of the sandbox itself: seen on its standard error and by the client as Discord's 500.
            traceback.print_exc()
            status, answer = 500, {"message": "500: Internal Server Error", "code": 0}
        if fault is not None:
            return await self._fail(request, began, reason, body, fault)
        if self.conformance is not None:
            self.conformance.check(route, request.query, body, status, answer)
        self._log(request, began, reason, body, status, answer)
        return _answer(status, answer, headers)

    def _authenticate(self, request: web.BaseRequest, route: Route) -> Grant | None:
        """Who calls: the bot (None), or the grant of a Bearer token."""
        if route.access is Access.PATH:
            return None
        authorization = request.headers.get("Authorization", "")
        if authorization.startswith("Bearer "):
            grant = self.authority.holder(authorization[7:])
            if grant is not None and route.access is not Access.BOT:
                return grant
            raise errors.unauthorized()
        if authorization != f"Bot {self.token}" or route.access is Access.BEARER:
            raise errors.unauthorized()
        return None

    async def _read(self, request: web.BaseRequest) -> tuple[Any, list[dict[str, Any]]]:
        """The JSON of a request, whichever way it came, and the files that came with it."""
        kind = request.content_type
        if not request.body_exists:
            return None, []
        if kind == "multipart/form-data":
            return await self._read_multipart(request)
        raw = await request.read()
        if not raw:
            return None, []
        try:
            if kind == "application/json":
                return json.loads(raw), []
            if kind == "application/x-www-form-urlencoded":
                form = parse_qs(raw.decode(), keep_blank_values=True)
                return json.loads(form["payload_json"][0]), []
        except (ValueError, KeyError) as error:
            raise errors.invalid_json() from error
        raise errors.invalid_form("_", "CONTENT_TYPE_INVALID", 'Expected "Content-Type" header to be one of JSON.')

    async def _read_multipart(self, request: web.BaseRequest) -> tuple[Any, list[dict[str, Any]]]:
        body: Any = {}
        files = []
        async for part in await request.multipart():
            if part.name == "payload_json":
                body = json.loads(await part.text())
            else:
                content = await part.read()
                attachment_id = self.stage.new_id()
                media_type = part.headers.get("Content-Type", "")
                # Where a file is kept names its channel; of an upload by a bot only the number is looked at.
                where = (self.base_url, 0, attachment_id, part.filename or "file")
                files.append(self.files.put(*where, content, media_type))
        return body, files

    async def _fail(
        self, request: web.BaseRequest, began: float, reason: str | None, body: Any, fault: Fault
    ) -> web.Response:
        """Let the fault strike, in its own time: its answer, or none at all."""
        await asyncio.sleep(fault.delay_ms / 1000)
        mute = fault.drop or fault.reset
        self._log(request, began, reason, body, 0 if mute else fault.status, None)
        if not mute:
            self.limits.note(fault.status, shared=fault.headers.get("X-RateLimit-Scope") == "shared")
        elif request.transport is not None:
            if fault.reset:
                # A socket that may not linger is closed with a TCP RST.
                connection = request.transport.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.transport.abort()
        if fault.html:
            return web.Response(status=fault.status, text=fault.page(), content_type="text/html", headers=fault.headers)
        return _answer(fault.status, fault.body(), fault.headers, via=fault.via)

    def _log(
        self, request: web.BaseRequest, began: float, reason: str | None, body: Any, status: int, answer: Any
    ) -> None:
        self.served += 1
        ms = (time.perf_counter() - began) * 1000
        self.requests.append(Logged(self.clock(), request.method, request.path_qs, status, ms, reason, body, answer))


def _reason_of(request: web.BaseRequest) -> str | None:
    """The audit-log reason, decoded.

    Raises:
        Refusal: it is longer than 512 characters.
    """
    raw = request.headers.get("X-Audit-Log-Reason")
    if raw is None:
        return None
    reason = unquote(raw)
    if len(reason) > _MOST_REASON:
        raise errors.too_long_reason()
    return reason or None


def _answer(status: int, body: Any, headers: dict[str, str], *, via: bool = True) -> web.Response:
    """An answer as Discord's front sends it: the content type without a charset, and ``Via``."""
    if via:
        headers = {**headers, "Via": _VIA}
    if body is None:
        return web.Response(status=status, headers=headers)
    return web.Response(
        status=status, body=json.dumps(body).encode(), headers={**headers, "Content-Type": "application/json"}
    )


def _copier(world: World) -> Callable[[], World]:
    """Makes copies of the world as it is now."""
    kept = snapshot.encode(world)
    return lambda: snapshot.decode(World, kept)
