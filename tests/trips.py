"""One warm Kovra for whole trips: real processes, PostgreSQL, Valkey, Pycord, and the sandbox as outside judge."""

from __future__ import annotations

import dataclasses
import itertools
import json
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis
from sqlalchemy import Engine, create_engine, text

from kovra import wiring
from kovra.actions.job import Chunk, Job, SealedChunk, seal_chunk
from kovra.actions.request import Action, ActionRequest, Receipt, Source
from kovra.actions.submit import Submit
from kovra.actions.submit_job import SubmitJob
from kovra.config import Process, from_environment
from kovra.ids import GuildId, UserId, audit_ref, new_request_id
from kovra.launcher.needs import browser_program
from kovra.launcher.postgres import SUPERUSER
from kovra.launcher.stack import Stack
from kovra.store.database import Database, sqlalchemy_url
from tests.wishes import needed

#: A condition that a working system meets within a second; only a broken one waits this long.
PATIENCE_S = 30.0


class Discord:
    """The sandbox as the judge sees it, through its control API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.world = self.ask("GET", "world")
        self.guild_id = GuildId(int(self.world["guild_id"]))
        self.people = {person["username"]: UserId(int(person["id"])) for person in self.ask("GET", "people")}
        self._number = itertools.count()
        self._fresh = iter([UserId(int(user_id)) for user_id in self.world["notable"]["plain"]])

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"{self.url}/control/{path}", data=data, method=method)
        asked.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def someone(self) -> UserId:
        """An ordinary member nobody has acted on yet."""
        return next(self._fresh)

    def strangers(self, count: int) -> list[UserId]:
        """People of Discord who are no members."""
        return [
            UserId(int(self.ask("POST", "users", {"username": f"raider-{next(self._number)}"})["id"]))
            for _ in range(count)
        ]

    def banned(self) -> dict[UserId, str]:
        """Who is banned, with the reason."""
        bans = self.ask("GET", f"guilds/{self.guild_id}/bans")
        return {UserId(int(ban["user"]["id"])): ban["reason"] for ban in bans}

    def is_banned(self, user_id: UserId) -> bool:
        return str(user_id) in {ban["user"]["id"] for ban in self.ask("GET", f"guilds/{self.guild_id}/bans")}

    def member(self, user_id: UserId) -> dict[str, Any] | None:
        found = [m for m in self.ask("GET", f"guilds/{self.guild_id}/members") if m["user"]["id"] == str(user_id)]
        return found[0] if found else None

    def dms(self, user_id: UserId) -> list[str]:
        return [message["content"] for message in self.ask("GET", f"users/{user_id}/dms")]

    def log_posts(self, request_id: UUID) -> list[dict[str, Any]]:
        posts = self.ask("GET", f"channels/{self.world['channels']['mod-log']}/messages?limit=1000")
        return [post for post in posts if audit_ref(request_id) in json.dumps(post["embeds"])]

    def deeds(self, request_id: UUID) -> dict[str, Any]:
        """How often each verb took effect for this request."""
        return self.ask("GET", f"effects?ref={audit_ref(request_id)[4:-1]}")


class Trips:
    """One warm Kovra, asked and looked at from outside."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.discord = Discord(stack.sandbox_url)
        self.guild_id = self.discord.guild_id
        self.config = from_environment(Process.WEB, stack.env)
        self.database = Database(self.config.database_url, role="kovra_web")
        self.submit: Submit = wiring.build_submit(self.config, self.database, self.config.web_keys[0])
        self.submit_job: SubmitJob = wiring.build_submit_job(self.config, self.database, self.config.web_keys[0])
        self.redis = redis.Redis.from_url(stack.redis_url)
        self.engine: Engine = create_engine(sqlalchemy_url(stack.postgres.url_of("kovra", SUPERUSER)))

    def a(self, action: Action, target: UserId, by: str = "juniperlock", reason: str = "spam", **more: Any) -> Any:
        """A request as the dashboard makes it."""
        params = more.pop("params", None)
        params = needed(action) if params is None else params
        asked = ActionRequest(
            request_id=new_request_id(),
            guild_id=self.guild_id,
            action=action,
            target_id=target,
            moderator_id=self.discord.people[by],
            source=Source.DASHBOARD,
            reason=reason,
            params=params,
            issued_at=datetime.now(UTC),
        )
        return dataclasses.replace(asked, **more)

    def a_job(self, action: Action, targets: Iterable[UserId], by: str = "tamsin_reed", **more: Any) -> Job:
        """A mass action as the dashboard makes it."""
        facts = {"reason": "raid", "source": Source.DASHBOARD, "issued_at": datetime.now(UTC)} | more
        return Job(
            batch_id=new_request_id(),
            guild_id=self.guild_id,
            action=action,
            targets=tuple(targets),
            moderator_id=self.discord.people[by],
            **facts,
        )

    def rows_of(self, job: Job) -> list[dict[str, Any]]:
        """The requests of a job, in the order in which their turn comes."""
        return self.all("SELECT * FROM action_requests WHERE batch_id = :id ORDER BY place", id=job.batch_id)

    def end_of_job(self, job: Job) -> list[dict[str, Any]]:
        """The requests of a job, once each has reached its end and every case has its post."""
        ends = {"done", "failed", "rejected", "expired", "dead", "cancelled"}

        def ended() -> list[dict[str, Any]]:
            rows = self.rows_of(job)
            return rows if all(row["state"] in ends and row["post_status"] != "waiting" for row in rows) else []

        return self.until(ended)

    def run(self, request: ActionRequest) -> dict[str, Any]:
        """Submit a request and wait for its end; its row."""
        self.submit(request)
        return self.end_of(request.request_id)

    def end_of(self, request_id: UUID) -> dict[str, Any]:
        """The row of a request, once it has reached its end and its case has its post."""
        ends = ("done", "failed", "rejected", "expired", "dead", "cancelled")

        def ended() -> dict[str, Any] | None:
            row = self.row(request_id)
            return row if row and row["state"] in ends and row["post_status"] != "waiting" else None

        return self.until(ended)

    def row(self, request_id: UUID) -> dict[str, Any] | None:
        return self.first("SELECT * FROM action_requests WHERE request_id = :id", id=request_id)

    def case_of(self, receipt_or_id: Receipt | UUID) -> dict[str, Any] | None:
        request_id = getattr(receipt_or_id, "request_id", receipt_or_id)
        return self.first("SELECT * FROM mod_cases WHERE request_id = :id", id=request_id)

    def audit(self, kind: str, **facts: str) -> list[dict[str, Any]]:
        """The entries of a kind whose facts hold these."""
        return self.all(
            "SELECT * FROM audit_log WHERE guild_id = :g AND kind = :kind AND facts @> cast(:facts AS jsonb)",
            g=self.guild_id,
            kind=kind,
            facts=json.dumps(facts),
        )

    def events_of(self, request_id: UUID) -> list[str]:
        rows = self.all("SELECT kind FROM guild_events WHERE request_id = :id ORDER BY seq", id=request_id)
        return [row["kind"] for row in rows]

    def chunk_of(self, job: Job, number: int) -> SealedChunk:
        """A chunk as the web signs it, whether or not it was ever accepted."""
        chunk = Chunk(guild_id=job.guild_id, batch_id=job.batch_id, number=number)
        return seal_chunk(chunk, self.config.web_keys[0])

    def write(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as line:
            line.execute(text(statement), values)

    def all(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        with self.engine.connect() as line:
            return [dict(row._mapping) for row in line.execute(text(statement), values)]

    def first(self, statement: str, **values: Any) -> dict[str, Any] | None:
        rows = self.all(statement, **values)
        return rows[0] if rows else None

    @contextmanager
    def dying_worker(self, point: str) -> Iterator[Any]:
        """In the place of the worker one that dies when it first comes to this point; at the end the worker again."""
        self.stack.processes["worker"].stop(10)
        name = f"worker-{next(_NUMBER)}"
        try:
            yield self.stack.add_process(name, extra_env={"KOVRA_ENV": "test", "KOVRA_CRASH": f"{point}:1"})
        finally:
            self.stack.processes.pop(name).stop(5)
            self.stack.restart("worker")

    def until(self, look: Callable[[], Any]) -> Any:
        return until(look)


_NUMBER = itertools.count(2)


def until(look: Callable[[], Any]) -> Any:
    """The first true answer of ``look``."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError("it never came true")
        time.sleep(0.02)  # between two looks, not for luck
    return found


@pytest.fixture(scope="session")
def stack(servers_folder: Path) -> Iterator[Stack]:
    """Everything, started once for all trips. Each trip acts on members of its own, so there are many."""
    folder, env = servers_folder / "stack", {"KOVRA_PACING": "off"}
    with Stack(folder, durable=False, members=600, extra_env=env) as started:
        yield started


@pytest.fixture(scope="session")
def path(stack: Stack) -> Iterator[Trips]:
    trips = Trips(stack)
    yield trips
    trips.redis.close()
    trips.database.dispose()
    trips.engine.dispose()


@pytest.fixture(scope="module")
def wide_budget(path: Trips) -> Iterator[None]:
    """So many bans that no test uses them up; a person may do 170 in an hour."""
    put = (
        "INSERT INTO guild_settings (guild_id, budgets, changed_at) VALUES (:g, '{\"ban\": 9000}', now())"
        " ON CONFLICT (guild_id) DO UPDATE SET budgets = excluded.budgets"
    )
    path.write(put, g=path.guild_id)
    yield
    path.write("UPDATE guild_settings SET budgets = '{}' WHERE guild_id = :g", g=path.guild_id)


#: Nothing of Chromium's own may leave this machine.
_QUIET_CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """One headless Chromium for the whole run; each test opens a context of its own."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_S * 1000)
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=browser_program(), args=_QUIET_CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def axe() -> Callable[..., list[str]]:
    """``axe(page)``: what axe-core finds wrong with a page as it stands, each with where."""
    engine = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")

    def look(page) -> list[str]:
        # The animations of what has just opened would be measured half transparent.
        page.evaluate("Promise.all(document.getAnimations().map(one => one.finished.catch(() => {})))")
        page.evaluate(engine)
        found = page.evaluate("axe.run({ resultTypes: ['violations'] })")
        return [f"{fault['id']}: {node['target']}" for fault in found["violations"] for node in fault["nodes"]]

    return look
