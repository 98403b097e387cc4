"""The release step against the warm Kovra, which has been released once already."""

import subprocess
import sys

from kovra.config import Process
from kovra.launcher.bootstrap import CHECKOUT


def release(env):
    return subprocess.run(
        [sys.executable, "-m", "kovra", "release"], env=env, cwd=CHECKOUT, capture_output=True, text=True, timeout=60
    )


def told(path):
    """How often Discord has been told the commands lately."""
    calls = path.discord.ask("GET", "requests?limit=2000")["requests"]
    return sum(call["method"] == "PUT" and call["path"].endswith("/commands") for call in calls)


def test_second_release_changes_nothing_and_tells_discord_nothing(path):
    syncs = told(path)

    done = release(path.stack.env)

    assert done.returncode == 0, done.stderr
    assert "slash commands unchanged" in done.stdout
    assert told(path) == syncs


def test_release_without_settings_names_them_all(path):
    bare = {name: value for name, value in path.stack.env.items() if name not in ("DATABASE_URL", "DISCORD_TOKEN")}

    done = release(bare)

    assert done.returncode == 1
    assert "DATABASE_URL" in done.stderr
    assert "DISCORD_TOKEN" in done.stderr


def test_token_that_is_none_is_said_before_discord_is_asked(path):
    done = release(path.stack.env | {"DISCORD_TOKEN": "%%%.not.a-token"})

    assert done.returncode == 1
    assert "not a bot token" in done.stderr


def test_worker_without_a_database_says_so_and_ends(path):
    env = path.stack.env | {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}

    done = subprocess.run(
        [sys.executable, "worker.py"], env=env, cwd=CHECKOUT, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 1
    assert "the database does not answer" in done.stderr
    assert str(Process.WORKER) in done.stderr
