"""A warm Kovra to break: real processes, people with open pages, and the judge at the end.

::

    def main(quick: bool, json: bool) -> int:
        return perform("chaos storm", storm, quick=quick, json=json)

    def storm(rig: Rig, report: Report) -> None:
        with rig.load(rate=10) as load:
            rig.kill("worker")
            rig.flush()
        rig.settle(report)
        report.add("actions", len(load.wishes))

A scenario breaks what it wants while the load goes on, and settles: faults end, everything has a minute to reach its
end, and the judge's findings are the figure ``violations``.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import redis
from sqlalchemy import create_engine, text

from benchmarks.chaos.control import control
from benchmarks.chaos.judge import Broken, Finding, Judge
from benchmarks.chaos.load import Crowd, Load
from benchmarks.chaos.source import Source
from benchmarks.chaos.waiting import must, until
from benchmarks.measure import Report, host, say
from benchmarks.person import Person
from kovra.actions.request import Action
from kovra.launcher import children
from kovra.launcher.postgres import SUPERUSER
from kovra.launcher.stack import Stack
from kovra.launcher.trouble import Trouble
from kovra.store.database import sqlalchemy_url

#: How long everything may take to reach its end after the last fault, in seconds, before it counts as lost.
SETTLE_S = 60.0

#: How often each moderator may do each thing in an hour.
PLENTY = 100_000

Scenario = Callable[["Rig", Report], None]


def perform(name: str, scenario: Scenario, *, quick: bool, json: bool, **how: Any) -> int:
    """Run one scenario on a rig of its own and print its figures; 1 when a promise was broken."""
    say("starting everything")
    with Rig(**how) as rig:
        report = Report(name=name, quick=quick, host=host(**rig.versions()))
        scenario(rig, report)
        report.print(as_json=json)
        return 1 if rig.broken else 0


class Rig:
    """One warm Kovra.

    Args:
        webs: web processes on the one port.
        workers: worker processes.
        guilds: how many, each with a log channel, an owner and a moderator who ask for actions.
        members, banned: of each guild; bans and unbans use them up.
        env: further variables for every process; ``KOVRA_PACING`` is off unless given.
    """

    def __init__(
        self,
        *,
        webs: int = 2,
        workers: int = 2,
        guilds: int = 3,
        members: int = 300,
        banned: int = 60,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._webs, self._workers, self._guilds = webs, workers, guilds
        self._members, self._banned, self._own_env = members, banned, dict(env or {})
        self._open = contextlib.ExitStack()
        self._reviving = threading.Event()
        self.crowds: list[Crowd] = []
        self.loads: list[Load] = []
        self.sources: dict[int, Source] = {}
        self.killed: Counter[str] = Counter()
        self.broken: list[Finding] = []

    def __enter__(self) -> Rig:
        try:
            self._start()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    # -- what a scenario does -----------------------------------------------------------------------------------------

    def load(self, rate: float = 10, seed: int = 7) -> Load:
        """Mixed actions at this rate while the block runs."""
        load = Load(self.crowds, rate, seed)
        self.loads.append(load)
        return load

    def kill(self, name: str) -> None:
        """SIGKILL a process and all it started; ``reviving`` or ``revive`` brings it back."""
        self.killed[name.split("-")[0]] += 1
        self.stack.parts()[name].kill()

    def revive(self) -> None:
        """Start again what is dead, and wait until it is ready."""
        dead = [process for process in self.stack.processes.values() if process.pid is None]
        for process in dead:
            process.start()
        for process in dead:
            process.await_ready()

    @contextlib.contextmanager
    def reviving(self) -> Iterator[None]:
        """Start again whatever dies, at once, as a platform does; at the end everything runs."""
        ended = threading.Event()

        def look() -> None:
            while not ended.wait(0.05):
                for process in list(self.stack.processes.values()):
                    if process.pid is None:
                        process.start()

        thread = threading.Thread(target=look, name="reviving", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
        # One that dies because a server is still away is started once more.
        for process in self.stack.processes.values():
            for last in (False, False, True):
                try:
                    if process.pid is None:
                        process.start()
                    process.await_ready()
                    break
                except Trouble:
                    if last:
                        raise

    def ready(self, kind: str) -> int:
        """How many processes of a kind (``web``, ``worker``, ``bot``) run and are ready."""
        processes = [each for name, each in list(self.stack.processes.items()) if name.split("-")[0] == kind]
        return sum(process.pid is not None and process.ready(process) for process in processes)

    def pause(self, name: str) -> None:
        """SIGSTOP a process and all it started: it lives, holds everything, and does nothing."""
        self._signal(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """SIGCONT what was paused."""
        self._signal(name, signal.SIGCONT)

    def flush(self) -> None:
        """FLUSHALL; nothing when Valkey is away."""
        with contextlib.suppress(redis.RedisError):
            self.valkey().flushall()

    def crash_postgres(self) -> None:
        """Stop PostgreSQL with the mode *immediate*: everything open is gone, and it recovers when it starts again."""
        server = self.stack.postgres
        assert server is not None
        if pid := server.pid:
            os.kill(pid, signal.SIGQUIT)
            must(lambda: server.pid is None, "PostgreSQL's end")

    def start_postgres(self) -> None:
        """Bring it back; returns when it answers."""
        assert self.stack.postgres is not None
        self.stack.postgres.restart()

    def next_case_ms(self, patience_s: float = 60.0) -> float | None:
        """Milliseconds from now to the next case, by PostgreSQL's clock; None when none comes."""
        began = self.judge.rows("SELECT clock_timestamp()")[0][0]
        first = "SELECT min(applied_at) FROM action_requests WHERE guild_id = ANY(:guilds) AND applied_at > :began"
        at = until(lambda: self.judge.rows(first, began=began)[0][0], patience_s)
        return None if at is None else (at - began).total_seconds() * 1000

    def discord(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask the sandbox's control API."""
        return control(self.stack.sandbox_url, method, path, body)

    def valkey(self) -> redis.Redis:
        """A connection of our own; close it, or let it be collected."""
        return redis.Redis.from_url(self.stack.redis_url, socket_timeout=5, socket_connect_timeout=5)

    # -- the end ------------------------------------------------------------------------------------------------------

    def settle(self, report: Report, patience_s: float = SETTLE_S) -> list[Finding]:
        """End every fault, give everything time to end, and judge.

        Adds ``violations``, what became of the requests as ``ended_…`` and ``failed_…``, and how long the last one
        took; says each finding. What an earlier scenario on this rig broke is not said again.
        """
        self.discord("DELETE", "faults")
        began, known, found = time.monotonic(), -1, list[Finding]()
        seen = {guild_id: source.seen for guild_id, source in self.sources.items()}
        # A click whose sender has given up may be accepted while the judge looks: then all is judged anew.
        while known != (known := len(self.judge.requests())) and time.monotonic() - began < patience_s:
            ended = until(lambda: not self.judge.unfinished(), patience_s)
            report.add("settled_ms", (time.monotonic() - began) * 1000 if ended else None, digits=0)
            self.judge.await_streams(seen)
            answered = [request_id for load in self.loads for request_id in load.answered]
            found = [finding for finding in self.judge.findings(answered, seen) if finding not in self.broken]
        asked = [wish.batch_id for load in self.loads for wish in load.mass_wishes if wish.answered]
        lost = [
            Finding(Broken.LOST, f"job {each} was answered and has no row")
            for each in asked
            if not self.judge.job(each)
        ]
        found += [finding for finding in lost if finding not in self.broken]
        self.broken += found
        for finding in found:
            say(str(finding))
        report.add("violations", len(found))
        rows = self.judge.requests()
        for state, count in sorted(Counter(row.state for row in rows).items()):
            report.add(f"ended_{state}", count)
        for kind, count in sorted(Counter(row.failure_kind for row in rows if row.failure_kind).items()):
            report.add(f"failed_{kind}", count)
        return found

    def versions(self) -> dict[str, str]:
        """Of the servers, for the report's host."""
        with self.judge.engine.connect() as line:
            postgres = str(line.scalar(text("SHOW server_version")))
        info = self.valkey().info("server")
        return {"postgres": postgres, "redis": str(info.get("valkey_version") or info["redis_version"])}

    # -- the start ----------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="kovra-chaos-")))
        folder.chmod(0o711)  # PostgreSQL runs as nobody when we are root, and must be able to walk through
        self.armed = folder / "armed"
        self.armed.mkdir()
        env = {
            "KOVRA_ENV": "test",
            "KOVRA_CRASH": f"@{self.armed}",
            "KOVRA_PACING": "off",
            "KOVRA_LOG_LEVEL": "WARNING",
            "GUNICORN_CMD_ARGS": "--reuse-port",  # several web processes behind one address, without a balancer
            **self._own_env,
        }
        self.stack = self._open.enter_context(Stack(folder / "data", extra_env=env, durable=False))
        for like, count in (("web", self._webs), ("worker", self._workers)):
            for number in range(2, count + 1):
                self.stack.add_process(f"{like}-{number}", like)
        assert self.stack.postgres is not None
        address = sqlalchemy_url(self.stack.postgres.url_of("kovra", SUPERUSER))
        engine = create_engine(address, pool_pre_ping=True)
        self._open.callback(engine.dispose)
        self.discord("POST", "rejoin", {"on": True})
        self.judge = Judge(engine=engine, sandbox_url=self.stack.sandbox_url, since={})
        for number in range(self._guilds):
            self._settle_guild(f"Chaos {number + 1}")
        for crowd in self.crowds:
            self.sources[crowd.guild_id] = Source(crowd.people[0], crowd.guild_id, self.judge.since[crowd.guild_id])
            self._open.callback(self.sources[crowd.guild_id].close)

    def _settle_guild(self, name: str) -> None:
        """A guild whose moderators are signed in, with some who were banned before."""
        made = self.discord("POST", "guilds", {"name": name, "members": self._members + self._banned})
        guild_id, members = int(made["guild_id"]), [int(user_id) for user_id in made["members"]]
        for user_id in members[: self._banned]:
            self.discord("POST", "bans", {"guild_id": str(guild_id), "user_id": str(user_id), "reason": "earlier"})
        judge = Judge(engine=self.judge.engine, sandbox_url=self.judge.sandbox_url, since={guild_id: 0})
        mirrored = (
            "SELECT 1 FROM guilds WHERE guild_id = ANY(:guilds) AND members_complete_at IS NOT NULL AND :bans ="
            " (SELECT count(*) FROM bans WHERE guild_id = ANY(:guilds))"
        )
        must(lambda: judge.rows(mirrored, bans=self._banned), f"the mirror of {name}", patience_s=120)
        self._raise_budgets(guild_id)
        newest = judge.rows("SELECT coalesce(max(seq), 0) FROM guild_events WHERE guild_id = ANY(:guilds)")[0][0]
        self.judge = Judge(
            engine=self.judge.engine,
            sandbox_url=self.judge.sandbox_url,
            since={**self.judge.since, guild_id: newest},
        )
        people = [Person(self.stack.web_url, int(made[who])) for who in ("owner_id", "moderator_id")]
        banned, free = deque(members[: self._banned]), deque(members[self._banned :])
        self.crowds.append(Crowd(guild_id, people, free, banned))

    def _raise_budgets(self, guild_id: int) -> None:
        """Two moderators act oftener here than people may."""
        plenty = json.dumps({action.value: PLENTY for action in Action})
        raised = (
            "INSERT INTO guild_settings (guild_id, budgets, changed_at) VALUES (:guild, cast(:plenty AS jsonb), now())"
            " ON CONFLICT (guild_id) DO UPDATE SET budgets = excluded.budgets"
        )
        with self.judge.engine.begin() as line:
            line.execute(text(raised), {"guild": guild_id, "plenty": plenty})

    def _signal(self, name: str, what: signal.Signals) -> None:
        pid = self.stack.parts()[name].pid
        if pid is None:
            return
        for each in (pid, *children.descendants(pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, what)
