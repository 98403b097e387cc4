"""The gateway's lines, one for each shard: asked for a sign of life between Pycord's own heartbeats."""

from __future__ import annotations

import time
from typing import Any

import aiohttp
import discord


def of(bot: discord.AutoShardedBot) -> dict[int, Any]:
    """Pycord's own shard objects; its public ones do not show the connection."""
    return dict(bot._AutoShardedClient__shards)


async def beat(ws: Any) -> None:
    """Send a heartbeat between Pycord's own."""
    keep_alive = ws._keep_alive
    if keep_alive is None or not ws.open:
        return
    try:
        await ws.send_heartbeat(keep_alive.get_payload())
    except (discord.ConnectionClosed, aiohttp.ClientError, OSError):
        return  # a line that is gone is Pycord's to notice and make anew
    # Pycord takes the time since its last heartbeat for the latency.
    keep_alive._last_send = time.perf_counter()


def silent_s(ws: Any) -> float:
    """Seconds since the gateway last said anything."""
    if ws._keep_alive is None or not ws.open:
        return float("inf")
    return time.perf_counter() - ws._keep_alive._last_recv
