"""Defects of Pycord 2.8.1 that would stop Guard, each patched in one small function.

The fourth, its HTTP policy (blind repetition, endless sleeps), is replaced as a whole by ``http.GuardHTTP``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, MutableMapping
from typing import Any

import discord
from discord.shard import Shard

log = logging.getLogger(__name__)

Tap = Callable[[str, dict[str, Any]], None]

#: Without READY or RESUMED a connection is not usable; failing aloud restarts it.
_MUST_WORK = frozenset({"READY", "RESUMED"})

#: Pycord waits up to 2 ** this seconds before it connects again. Its own 10 would leave Guard deaf for a quarter of an
#: hour after a long outage.
_LONGEST_BACKOFF_EXPONENT = 5


def guard_parsers(parsers: MutableMapping[str, Callable[[Any], None]], tap: Tap) -> None:
    """Let ``tap`` see every event first, and keep an event that cannot be read from ending the client.

    Pycord reads events without a net: one missing optional field, and all shards of the process are gone.
    """
    for name, parse in list(parsers.items()):
        parsers[name] = _guarded(name, parse, tap)


def _guarded(name: str, parse: Callable[[Any], None], tap: Tap) -> Callable[[Any], None]:
    def read(data: Any) -> None:
        try:
            tap(name, data)
        except Exception:
            log.exception("the event %s could not be written down", name)
        try:
            parse(data)
        except Exception:
            if name in _MUST_WORK:
                raise
            log.exception("Pycord could not read the event %s", name)

    return read


def keep_query_on_reconnect(http: discord.http.HTTPClient) -> None:
    """Ask for the gateway's version, encoding and compression on every connection.

    When a shard connects anew after an outage, Pycord uses the bare ``resume_gateway_url``; then it cannot read large
    events, and the shard looks healthy while it misses them.
    """
    connect = http.ws_connect

    async def connect_with_query(url: str, **options: Any) -> Any:
        if "v=" not in url.partition("?")[2]:
            url = f"{url.rstrip('/?')}?encoding=json&v={discord.http.API_VERSION}&compress=zlib-stream"
        return await connect(url, **options)

    http.ws_connect = connect_with_query


def obey_rate_limited(connection: discord.state.ConnectionState) -> None:
    """Ask again for a member list that Discord refused with RATE_LIMITED, once it may be asked.

    Pycord does not know the event: the list never comes, and whoever waits for it waits for ever.
    """
    asking: set[asyncio.Task[None]] = set()

    async def ask_again(guild_id: int, nonce: str | None, retry_after_s: float) -> None:
        await asyncio.sleep(retry_after_s)
        try:
            await connection.chunker(guild_id, nonce=nonce)
        except Exception:
            # A connection that broke meanwhile comes back with GUILD_CREATE, and the list is asked for then.
            log.info("could not ask again for the members of %s", guild_id, exc_info=True)

    def parse(data: dict[str, Any]) -> None:
        meta = data.get("meta") or {}
        if data.get("opcode") != discord.gateway.DiscordWebSocket.REQUEST_MEMBERS or "guild_id" not in meta:
            return
        retry_after_s = float(data["retry_after"])
        log.info("Discord tells the members of %s in %.1f s", meta["guild_id"], retry_after_s)
        task = asyncio.get_running_loop().create_task(
            ask_again(int(meta["guild_id"]), meta.get("nonce"), retry_after_s)
        )
        asking.add(task)
        task.add_done_callback(asking.discard)

    connection.parsers["RATE_LIMITED"] = parse


def bound_backoff() -> None:
    """Let every shard of this process wait at most half a minute before it connects again."""
    if getattr(Shard.__init__, "bounded", False):
        return
    make = Shard.__init__

    def make_bounded(self: Shard, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        self._backoff._max = _LONGEST_BACKOFF_EXPONENT

    make_bounded.bounded = True
    Shard.__init__ = make_bounded
