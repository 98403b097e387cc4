"""All of Kovra as real processes on this machine: for the demo, for benches, and for tests of whole trips.

servers    PostgreSQL and Valkey, embedded or given by address
sandbox    the stand-in Discord, unless a token for the real one is given
release    migrations and commands, once
web, worker, bot    side by side
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from kovra import config
from kovra.launcher import children
from kovra.launcher import keys as key_file
from kovra.launcher.bootstrap import CHECKOUT
from kovra.launcher.ports import claim_port
from kovra.launcher.postgres import EmbeddedPostgres
from kovra.launcher.supervisor import (
    SHOWN_LINES,
    Part,
    Process,
    Watch,
    answers,
    await_ready,
    every,
    keep_log,
    said,
    stop_together,
)
from kovra.launcher.trouble import Trouble
from kovra.launcher.valkey import EmbeddedValkey

#: Platforms give a process 30 s to stop; ours have the first of them, the sandbox and the servers the rest.
STOP_WITHIN_S = 24.0

#: What earlier runs left, and ``fresh`` takes away.
KEPT = ("postgres", "valkey", "sandbox.json", "keys.json", "logs")

StepDone = Callable[[str, float, str], None]


def _quiet(name: str, seconds: float, more: str) -> None:
    """Say nothing."""


class Cancelled(Exception):
    """The start was given up because somebody asked for the stop."""


class Stack:
    """One Kovra with everything it needs.

    Args:
        data_dir: keeps the servers' data, the sandbox's world, the keys and the logs; made when missing.
        port, sandbox_port: of the dashboard and the sandbox on 127.0.0.1; 0 takes a free one.
        fresh: forget what ``data_dir`` holds.
        outside: an environment whose ``DATABASE_URL``, ``REDIS_URL``, ``DISCORD_…`` and ``KOVRA_…`` stand in for
            what we would start or make. Tests and benches give none, so that they never touch a real database.
        extra_env: further variables for our processes; they win over all others.
        members: how many the sandbox's guild has, besides staff and bots.
        scene, pace: what the sandbox plays from the start, and how many times faster; None goes on with what played.
        durable: False lets the servers keep their data carelessly, as tests may.
        step: called with the name, the seconds and a detail of each step of the start.
        cancel: when it is set, a start under way is given up.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int = 0,
        sandbox_port: int = 0,
        *,
        fresh: bool = False,
        outside: Mapping[str, str] | None = None,
        extra_env: Mapping[str, str] | None = None,
        members: int = 300,
        scene: str | None = None,
        pace: float = 1.0,
        durable: bool = True,
        step: StepDone = _quiet,
        cancel: threading.Event | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.port, self.sandbox_port = port, sandbox_port
        self.fresh, self.durable, self.step = fresh, durable, step
        self.members, self.scene, self.pace = members, scene, pace
        self._cancel = cancel or threading.Event()
        self.outside = dict(outside or {})
        self.extra_env = dict(extra_env or {})
        self.logs = data_dir / "logs"
        self.env: dict[str, str] = {}
        self.postgres: EmbeddedPostgres | None = None
        self.valkey: EmbeddedValkey | None = None
        self.sandbox: Process | None = None
        self.processes: dict[str, Process] = {}
        self._lock: int | None = None

    # Addresses.

    @property
    def web_url(self) -> str:
        """Where a person opens the dashboard."""
        return f"http://localhost:{self.port}"

    @property
    def sandbox_url(self) -> str:
        """The sandbox's address; it has the control API under ``/control``."""
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def database_url(self) -> str:
        return self.env["DATABASE_URL"]

    @property
    def redis_url(self) -> str:
        return self.env["REDIS_URL"]

    @property
    def sandbox_state(self) -> Path:
        """Where the sandbox keeps its world."""
        return self.data_dir / "sandbox.json"

    @property
    def sandboxed(self) -> bool:
        """Whether Discord is the sandbox: no token for the real one was given."""
        return not self.outside.get("DISCORD_TOKEN")

    # Start and stop.

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything; returns when the dashboard answers and worker and bot are ready.

        Raises:
            Trouble: something did not start; all that was started is stopped again.
            Cancelled: ``cancel`` was set; the same.
        """
        try:
            self._claim_folder()
            self._choose_ports()
            if self.fresh:
                self._forget()
            self._start_servers()
            self._release()
            self._start_processes()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything in reverse order; what does not stop in time is killed."""
        stop_together(list(self.processes.values()), STOP_WITHIN_S)
        self.processes.clear()
        if self.sandbox is not None:
            self.sandbox.stop(3)
            self.sandbox = None
        for server in (self.valkey, self.postgres):
            if server is not None:
                server.stop()
        self.valkey = self.postgres = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # One by one, for those who break things on purpose.

    def parts(self) -> dict[str, Part]:
        """Everything that runs, by name: ``postgres``, ``valkey``, ``sandbox``, ``web``, ``worker``, ``bot``."""
        found: dict[str, Part] = {}
        for part in (self.postgres, self.valkey, self.sandbox, *self.processes.values()):
            if part is not None:
                found[part.name] = part
        return found

    def kill(self, name: str) -> None:
        """SIGKILL one part and all it started."""
        self.parts()[name].kill()

    def restart(self, name: str) -> None:
        """Start one part again, after stopping it if it runs; returns when it is ready."""
        self.parts()[name].restart()

    def add_process(self, name: str, like: str = "worker", extra_env: Mapping[str, str] | None = None) -> Process:
        """One more process such as ``worker``, under a name of its own; it is stopped with the others."""
        model = self.processes[like]
        more = Process(
            name=name,
            argv=model.argv,
            env={**model.env, **(extra_env or {})},
            cwd=model.cwd,
            log=self.logs / f"{name}.log",
            ready=model.ready,
        )
        self.processes[name] = more
        more.start()
        more.await_ready()
        return more

    def watch(self, ended: threading.Event, tell: Callable[[str], None]) -> None:
        """Restart what dies, until ``ended`` is set.

        Raises:
            Trouble: a part keeps dying.
        """
        Watch(list(self.parts().values()), tell).run(ended)

    # The steps of the start.

    def _go_on(self) -> None:
        if self._cancel.is_set():
            raise Cancelled

    def _claim_folder(self) -> None:
        import fcntl

        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            # PostgreSQL runs as nobody when we are root, and must be able to walk through.
            self.data_dir.chmod(0o711 if os.geteuid() == 0 else 0o700)
            self._lock = os.open(self.data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Trouble(
                f"Kovra cannot write to its data folder {self.data_dir} ({error.strerror}).",
                "Give another one: python3 -m kovra demo --data FOLDER",
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = os.pread(self._lock, 20, 0).decode().strip()
            os.close(self._lock)
            self._lock = None
            raise Trouble(
                f"Another Kovra (process {other}) is running with the data in {self.data_dir}.",
                "Stop that one first, or give this one its own: --data FOLDER --port 8001 --sandbox-port 8091",
            ) from None
        os.truncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def _choose_ports(self) -> None:
        self.port = claim_port(self.port, "--port")
        if self.sandboxed:
            self.sandbox_port = claim_port(self.sandbox_port, "--sandbox-port", but=self.port)

    def _forget(self) -> None:
        for name in KEPT:
            place = self.data_dir / name
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)

    def _start_servers(self) -> None:
        """PostgreSQL, Valkey and the sandbox need nothing of each other: all at once."""
        self.logs.mkdir(exist_ok=True, mode=0o700)
        for log in self.logs.glob("*.log"):
            keep_log(log)
        self.env = self._environment()
        with ThreadPoolExecutor(3) as starters:
            steps = [starters.submit(self._start_postgres), starters.submit(self._start_valkey)]
            if self.sandboxed:
                steps.append(starters.submit(self._start_sandbox))
        for step in steps:
            step.result()
        self._go_on()

    def _environment(self) -> dict[str, str]:
        """What our processes are told. A person's own settings win over what we made."""
        made = key_file.keys(self.data_dir / "keys.json")
        if self.sandboxed:
            made |= {"DISCORD_BASE_URL": self.sandbox_url, "DISCORD_CDN_URL": f"{self.sandbox_url}/cdn"}
        else:
            made = {name: value for name, value in made.items() if not name.startswith("DISCORD_")}
        ours = ("KOVRA_", "DISCORD_", "DATABASE_URL", "REDIS_URL", "PORT")
        given = {name: value for name, value in self.outside.items() if name.startswith(ours) and value}
        if self.sandboxed:
            given = {name: value for name, value in given.items() if not name.startswith("DISCORD_")}
        # What the person's shell says to other programs must not lead ours elsewhere: libpq reads PGHOST and the like.
        strange = (*ours, "GUNICORN_", "PYTHON") + (() if "DATABASE_URL" in given else ("PG",))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
        always = {"PORT": str(self.port), "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(CHECKOUT)}
        return {**inherited, **made, "KOVRA_BASE_URL": self.web_url, **given, **always, **self.extra_env}

    def _start_postgres(self) -> None:
        if self.outside.get("DATABASE_URL"):
            return self.step("PostgreSQL", 0.0, "yours, from DATABASE_URL")
        with self._timed("PostgreSQL") as more:
            self.postgres = EmbeddedPostgres(self.data_dir / "postgres", durable=self.durable)
            self.postgres.log = self.logs / "postgres.log"
            self.postgres.start()
            self.env["DATABASE_URL"] = self.postgres.url
            more.append(self.postgres.programs.origin if self.postgres.programs else "")
        return None

    def _start_valkey(self) -> None:
        if self.outside.get("REDIS_URL"):
            return self.step("Redis", 0.0, "yours, from REDIS_URL")
        with self._timed("Valkey"):
            self.valkey = EmbeddedValkey(self.data_dir / "valkey", durable=self.durable)
            self.valkey.log = self.logs / "valkey.log"
            self.valkey.start()
            self.env["REDIS_URL"] = self.valkey.url
        return None

    def _start_sandbox(self) -> None:
        with self._timed("Discord") as more:
            words = ["-m", "kovra.sandbox", "--port", str(self.sandbox_port)]
            words += ["--state", str(self.sandbox_state), "--members", str(self.members)]
            if self.scene is not None:
                words += ["--scene", self.scene, "--pace", str(self.pace)]
            self.sandbox = self._process("sandbox", words, said("kovra: sandbox ready"))
            self.sandbox.start()
            self.sandbox.await_ready(self._go_on)
            more.append("the sandbox")

    def _release(self) -> None:
        with self._timed("Release"):
            log = self.logs / "release.log"
            env = only_its_secrets("release", self.env)
            with log.open("wb") as out:
                words = [sys.executable, "-m", "kovra", "release"]
                step = children.spawn(words, env=env, cwd=CHECKOUT, stdout=out, stderr=out)
            try:
                while step.poll() is None:
                    self._go_on()
                    time.sleep(0.03)  # between two looks
            finally:
                children.kill_tree(step)
            if step.returncode != 0:
                last = log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
                raise Trouble("The release step failed.", f"Its log is {log}.", said=last)

    def _start_processes(self) -> None:
        with self._timed("Kovra") as more:
            health = f"http://127.0.0.1:{self.port}/healthz"
            serve = ["-m", "gunicorn", "-c", "gunicorn.conf.py", "--bind", f"127.0.0.1:{self.port}", "app:app"]
            for process in (
                self._process("web", serve, every(said("kovra: web ready"), answers(health))),
                self._process("worker", ["worker.py"], said("kovra: worker ready")),
                self._process("bot", ["bot.py"], said("kovra: bot ready")),
            ):
                self.processes[process.name] = process
                process.start()
            await_ready(list(self.processes.values()), self._go_on)
            more.append("web, worker, bot")

    def _process(self, name: str, words: list[str], ready: Callable[[Process], bool]) -> Process:
        return Process(
            name=name,
            argv=[sys.executable, *words],
            env=only_its_secrets(name, self.env),
            cwd=CHECKOUT,
            log=self.logs / f"{name}.log",
            ready=ready,
        )

    @contextlib.contextmanager
    def _timed(self, name: str) -> Iterator[list[str]]:
        began, more = time.monotonic(), [""]
        yield more
        self.step(name, time.monotonic() - began, more[-1])


def only_its_secrets(name: str, env: Mapping[str, str]) -> dict[str, str]:
    """The environment of one process, without the secrets that only others need.

    The web process, which talks to everybody, holds neither Guard's token nor Guard's keys.
    """
    if name not in set(config.Process):
        return dict(env)
    others = set().union(*config.NEEDS.values()) - config.NEEDS[config.Process(name)]
    return {variable: value for variable, value in env.items() if variable not in others}
