"""A process that is told to die at a point really does, there and nowhere else, and only in a test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from kovra.config import Process, from_environment
from kovra.crash import POINTS, checkpoint

WALK = """
import sys
from kovra.crash import checkpoint
at = checkpoint(sys.argv[1])
for point in ("after_claim", "after_authz", "after_claim"):
    at(point)
    print("past", point, flush=True)
"""


def walk(wish):
    return subprocess.run([sys.executable, "-c", WALK, wish], capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize(("wish", "steps"), [("after_claim:1", 0), ("after_authz:1", 1), ("after_claim:2", 2)])
def test_it_dies_by_sigkill_the_nth_time_it_comes_there(wish, steps):
    ended = walk(wish)

    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout.count("past") == steps
    assert ended.stderr == f"kovra: dies at {wish.split(':')[0]}\n"


def test_what_it_never_reaches_does_not_stop_it():
    assert walk("after_claim:3").stdout.count("past") == 3


def test_a_folder_lets_one_process_die_once(tmp_path):
    (tmp_path / "after_authz").touch()

    first, second = walk(f"@{tmp_path}"), walk(f"@{tmp_path}")

    assert (first.returncode, second.returncode) == (-signal.SIGKILL, 0)
    assert first.stdout.count("past") == 1


def test_a_folder_lets_one_process_stand_still_until_it_is_told_to_go_on(tmp_path):
    (tmp_path / "stop.after_authz").touch()
    walking = subprocess.Popen([sys.executable, "-c", WALK, f"@{tmp_path}"], stdout=subprocess.PIPE, text=True)

    _, status = os.waitpid(walking.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert walking.stdout.readline() == "past after_claim\n"
    os.kill(walking.pid, signal.SIGCONT)

    assert walking.communicate(timeout=30)[0].count("past") == 2
    assert walking.returncode == 0


@pytest.mark.parametrize("wish", ["after_lunch:1", "after_claim", "after_claim:0", "after_claim:x"])
def test_a_wish_that_names_no_point_is_refused(wish):
    with pytest.raises(ValueError, match="POINT:NTH"):
        checkpoint(wish)


def test_points_are_named_once():
    assert len(set(POINTS)) == len(POINTS)


@pytest.mark.parametrize(
    ("env", "armed"), [({}, ""), ({"KOVRA_ENV": "production"}, ""), ({"KOVRA_ENV": "test"}, "x:1")]
)
def test_only_a_test_environment_is_armed(env, armed):
    key = "ab" * 32
    whole = {
        "DATABASE_URL": "postgres://u:p@h/d",
        "REDIS_URL": "redis://h",
        "DISCORD_TOKEN": "t",
        "KOVRA_BASE_URL": "https://kovra.example.org",
        "KOVRA_WEB_KEYS": f"w:{key}",
        "KOVRA_GUARD_KEYS": f"g:{key}",
        "KOVRA_AUDIT_KEY": "ab" * 32,
        "KOVRA_CRASH": "x:1",
    }

    assert from_environment(Process.WORKER, whole | env).crash == armed
