"""What the sandbox keeps between two runs, and how it starts and stops as a process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from kovra.sandbox import Sandbox, hosted, lanternfall, snapshot
from kovra.sandbox.effects import Effects
from kovra.sandbox.oauth import Grant
from kovra.sandbox.world import World

ROOT = Path(__file__).parents[2]


def test_a_world_comes_back_as_it_was(tmp_path):
    world = lanternfall(time.time, members=20)
    guild = world.guilds[world.cast.guild_id]
    someone = world.cast.plain[0]
    guild.members[someone].timed_out_until = datetime(2030, 1, 1, tzinfo=UTC)
    guild.bans[world.cast.outsider] = None
    world.commands["global"] = [{"id": "1", "name": "mod", "options": [{"type": 1}]}]
    effects = Effects()
    effects.deed("spam [kv:abcdefghijklmn23]", "ban", changed=True)
    grant = Grant(user_id=someone, scopes=["identify"], access_token="a", refresh_token="r", expires_at=1.5)
    kept = snapshot.Snapshot(world=world, effects=effects, grants=[grant])

    snapshot.save(kept, tmp_path / "deep" / "state.json")

    assert snapshot.load(tmp_path / "deep" / "state.json") == kept
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["state.json"]


def test_a_file_of_another_form_is_refused_with_a_clear_sentence(tmp_path):
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"form": 0}))

    with pytest.raises(ValueError, match="delete it to start anew"):
        snapshot.load(path)


def test_the_state_is_written_soon_after_a_change(tmp_path, eventually):
    path = tmp_path / "state.json"

    def make() -> Sandbox:
        return Sandbox(lanternfall(time.time, members=5), state=path)

    with hosted(make) as host:
        user_id = host.sandbox.world.cast.plain[0]
        requests.post(f"{host.base_url}/control/bans", json={"user_id": str(user_id), "reason": "kept"}, timeout=10)

        # Without a stop: what a kill would leave behind.
        kept = eventually(lambda: snapshot.load(path))

    guild = kept.world.guilds[kept.world.cast.guild_id]
    assert guild.bans == {user_id: "kept"}


def test_a_reset_goes_back_to_the_beginning(small_discord):
    before = snapshot.encode(small_discord.world)
    small_discord.in_guild("PUT", f"/bans/{small_discord.cast.plain[0]}", reason="x [kv:abcdefghijklmn23]")
    small_discord.control("POST", "limits", {"on": True})

    small_discord.control("POST", "reset")

    assert snapshot.encode(small_discord.world) == before
    assert small_discord.control("GET", "effects")["effects"] == []
    assert small_discord.control("GET", "limits")["on"] is False


class Process:
    """The sandbox as its users start it."""

    def __init__(self, state: Path, *words: str, **environment: str) -> None:
        command = [
            sys.executable,
            "-m",
            "kovra.sandbox",
            "--port",
            "0",
            "--members",
            "10",
            "--state",
            str(state),
            *words,
        ]
        kept = {key: value for key, value in os.environ.items() if not key.startswith("DISCORD_")}
        self.process = subprocess.Popen(
            command, cwd=ROOT, env={**kept, **environment}, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        found = re.fullmatch(r"kovra: sandbox ready on (http://127\.0\.0\.1:\d+)\n", self.line)
        assert found, self.line
        self.base_url = found[1]

    def stop(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture
def start():
    """``start(state)`` starts the sandbox as a process; none outlives its test, however that ends."""
    started: list[Process] = []

    def begin(*words, **environment):
        started.append(Process(*words, **environment))
        return started[-1]

    yield begin
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_says_when_it_is_ready_and_keeps_its_state_when_stopped(tmp_path, start, number):
    state = tmp_path / "state.json"
    first = start(state)
    people = requests.get(f"{first.base_url}/control/people", timeout=10).json()
    world = requests.get(f"{first.base_url}/control/world", timeout=10).json()
    banned = world["notable"]["plain"][0]
    requests.post(f"{first.base_url}/control/bans", json={"user_id": banned}, timeout=10)
    assert first.stop(number) == 0

    second = start(state)
    bans = requests.get(f"{second.base_url}/control/guilds/{world['guild_id']}/bans", timeout=10).json()
    again = requests.get(f"{second.base_url}/control/people", timeout=10).json()
    assert second.stop(number) == 0

    assert [ban["user"]["id"] for ban in bans] == [banned]
    assert again == people
    assert [person["rank"] for person in people] == [
        "Owner", "Head moderator", "Senior moderator", "Moderator", "Trainee"
    ]  # fmt: skip


def scenes(process: Process) -> dict[str, bool]:
    report = requests.get(f"{process.base_url}/control/scenes", timeout=10).json()
    return {each["scene"]: each["playing"] for each in report}


def test_the_town_goes_on_after_a_restart_and_a_raid_that_was_cut_off_does_not(tmp_path, start):
    state = tmp_path / "state.json"
    first = start(state, "--scene", "busy", "--scene", "raid", "--pace", "0.01")
    before = scenes(first)
    assert first.stop(signal.SIGTERM) == 0

    second = start(state)
    after = scenes(second)
    requests.post(f"{second.base_url}/control/scenes", json={"scene": "busy", "do": "stop"}, timeout=10)
    assert second.stop(signal.SIGTERM) == 0
    third = start(state)

    assert before["busy"]
    assert before["raid"]
    assert [scene for scene, playing in after.items() if playing] == ["busy"]
    assert not any(scenes(third).values())
    assert snapshot.load(state).scenes == []


def test_a_town_that_goes_on_does_not_repeat_itself(tmp_path, start):
    state = tmp_path / "state.json"
    seeds = []

    for words in (["--scene", "quiet"], []):
        assert start(state, *words).stop(signal.SIGTERM) == 0
        seeds += [each.seed for each in snapshot.load(state).scenes]

    assert seeds == [7, 8]


def test_token_and_application_come_from_the_environment(tmp_path, start):
    bot_id = "1234567890123456789"
    process = start(tmp_path / "s.json", DISCORD_TOKEN="a.b.c", DISCORD_CLIENT_ID=bot_id)

    me = requests.get(f"{process.base_url}/api/v10/users/@me", headers={"Authorization": "Bot a.b.c"}, timeout=10)

    assert process.stop(signal.SIGTERM) == 0
    assert me.json()["id"] == bot_id


def test_the_same_seed_gives_the_same_people_at_any_time():
    now, later = lanternfall(lambda: 1_800_000_000.0), lanternfall(lambda: 1_900_000_000.0)
    other = lanternfall(lambda: 1_800_000_000.0, seed=8)

    assert _people(now) == _people(later)
    assert _people(now) != _people(other)
    assert snapshot.encode(now) == snapshot.encode(lanternfall(lambda: 1_800_000_000.0))


def _people(world: World) -> list[tuple[int, str, str | None]]:
    return [(user.id, user.username, user.global_name) for user in world.users.values()]
