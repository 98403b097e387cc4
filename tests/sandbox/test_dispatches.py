"""The events of the gateway against the types clients are written against: deeds tell true ones, a stray is found."""

from __future__ import annotations

import json

import pytest

from kovra.sandbox import events


@pytest.fixture
def types(require, dispatches):
    require("gateway types")
    if dispatches is None:
        pytest.skip("gateway types: the packages could not be installed")
    return dispatches


def test_every_event_the_sandbox_knows_is_in_the_types(types):
    known = {name for names in events._NAMES_BY_INTENT.values() for name in names.split()}

    assert known <= types.names


def test_an_event_that_lacks_something_or_is_invented_is_found(types):
    ban = {"op": 0, "s": 1, "t": "GUILD_BAN_ADD", "d": {"guild_id": "1"}}

    wrong = types.wrong([json.dumps(ban), json.dumps({**ban, "t": "GUILD_LANTERN_LIT"})])

    assert wrong == ['GUILD_BAN_ADD d: "user" is a required property', "GUILD_LANTERN_LIT is no event"]


def test_the_events_of_a_lively_day_are_true(types, small_discord, connect, eventually):
    guard, control = connect(small_discord), small_discord.control
    hall, who = str(small_discord.channel("main-hall")), [str(i) for i in small_discord.cast.plain]
    fireside = str(small_discord.channel("Fireside"))

    for scene in ("raid", "drama", "spam"):
        control("POST", "scenes", {"scene": scene, "pace": 1000})
    message = control("POST", "messages", {"user_id": who[0], "channel_id": hall, "content": "hello"})
    control("POST", "messages/delete", {"channel_id": hall, "message_id": message["id"]})
    control("POST", "messages", {"user_id": who[1], "content": "a word in private"})
    control("POST", "voice", {"user_id": who[1], "channel_id": fireside})
    control("POST", "voice", {"user_id": who[1]})
    control("POST", "roles", {"user_id": who[1], "role": "Minstrel"})
    control("POST", "timeouts", {"user_id": who[2], "seconds": 60})
    control("POST", "kicks", {"user_id": who[3]})
    control("POST", "bans", {"user_id": who[4], "reason": "spam", "delete_s": 3600})
    control("POST", "unbans", {"user_id": who[4]})
    control("POST", "automod", {"user_id": who[5], "channel_id": hall, "content": "x", "matched": "x"})
    control("POST", "guilds", {"name": "Far shore"})
    control("POST", f"channels/{hall}/delete")
    eventually(lambda: not any(scene["playing"] for scene in control("GET", "scenes")))
    eventually(lambda: "auto_moderation_action_execution" in guard.names())

    sent = small_discord.host.call(lambda sandbox: sandbox.gateway.sent())
    assert len({json.loads(text)["t"] for text in sent}) >= 14
    assert types.wrong(sent) == []
