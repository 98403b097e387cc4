"""All of Kovra as real processes: broken part by part, stopped, and killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from kovra.launcher.bootstrap import CHECKOUT
from kovra.launcher.children import descendants
from kovra.launcher.stack import Stack

pytestmark = pytest.mark.timeout(300)


def a_demo(folder):
    words = ["demo", "--data", str(folder / "data"), "--port", "0", "--sandbox-port", "0"]
    return subprocess.Popen(
        [sys.executable, "-m", "kovra", *words],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def healthy(url):
    try:
        with urlopen(f"{url}/healthz", timeout=10) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


def test_every_part_can_be_killed_and_started_again_and_all_are_gone_after_the_stop(folder, gone, until):
    stack = Stack(folder, durable=False)
    with stack:
        parts = stack.parts()
        first = {name: part.pid for name, part in parts.items()}
        for name in parts:
            stack.kill(name)
            stack.restart(name)
        second = {name: part.pid for name, part in parts.items()}
        until(lambda: healthy(stack.web_url))
        started = descendants(os.getpid())
        open_to_others = [place.name for place in folder.iterdir() if place.stat().st_mode & 0o077]

    assert set(first) == {"postgres", "valkey", "sandbox", "web", "worker", "bot"}
    assert all(second[name] not in (None, first[name]) for name in first)
    assert [pid for pid in second.values() if not gone(pid)] == []
    assert set(second.values()) <= set(started)
    assert not healthy(stack.web_url)
    assert open_to_others == []


def test_nothing_survives_a_demo_that_is_killed(folder, gone, until):
    demo = a_demo(folder)
    said = []
    for line in demo.stdout:
        said.append(line)
        if line.lstrip().startswith("Open "):
            break
    started = descendants(demo.pid)

    os.kill(demo.pid, signal.SIGKILL)
    demo.wait()

    assert len(started) > 6, "".join(said)
    until(lambda: all(gone(pid) for pid in started))


@pytest.mark.parametrize("moment", ["Kovra", "Discord", "PostgreSQL", "Release"])
def test_a_demo_that_is_told_to_stop_while_it_starts_leaves_nothing(moment, folder, gone):
    demo = a_demo(folder)
    for line in demo.stdout:
        if moment in line:
            break
    started = descendants(demo.pid)

    demo.send_signal(signal.SIGTERM)
    rest = demo.stdout.read()

    assert demo.wait() == 0, rest
    assert "Stopped" in rest
    assert [pid for pid in started if not gone(pid)] == []


def test_a_demo_that_cannot_start_says_why_and_nothing_of_a_stop(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        words = ["demo", "--data", str(folder / "data"), "--port", str(port), "--sandbox-port", "0"]

        done = subprocess.run(
            [sys.executable, "-m", "kovra", *words], cwd=CHECKOUT, capture_output=True, text=True, timeout=120
        )

    assert done.returncode == 1
    assert f"Port {port} is in use" in done.stdout
    assert "Stopped" not in done.stdout
