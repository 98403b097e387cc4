"""Three independent clients against the sandbox: Pycord, discord.py and discord.js, each in a process of its own.

Each goes through the same steps; what it saw must agree with what the sandbox knows.
``pytest tests/conformance --full`` is the long form.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kovra.launcher.needs import NEEDS, all_required, openapi_file
from kovra.sandbox import DEFAULT_BOT_ID, DEFAULT_TOKEN, Description, Sandbox, hosted, lanternfall
from kovra.sandbox.dispatches import Dispatches
from tests.conformance import installed

_CLIENTS = Path(__file__).parent / "clients"
_PATIENCE_S = 240
#: Kick, ban, time-out, role, and two of a bulk ban (Discord's audit actions).
_AUDITED = [20, 22, 22, 22, 24, 25]


#: What the further steps of the full form must see, whichever the client.
FULL = {
    "dry_bucket": {
        "remaining": [4, 3, 2, 1, 0, 0],
        "status": 429,
        "scope": "user",
        "waited": True,
        "invalid": True,
    },
    "forced": [True, True],
    "bulk_ban": {"sizes": [[150, 0], [50, 150]], "again": 500000, "odd": [50035, 50035]},
    "bulk_delete": {"left": 0, "odd": [50016, 50016]},
    "audit_pages": {"read": 180, "distinct": 180, "ordered": True},
    "errors": {
        "hierarchy": [403, 50013],
        "unknown member": [404, 10007],
        "unknown ban": [404, 10026],
        "unknown channel": [404, 10003],
        "unknown message": [404, 10008],
        "unknown user": [404, 10013],
        "long reason": [400, 0],
        "closed messages": [403, 50007],
    },
    "nonce": True,
    "menus": {"user": True, "message": True, "modal": "why: because", "choices": ["pear"], "button": "pulled"},
    "hears_automod": [True, "bad acorns", "acorns"],
    "thread": ["by the mill", True],
    "webhook": ["lit", "Lamp post"],
    "reaction": [["🌰"], 0],
    "voice": True,
    "chunk_limit": True,
}


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a client saw, and the sandbox it saw it in, which still runs."""

    seen: dict[str, Any]
    sandbox: Sandbox
    members: int
    rounds: int
    wrong_events: list[str] | None


@pytest.fixture(scope="module", params=["py-cord", "discord.py", "discord.js"])
def ran(request: pytest.FixtureRequest) -> Iterator[Ran]:
    """The client went through all steps."""
    full = request.config.getoption("--full", default=False)
    members, rounds = (5_000, 12) if full else (60, 2)
    try:
        command, environment = _client(request.param)
        types = None if NEEDS["node clients"].lacking() else Dispatches(installed.gateway_schema())
    except installed.NotInstalled as error:
        (pytest.fail if all_required() else pytest.skip)(f"{request.param}: {error}")
    path = openapi_file()
    description = None if path is None else Description(path)

    def make() -> Sandbox:
        return Sandbox(lanternfall(time.time, members=members), description=description)

    with hosted(make) as host:
        done = subprocess.run(
            [*command, host.base_url, DEFAULT_TOKEN, str(rounds), *(["full"] if full else [])],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        wrong = None if types is None else types.wrong(host.call(lambda sandbox: sandbox.gateway.sent()))
        seen = json.loads(done.stdout.splitlines()[-1])
        yield Ran(seen=seen, sandbox=host.sandbox, members=members, rounds=rounds, wrong_events=wrong)


def _client(name: str) -> tuple[list[str], dict[str, str]]:
    """The command that runs a client, and the environment that lets it find its library."""
    if name == "discord.js":
        if missing := NEEDS["node clients"].lacking():
            raise installed.NotInstalled(missing)
        modules = str(installed.node_folder() / "node_modules")
        return ["node", str(_CLIENTS / "discord_js.cjs")], {"NODE_PATH": modules}
    command = [sys.executable, str(_CLIENTS / "python_client.py")]
    return command, {"PYTHONPATH": str(installed.discord_py())} if name == "discord.py" else {}


def guild_of(ran: Ran) -> Any:
    return ran.sandbox.world.guilds[ran.sandbox.world.cast.guild_id]


def test_it_connects(ran):
    assert ran.seen["connect"] == {"guild": "Lanternfall", "me": str(DEFAULT_BOT_ID)}


def test_it_knows_every_member(ran):
    staff_and_bots = 9
    assert ran.seen["chunk"]["members"] == ran.members + staff_and_bots


def test_what_it_did_was_done(ran):
    did, guild = ran.seen["moderate"], guild_of(ran)

    assert guild.bans[int(did["banned"])] == "conformance ☃"
    assert len(did["bulk"]) == 2
    assert {int(user_id) for user_id in did["bulk"]} <= guild.bans.keys()
    assert int(did["kicked"]) not in guild.members
    assert guild.members[int(did["muted"])].timed_out_until is not None
    assert any(guild.roles[i].name == "Minstrel" for i in guild.members[int(did["raised"])].roles)
    assert any(int(did["said"]) in held for held in ran.sandbox.world.messages.values())
    assert did["refused"] == 50013


def test_it_reads_and_hears_the_audit_log(ran):
    assert ran.seen["moderate"]["audit_read"] == _AUDITED
    # A bulk ban's entries name nobody, and a client may keep to itself what it cannot attribute.
    heard = Counter(ran.seen["moderate"]["audit_heard"])
    assert heard == Counter(_AUDITED)


def test_its_command_is_run_and_answered(ran):
    answer = {"deferred": True, "ephemeral": True, "content": "the lamp is amber"}
    assert ran.seen["interactions"] == answer


def test_it_resumes_without_loss_and_starts_anew_when_told(ran):
    assert ran.seen["resume"] == {"resumed": ran.rounds, "twice": 0}
    assert ran.sandbox.gateway.counts["resumed"] >= ran.rounds
    assert ran.sandbox.gateway.counts["identified"] >= 2


def test_it_keeps_to_the_limits(ran):
    assert ran.seen["rate_limit"]["refused"] == 0
    assert not {int(user_id) for user_id in ran.seen["rate_limit"]["kicked"]} & guild_of(ran).members.keys()


def test_every_answer_and_request_is_as_described(ran, require):
    require("openapi")
    assert ran.sandbox.conformance.findings() == []


def test_every_event_is_as_the_types_say(ran, require):
    require("node clients")
    assert ran.wrong_events == []


def test_the_full_form_sees_what_every_client_must_see(ran, request):
    if not request.config.getoption("--full", default=False):
        pytest.skip("only with --full")
    assert ran.seen["full"] == FULL
