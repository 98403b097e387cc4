from __future__ import annotations

import os
import re
import socket
import stat
import subprocess
import sys

import pytest

from kovra import config
from kovra.launcher import commands, demo, keys
from kovra.launcher.bootstrap import CHECKOUT
from kovra.launcher.ports import claim_port
from kovra.launcher.stack import Stack, only_its_secrets
from kovra.launcher.trouble import Trouble
from kovra.sandbox.scenes import SCENES


def test_the_keys_are_made_once_and_only_their_user_can_read_them(tmp_path):
    file = tmp_path / "keys.json"

    made, again = keys.keys(file), keys.keys(file)

    assert made == again
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_keys_are_what_every_process_asks_for():
    made = keys.fresh_keys() | {
        "DATABASE_URL": "postgresql://h/d",
        "REDIS_URL": "redis://h",
        "KOVRA_BASE_URL": "http://h",
    }

    read = [config.from_environment(process, made) for process in config.Process]

    assert [one.process for one in read] == list(config.Process)


def test_the_token_has_discords_shape():
    token = keys.fresh_keys()["DISCORD_TOKEN"]

    assert re.fullmatch(r"[\w-]{23,28}\.[\w-]{6}\.[\w-]{27,}", token)


def test_the_web_process_holds_neither_guards_token_nor_guards_keys():
    env = dict.fromkeys(set().union(*config.NEEDS.values()), "x") | {"PATH": "/bin", "DISCORD_BASE_URL": "x"}

    web = only_its_secrets("web", env)

    assert "DISCORD_TOKEN" not in web
    assert "KOVRA_GUARD_KEYS" not in web
    assert {"PATH", "DISCORD_BASE_URL", "KOVRA_WEB_KEYS"} <= set(web)


def test_a_port_in_use_is_named_with_its_user_and_a_way_out():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(Trouble) as caught:
            claim_port(port, "--port")

    assert caught.value.what.startswith(f"Port {port} is in use by ")
    assert f"(process {os.getpid()})" in caught.value.what
    assert caught.value.remedy.endswith(f"--port {port + 1}")


def test_a_free_port_is_found_for_0():
    assert claim_port(0, "--port") > 0


def test_two_kovras_do_not_share_one_folder(folder):
    first, second = Stack(folder), Stack(folder)
    first._claim_folder()

    with pytest.raises(Trouble, match=rf"Another Kovra \(process {os.getpid()}\)"):
        second.start()

    first.stop()
    second._claim_folder()
    second.stop()


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(Trouble, match="cannot write to its data folder"):
        Stack(tmp_path / "file" / "data").start()


def test_a_real_token_means_no_sandbox_and_its_settings_are_kept(folder):
    given = {"DISCORD_TOKEN": "theirs", "DISCORD_CLIENT_ID": "1", "DISCORD_CLIENT_SECRET": "s"}
    stack = Stack(folder, outside=given)

    env = stack._environment()

    assert not stack.sandboxed
    assert {name: env[name] for name in given} == given
    assert "DISCORD_BASE_URL" not in env


def test_what_the_environment_says_does_not_reach_tests_and_benches(folder, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://production/kovra")
    monkeypatch.setenv("KOVRA_SESSION_KEY", "theirs")
    monkeypatch.setenv("DISCORD_TOKEN", "theirs")

    env = Stack(folder)._environment()

    assert "DATABASE_URL" not in env
    assert "theirs" not in env.values()


def test_the_public_address_of_a_person_is_kept(folder):
    env = Stack(folder, outside={"KOVRA_BASE_URL": "https://kovra.example.org"})._environment()

    assert env["KOVRA_BASE_URL"] == "https://kovra.example.org"


def test_a_shells_settings_for_libpq_reach_only_a_database_of_its_own(folder, monkeypatch):
    monkeypatch.setenv("PGHOST", "elsewhere")

    embedded = Stack(folder)._environment()
    theirs = Stack(folder, outside={"DATABASE_URL": "postgresql://h/d"})._environment()

    assert "PGHOST" not in embedded
    assert theirs["PGHOST"] == "elsewhere"


def test_an_unknown_measurement_lists_the_known_ones():
    said = subprocess.run(
        [sys.executable, "-m", "kovra", "bench", "weather"], cwd=CHECKOUT, capture_output=True, text=True
    )

    assert said.returncode == 1
    assert "There is no measurement called weather." in said.stdout


def test_a_port_that_is_none_is_refused_in_words():
    said = subprocess.run(
        [sys.executable, "-m", "kovra", "demo", "--port", "http"], cwd=CHECKOUT, capture_output=True, text=True
    )

    assert said.returncode == 2
    assert "'http' is no port" in said.stderr


def test_a_new_town_is_lively_and_an_old_one_goes_on_as_it_was(tmp_path):
    def scene_of(asked=None, fresh=False):
        stack = Stack(tmp_path, fresh=fresh)
        demo.choose_scene(stack, asked)
        return stack.scene

    new = scene_of()
    (tmp_path / "sandbox.json").write_text("{}")

    assert new == "busy"
    assert scene_of() is None
    assert scene_of(fresh=True) == "busy"
    assert scene_of("raid") == "raid"


def test_only_a_demo_plays_unasked(tmp_path):
    assert Stack(tmp_path).scene is None


def test_the_scenes_to_choose_from_are_the_sandboxs():
    assert list(commands.SCENES) == list(SCENES)
