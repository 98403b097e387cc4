"""Celery, RQ, taskiq and arq as their users start them, each in an environment of its own.

The programs in this folder run there and import nothing of Kovra. What a worker starts it writes to a file, a line
each: when the message was sent and when its task's first line ran, by the clock that all processes share.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import Report, say
from kovra.launcher import children

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / ".kovra" / "peers"
NAMES = ("celery", "rq", "taskiq", "arq")
PATIENCE_S = 120.0


def prepare(report: Report, *, install: bool) -> list[Peer]:
    """The peers that can be had; what cannot is null in the report, with the reason.

    Args:
        install: make the environment of a peer that has none; else only use what an earlier run has made.
    """
    ready = []
    for peer in map(Peer, NAMES):
        why = peer.prepare(install)
        if not why:
            ready.append(peer)
        for key in ("light_p50_ms", "light_p99_ms", "per_s") if why else ():
            report.unmeasured(f"{peer.name}_{key}", why)
    return ready


@dataclass(frozen=True)
class Peer:
    """One of the queues that a user might pick instead."""

    name: str

    @property
    def _python(self) -> Path:
        return FOLDER / self.name / "bin" / "python"

    def prepare(self, install: bool) -> str:
        """Make its environment when there is none; why there is none, or nothing."""
        requirements, stamp = HERE / f"{self.name}.txt", FOLDER / self.name / "made"
        if stamp.exists() and stamp.read_text() == requirements.read_text():
            return ""
        if not install:
            return "not installed: a quick run installs nothing, the long one does"
        say(f"installing {self.name} beside Kovra")
        FOLDER.mkdir(parents=True, exist_ok=True)
        for argv in (
            [sys.executable, "-m", "venv", str(FOLDER / self.name)],
            [str(self._python), "-m", "pip", "install", "-q", "--no-input", "-r", str(requirements)],
        ):
            done = subprocess.run(argv, capture_output=True, text=True)
            if done.returncode != 0:
                return f"its environment could not be made: {done.stderr.strip()[-300:]}"
        stamp.write_text(requirements.read_text())
        return ""

    def sender(self, url: str) -> Callable[[], None]:
        """A function that sends one message, from a process of the peer's environment."""
        process = self._start("send", url)

        def send() -> None:
            process.stdin.write(b"\n")
            process.stdin.flush()
            process.stdout.readline()

        return send

    def worker(self, url: str, count: int) -> Worker:
        return Worker(self, url, count)

    def _start(self, word: str, url: str, file: Path | None = None, **streams: Any) -> subprocess.Popen[bytes]:
        env = os.environ | {"BENCH_URL": url, "BENCH_FILE": str(file or "")}
        env["PATH"] = f"{self._python.parent}:{env['PATH']}"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE} if word == "send" else {}
        argv = [str(self._python), "program.py", word, self.name]
        quiet = subprocess.DEVNULL if word == "work" else None
        return children.spawn(argv, cwd=HERE, env=env, stderr=quiet, **{"stdout": quiet, **pipes})


class Worker:
    """A running worker of a peer, which has eight threads where it has threads."""

    def __init__(self, peer: Peer, url: str, count: int) -> None:
        self._count, self._file = count, FOLDER / f"{peer.name}.txt"
        self._name = peer.name
        self._file.write_text("")
        self._process = peer._start("work", url, self._file)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def results(self) -> dict[str, Any]:
        """As a worker of ours answers: ``first_at``, ``last_at``, and the ``waits`` by tag."""
        deadline = time.monotonic() + PATIENCE_S
        while len(lines := list(self._lines())) < self._count:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"{self._name} ran {len(lines)} of {self._count} messages")
            time.sleep(0.05)  # between two looks
        started = [at for _, at in lines]
        return {
            "first_at": min(started),
            "last_at": max(started),
            "waits": {"light": [(at - sent_at) * 1000 for sent_at, at in lines]},
        }

    def stop(self) -> None:
        children.kill_tree(self._process)

    def _lines(self) -> Iterator[tuple[float, float]]:
        for line in self._file.read_text().splitlines():
            with contextlib.suppress(ValueError):  # the last line may be half written
                sent_at, at = map(float, line.split())
                yield sent_at, at
