"""A sandbox of its own for every test, clients for it, and a real Pycord bot to connect to it.

Every answer of these sandboxes is held against Discord's OpenAPI description where there is one; a test whose sandbox
strayed from it fails when it ends. So are the events of the gateway, against the types of discord.js.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any

import discord
import discord.http
import pytest
import requests

from kovra.launcher.needs import NEEDS, all_required, openapi_file
from kovra.sandbox import DEFAULT_TOKEN, Description, Hosted, Sandbox, hosted, lanternfall
from kovra.sandbox.dispatches import Dispatches
from tests.conformance import installed
from tests.sandbox.forum import Forum

PATIENCE_S = 20

HEARD = (
    "member_ban member_unban raw_member_remove member_join member_update raw_audit_log_entry message "
    "guild_available guild_join resumed ready auto_moderation_action_execution"
)


class SetClock:
    """A clock that goes on only when told; Unix seconds."""

    def __init__(self) -> None:
        self.at = time.time()

    def __call__(self) -> float:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += seconds


class Discord:
    """A hosted sandbox with a client for each of its sides."""

    def __init__(self, host: Hosted) -> None:
        self.host = host
        self.sandbox = host.sandbox
        self.base_url = host.base_url
        self.cast = host.sandbox.world.cast
        self.world = host.sandbox.world
        self.guild = self.world.guilds[self.cast.guild_id]
        self.session = requests.Session()

    def rest(self, method: str, path: str, *, reason: str | None = None, **more: Any) -> requests.Response:
        """Call the API as the bot."""
        headers = {"Authorization": f"Bot {DEFAULT_TOKEN}", **more.pop("headers", {})}
        if reason is not None:
            headers["X-Audit-Log-Reason"] = requests.utils.quote(reason)
        return self.session.request(
            method, f"{self.base_url}/api/v10{path}", headers=headers, **{"timeout": 10, **more}
        )

    def in_guild(self, method: str, path: str, **more: Any) -> requests.Response:
        """Call the API as the bot, below the demo's guild."""
        return self.rest(method, f"/guilds/{self.guild.id}{path}", **more)

    def control(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """Call the control API; the answer must have this status."""
        answer = self.session.request(method, f"{self.base_url}/control/{path}", json=body, timeout=10)
        assert answer.status_code == status, answer.text
        return answer.json()

    def channel(self, name: str) -> int:
        return next(c.id for c in self.world.channels.values() if c.name == name)

    def role(self, name: str) -> int:
        return next(r.id for r in self.guild.roles.values() if r.name == name)

    def person(self, rank: str) -> int:
        return next(person.user_id for person in self.cast.people if person.rank == rank)


#: What this run could not hold its sandboxes against, and why: said at the end, whatever else is said.
_unchecked: dict[str, str] = {}


def _cannot_check(need: str, missing: str) -> None:
    """Remember a check that every sandbox of this run goes without, or fail where none may be missing."""
    if all_required():
        pytest.fail(f"{need}: {missing}", pytrace=False)
    _unchecked[need] = missing


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A run that checked less than it looks says so."""
    if not _unchecked:
        return
    terminalreporter.section("not checked in any sandbox", sep="=", yellow=True)
    for name, missing in _unchecked.items():
        terminalreporter.line(f"{NEEDS[name].suite}: {missing}", yellow=True)


@pytest.fixture(scope="session")
def description() -> Description | None:
    """Discord's OpenAPI description, where there is one."""
    path = openapi_file()
    if path is None:
        _cannot_check("openapi", NEEDS["openapi"].lacking() or "")
        return None
    return Description(path)


@pytest.fixture(scope="session")
def dispatches() -> Dispatches | None:
    """The types of the gateway's events, where they can be had."""
    missing = NEEDS["gateway types"].lacking()
    try:
        if missing is None:
            return Dispatches(installed.gateway_schema())
    except installed.NotInstalled as error:
        missing = str(error)
    _cannot_check("gateway types", missing)
    return None


@contextmanager
def _a_discord(description: Description | None, dispatches: Dispatches | None, **options: Any) -> Iterator[Discord]:
    clock = options.pop("clock", time.time)
    port, world = options.pop("port", 0), options.pop("world", None)

    def make() -> Sandbox:
        return Sandbox(world or lanternfall(clock, members=40), clock=clock, description=description, **options)

    with hosted(make, port) as host:
        yield Discord(host)
        conformance = host.sandbox.conformance
        assert conformance is None or host.call(lambda _: conformance.findings()) == []
        assert dispatches is None or dispatches.wrong(host.call(lambda sandbox: sandbox.gateway.sent())) == []


@pytest.fixture
def small_discord(description: Description | None, dispatches: Dispatches | None) -> Iterator[Discord]:
    """A sandbox with the demo's guild of forty members."""
    with _a_discord(description, dispatches) as made:
        yield made


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def timed_discord(description: Description | None, dispatches: Dispatches | None, clock: SetClock) -> Iterator[Discord]:
    """A sandbox whose clock the test sets."""
    with _a_discord(description, dispatches, clock=clock) as made:
        yield made


@pytest.fixture
def a_discord(description: Description | None, dispatches: Dispatches | None) -> Callable[..., Any]:
    """``with a_discord(limited=True) as discord`` for a sandbox that is made differently."""
    return partial(_a_discord, description, dispatches)


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """``eventually(question)`` asks until the answer is true, and returns it."""
    return _eventually


def _eventually(question: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.01)  # between two looks
    raise AssertionError("it never became true")


class _PromptBot(discord.Bot):
    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Pycord waits five seconds before it identifies again; the sandbox asks no one to."""


class Guard:
    """A real Pycord bot on a thread of its own, with a list of the events it heard."""

    def __init__(self, token: str, **options: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.heard: list[tuple[str, Any]] = []
        self.bot: discord.Bot = self.run(self._make(options))
        self._life: Future[None] = asyncio.run_coroutine_threadsafe(self.bot.start(token), self.loop)

    async def _make(self, options: dict[str, Any]) -> discord.Bot:
        bot = _PromptBot(guild_ready_timeout=0.1, cache_default_sounds=False, **options)
        for name in HEARD.split():
            bot.add_listener(self._listener(name), f"on_{name}")
        return bot

    def _listener(self, name: str) -> Any:
        async def listen(*what: Any) -> None:
            self.heard.append((name, what[-1] if what else None))

        return listen

    def run(self, work: Any) -> Any:
        """Run a coroutine on the bot's loop and return what it returns."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE_S)

    def names(self) -> list[str]:
        return [name for name, _ in self.heard]

    def wait_until_ready(self) -> None:
        ready = asyncio.run_coroutine_threadsafe(self.bot.wait_until_ready(), self.loop)
        _eventually(lambda: ready.done() or self._life.done())
        if self._life.done():
            self._life.result()

    def close(self) -> None:
        self.run(self.bot.close())
        _eventually(self._life.done)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE_S)
        self.loop.close()


def _intents() -> discord.Intents:
    intents = discord.Intents.default()
    intents.members = intents.message_content = True
    return intents


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Guard]]:
    """``connect(discord)`` brings up a Pycord bot; ``before`` gets the bot before it connects."""
    bots: list[Guard] = []

    def start(place: Discord, before: Callable[[discord.Bot], None] | None = None, **options: Any) -> Guard:
        monkeypatch.setattr(discord.http.Route, "API_BASE_URL", place.base_url + "/api/v{API_VERSION}")
        guard = Guard(DEFAULT_TOKEN, **{"intents": _intents(), "auto_sync_commands": False, **options})
        bots.append(guard)
        if before is not None:
            before(guard.bot)
        guard.wait_until_ready()
        return guard

    yield start
    for guard in bots:
        guard.close()


@pytest.fixture
def forum(small_discord) -> Forum:
    return Forum(small_discord)


@pytest.fixture
def timed_forum(timed_discord) -> Forum:
    return Forum(timed_discord)
