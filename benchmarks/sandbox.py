"""The sandbox as a server: requests on one core, a large guild in Pycord, events to four shards without loss.

The sandbox is a process of its own, pinned to one core where the system can, checked against Discord's description when
``DISCORD_OPENAPI`` names one. Whoever asks is on the other core: bare HTTP for the requests, Pycord for the rest.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import discord
import discord.http

from benchmarks.measure import Report, host, say
from kovra.sandbox import DEFAULT_TOKEN

#: The sandbox's core and everyone else's.
SERVER_CORE, CLIENT_CORE = 0, 1
#: Requests under way at once.
LINES = 16
SHARDS = 4
EVENTS = 10_000
#: How long anything may take to come up or to arrive, in seconds.
PATIENCE_S = 60.0

Request = tuple[str, str, dict[str, Any] | None]


def main(quick: bool, json: bool) -> int:
    """Run and print; 0 when the run was valid."""
    report = Report(name="sandbox", quick=quick, host=host(pycord=discord.__version__))
    checked = bool(os.environ.get("DISCORD_OPENAPI"))
    with _alone_on(CLIENT_CORE) as pinned:
        if not pinned:
            report.notes["host"] = "nothing is pinned: this system cannot, or has one core"
        _requests(report, 1_500 if quick else 6_000, checked)
        say("a guild of 50,000 in Pycord")
        with _a_sandbox(members=50_000) as base_url:
            report.add("ready_50000_s", asyncio.run(_ready(base_url)))
        say(f"{EVENTS} events to {SHARDS} shards")
        with _a_sandbox(members=20) as base_url:
            report.add("events_lost", asyncio.run(_lost(base_url)))
    report.print(as_json=json)
    return 0


def _requests(report: Report, count: int, checked: bool) -> None:
    """Bans and messages by turns, every one of them answered well, or the run is not valid."""
    say(f"{2 * count} requests")
    with _a_sandbox(members=count + 400, check=checked) as base_url:
        world = _control(base_url, "GET", "world")
        guild_id, channel_id = world["guild_id"], world["channels"]["main-hall"]
        asked: list[Request] = []
        for user_id in world["notable"]["plain"][:count]:
            asked.append(("PUT", f"/guilds/{guild_id}/bans/{user_id}?delete_message_seconds=0", None))
            asked.append(("POST", f"/channels/{channel_id}/messages", {"content": f"lantern {user_id}"}))
        warm, timed = asked[:200], asked[200:]
        asyncio.run(_send(base_url, warm))
        began = time.perf_counter()
        asyncio.run(_send(base_url, timed))
        report.add("requests_per_s", len(timed) / (time.perf_counter() - began), digits=0)
        if checked:
            found = _control(base_url, "GET", "findings")
            if found["checked"] != len(asked):
                raise RuntimeError(f"{found['checked']} of {len(asked)} requests were checked")
            report.add("findings", len(found["findings"]))
        else:
            report.unmeasured("findings", "DISCORD_OPENAPI is not set: nothing was checked")
            report.notes["requests_per_s"] = "without the check: DISCORD_OPENAPI is not set"


async def _send(base_url: str, requests: list[Request]) -> None:
    """Send all of them over a few kept connections, each the next one as soon as it has its answer."""
    port = int(base_url.rsplit(":", 1)[1])
    left = iter(requests)
    await asyncio.gather(*(_work_off(port, left) for _ in range(LINES)))


async def _work_off(port: int, left: Iterator[Request]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"Host: 127.0.0.1:{port}\r\nAuthorization: Bot {DEFAULT_TOKEN}\r\n"
    for method, path, body in left:
        data = b"" if body is None else json.dumps(body).encode()
        kind = "Content-Type: application/json\r\n" if data else ""
        asked = f"{method} /api/v10{path} HTTP/1.1\r\n{head}{kind}Content-Length: {len(data)}\r\n\r\n"
        writer.write(asked.encode() + data)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        if "content-length: " in answer:
            await reader.readexactly(int(answer.split("content-length: ", 1)[1].split("\r\n", 1)[0]))
        if answer[9] != "2":
            raise RuntimeError(f"{method} {path} was refused: {answer[:40]}")
    writer.close()


async def _ready(base_url: str) -> float:
    """Seconds from the start of a Pycord bot until it knows every member."""
    began = time.perf_counter()
    async with _pycord(base_url) as bot:
        await asyncio.wait_for(bot.wait_until_ready(), PATIENCE_S)
        guild = bot.guilds[0]
        # Pycord calls itself ready before the last members are in; this waits for the list it asked for.
        if not guild.chunked:
            await asyncio.wait_for(guild.chunk(), PATIENCE_S)
        took_s = time.perf_counter() - began
        if len(guild.members) < 50_000:
            raise RuntimeError(f"Pycord has its list and knows {len(guild.members)} members")
        return took_s


async def _lost(base_url: str) -> int:
    """How many of the messages never reached their shard; one that came twice counts as well."""
    channels: dict[int, str] = {}
    while len(channels) < SHARDS:
        settled = _control(base_url, "POST", "guilds", {"name": "Far shore", "members": 2})
        channels.setdefault((int(settled["guild_id"]) >> 22) % SHARDS, settled["channels"]["main-hall"])
    heard: list[tuple[int, str]] = []
    all_here = asyncio.Event()
    async with _pycord(base_url, shard_count=SHARDS) as bot:

        async def hear(message: discord.Message) -> None:
            if message.guild is not None:
                heard.append((message.guild.shard_id, message.content))
            if len(heard) >= EVENTS:
                all_here.set()

        bot.add_listener(hear, "on_message")
        await asyncio.wait_for(bot.wait_until_ready(), PATIENCE_S)
        sent = [(number % SHARDS, f"event {number}") for number in range(EVENTS)]
        path = "/channels/{}/messages"
        await _send(base_url, [("POST", path.format(channels[shard]), {"content": text}) for shard, text in sent])
        with suppress(TimeoutError):
            await asyncio.wait_for(all_here.wait(), PATIENCE_S)
    return len(set(sent) ^ set(heard)) + len(heard) - len(set(heard))


class _Bot(discord.AutoShardedBot):
    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Pycord waits five seconds between two shards; the sandbox asks no one to."""


class _pycord:  # noqa: N801 - used as a word
    """A Pycord bot for as long as the block lasts."""

    def __init__(self, base_url: str, **options: Any) -> None:
        discord.http.Route.API_BASE_URL = base_url + "/api/v{API_VERSION}"
        self._options = options

    async def __aenter__(self) -> _Bot:
        intents = discord.Intents.default()
        intents.members = intents.message_content = True
        self._bot = _Bot(
            intents=intents,
            auto_sync_commands=False,
            cache_default_sounds=False,
            guild_ready_timeout=0.1,
            **self._options,
        )
        self._life = asyncio.create_task(self._bot.start(DEFAULT_TOKEN))
        return self._bot

    async def __aexit__(self, *error: object) -> None:
        await self._bot.close()
        with suppress(asyncio.CancelledError):
            await self._life


@contextmanager
def _a_sandbox(members: int, *, check: bool = False) -> Iterator[str]:
    """A sandbox in a process of its own; gives its address."""
    command = [sys.executable, "-m", "kovra.sandbox", "--port", "0", "--members", str(members)]
    theirs = ("DISCORD_TOKEN", "DISCORD_CLIENT_ID", "DISCORD_CLIENT_SECRET")
    with subprocess.Popen(
        command + ["--check"] * check,
        stdout=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name not in theirs},
        preexec_fn=_pinner(SERVER_CORE),
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if "ready on" not in line:
                raise RuntimeError("the sandbox did not start")
            yield line.rsplit(" ", 1)[1].strip()
        finally:
            process.terminate()


def _pinner(core: int) -> Callable[[], None] | None:
    if not hasattr(os, "sched_setaffinity") or (os.cpu_count() or 1) < 2:
        return None
    return lambda: os.sched_setaffinity(0, {core})


@contextmanager
def _alone_on(core: int) -> Iterator[bool]:
    """Pin this process while the block lasts; says whether it could."""
    pin = _pinner(core)
    if pin is None:
        yield False
        return
    before = os.sched_getaffinity(0)
    pin()
    try:
        yield True
    finally:
        os.sched_setaffinity(0, before)


def _control(base_url: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(f"{base_url}/control/{path}", data=data, method=method)
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return json.loads(answer.read())
