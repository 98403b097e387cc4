"""A run that cannot hold its sandboxes against Discord's description and types says so, or fails where it must not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ONE_TEST = "tests/sandbox/test_messages.py::test_a_nonce_that_is_not_enforced_sends_twice"


@pytest.fixture
def bare(tmp_path):
    """``bare()`` runs one of the sandbox's tests on a machine without node and without the description."""

    def run(**more: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DISCORD_", "KOVRA_"))}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", ONE_TEST]
        return subprocess.run(
            command, cwd=ROOT, env={**kept, "PATH": str(tmp_path), **more}, capture_output=True, text=True, timeout=60
        )

    return run


def test_what_was_not_checked_is_said_at_the_end_of_the_run(bare):
    done = bare()

    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
    assert "not checked in any sandbox" in done.stdout
    assert "API description: DISCORD_OPENAPI is not set" in done.stdout
    assert "types of Discord: no node and no npm" in done.stdout


def test_where_everything_is_required_such_a_run_fails(bare):
    done = bare(KOVRA_REQUIRE="all")

    assert done.returncode == 1
    assert "DISCORD_OPENAPI is not set" in done.stdout
