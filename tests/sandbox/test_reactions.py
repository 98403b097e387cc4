"""Reactions: added, counted, listed, taken off, told of, and whom they are allowed."""

from __future__ import annotations

import json
from urllib.parse import quote

import discord
import pytest

from kovra.sandbox.deeds import reactions as deeds

ADD_REACTIONS, MANAGE_MESSAGES, HISTORY = 1 << 6, 1 << 13, 1 << 16
LAMP, OWL = quote("🏮"), quote("🦉")


@pytest.fixture
def message(small_discord) -> str:
    """A person's message, and the path of its reactions."""
    hall = small_discord.channel("main-hall")
    body = {"user_id": str(small_discord.cast.plain[0]), "channel_id": str(hall), "content": "look at this"}
    return f"/channels/{hall}/messages/{small_discord.control('POST', 'messages', body)['id']}"


@pytest.fixture
def react(small_discord, message):
    """``react(user_id, "🦉")`` puts a person's reaction on the message."""

    def do(user_id: int, emoji: str) -> None:
        channel_id, message_id = (int(part) for part in message.split("/")[2::2])

        def deed(sandbox) -> None:
            world = sandbox.world
            deeds.add(sandbox.stage, world.channels[channel_id], world.messages[channel_id][message_id], emoji, user_id)

        small_discord.host.call(deed)

    return do


def code(answer):
    return answer.status_code, answer.json()["code"]


def told(place):
    sent = place.host.call(lambda sandbox: sandbox.gateway.sent())
    return [(e["t"], e["d"]) for e in map(json.loads, sent) if e["t"].startswith("MESSAGE_REACTION_")]


def shown(place, message):
    reactions = place.rest("GET", message).json().get("reactions", [])
    return [(r["emoji"]["name"], r["count"], r["me"]) for r in reactions]


def test_reactions_are_counted_on_the_message_and_told_of(small_discord, connect, message, react):
    connect(small_discord)
    person = small_discord.cast.plain[1]

    answers = [small_discord.rest("PUT", f"{message}/reactions/{LAMP}/@me") for _ in range(2)]
    react(person, "🏮")
    react(person, "🦉")

    assert [answer.status_code for answer in answers] == [204, 204]
    assert shown(small_discord, message) == [("🏮", 2, True), ("🦉", 1, False)]
    heard = told(small_discord)
    assert [(name, d["user_id"], d["emoji"]["name"]) for name, d in heard] == [
        ("MESSAGE_REACTION_ADD", str(small_discord.world.bot_id), "🏮"),
        ("MESSAGE_REACTION_ADD", str(person), "🏮"),
        ("MESSAGE_REACTION_ADD", str(person), "🦉"),
    ]
    assert heard[1][1]["member"]["user"]["id"] == str(person)


def test_they_are_taken_off_one_by_one_by_emoji_and_all_at_once(small_discord, connect, message, react):
    connect(small_discord)
    one, two = small_discord.cast.plain[1:3]
    small_discord.rest("PUT", f"{message}/reactions/{LAMP}/@me")
    for person, emoji in ((one, "🏮"), (two, "🏮"), (two, "🦉"), (one, "🧭")):
        react(person, emoji)

    steps = []
    for path in (f"/{LAMP}/@me", f"/{LAMP}/{one}", f"/{OWL}", ""):
        assert small_discord.rest("DELETE", f"{message}/reactions{path}").status_code == 204
        steps.append(shown(small_discord, message))

    assert steps == [
        [("🏮", 2, False), ("🦉", 1, False), ("🧭", 1, False)],
        [("🏮", 1, False), ("🦉", 1, False), ("🧭", 1, False)],
        [("🏮", 1, False), ("🧭", 1, False)],
        [],
    ]
    assert [name.removeprefix("MESSAGE_REACTION_") for name, _ in told(small_discord)][-4:] == [
        "REMOVE", "REMOVE", "REMOVE_EMOJI", "REMOVE_ALL"
    ]  # fmt: skip


def test_who_reacted_is_read_in_pages(small_discord, message, react):
    people = sorted(small_discord.cast.plain[1:6])
    for person in people:
        react(person, "🏮")

    first = small_discord.rest("GET", f"{message}/reactions/{LAMP}?limit=3").json()
    rest = small_discord.rest("GET", f"{message}/reactions/{LAMP}?limit=3&after={first[-1]['id']}").json()

    assert [int(user["id"]) for user in first + rest] == people
    assert small_discord.rest("GET", f"{message}/reactions/{OWL}").json() == []
    assert small_discord.rest("GET", f"{message}/reactions/{LAMP}?type=1").json() == []


def test_a_message_bears_twenty_different_emoji(small_discord, message):
    emoji = [chr(0x1F400 + n) for n in range(21)]

    answers = [small_discord.rest("PUT", f"{message}/reactions/{quote(each)}/@me") for each in emoji]

    assert [answer.status_code for answer in answers[:20]] == [204] * 20
    assert code(answers[20]) == (400, 30010)


@pytest.mark.parametrize("text", ["lantern", "blob:123456789012345678", "7", "+"])
def test_what_is_no_emoji_is_unknown(small_discord, message, text):
    assert code(small_discord.rest("PUT", f"{message}/reactions/{quote(text)}/@me")) == (400, 10014)


@pytest.mark.parametrize("text", ["❤️", "1️⃣", "🇫🇷", "👩‍🚀", "‼️", "↔️", "⬛", "™️", "👍🏽"])
def test_emoji_of_every_make_are_known(small_discord, message, text):
    assert small_discord.rest("PUT", f"{message}/reactions/{quote(text)}/@me").status_code == 204


def test_a_new_emoji_needs_the_permission_and_joining_others_does_not(small_discord, message, react):
    react(small_discord.cast.plain[1], "🏮")
    _take_from_everybody(small_discord, ADD_REACTIONS)

    joined = small_discord.rest("PUT", f"{message}/reactions/{LAMP}/@me")
    new = small_discord.rest("PUT", f"{message}/reactions/{OWL}/@me")

    assert joined.status_code == 204
    assert code(new) == (403, 50013)


def test_without_the_history_there_are_no_reactions(small_discord, message):
    _take_from_everybody(small_discord, HISTORY)

    answers = [
        small_discord.rest("PUT", f"{message}/reactions/{LAMP}/@me"),
        small_discord.rest("GET", f"{message}/reactions/{LAMP}"),
    ]

    assert [code(answer) for answer in answers] == [(403, 50013)] * 2


def test_other_peoples_reactions_are_a_moderators_to_remove(small_discord, message, react):
    person = small_discord.cast.plain[1]
    react(person, "🏮")
    small_discord.rest("PUT", f"{message}/reactions/{OWL}/@me")
    _take_from_everybody(small_discord, MANAGE_MESSAGES)

    refused = [
        small_discord.rest("DELETE", f"{message}/reactions{path}") for path in (f"/{LAMP}/{person}", f"/{LAMP}", "")
    ]
    own = small_discord.rest("DELETE", f"{message}/reactions/{OWL}/{small_discord.world.bot_id}")

    assert [code(answer) for answer in refused] == [(403, 50013)] * 3
    assert own.status_code == 204


def test_in_a_dm_one_takes_back_ones_own_alone(small_discord):
    person = str(small_discord.cast.plain[0])
    theirs = small_discord.control("POST", "messages", {"user_id": person, "content": "psst"})
    path = f"/channels/{theirs['channel_id']}/messages/{theirs['id']}/reactions"

    assert small_discord.rest("PUT", f"{path}/{LAMP}/@me").status_code == 204
    assert code(small_discord.rest("DELETE", path)) == (403, 50003)
    assert small_discord.rest("DELETE", f"{path}/{LAMP}/@me").status_code == 204


def test_a_bot_without_the_intent_hears_nothing_of_them(small_discord, connect, message):
    connect(small_discord, intents=discord.Intents(guilds=True, messages=True))

    small_discord.rest("PUT", f"{message}/reactions/{LAMP}/@me")

    assert told(small_discord) == []


def _take_from_everybody(place, permission):
    for role in place.guild.roles.values():
        role.permissions &= ~permission
