"""Pycord's HTTP client with Kovra's policy: one attempt per call, a time limit, buckets, a shared pace, a breaker.

Pycord would repeat a request after a 429, a 5xx or a reset; a ban whose answer got lost would be done twice, or counted
as failed after it was done. Here each call is one request on the wire, and what became of it is told by the error:
``Limited`` (not done), another ``discord.HTTPException`` below 500 (refused), or anything else (ask ``reached``).

What holds a request back, in this order: a pause of everything (a global 429, a block by Cloudflare, too many invalid
requests), its bucket, its line (``shared_state.pacing.Line``) and the pace of all processes.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote

import aiohttp
import discord

from kovra.bot.buckets import Buckets, Limited
from kovra.bot.invalid import REST_S, Tally, counts_as_invalid
from kovra.bot.ports import Pacer
from kovra.guard.claim import running_s
from kovra.shared_state.pacing import Line

log = logging.getLogger(__name__)

#: How long opening a connection may take, in seconds. What fails here has certainly not been done.
CONNECT_S = 5.0

#: Cloudflare blocked this address and did not say for how long, in seconds.
_BLOCKED_S = 3600.0

#: Whether what is asked for stands behind what somebody waits for; unset, the client's own setting holds.
BEHIND: ContextVar[bool | None] = ContextVar("behind", default=None)

#: By ``running_s``, the moment before which a request must be on the wire; unset, there is none.
LEAVE_BEFORE: ContextVar[float | None] = ContextVar("leave_before", default=None)

#: These stand in a line of their own.
_LINES = {("POST", "/users/@me/channels"): Line.DM, ("POST", "/guilds/{guild_id}/bulk-ban"): Line.BULK_BAN}

#: How long a place in a line may be waited for at most, in seconds: a notice that takes longer is left out.
_LONGEST_IN_LINE_S = {Line.DM: 1.0}

#: Discord's words for "you open DMs too fast" and "this bot was flagged for spam" (JSON error codes), the lines that
#: then rest, and for how long, in seconds.
_LINES_REST = {
    40003: ((Line.DM,), 600.0),
    20026: ((Line.DM, Line.BULK_BAN, Line.BEHIND), 3600.0),
}


class TooLate(aiohttp.ClientError):
    """Whoever asks for it may ask for it no more: it never left."""


class _InTime(aiohttp.ClientRequest):
    """Looks at the clock last of all, on an open connection: a process may stand still in any line before."""

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        leave_before = LEAVE_BEFORE.get()
        if leave_before is not None and running_s() >= leave_before:
            raise TooLate("the time in which it could leave is over")
        return await super().send(conn)


def reached(error: BaseException) -> bool:
    """Whether a failed request may have arrived: False when the connection was never made or it left too late."""
    return not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | TooLate)


class GuardHTTP(discord.http.HTTPClient):
    """Pycord's client, with ``request`` replaced.

    Args:
        loop: the event loop it belongs to.
        timeout_s: for one request, from connecting to the last byte of the answer.
        longest_wait_s: how long a request may wait for its bucket and for the shared pace before it is ``Limited``.
        pacer: keeps all processes of one bot under Discord's limits; ``None`` switches it off.
        behind: whether what this client asks for stands behind what somebody waits for.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        timeout_s: float = 10.0,
        longest_wait_s: float = 1.0,
        pacer: Pacer | None = None,
        behind: bool = False,
    ) -> None:
        super().__init__(loop=loop)
        connect_s = min(CONNECT_S, timeout_s / 2)
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, connect=connect_s, sock_connect=connect_s)
        self._buckets = Buckets(longest_wait_s)
        self._pacer, self._behind = pacer, behind
        self._invalid = Tally()
        self._line: aiohttp.ClientSession | None = None
        #: Answers with status 429 so far, and answers that Discord counts as invalid.
        self.limited = self.invalid = 0

    async def request(
        self,
        route: discord.http.Route,
        *,
        files: Sequence[discord.File] | None = None,
        form: Iterable[dict[str, Any]] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Send one request once.

        Returns:
            The answer's JSON, its text when it is not JSON, or ``None`` when it is empty.

        Raises:
            Limited: a rate limit; not done.
            discord.HTTPException: Discord's error answer (``DiscordServerError`` from 500 on).
            aiohttp.ClientError, TimeoutError, OSError: no usable answer; see ``reached``.
        """
        kwargs["headers"] = self._headers(kwargs)
        if "json" in kwargs:
            kwargs["data"] = json.dumps(kwargs.pop("json"), separators=(",", ":"))
        for file in files or ():
            file.reset(seek=0)
        if form:
            kwargs["data"] = _multipart(form)
        kwargs.setdefault("timeout", self._timeout)
        behind = self._behind if BEHIND.get() is None else BEHIND.get()
        async with self._buckets.turn(route, behind=behind):
            await self._keep_pace(_LINES.get((route.method, route.path), Line.BEHIND if behind else None))
            async with self._session().request(route.method, route.url, allow_redirects=False, **kwargs) as response:
                self._buckets.learn(route, response.headers)
                data = await _read(response)
                if 200 <= response.status < 300:
                    return data
                raise await self._error(route, response, data)

    async def static_login(self, token: str) -> Any:
        """Ask who we are; once more after a failed attempt, too, which Pycord does not clear away."""
        await super().close()
        return await super().static_login(token)

    async def close(self) -> None:
        """Close the connections; requests still on their way end without an answer."""
        if self._line is not None:
            await self._line.close()
        await super().close()

    def _session(self) -> aiohttp.ClientSession:
        if self._line is None or self._line.closed:
            self._line = aiohttp.ClientSession(request_class=_InTime)
            # aiohttp would send a PUT or DELETE again when a kept connection turns out to be closed.
            self._line._retry_connection = False
        return self._line

    def _headers(self, kwargs: dict[str, Any]) -> dict[str, str]:
        headers = {"User-Agent": self.user_agent}
        if self.token is not None:
            headers["Authorization"] = f"Bot {self.token}"
        if "json" in kwargs:
            headers["Content-Type"] = "application/json"
        if reason := kwargs.pop("reason", None):
            headers["X-Audit-Log-Reason"] = quote(reason, safe="/ ")
        if locale := kwargs.pop("locale", None):
            headers["X-Discord-Locale"] = locale
        return headers

    async def _keep_pace(self, line: Line | None) -> None:
        if self._pacer is None:
            return
        longest_s = self._buckets.longest_wait_s
        while True:
            turn = await asyncio.to_thread(
                self._pacer.take, min(longest_s, _LONGEST_IN_LINE_S.get(line, longest_s)), line
            )
            if not turn.taken:
                raise Limited(turn.wait_s)
            if turn.wait_s:
                await asyncio.sleep(turn.wait_s)
            if not turn.again:
                return
            line = None

    async def _error(self, route: discord.http.Route, response: aiohttp.ClientResponse, data: Any) -> Exception:
        """Read a refusal, and keep what follows from it for others."""
        self.limited += response.status == 429
        if counts_as_invalid(response.status, response.headers):
            await self._note_invalid()
        if _blocked(response, data):
            retry_after_s = _retry_after_s(response)
            log.error("Cloudflare has blocked this address; nothing goes out to Discord for %.0f s", retry_after_s)
            await self._rest(retry_after_s)
            return Limited(retry_after_s, response)
        if response.status == 429:
            retry_after_s = float(data["retry_after"])
            if data.get("global") or response.headers.get("X-RateLimit-Scope") == "global":
                await self._rest(retry_after_s)
            else:
                self._buckets.close_for(route, retry_after_s)
            return Limited(retry_after_s, response)
        if response.status >= 500:
            return discord.DiscordServerError(response, data)
        kind = {403: discord.Forbidden, 404: discord.NotFound}.get(response.status, discord.HTTPException)
        error = kind(response, data)
        await self._lines_rest(error.code)
        return error

    async def _rest(self, seconds: float) -> None:
        """Let nothing go out, here and in every other process."""
        self._buckets.rest(seconds)
        if self._pacer is not None:
            await asyncio.to_thread(self._pacer.rest, seconds)

    async def _note_invalid(self) -> None:
        self.invalid += 1
        too_many = self._invalid.note()
        if self._pacer is not None:
            too_many |= await asyncio.to_thread(self._pacer.note_invalid)
        if too_many:
            log.error("Discord has refused too many requests within ten minutes; nothing goes out for %.0f s", REST_S)
            self._buckets.rest(REST_S)

    async def _lines_rest(self, code: int) -> None:
        lines, seconds = _LINES_REST.get(code, ((), 0.0))
        if lines:
            log.error("Discord says %d; for %.0f s these lines rest: %s", code, seconds, ", ".join(lines))
        for line in lines:
            if self._pacer is not None:
                await asyncio.to_thread(self._pacer.rest, seconds, line)


def _blocked(response: aiohttp.ClientResponse, data: Any) -> bool:
    """Whether this comes from Cloudflare, which has blocked the whole address.

    What comes from Discord has a ``Via`` header and speaks JSON. A 403 in JSON is believed without one: a proxy of the
    operator's may leave it out, and a block that nobody ordered would stop everything.
    """
    if response.status == 403:
        return "Via" not in response.headers and not isinstance(data, dict)
    from_discord = "Via" in response.headers and isinstance(data, dict) and "retry_after" in data
    return response.status == 429 and not from_discord


def _retry_after_s(response: aiohttp.ClientResponse) -> float:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else _BLOCKED_S


async def _read(response: aiohttp.ClientResponse) -> Any:
    text = await response.text(encoding="utf-8", errors="replace")
    if not response.headers.get("Content-Type", "").startswith("application/json"):
        return text or None
    try:
        return json.loads(text)
    except ValueError as error:
        raise aiohttp.ClientPayloadError("the answer is not the JSON it says it is") from error


def _multipart(form: Iterable[dict[str, Any]]) -> aiohttp.FormData:
    data = aiohttp.FormData(quote_fields=False)
    for part in form:
        data.add_field(**part)
    return data
