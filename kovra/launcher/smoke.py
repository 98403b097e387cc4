"""Bring the demo up, carry one warning through all of it, take it down: ``python3 -m kovra.launcher.smoke``.

Standard library only, from outside, as a person would: the demo is a process of its own, and what happened is read from
the sandbox Discord.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from kovra.launcher import children

T = TypeVar("T")

#: A first start installs packages.
UP_WITHIN_S = 600.0
DONE_WITHIN_S = 60.0
DOWN_WITHIN_S = 60.0


class Failed(Exception):
    """The smoke run failed; the message says at which step."""


def main() -> int:
    """Run it; returns the exit status."""
    with tempfile.TemporaryDirectory(prefix="kovra-smoke-") as folder:
        os.chmod(folder, 0o711)  # PostgreSQL runs as nobody when we are root, and must be able to walk through
        demo = Demo(Path(folder))
        try:
            demo.await_up()
            warn_somebody(demo.sandbox_url)
            demo.take_down()
            print("smoke: up, one warning from end to end, down, nothing left")
            return 0
        except Failed as failure:
            print(f"smoke: FAILED: {failure}", file=sys.stderr)
            demo.show_logs()
            return 1
        finally:
            demo.kill()


class Demo:
    """``python3 -m kovra demo`` on free ports with a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "data"
        self.said: list[str] = []
        self.began = time.monotonic()
        ports = _free_ports(2)
        self.web_url, self.sandbox_url = (f"http://127.0.0.1:{port}" for port in ports)
        words = ["--port", str(ports[0]), "--sandbox-port", str(ports[1]), "--data", str(self.folder)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kovra", "demo", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            print(line, end="", flush=True)
            self.said.append(line)

    def await_up(self) -> None:
        def up() -> bool:
            if self.process.poll() is not None:
                raise Failed(f"the demo ended with status {self.process.returncode} before it was up")
            return any(line.lstrip().startswith("Open ") for line in self.said)

        _until(up, UP_WITHIN_S, "the demo to say where to open it")
        print(f"smoke: up after {time.monotonic() - self.began:.1f} s")
        with urlopen(f"{self.web_url}/healthz", timeout=10) as answer:
            if answer.status != 200:
                raise Failed(f"the dashboard's health is {answer.status}")

    def take_down(self) -> None:
        """Ctrl-C; all it started must be gone, and its status must be 0."""
        started = children.descendants(self.process.pid)
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        try:
            status = self.process.wait(DOWN_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"the demo did not stop within {DOWN_WITHIN_S:.0f} s") from None
        left = [pid for pid in started if _runs(pid)]
        print(f"smoke: {len(started)} processes down in {time.monotonic() - began:.1f} s, status {status}")
        if status != 0:
            raise Failed(f"the demo ended with status {status}")
        if left:
            raise Failed(f"left running: {', '.join(_name(pid) for pid in left)}")

    def kill(self) -> None:
        if self.process.poll() is None:
            for pid in [self.process.pid, *children.descendants(self.process.pid)]:
                os.kill(pid, signal.SIGKILL)
            self.process.wait()

    def show_logs(self) -> None:
        for log in sorted((self.folder / "logs").glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-25:]
            print(f"--- {log.name}", *lines, sep="\n", file=sys.stderr)


def warn_somebody(sandbox_url: str) -> None:
    """A moderator types ``/mod warn``; the answer must name the case, and the log channel must show it."""
    world = _ask(f"{sandbox_url}/control/world")
    people = _ask(f"{sandbox_url}/control/people")
    moderator = next(person for person in people if "warn" in person["can"])
    mod_log, reason = world["channels"]["mod-log"], "smoke: lighting lanterns indoors"
    began = time.monotonic()
    asked = _ask(
        f"{sandbox_url}/control/interactions",
        {
            "user_id": moderator["id"],
            "guild_id": world["guild_id"],
            "channel_id": world["channels"]["staff-room"],
            "command": "mod warn",
            "options": {"user": world["notable"]["plain"][0], "reason": reason},
        },
    )
    interaction = f"{sandbox_url}/control/interactions/{asked['interaction_id']}"

    def answered() -> str | None:
        content = _ask(interaction).get("content") or ""
        return content if "#1" in content else None

    def posted() -> bool:
        return any(
            reason in json.dumps(message) for message in _ask(f"{sandbox_url}/control/channels/{mod_log}/messages")
        )

    _until(posted, DONE_WITHIN_S, "the post in the log channel", lambda: _ask(interaction))
    answer = _until(answered, DONE_WITHIN_S, "the answer with the case's number", lambda: _ask(interaction))
    print(f"smoke: warned, posted and answered in {time.monotonic() - began:.2f} s: {answer}")


def _ask(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data=data, headers={"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=15) as answer:
            return json.load(answer)
    except HTTPError as error:
        raise Failed(f"{url} answered {error.code}: {error.read().decode(errors='replace')[:500]}") from error


def _until(condition: Callable[[], T], within_s: float, what: str, state: Callable[[], object] = lambda: "") -> T:
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise Failed(f"waited {within_s:.0f} s for {what} {state() or ''}")
        time.sleep(0.05)  # between two looks
    return found


def _free_ports(number: int) -> list[int]:
    lines = [socket.socket() for _ in range(number)]
    try:
        for line in lines:
            line.bind(("127.0.0.1", 0))
        return [int(line.getsockname()[1]) for line in lines]
    finally:
        for line in lines:
            line.close()


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _name(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except OSError:
        words = "?"
    return f"{pid} ({words[:80]})"


if __name__ == "__main__":
    sys.exit(main())
