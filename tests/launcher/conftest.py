"""Small real processes for the launcher to look after."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import time
from pathlib import Path

import pytest

from kovra.launcher.postgres import EmbeddedPostgres
from kovra.launcher.say import Say
from kovra.launcher.supervisor import Process, said
from kovra.launcher.valkey import EmbeddedValkey

SERVE = "print('kovra: toy ready', flush=True)\nimport time\nwhile True: time.sleep(60)"


@pytest.fixture
def folder():
    """A folder that the user nobody can walk through, as PostgreSQL needs when we are root."""
    with tempfile.TemporaryDirectory(prefix="kovra-test-") as name:
        os.chmod(name, 0o711)
        yield Path(name)


@pytest.fixture
def toy(tmp_path):
    """``toy(program)`` gives a process that runs a few lines of Python; all are gone after the test."""
    made = []

    def make(program=SERVE, name="toy", **options):
        process = Process(
            name=name,
            argv=[sys.executable, "-c", program],
            env=dict(os.environ),
            cwd=tmp_path,
            log=tmp_path / f"{name}.log",
            ready=options.pop("ready", said("kovra: toy ready")),
            **options,
        )
        made.append(process)
        return process

    yield make
    for process in made:
        process.kill()


def until(condition, within_s=30.0):
    """Wait for a condition; fails when it never comes true."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)  # between two looks


@pytest.fixture(name="until")
def _until():
    return until


def gone(pid):
    """Whether no process has this pid any more (a zombie has ended too)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture(name="gone")
def _gone():
    return gone


@pytest.fixture
def postgres_in(folder):
    """``postgres_in()`` gives a PostgreSQL of the test's own, not yet started; the same folder each time."""
    made = []

    def make():
        made.append(EmbeddedPostgres(folder / "postgres", durable=False))
        return made[-1]

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def valkey_in(folder):
    """``valkey_in(durable=True)`` gives a Valkey of the test's own, not yet started; the same folder each time."""
    made = []

    def make(**options):
        made.append(EmbeddedValkey(folder / "valkey", **options))
        return made[-1]

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def quiet():
    """A launcher's voice that nobody hears; ``quiet.out.getvalue()`` is what it said."""
    return Say(io.StringIO())
