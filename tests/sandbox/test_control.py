"""The control API: what it shows, what it refuses, and the clocks of interactions."""

from __future__ import annotations

import pytest
import requests


def test_the_world_names_what_a_test_needs(small_discord):
    world = small_discord.control("GET", "world")

    assert world["name"] == "Lanternfall"
    assert world["owner_id"] == str(small_discord.guild.owner_id)
    assert {"mod-log", "main-hall"} <= world["channels"].keys()
    assert {"Council", "Guard", "Moderator"} <= world["roles"].keys()
    assert world["notable"]["plain"]
    assert world["notable"]["closed_dm"] not in world["notable"]["plain"]


def test_lists_of_members_bans_channels_and_audit_entries(small_discord):
    guild_id, banned = small_discord.guild.id, small_discord.cast.plain[0]
    small_discord.in_guild("PUT", f"/bans/{banned}", reason="spam")

    members = small_discord.control("GET", f"guilds/{guild_id}/members")
    assert len(members) == len(small_discord.guild.members)
    assert small_discord.control("GET", f"guilds/{guild_id}/bans")[0]["reason"] == "spam"
    assert len(small_discord.control("GET", f"guilds/{guild_id}/channels")) == len(small_discord.guild.channel_ids)
    assert small_discord.control("GET", f"guilds/{guild_id}/audit")[0]["target_id"] == str(banned)


def test_someone_banned_cannot_join_and_a_silent_person_cannot_talk(small_discord):
    one, two = map(str, small_discord.cast.plain[:2])
    hall = str(small_discord.channel("main-hall"))
    small_discord.control("POST", "bans", {"user_id": one})
    small_discord.control("POST", "timeouts", {"user_id": two, "seconds": 60})

    small_discord.control("POST", "join", {"user_id": one}, status=403)
    said = {"user_id": two, "channel_id": hall, "content": "x"}
    small_discord.control("POST", "messages", said, status=403)


def test_closing_and_opening_ones_messages(small_discord):
    user_id = str(small_discord.cast.plain[0])
    channel = small_discord.rest("POST", "/users/@me/channels", json={"recipient_id": user_id}).json()
    statuses = []

    for is_open in (False, True):
        small_discord.control("POST", "dms", {"user_id": user_id, "open": is_open})
        sent = small_discord.rest("POST", f"/channels/{channel['id']}/messages", json={"content": "x"})
        statuses.append(sent.status_code)

    assert statuses == [403, 200]


def test_the_request_log_shows_the_last_requests(small_discord):
    small_discord.in_guild("PUT", f"/bans/{small_discord.cast.above_guard}", reason="too high")

    log = small_discord.control("GET", "requests")

    last = log["requests"][-1]
    assert (last["method"], last["status"], last["reason"]) == ("PUT", 403, "too high")
    assert last["answer"]["code"] == 50013
    assert log["served"] == 1


@pytest.mark.parametrize(("method", "path", "body", "status"), [
    ("GET", "nothing", None, 404),
    ("GET", "guilds/1/members", None, 404),
    ("GET", "interactions/1", None, 404),
    ("POST", "join", {"user_id": "x"}, 400),
    ("POST", "faults", {"unheard_of": 1}, 400),
    ("POST", "gateway", {"do": "dance"}, 400),
    ("POST", "messages", {}, 400),
])  # fmt: skip
def test_what_cannot_be_done_is_said_and_not_a_crash(small_discord, method, path, body, status):
    assert "error" in small_discord.control(method, path, body, status=status)


def test_who_is_not_in_the_guild_runs_no_command_there(small_discord):
    world = small_discord.control("GET", "world")
    somebody = {"user_id": world["notable"]["outsider"], "channel_id": world["channels"]["main-hall"]}

    told = small_discord.control("POST", "interactions", {**somebody, "command": "mod ban"}, status=404)

    assert "is not in Lanternfall" in told["error"]


def test_pages_of_other_origins_and_other_host_names_are_kept_out(small_discord):
    where = f"{small_discord.base_url}/control/people"

    foreign = requests.get(where, headers={"Origin": "https://example.com"}, timeout=10)
    rebound = requests.get(where, headers={"Host": "example.com"}, timeout=10)

    assert (foreign.status_code, rebound.status_code) == (403, 403)


def begin(discord):
    """Sync one command by hand and run it; returns the interaction as the bot would know it."""
    command = {"name": "ping", "description": "answer", "type": 1}
    discord.rest("PUT", f"/applications/{discord.world.bot_id}/commands", json=[command])
    body = {"user_id": str(discord.guild.owner_id), "command": "ping"}
    interaction_id = int(discord.control("POST", "interactions", body)["interaction_id"])
    return discord.host.call(lambda sandbox: sandbox.desk._by_id[interaction_id])


def answer(discord, interaction, kind=5):
    path = f"/interactions/{interaction.id}/{interaction.token}/callback?with_response=true"
    return discord.rest("POST", path, json={"type": kind, "data": {"flags": 64}})


def test_a_second_acknowledgement_is_refused(small_discord):
    interaction = begin(small_discord)

    first, second = answer(small_discord, interaction), answer(small_discord, interaction)

    assert first.json()["interaction"]["response_message_loading"]
    assert (second.status_code, second.json()["code"]) == (400, 40060)


def test_an_acknowledgement_later_than_three_seconds_is_refused(timed_discord, clock):
    interaction = begin(timed_discord)
    clock.forward(3.1)

    late = answer(timed_discord, interaction)

    assert (late.status_code, late.json()["code"]) == (404, 10062)


def test_an_answer_can_be_edited_for_a_quarter_of_an_hour(timed_discord, clock):
    interaction = begin(timed_discord)
    answer(timed_discord, interaction)
    path = f"/webhooks/{timed_discord.world.bot_id}/{interaction.token}/messages/@original"

    clock.forward(890)
    in_time = timed_discord.rest("PATCH", path, json={"content": "done"})
    clock.forward(20)
    too_late = timed_discord.rest("PATCH", path, json={"content": "never"})

    assert in_time.json()["content"] == "done"
    assert (too_late.status_code, too_late.json()["code"]) == (401, 50027)


def test_an_ephemeral_answer_is_seen_by_its_person_alone(small_discord):
    interaction = begin(small_discord)
    answer(small_discord, interaction)
    path = f"channels/{interaction.channel_id}/messages"

    theirs = small_discord.control("GET", f"{path}?as={small_discord.guild.owner_id}")
    others = small_discord.control("GET", f"{path}?as={small_discord.person('Trainee')}")

    assert str(interaction.message.id) in {message["id"] for message in theirs}
    assert str(interaction.message.id) not in {message["id"] for message in others}


def test_commands_keep_their_ids_when_synced_again(small_discord):
    path = f"/applications/{small_discord.world.bot_id}/commands"
    ping = {"name": "ping", "description": "answer", "type": 1}

    first = small_discord.rest("PUT", path, json=[ping]).json()
    again = small_discord.rest("PUT", path, json=[{**ping, "description": "other"}, {**ping, "name": "two"}]).json()

    assert [command["name"] for command in again] == ["ping", "two"]
    assert again[0]["id"] == first[0]["id"]
    assert small_discord.rest("GET", path).json() == again
