"""Pycord's HTTP client with Kovra's policy: one attempt per call, a time limit, buckets, a shared pace.

Pycord would repeat a request after a 429, a 5xx or a reset; a ban whose answer got lost would be done twice, or counted
as failed after it was done. Here each call is one request on the wire, and what became of it is told by the error:
``Limited`` (not done), another ``discord.HTTPException`` below 500 (refused), or anything else (ask ``reached``).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp
import discord

from kovra.bot.buckets import Buckets, Limited
from kovra.bot.ports import Pacer

#: How long opening a connection may take, in seconds. What fails here has certainly not been done.
CONNECT_S = 5.0

#: Cloudflare blocked this address and did not say for how long, in seconds.
_BLOCKED_S = 3600.0


def reached(error: BaseException) -> bool:
    """Whether a failed request may have arrived: False only when the connection was never made."""
    return not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)


class GuardHTTP(discord.http.HTTPClient):
    """Pycord's client, with ``request`` replaced.

    Args:
        loop: the event loop it belongs to.
        timeout_s: for one request, from connecting to the last byte of the answer.
        longest_wait_s: how long a request may wait for its bucket and for the shared pace before it is ``Limited``.
        pacer: keeps all processes of one bot under Discord's global limit; ``None`` switches it off.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        timeout_s: float = 10.0,
        longest_wait_s: float = 1.0,
        pacer: Pacer | None = None,
    ) -> None:
        super().__init__(loop=loop)
        connect_s = min(CONNECT_S, timeout_s / 2)
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, connect=connect_s, sock_connect=connect_s)
        self._buckets = Buckets(longest_wait_s)
        self._pacer = pacer
        self._line: aiohttp.ClientSession | None = None
        #: Answers with status 429 so far.
        self.limited = 0

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
        async with self._buckets.turn(route):
            await self._keep_pace()
            async with self._session().request(route.method, route.url, allow_redirects=False, **kwargs) as response:
                self._buckets.learn(route, response.headers)
                data = await _read(response)
                if 200 <= response.status < 300:
                    return data
                raise self._error(route, response, data)

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
            self._line = aiohttp.ClientSession()
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

    async def _keep_pace(self) -> None:
        if self._pacer is None:
            return
        wait_s = await asyncio.to_thread(self._pacer.take, self._buckets.longest_wait_s)
        if wait_s > self._buckets.longest_wait_s:
            raise Limited(wait_s)
        await asyncio.sleep(wait_s)

    def _error(self, route: discord.http.Route, response: aiohttp.ClientResponse, data: Any) -> discord.HTTPException:
        if response.status == 429:
            self.limited += 1
            from_discord = isinstance(data, dict) and "retry_after" in data
            retry_after_s = float(data["retry_after"]) if from_discord else _retry_after_s(response)
            # An answer that is not Discord's comes from Cloudflare, which has blocked the whole address.
            everything = not from_discord or bool(data.get("global"))
            self._buckets.close_for(route, retry_after_s, everything=everything)
            return Limited(retry_after_s, response)
        kinds = {403: discord.Forbidden, 404: discord.NotFound}
        kind = (
            discord.DiscordServerError if response.status >= 500 else kinds.get(response.status, discord.HTTPException)
        )
        return kind(response, data)


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
