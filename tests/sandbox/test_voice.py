"""Voice: members moved, put out, muted and deafened, each with its right, its event and its audit entry."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def rooms(small_discord) -> list[int]:
    """Two voice channels."""
    made = [small_discord.in_guild("POST", "/channels", json={"name": f"room {n}", "type": 2}) for n in (1, 2)]
    return [int(each.json()["id"]) for each in made]


@pytest.fixture
def talker(small_discord, rooms) -> int:
    """Somebody who sits in the first of them."""
    user_id = small_discord.cast.plain[0]
    small_discord.control("POST", "voice", {"user_id": str(user_id), "channel_id": str(rooms[0])})
    return user_id


def told(place, name):
    sent = place.host.call(lambda sandbox: sandbox.gateway.sent())
    return [event["d"] for event in map(json.loads, sent) if event["t"] == name]


def entries(place, count):
    log = place.in_guild("GET", "/audit-logs").json()["audit_log_entries"][:count]
    return [(e["action_type"], e["target_id"], e.get("options"), e.get("reason")) for e in log]


def test_a_member_is_moved_to_another_channel_and_then_put_out(small_discord, connect, rooms, talker):
    connect(small_discord)

    moved = small_discord.in_guild("PATCH", f"/members/{talker}", json={"channel_id": rooms[1]}, reason="calm down")
    there = small_discord.in_guild("GET", f"/voice-states/{talker}").json()["channel_id"]
    small_discord.in_guild("PATCH", f"/members/{talker}", json={"channel_id": None}, reason="enough")
    gone = small_discord.in_guild("GET", f"/voice-states/{talker}")

    assert (moved.status_code, there) == (200, str(rooms[1]))
    assert (gone.status_code, gone.json()["code"]) == (404, 10065)
    assert [state["channel_id"] for state in told(small_discord, "VOICE_STATE_UPDATE")] == [str(rooms[1]), None]
    assert entries(small_discord, 2) == [
        (27, None, {"count": "1"}, "enough"),
        (26, None, {"channel_id": str(rooms[1]), "count": "1"}, "calm down"),
    ]


def test_a_move_to_where_one_is_changes_nothing(small_discord, rooms, talker):
    before = entries(small_discord, 1)

    small_discord.in_guild("PATCH", f"/members/{talker}", json={"channel_id": str(rooms[0])})

    assert entries(small_discord, 1) == before


@pytest.mark.parametrize("what", ["mute", "deaf"])
def test_a_member_is_silenced_and_heard_again(small_discord, connect, talker, what):
    connect(small_discord)

    answers = [
        small_discord.in_guild("PATCH", f"/members/{talker}", json={what: on}, reason="noise").json()[what]
        for on in (True, True, False)
    ]

    assert answers == [True, True, False]
    assert [state[what] for state in told(small_discord, "VOICE_STATE_UPDATE")] == [True, False]
    assert [member[what] for member in told(small_discord, "GUILD_MEMBER_UPDATE")] == [True, False]
    assert entries(small_discord, 2) == [(24, str(talker), None, "noise")] * 2


@pytest.mark.parametrize("body", [{"channel_id": None}, {"mute": True}, {"deaf": True}])
def test_who_is_not_in_voice_cannot_be_moved_or_silenced(small_discord, body):
    answer = small_discord.in_guild("PATCH", f"/members/{small_discord.cast.plain[1]}", json=body)

    assert (answer.status_code, answer.json()["code"]) == (400, 40032)


def test_nobody_is_moved_into_a_channel_of_text_or_one_that_is_not_there(small_discord, talker):
    hall = small_discord.channel("main-hall")

    answers = [
        small_discord.in_guild("PATCH", f"/members/{talker}", json={"channel_id": str(place)}) for place in (hall, 4711)
    ]

    assert [(a.status_code, a.json()["code"]) for a in answers] == [(400, 50024), (404, 10003)]


@pytest.mark.parametrize(("body", "bit"), [({"channel_id": None}, 24), ({"mute": True}, 22), ({"deaf": True}, 23)])
def test_each_needs_its_own_permission(small_discord, talker, body, bit):
    guard = small_discord.guild.roles[small_discord.role("Guard")]
    guard.permissions &= ~(1 << bit)

    answer = small_discord.in_guild("PATCH", f"/members/{talker}", json=body)

    assert (answer.status_code, answer.json()["code"]) == (403, 50013)
    assert talker in small_discord.guild.voice
