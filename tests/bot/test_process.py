"""``python bot.py`` as operators run it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kovra.sandbox import DEFAULT_TOKEN

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def environment(sandbox, migrated, new_database, valkey_url):
    return {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")},
        "DATABASE_URL": new_database(template=migrated),
        "REDIS_URL": valkey_url,
        "DISCORD_TOKEN": DEFAULT_TOKEN,
        "DISCORD_CLIENT_ID": DEFAULT_TOKEN.split(".")[0],
        "DISCORD_CLIENT_SECRET": "sandbox",
        "DISCORD_BASE_URL": sandbox.base_url,
        "DISCORD_CDN_URL": f"{sandbox.base_url}/cdn",
        "KOVRA_BASE_URL": "http://localhost:1",
        "KOVRA_WEB_KEYS": "w:" + "11" * 32,
        "KOVRA_GUARD_KEYS": "g:" + "22" * 32,
        "KOVRA_AUDIT_KEY": "33" * 32,
        "KOVRA_SESSION_KEY": "44" * 32,
    }


def start(environment):
    return subprocess.Popen(
        [sys.executable, "bot.py"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_is_ready_and_ends_in_order_within_ten_seconds(environment, control, eventually, number):
    with start(environment) as bot:
        ready = bot.stdout.readline()
        began = time.monotonic()
        bot.send_signal(number)
        _, errors = bot.communicate(timeout=30)

    assert ready == "kovra: bot ready\n"
    assert time.monotonic() - began < 10
    assert bot.returncode == 0, errors
    eventually(lambda: control("gateway")["sessions"] == [])


def test_a_wrong_token_is_told_in_one_sentence(environment):
    with start({**environment, "DISCORD_TOKEN": "not.the.token"}) as bot:
        output, errors = bot.communicate(timeout=60)

    assert bot.returncode == 1
    assert "kovra: bot ready" not in output
    assert errors.splitlines()[-1].startswith("Discord does not know this bot token.")
    assert "Traceback" not in errors


def test_a_missing_setting_is_told_in_one_sentence(environment):
    del environment["DISCORD_TOKEN"]
    with start(environment) as bot:
        _, errors = bot.communicate(timeout=60)

    assert bot.returncode == 2
    assert "DISCORD_TOKEN" in errors
    assert "Traceback" not in errors
