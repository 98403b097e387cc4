"""Webhooks of one's own: managed, used by whoever holds the token, limited, and on record."""

from __future__ import annotations

import json

import pytest
import requests

from kovra.sandbox import snapshot

MANAGE_WEBHOOKS = 1 << 29
MARK = "[kv:abcdefghijklmn23]"


@pytest.fixture
def hall(small_discord) -> str:
    return f"/channels/{small_discord.channel('main-hall')}"


@pytest.fixture
def hook(small_discord, hall) -> dict:
    return small_discord.rest("POST", f"{hall}/webhooks", json={"name": "Town crier"}, reason="news").json()


def held(place, hook, method, path="", **more):
    """Use it as a stranger who knows its address and nothing else."""
    return requests.request(method, f"{hook['url']}{path}", timeout=10, **more)


def code(answer):
    return answer.status_code, answer.json()["code"]


def told(place, name):
    sent = place.host.call(lambda sandbox: sandbox.gateway.sent())
    return [event["d"] for event in map(json.loads, sent) if event["t"] == name]


def test_a_webhook_is_made_listed_changed_moved_and_taken_away(small_discord, connect, hall, hook):
    connect(small_discord)
    trade = small_discord.channel("trade-post")

    lists = [small_discord.rest("GET", f"{hall}/webhooks").json(), small_discord.in_guild("GET", "/webhooks").json()]
    moved = small_discord.rest(
        "PATCH", f"/webhooks/{hook['id']}", json={"name": "Herald", "channel_id": str(trade)}, reason="moved"
    ).json()
    read = small_discord.rest("GET", f"/webhooks/{hook['id']}").json()
    assert small_discord.rest("DELETE", f"/webhooks/{hook['id']}", reason="over").status_code == 204

    assert [[each["id"] for each in found] for found in lists] == [[hook["id"]]] * 2
    assert (moved["name"], moved["channel_id"], read) == ("Herald", str(trade), moved)
    assert code(small_discord.rest("GET", f"/webhooks/{hook['id']}")) == (404, 10015)
    assert [e["channel_id"] for e in told(small_discord, "WEBHOOKS_UPDATE")] == [
        hook["channel_id"], str(trade), str(trade)
    ]  # fmt: skip
    log = small_discord.in_guild("GET", "/audit-logs").json()["audit_log_entries"][:3]
    assert [(e["action_type"], e["target_id"], e["reason"]) for e in log] == [
        (52, hook["id"], "over"), (51, hook["id"], "moved"), (50, hook["id"], "news")
    ]  # fmt: skip
    assert [c["key"] for c in log[1]["changes"]] == ["name", "channel_id"]


def test_whoever_holds_the_token_posts_edits_and_deletes(small_discord, connect, eventually, hall, hook):
    guard = connect(small_discord)

    silent = held(small_discord, hook, "POST", json={"content": "hear ye"})
    said = held(small_discord, hook, "POST", "?wait=true", json={"content": "hear this", "username": "Bell"}).json()
    edited = held(small_discord, hook, "PATCH", f"/messages/{said['id']}", json={"content": "hear that"}).json()
    read = held(small_discord, hook, "GET", f"/messages/{said['id']}").json()

    assert silent.status_code == 204
    assert (said["author"]["username"], said["author"]["bot"], said["webhook_id"]) == ("Bell", True, hook["id"])
    assert edited["content"] == read["content"] == "hear that"
    eventually(lambda: guard.names().count("message") == 2)
    assert guard.heard[-1][1].webhook_id == int(hook["id"])
    assert held(small_discord, hook, "DELETE", f"/messages/{said['id']}").status_code == 204
    newest = small_discord.rest("GET", f"{hall}/messages?limit=1").json()[0]
    assert (newest["content"], newest["author"]["username"]) == ("hear ye", "Town crier")


def test_the_holder_of_the_token_reads_renames_and_removes_but_does_not_learn_who_made_it(small_discord, hook):
    read = held(small_discord, hook, "GET").json()
    renamed = held(small_discord, hook, "PATCH", json={"name": "Bell ringer"}).json()

    assert "user" not in read
    assert "user" not in renamed
    assert renamed["name"] == "Bell ringer"
    assert held(small_discord, hook, "DELETE").status_code == 204
    assert code(held(small_discord, hook, "POST", json={"content": "too late"})) == (404, 10015)


def test_a_wrong_token_and_somebody_elses_message_are_refused(small_discord, hall, hook):
    mine = small_discord.rest("POST", f"{hall}/messages", json={"content": "the bot's"}).json()
    forged = requests.post(f"{hook['url']}x", json={"content": "x"}, timeout=10)

    assert code(forged) == (401, 50027)
    assert code(held(small_discord, hook, "DELETE", f"/messages/{mine['id']}")) == (404, 10008)


def test_a_channel_has_at_most_fifteen(small_discord, hall, hook):
    statuses = [small_discord.rest("POST", f"{hall}/webhooks", json={"name": f"n{n}"}).status_code for n in range(14)]
    over = small_discord.rest("POST", f"{hall}/webhooks", json={"name": "one more"})

    assert statuses == [200] * 14
    assert code(over) == (400, 30007)


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": "x" * 81}, {"name": "Discord News"}, {"name": "ok", "avatar": "no picture"}]
)
def test_names_and_pictures_have_rules(small_discord, hall, body):
    assert code(small_discord.rest("POST", f"{hall}/webhooks", json=body)) == (400, 50035)


@pytest.mark.parametrize(
    ("body", "refusal"), [({}, 50006), ({"content": "x" * 2001}, 50035), ({"content": "x", "thread_name": "y"}, 220003)]
)
def test_what_a_webhook_may_not_post(small_discord, hook, body, refusal):
    assert code(held(small_discord, hook, "POST", json=body)) == (400, refusal)


def test_managing_needs_the_permission_in_the_channel(small_discord, hall, hook):
    small_discord.guild.roles[small_discord.role("Guard")].permissions &= ~MANAGE_WEBHOOKS

    answers = [
        small_discord.rest("POST", f"{hall}/webhooks", json={"name": "n"}),
        small_discord.rest("GET", f"{hall}/webhooks"),
        small_discord.in_guild("GET", "/webhooks"),
        small_discord.rest("PATCH", f"/webhooks/{hook['id']}", json={"name": "n"}),
        small_discord.rest("DELETE", f"/webhooks/{hook['id']}"),
    ]

    assert [code(answer) for answer in answers] == [(403, 50013)] * 5


def test_what_it_posts_and_what_becomes_of_it_are_counted(small_discord, hall):
    hook = small_discord.rest("POST", f"{hall}/webhooks", json={"name": "n"}, reason=f"log {MARK}").json()
    held(small_discord, hook, "POST", json={"content": f"case 1 {MARK}"})
    small_discord.rest("DELETE", f"/webhooks/{hook['id']}", reason=f"done {MARK}")

    report = small_discord.control("GET", "effects?ref=abcdefghijklmn23")

    assert {item["verb"]: item["count"] for item in report["effects"]} == {"create_webhook": 1, "delete_webhook": 1}
    assert [(item["kind"], item["count"]) for item in report["messages"]] == [("webhook", 1)]


def test_webhooks_and_what_they_said_are_kept(small_discord, hook, tmp_path):
    held(small_discord, hook, "POST", json={"content": "kept"})

    world = small_discord.host.call(lambda sandbox: sandbox.world)
    snapshot.save(snapshot.Snapshot(world=world), tmp_path / "state.json")

    assert snapshot.load(tmp_path / "state.json").world == world


def test_a_deleted_channel_takes_its_webhooks_along(small_discord, hall, hook):
    small_discord.rest("DELETE", hall)

    assert small_discord.in_guild("GET", "/webhooks").json() == []
    assert code(held(small_discord, hook, "POST", json={"content": "x"})) == (404, 10015)
