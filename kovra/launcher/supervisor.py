"""Processes under one roof: started until they are ready, logged, restarted when they die, stopped in reverse order."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from kovra.launcher import children
from kovra.launcher.trouble import Trouble

#: How many last lines of a log a person is shown.
SHOWN_LINES = 15

#: A part that has run this long since its last restart starts again with a clean record.
FORGIVEN_AFTER_S = 60.0


class Ready(Protocol):
    """Says whether a process that was started is ready."""

    def __call__(self, process: Process) -> bool: ...


def said(line: str) -> Ready:
    """Ready when the process has written a line that starts so."""

    def check(process: Process) -> bool:
        return any(written.startswith(line) for written in process.written().splitlines())

    return check


def every(*checks: Ready) -> Ready:
    """Ready when all of these say so."""
    return lambda process: all(check(process) for check in checks)


def answers(url: str) -> Ready:
    """Ready when a GET of ``url`` is answered with 200; of processes that share a port any may answer."""
    parts = urlsplit(url)
    assert parts.hostname is not None, url

    def check(process: Process) -> bool:
        line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
        try:
            line.request("GET", parts.path or "/")
            return line.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            line.close()

    return check


class Part(Protocol):
    """Something the supervisor looks after: one of our processes, or an embedded server."""

    name: str

    @property
    def pid(self) -> int | None: ...

    def restart(self) -> None: ...

    def kill(self) -> None: ...


@dataclass(kw_only=True)
class Process:
    """One of our processes.

    Args:
        log: takes its standard output and error; its earlier runs' log is kept beside it as ``NAME.log.1``.
        ready: how we know that it is.
        ready_within_s: how long that may take.
        stop_within_s: how long SIGTERM may take before SIGKILL follows.
    """

    name: str
    argv: Sequence[str]
    env: dict[str, str]
    cwd: Path
    log: Path
    ready: Ready
    ready_within_s: float = 60.0
    stop_within_s: float = 20.0
    started_at: float = 0.0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _log_start: int = 0

    @property
    def pid(self) -> int | None:
        """Its pid while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def status(self) -> int | None:
        """Its exit status (negative: the signal that ended it) once it has ended."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it; ``await_ready`` waits for it.

        Raises:
            Trouble: the program cannot be started.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            try:
                self._process = children.spawn(self.argv, env=self.env, cwd=self.cwd, stdout=log, stderr=log)
            except OSError as error:
                raise Trouble(f"{self.name} cannot be started: {error}.", f"Its log is {self.log}.") from error
        self.started_at = time.monotonic()

    def is_ready(self) -> bool:
        """Whether it is; asked again and again while it starts.

        Raises:
            Trouble: it ended, or took too long.
        """
        if self.pid is None:
            raise self.trouble(f"{self.name} stopped while starting ({describe(self.status)}).")
        if self.ready(self):
            return True
        if time.monotonic() - self.started_at > self.ready_within_s:
            raise self.trouble(f"{self.name} was not ready within {self.ready_within_s:.0f} s.")
        return False

    def await_ready(self, go_on: Callable[[], None] = lambda: None) -> None:
        """Wait until it is ready; see the function of that name.

        Raises:
            Trouble: it ended, or took too long.
        """
        await_ready([self], go_on)

    def restart(self) -> None:
        """Stop it if it runs, start it, and wait until it is ready."""
        self.stop()
        self.start()
        self.await_ready()

    def kill(self) -> None:
        """SIGKILL it and all it started."""
        if self._process is not None:
            children.kill_tree(self._process)

    def ask_to_stop(self) -> None:
        """SIGTERM, and no waiting."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self, within_s: float | None = None) -> bool:
        """SIGTERM, then SIGKILL; returns whether it went by itself."""
        if self._process is None:
            return True
        self.ask_to_stop()
        try:
            self._process.wait(self.stop_within_s if within_s is None else within_s)
            went = True
        except subprocess.TimeoutExpired:
            went = False
        children.kill_tree(self._process)  # whatever it started and left behind
        return went

    def written(self) -> str:
        """What it has written since it was started."""
        try:
            with self.log.open("rb") as log:
                log.seek(self._log_start)
                return log.read().decode(errors="replace")
        except OSError:
            return ""

    def trouble(self, what: str) -> Trouble:
        """What to tell a person about it, with its last words."""
        return Trouble(what, f"Its log is {self.log}.", said=self.written().splitlines()[-SHOWN_LINES:])


def describe(status: int | None) -> str:
    """An exit status in words."""
    if status is not None and status < 0:
        with contextlib.suppress(ValueError):  # a signal that this Python has no name for
            return f"ended by {signal.Signals(-status).name}"
    return f"exit status {status}"


def await_ready(processes: Sequence[Process], go_on: Callable[[], None] = lambda: None) -> None:
    """Wait until all are ready; they start side by side.

    Args:
        go_on: asked now and then; ends the waiting by raising.

    Raises:
        Trouble: one of them ended, or took too long.
    """
    waiting = list(processes)
    while waiting:
        go_on()
        waiting = [process for process in waiting if not process.is_ready()]
        if waiting:
            time.sleep(0.03)  # between two looks


def stop_together(processes: Sequence[Process], within_s: float) -> list[str]:
    """Ask all to stop at once and wait for each; returns the names of those that had to be killed."""
    deadline = time.monotonic() + within_s
    for process in processes:
        process.ask_to_stop()
    return [process.name for process in processes if not process.stop(max(0.1, deadline - time.monotonic()))]


def keep_log(log: Path) -> None:
    """Put the log of the run before aside."""
    with contextlib.suppress(FileNotFoundError):  # the first run has none
        os.replace(log, log.with_name(log.name + ".1"))


class Watch:
    """Looks after running parts: restarts one that died, and gives up on one that keeps dying.

    Args:
        tell: takes a sentence whenever something happened.
        restarts: how many times in a row.
        backoff_s: before the first restart; doubled each time.
    """

    def __init__(
        self, parts: Sequence[Part], tell: Callable[[str], None], *, restarts: int = 5, backoff_s: float = 0.5
    ) -> None:
        self.parts, self.tell, self.restarts, self.backoff_s = parts, tell, restarts, backoff_s
        self._failures: dict[str, int] = {}
        self._restarted_at: dict[str, float] = {}

    def run(self, ended: threading.Event) -> None:
        """Look after the parts until ``ended`` is set.

        Raises:
            Trouble: a part could not be kept running.
        """
        while not ended.wait(0.2):
            for part in self.parts:
                if part.pid is None and not ended.is_set():
                    self._bring_back(part, ended)

    def _bring_back(self, part: Part, ended: threading.Event) -> None:
        if time.monotonic() - self._restarted_at.get(part.name, 0.0) > FORGIVEN_AFTER_S:
            self._failures[part.name] = 0
        how = describe(part.status) if isinstance(part, Process) else "it ended"
        while True:
            failures = self._failures[part.name] = self._failures[part.name] + 1
            if failures > self.restarts:
                last = part.trouble("").said if isinstance(part, Process) else ()
                raise Trouble(
                    f"{part.name} keeps stopping ({how}).", "Everything else is being stopped as well.", said=last
                )
            self.tell(f"{part.name} stopped ({how}); starting it again.")
            if ended.wait(self.backoff_s * 2 ** (failures - 1)):
                return
            try:
                part.kill()
                part.restart()
            except Trouble as trouble:
                how = trouble.what.rstrip(".")
                continue
            self._restarted_at[part.name] = time.monotonic()
            self.tell(f"{part.name} runs again.")
            return
