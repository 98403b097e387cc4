"""Invites: made, counted, used up, paused and taken back."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def hall(small_discord) -> str:
    return f"/channels/{small_discord.channel('main-hall')}/invites"


def told(place) -> list[str]:
    return [json.loads(text)["t"] for text in place.host.call(lambda sandbox: sandbox.gateway.sent())]


def test_an_invite_is_made_counted_used_up_and_told_of(small_discord, connect, hall):
    connect(small_discord)
    made = small_discord.rest("POST", hall, json={"max_uses": 2, "max_age": 0}, reason="for the fair").json()

    small_discord.control("POST", "join", {"username": "one", "invite": made["code"]})
    uses = [each["uses"] for each in small_discord.in_guild("GET", "/invites").json()]
    small_discord.control("POST", "join", {"username": "two", "invite": made["code"]})

    assert (made["max_uses"], made["expires_at"], uses) == (2, None, [1])
    assert small_discord.in_guild("GET", "/invites").json() == []
    small_discord.control("POST", "join", {"username": "three", "invite": made["code"]}, status=404)
    assert {"INVITE_CREATE", "INVITE_DELETE"} <= set(told(small_discord))


def test_an_invite_is_read_by_its_code_and_taken_back(small_discord, hall):
    code = small_discord.rest("POST", hall, json={}).json()["code"]

    read = small_discord.rest("GET", f"/invites/{code}", params={"with_counts": "true"}).json()
    assert read["approximate_member_count"] == len(small_discord.guild.members)
    assert [each["code"] for each in small_discord.rest("GET", hall).json()] == [code]
    assert small_discord.rest("DELETE", f"/invites/{code}", reason="raid").status_code == 200

    gone = small_discord.rest("GET", f"/invites/{code}")
    assert (gone.status_code, gone.json()["code"]) == (404, 10006)
    log = small_discord.in_guild("GET", "/audit-logs").json()["audit_log_entries"]
    assert [(entry["action_type"], entry.get("reason")) for entry in log[:2]] == [(42, "raid"), (40, None)]


def test_an_invite_ends_with_its_time(timed_discord, clock):
    path = f"/channels/{timed_discord.channel('main-hall')}/invites"
    code = timed_discord.rest("POST", path, json={"max_age": 60}).json()["code"]

    clock.forward(61)

    assert timed_discord.rest("GET", f"/invites/{code}").status_code == 404


def test_nobody_comes_in_while_invites_are_paused(timed_discord, clock):
    path = f"/channels/{timed_discord.channel('main-hall')}/invites"
    code = timed_discord.rest("POST", path, json={}).json()["code"]
    until = timed_discord.host.call(lambda sandbox: sandbox.stage.now()).replace(microsecond=0).isoformat()
    clock.forward(-3600)

    timed_discord.in_guild("PUT", "/incident-actions", json={"invites_disabled_until": until})
    timed_discord.control("POST", "join", {"username": "late", "invite": code}, status=403)


@pytest.mark.parametrize("body", [{"max_age": 604_801}, {"max_uses": 101}, {"max_uses": -1}, {"max_age": "soon"}])
def test_limits_of_an_invite(small_discord, hall, body):
    answer = small_discord.rest("POST", hall, json=body)

    assert (answer.status_code, answer.json()["code"]) == (400, 50035)
