"""Telling Discord which commands there are: once, and again only after a change."""

from __future__ import annotations

import pytest

from kovra.bot import commands
from kovra.errors import DiscordLimited
from tests.bot.conftest import Known


def test_discord_is_told_once_and_again_only_after_a_change(sandbox, rest, asked):
    application_id, known = sandbox.call(lambda s: s.world.bot_id), Known()

    told = [commands.sync(rest, application_id, known) for _ in range(2)]
    known.kept = "an older release"
    told.append(commands.sync(rest, application_id, known))

    assert told == [True, False, True]
    assert [line[0] for line in asked("/commands")] == ["PUT", "PUT"]


def test_commands_that_discord_did_not_take_are_not_remembered(sandbox, rest):
    known = Known()
    sandbox.call(
        lambda s: s.faults.arm(
            route="/applications/{application_id}/commands", status=429, extra={"retry_after": 60.0, "global": False}
        )
    )

    with pytest.raises(DiscordLimited):
        commands.sync(rest, sandbox.call(lambda s: s.world.bot_id), known)

    assert known.kept is None


def test_the_commands_look_as_discord_wants_them():
    found = {(command.get("type", 1), command["name"]): command for command in commands.payloads()}

    assert set(found) == {
        (1, "mod"),
        (1, "case"),
        (1, "history"),
        (2, "History"),
        (2, "Moderate"),
        (3, "Act on this message"),
    }
    assert {option["name"] for option in found[1, "mod"]["options"]} == {
        *("ban", "unban", "softban", "kick", "mute", "unmute", "warn", "note", "role", "quarantine"),
        *("purge", "lock", "unlock", "slowmode", "lockdown", "doctor"),
    }
    assert {option["name"] for option in found[1, "case"]["options"]} == {"view", "list", "edit", "void", "reverse"}
    assert {tuple(command["contexts"]) for command in found.values()} == {(0,)}
    # Options that must be given come first.
    for command in (*found[1, "mod"]["options"], *found[1, "case"]["options"]):
        required = [option["required"] for option in command["options"]]
        assert required == sorted(required, reverse=True)
    assert commands.digest(commands.payloads()) == commands.digest(commands.payloads())


def test_starting_the_bot_tells_discord_nothing(start_bot, asked):
    start_bot()

    assert asked("/commands") == []
