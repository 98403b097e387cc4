"""Pins: put up, told of, listed by both paths, limited, taken down."""

from __future__ import annotations

import json

import pytest

from kovra.sandbox.rest import pins

PIN_MESSAGES = 1 << 51


@pytest.fixture
def hall(small_discord) -> str:
    return f"/channels/{small_discord.channel('main-hall')}"


@pytest.fixture
def say(small_discord, hall):
    return lambda text: small_discord.rest("POST", f"{hall}/messages", json={"content": text}).json()["id"]


def test_a_message_is_pinned_said_listed_and_taken_down(small_discord, connect, hall, say):
    connect(small_discord)
    message = say("the rules")

    pinned = [small_discord.rest("PUT", f"{hall}/messages/pins/{message}", reason="news").status_code for _ in range(2)]
    notice = small_discord.rest("GET", f"{hall}/messages?limit=1").json()[0]
    listed = small_discord.rest("GET", f"{hall}/pins").json()
    down = small_discord.rest("DELETE", f"{hall}/pins/{message}", reason="old")

    assert pinned == [204, 204]
    assert (notice["type"], notice["message_reference"]["message_id"]) == (6, message)
    assert [(m["id"], m["pinned"]) for m in listed] == [(message, True)]
    assert down.status_code == 204
    assert small_discord.rest("GET", f"{hall}/pins").json() == []
    sent = [json.loads(text) for text in small_discord.host.call(lambda sandbox: sandbox.gateway.sent())]
    times = [e["d"]["last_pin_timestamp"] for e in sent if e["t"] == "CHANNEL_PINS_UPDATE"]
    assert [at is None for at in times] == [False, True]
    log = small_discord.in_guild("GET", "/audit-logs").json()["audit_log_entries"][:2]
    assert [(e["action_type"], e["options"]["message_id"], e["reason"]) for e in log] == [
        (75, message, "old"), (74, message, "news")
    ]  # fmt: skip


def test_pins_are_read_in_pages_the_latest_first(timed_discord, clock):
    hall = f"/channels/{timed_discord.channel('main-hall')}"
    ids = []
    for n in range(3):
        ids.append(timed_discord.rest("POST", f"{hall}/messages", json={"content": str(n)}).json()["id"])
        clock.forward(1)
        timed_discord.rest("PUT", f"{hall}/messages/pins/{ids[n]}")

    first = timed_discord.rest("GET", f"{hall}/messages/pins", params={"limit": 2}).json()
    rest = timed_discord.rest("GET", f"{hall}/messages/pins", params={"before": first["items"][-1]["pinned_at"]}).json()

    assert [item["message"]["id"] for item in first["items"] + rest["items"]] == ids[::-1]
    assert (first["has_more"], rest["has_more"]) == (True, False)


def test_a_channel_has_a_limit_of_pins_and_pinning_a_permission(small_discord, hall, say, monkeypatch):
    monkeypatch.setattr(pins, "MOST_PINS", 1)
    one, two = say("one"), say("two")
    small_discord.rest("PUT", f"{hall}/pins/{one}")

    over = small_discord.rest("PUT", f"{hall}/pins/{two}")
    small_discord.guild.roles[small_discord.role("Guard")].permissions &= ~PIN_MESSAGES
    barred = small_discord.rest("DELETE", f"{hall}/pins/{one}")

    assert (over.status_code, over.json()["code"]) == (400, 30003)
    assert (barred.status_code, barred.json()["code"]) == (403, 50013)
