"""The usual SSE view, for comparison: each stream has a greenlet and a Redis subscription of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import redis

CHANNEL = "bench:live"


def app(
    environ: dict[str, str], start: Callable[[str, list[tuple[str, str]]], object]
) -> Iterator[bytes] | list[bytes]:
    """``/live`` streams what is published; anything else answers at once."""
    if environ["PATH_INFO"] != "/live":
        start("200 OK", [("Content-Length", "2")])
        return [b"ok"]
    start("200 OK", [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")])
    return _follow()


def _follow() -> Iterator[bytes]:
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client, client.pubsub() as line:
        line.subscribe(CHANNEL)
        yield b": open\n\n"
        number = 0
        for message in line.listen():
            if message["type"] == "message":
                number += 1
                yield b"id: %d\nevent: case.created\ndata: %s\n\n" % (number, message["data"])
