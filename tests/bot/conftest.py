"""What the tests of Guard on Discord use: a sandbox of their own, Guard's hands, and a migrated database."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2
import pytest
import requests

from kovra.actions.request import ActionRequest, Receipt, State
from kovra.bot import commands
from kovra.bot.gateway import BotProcess
from kovra.bot.pointing import point_pycord_at
from kovra.bot.rest import GuardRest
from kovra.guard.case import NoticeStatus
from kovra.launcher.postgres import EmbeddedPostgres
from kovra.sandbox import DEFAULT_TOKEN, Hosted, Sandbox, hosted, lanternfall
from kovra.sandbox.conformance import Description
from kovra.store.database import Database
from kovra.store.migrate import upgrade
from kovra.store.mirror import Mirror as StoredMirror
from kovra.store.requests import RequestStatus


@pytest.fixture(scope="session")
def description() -> Description | None:
    """Discord's own description of its API, where there is one."""
    path = os.environ.get("DISCORD_OPENAPI")
    return Description(Path(path)) if path else None


@pytest.fixture
def sandbox(description: Description | None) -> Iterator[Hosted]:
    """A small Discord with some forty people, checked against Discord's own description where there is one."""

    def make() -> Sandbox:
        return Sandbox(lanternfall(time.time, members=40), description=description)

    with hosted(make) as town:
        point_pycord_at(town.base_url, f"{town.base_url}/cdn")
        yield town
        found = town.call(lambda s: s.conformance.findings() if s.conformance else [])
        assert found == []


@pytest.fixture
def guild_id(sandbox: Hosted) -> int:
    return sandbox.call(lambda s: s.world.cast.guild_id)


@pytest.fixture
def plain(sandbox: Hosted) -> list[int]:
    """Members without any rank."""
    return sandbox.call(lambda s: list(s.world.cast.plain))


@pytest.fixture
def guild(sandbox: Hosted, guild_id: int) -> Callable[[], object]:
    """The guild as Discord has it."""
    return lambda: sandbox.call(lambda s: s.world.guilds[guild_id])


@pytest.fixture
def asked(sandbox: Hosted) -> Callable[[str], list[tuple[str, str, int]]]:
    """``asked("/bans")`` gives the requests whose path holds this: method, path, status (0: no answer)."""

    def read(part: str = "") -> list[tuple[str, str, int]]:
        log = sandbox.call(lambda s: [(r.method, r.path, r.status) for r in s.requests])
        return [line for line in log if part in line[1]]

    return read


@pytest.fixture
def make_rest(sandbox: Hosted) -> Iterator[Callable[..., GuardRest]]:
    """Guard's hands, with options of their own."""
    made: list[GuardRest] = []

    def make(**options: Any) -> GuardRest:
        made.append(GuardRest(DEFAULT_TOKEN, sandbox.base_url, **options))
        made[-1].start()
        return made[-1]

    yield make
    for rest in made:
        rest.close()


@pytest.fixture
def rest(make_rest: Callable[..., GuardRest]) -> GuardRest:
    """Guard's hands."""
    return make_rest()


@pytest.fixture
def eventually() -> Callable[..., None]:
    """``eventually(condition)`` waits until it holds, at most 30 s."""

    def wait(condition: Callable[[], Any], what: str = "") -> None:
        give_up_at = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < give_up_at, f"never came: {what or condition}"
            time.sleep(0.02)  # between two looks

    return wait


@pytest.fixture
def control(sandbox: Hosted) -> Callable[..., Any]:
    """``control("join", username="…")`` plays everybody else; without facts it reads."""

    def play(path: str, **facts: Any) -> Any:
        method = "POST" if facts else "GET"
        answer = requests.request(method, f"{sandbox.base_url}/control/{path}", json=facts or None, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    return play


@dataclass
class Asked:
    """Stands in for submit: keeps what was asked, and answers as it is told to."""

    requests: list[ActionRequest] = field(default_factory=list)
    malformed_attempts: list[dict[str, Any]] = field(default_factory=list)
    answer: Callable[[ActionRequest], Receipt] | None = None

    def __call__(self, request: ActionRequest) -> Receipt:
        self.requests.append(request)
        if self.answer is not None:
            return self.answer(request)
        return Receipt.of(request)

    def malformed(self, **facts: Any) -> None:
        self.malformed_attempts.append(facts)


@pytest.fixture
def receipt_for() -> Callable[..., Receipt]:
    """``receipt_for(request, refusal)`` is what submit gives back."""
    return Receipt.of


@dataclass
class Ends:
    """Stands in for the live outcomes: a request ends when a test says how."""

    statuses: dict[UUID, RequestStatus] = field(default_factory=dict)
    told: threading.Condition = field(default_factory=threading.Condition)

    def end(
        self,
        request: ActionRequest,
        state: State,
        *,
        case_no: int | None = None,
        sentence: str | None = None,
        notice: tuple[NoticeStatus, int] | tuple[None, None] = (None, None),
    ):
        empty = {entry.name: None for entry in fields(RequestStatus)}
        known = {
            "request_id": request.request_id,
            "action": request.action,
            "target_id": request.target_id,
            "target_name": "Spammer_9",
            "moderator_id": request.moderator_id,
            "source": request.source,
            "state": state,
            "case_no": case_no,
            "sentence": sentence,
            "notice": notice[0],
            "notice_code": notice[1],
        }
        with self.told:
            self.statuses[request.request_id] = RequestStatus(**(empty | known))
            self.told.notify_all()

    def wait(self, guild_id, request_id, timeout_s, until) -> RequestStatus | None:
        with self.told:
            self.told.wait_for(lambda: request_id in self.statuses and until(self.statuses[request_id]), timeout_s)
            return self.statuses.get(request_id)


@pytest.fixture
def submit() -> Asked:
    """What the door calls."""
    return Asked()


@pytest.fixture
def ends() -> Ends:
    """How requests end."""
    return Ends()


@dataclass
class Running:
    """A bot process on a thread of its own."""

    process: BotProcess
    thread: threading.Thread
    ready: threading.Event
    failure: list[BaseException]

    def stop(self) -> None:
        self.process.stop()
        self.thread.join(15)
        assert not self.thread.is_alive()


@pytest.fixture
def start_bot(sandbox: Hosted, database: Database, submit: Asked, ends: Ends) -> Iterator[Callable[..., Running]]:
    """Start a bot and, unless told otherwise, wait until it is ready."""
    started: list[Running] = []

    def start(*, wait: bool = True, **options: Any) -> Running:
        settings = {
            "token": DEFAULT_TOKEN,
            "base_url": sandbox.base_url,
            "mirror": StoredMirror(database),
            "submit": submit,
            "outcomes": ends,
            "identify_gap_s": 0.0,
            "ready_timeout_s": 0.2,
            # The sandbox takes 120 client events a minute, as Discord does.
            "pulse_s": 0.6,
        }
        process, ready, failure = BotProcess(**(settings | options)), threading.Event(), []

        def run() -> None:
            try:
                process.run(ready=ready.set)
            except BaseException as error:
                failure.append(error)

        thread = threading.Thread(target=run, name="bot", daemon=True)
        started.append(Running(process=process, thread=thread, ready=ready, failure=failure))
        thread.start()
        if wait:
            assert ready.wait(30), failure
        return started[-1]

    yield start
    for bot in started:
        bot.stop()


@pytest.fixture
def rows(database: Database, postgres_server: EmbeddedPostgres) -> Callable[..., list[tuple[Any, ...]]]:
    """``rows("SELECT …", id)`` reads the database past all row-level security."""

    def read(query: str, *values: Any) -> list[tuple[Any, ...]]:
        line = psycopg2.connect(postgres_server.admin_url, dbname=database.engine.url.database)
        try:
            with line.cursor() as cursor:
                cursor.execute(query, values)
                return cursor.fetchall()
        finally:
            line.close()

    return read


@pytest.fixture(scope="session")
def migrated(new_database: Callable[..., str]) -> str:
    """The address of an empty database with Kovra's tables, to copy from."""
    url = new_database()
    upgrade(url)
    return url


@pytest.fixture
def database(migrated: str, new_database: Callable[..., str]) -> Iterator[Database]:
    """A database as the bot uses it."""
    bound = Database(new_database(template=migrated), role="kovra_bot")
    yield bound
    bound.dispose()


# -- commands given in the sandbox


@dataclass
class Known:
    """What Discord was last told."""

    kept: str | None = None

    def digest(self) -> str | None:
        return self.kept

    def remember(self, digest: str) -> None:
        self.kept = digest


@pytest.fixture
def registered(sandbox, rest):
    """Discord knows Guard's commands, as after a release."""
    commands.sync(rest, sandbox.call(lambda s: s.world.bot_id), Known())


@pytest.fixture
def moderator(sandbox) -> int:
    return sandbox.call(lambda s: next(p.user_id for p in s.world.cast.people if p.rank == "Moderator"))


@pytest.fixture
def target(sandbox) -> int:
    return sandbox.call(lambda s: s.world.cast.plain[0])


@pytest.fixture
def places(sandbox, target) -> dict[str, int]:
    """Ids by what the tests call them; commands are given in the channel of the sandbox's choice."""

    def look(s):
        guild = s.world.guilds[s.world.cast.guild_id]
        names = {channel.name: channel.id for channel in s.world.guild_channels(guild)}
        role = next(role.id for role in guild.roles.values() if role.name == "Minstrel")
        return {"guild": guild.id, "hall": names["main-hall"], "here": names["map-room"], "role": role}

    return sandbox.call(look) | {"target": target}


@pytest.fixture
def slash(control, registered, moderator, places):
    """``slash("warn", user=…, reason=…)`` runs a command as the moderator and gives its id."""

    def run(name: str, **options) -> int:
        who = {"user_id": str(moderator), "channel_id": str(places["here"])}
        told = control("interactions", command=f"mod {name}", options=options, **who)
        return int(told["interaction_id"])

    return run


@pytest.fixture
def answer(control):
    """``answer(id)`` is what who gave a command or used a menu sees now."""
    return lambda interaction_id: control(f"interactions/{interaction_id}")


@pytest.fixture
def says(answer, eventually):
    """``says(id, text)`` waits until the answer begins so, and gives it."""

    def wait(interaction_id: int, text: str) -> Any:
        eventually(
            lambda: answer(interaction_id)["content"].startswith(text), f"{text!r}, but {answer(interaction_id)}"
        )
        return answer(interaction_id)

    return wait
