"""Channels and the server, from submit to what Discord shows, and back again exactly."""

import json

import pytest

from kovra.actions.request import Action, State


@pytest.fixture(scope="module")
def hall(path):
    return int(path.discord.world["channels"]["map-room"])


def shown(path, channel_id):
    """A channel as Discord shows it to Guard."""
    channels = path.discord.ask("GET", f"guilds/{path.guild_id}/channels")
    return next(channel for channel in channels if channel["id"] == str(channel_id))


def run(path, action, target, **params):
    row = path.run(path.a(action, target, by="tamsin_reed", params=params or None))
    assert row["state"] == State.DONE, row["failure_sentence"] or row["refusal_sentence"]
    return row


def test_a_channel_is_locked_and_unlocked_exactly(path, hall):
    before = shown(path, hall)["permission_overwrites"]

    locked = run(path, Action.LOCK, hall)
    during = shown(path, hall)["permission_overwrites"]
    run(path, Action.UNLOCK, hall)

    assert any(int(each["deny"]) & 1 << 11 for each in during if each["id"] == str(path.guild_id))
    assert shown(path, hall)["permission_overwrites"] == before
    assert path.case_of(locked["request_id"])["target_name"] == "#map-room"
    assert f"<#{hall}>" in json.dumps(path.discord.log_posts(locked["request_id"])[0]["embeds"])


def test_slowmode_goes_back_by_itself(path, hall):
    before = shown(path, hall).get("rate_limit_per_user") or 0

    run(path, Action.SLOWMODE, hall, slow_s=30, duration_s=2)

    assert shown(path, hall)["rate_limit_per_user"] == 30
    path.until(lambda: shown(path, hall)["rate_limit_per_user"] == before)


def test_a_lockdown_is_idempotent_and_restores_what_was(path):
    def server():
        found = path.discord.ask("GET", f"guilds/{path.guild_id}")
        return found["verification_level"], bool((found["incidents_data"] or {}).get("invites_disabled_until"))

    before = server()
    run(path, Action.LOCKDOWN, path.guild_id)
    run(path, Action.LOCKDOWN, path.guild_id)
    assert server() == (4, True)

    run(path, Action.LOCKDOWN_OFF, path.guild_id)

    assert server() == before
    again = path.run(path.a(Action.LOCKDOWN_OFF, path.guild_id, by="tamsin_reed"))
    assert (again["state"], again["refusal_kind"]) == (State.REJECTED, "already")


def test_a_purge_says_how_many_and_where(path, hall):
    author = path.discord.someone()
    for number in range(4):
        said = {"channel_id": str(hall), "user_id": str(author), "content": f"spam {number}"}
        path.discord.ask("POST", "messages", said)

    row = run(path, Action.PURGE, author, count=3, of_member=1)

    assert path.case_of(row["request_id"])["result"] == {"deleted": 3, "channels": [str(hall)]}
    left = path.discord.ask("GET", f"channels/{hall}/messages?limit=1000")
    assert [each["content"] for each in left if each["author"]["id"] == str(author)] == ["spam 0"]
