"""The sandbox as judge: a small client dies at every point of one action, runs again, and the counters tell the truth.

An example for authors of other bots, too: ``small_client.py`` knows nothing of Kovra.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kovra.sandbox import DEFAULT_TOKEN
from tests.sandbox.small_client import STEPS

_CLIENT = Path(__file__).with_name("small_client.py")
_PATIENCE_S = 30
POINTS = [f"{when}:{step}" for step in STEPS for when in ("before", "after")]
VERBS = {
    "ban": ("PUT", "/guilds/{guild_id}/bans/{user_id}"),
    "kick": ("DELETE", "/guilds/{guild_id}/members/{user_id}"),
    "mute": ("PATCH", "/guilds/{guild_id}/members/{user_id}"),
}
_MESSAGE = ("POST", "/channels/{channel_id}/messages")
FAULTS: dict[str, dict[str, Any]] = {
    "a status before the effect": {"when": "before", "status": 503},
    "a status after the effect": {"when": "after", "status": 502},
    "a 429": {"when": "before", "status": 429, "extra": {"retry_after": 0.01}},
    "a closed connection": {"when": "after", "drop": True},
    "a reset before the effect": {"when": "before", "reset": True},
    "a reset after the effect": {"when": "after", "reset": True},
    "an answer that hangs": {"when": "after", "delay_ms": 60_000, "drop": True},
}


class Trial:
    """One action on one sandbox, by as many lives of the client as it takes."""

    def __init__(self, discord: Any, folder: Path, verb: str, number: int) -> None:
        self.discord, self.verb, self.journal = discord, verb, folder / f"{number}.json"
        self.user_id = [i for i in discord.cast.plain if i not in discord.cast.closed_dm][number]
        self.mark = "[kv:" + "".join("abcdefghij"[int(c)] for c in f"{number:016}") + "]"

    def start(self, die_at: str = "", answer_within_s: float = 0.5) -> subprocess.Popen[bytes]:
        """A life that has begun."""
        order = {
            "base_url": self.discord.base_url,
            "token": DEFAULT_TOKEN,
            "guild_id": str(self.discord.guild.id),
            "user_id": str(self.user_id),
            "log_id": str(self.discord.channel("mod-log")),
            "verb": self.verb,
            "mark": self.mark,
            "until": (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="milliseconds"),
            "answer_within_s": answer_within_s,
        }
        command = [sys.executable, "-S", str(_CLIENT), str(self.journal), die_at]
        life = subprocess.Popen(command, stdin=subprocess.PIPE)
        assert life.stdin is not None
        life.stdin.write(json.dumps(order).encode())
        life.stdin.close()
        return life

    def run(self, die_at: str = "") -> int:
        """Live once; returns how it ended."""
        return self.start(die_at).wait(_PATIENCE_S)

    def truth(self) -> dict[str, Any]:
        """What happened, by the sandbox's own count."""
        told = self.discord.control("GET", f"effects?ref={self.mark}")
        effects = {effect["verb"]: (effect["count"], effect["changed"]) for effect in told["effects"]}
        return {"effects": effects, "messages": {each["kind"]: each["count"] for each in told["messages"]}}

    def arm(self, method: str, route: str, **fault: Any) -> None:
        self.discord.control("POST", "faults", {"method": method, "route": route, **fault})

    def once(self) -> dict[str, Any]:
        """What the truth must be: one effect, asked for once, and one message of each kind."""
        return {"effects": {COUNTED[self.verb]: (1, 1)}, "messages": {"dm": 1, "channel": 1}}


COUNTED = {"ban": "ban", "kick": "kick", "mute": "timeout"}


@pytest.fixture
def trial(small_discord: Any, tmp_path: Path) -> Callable[[str, int], Trial]:
    return lambda verb, number: Trial(small_discord, tmp_path, verb, number)


@pytest.mark.parametrize("verb", VERBS)
def test_killed_at_any_point_it_finishes_once(trial, verb):
    trials = {point: trial(verb, number) for number, point in enumerate(POINTS)}

    first = {point: life.wait(_PATIENCE_S) for point, life in [(p, one.start(p)) for p, one in trials.items()]}
    second = {point: life.wait(_PATIENCE_S) for point, life in [(p, one.start()) for p, one in trials.items()]}

    assert first == dict.fromkeys(POINTS, -signal.SIGKILL)
    assert second == dict.fromkeys(POINTS, 0)
    assert {p: one.truth() for p, one in trials.items()} == {p: one.once() for p, one in trials.items()}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("verb", VERBS)
def test_an_answer_that_lies_or_is_lost_doubles_nothing(trial, verb, fault):
    for number, struck in enumerate((_MESSAGE, VERBS[verb])):
        one = trial(verb, number)
        one.arm(*struck, **FAULTS[fault])

        assert one.run() == 0

        assert one.truth() == one.once()


@pytest.mark.parametrize("call", ["notice", "effect"])
@pytest.mark.parametrize("verb", VERBS)
def test_killed_while_the_answer_hangs_it_finishes_once(trial, eventually, verb, call):
    one = trial(verb, 0)
    one.arm(*(VERBS[verb] if call == "effect" else _MESSAGE), when="after", delay_ms=60_000, drop=True)

    life = one.start(answer_within_s=60)
    eventually(lambda: one.truth()["effects" if call == "effect" else "messages"])
    life.kill()
    life.wait(_PATIENCE_S)
    one.discord.control("DELETE", "faults")

    assert one.run() == 0
    assert one.truth() == one.once()


def test_a_member_who_came_back_is_not_kicked_for_the_old_intent(trial):
    one = trial("kick", 0)

    assert one.run("after:effect") == -signal.SIGKILL
    one.discord.control("POST", "join", {"user_id": str(one.user_id)})
    assert one.run() == 0

    assert one.truth() == one.once()
    assert one.user_id in one.discord.guild.members


def test_the_counters_see_a_client_that_does_not_ask(small_discord, trial):
    """The judge is not blind: what is done twice is counted twice."""
    one = trial("kick", 0)
    assert one.run() == 0
    small_discord.control("POST", "join", {"user_id": str(one.user_id)})
    small_discord.in_guild("DELETE", f"/members/{one.user_id}", reason=f"kick {one.mark}")
    small_discord.rest("POST", f"/channels/{small_discord.channel('mod-log')}/messages", json={"content": one.mark})

    assert one.truth() == {"effects": {"kick": (2, 2)}, "messages": {"dm": 1, "channel": 2}}
