"""The ledger of effects, and faults injected around them."""

from __future__ import annotations

import socket
import urllib.parse

import pytest
import requests

from kovra.sandbox import DEFAULT_TOKEN

REF = "abcdefghijklmn23"
MARK = f"[kv:{REF}]"
BAN = "/guilds/{guild_id}/bans/{user_id}"


def counted(discord):
    report = discord.control("GET", f"effects?ref={REF}")
    return {item["verb"]: (item["count"], item["changed"]) for item in report["effects"]}


def test_deeds_are_counted_by_the_mark_at_the_end_of_their_reason(small_discord):
    one, two = small_discord.cast.plain[:2]

    small_discord.in_guild("PUT", f"/bans/{one}", reason=f"spam {MARK}")
    small_discord.in_guild("DELETE", f"/bans/{one}", reason=f"mistake {MARK}")
    small_discord.in_guild("DELETE", f"/members/{two}", reason=f"rude {MARK}")
    small_discord.in_guild("PUT", f"/bans/{two}", reason=f"{MARK} is not at the end")

    assert counted(small_discord) == {"ban": (1, 1), "unban": (1, 1), "kick": (1, 1)}


def test_a_second_ban_is_a_call_without_a_change(small_discord):
    user_id = small_discord.cast.plain[0]

    for _ in range(2):
        assert small_discord.in_guild("PUT", f"/bans/{user_id}", reason=MARK).status_code == 204

    assert counted(small_discord) == {"ban": (2, 1)}


def test_a_refused_deed_is_not_counted(small_discord):
    small_discord.in_guild("PUT", f"/bans/{small_discord.cast.above_guard}", reason=MARK)

    assert counted(small_discord) == {}


def test_messages_are_counted_by_nonce_and_by_the_mark_they_carry(small_discord):
    path = f"/channels/{small_discord.channel('mod-log')}/messages"
    body = {"embeds": [{"title": "Ban", "footer": {"text": f"Kovra {MARK}"}}], "nonce": "once", "enforce_nonce": True}

    small_discord.rest("POST", path, json=body)
    small_discord.rest("POST", path, json=body)
    small_discord.rest("POST", path, json={"content": f"again {MARK}", "nonce": "twice"})
    small_discord.rest("POST", path, json={"content": "again", "nonce": "twice"})

    report = small_discord.control("GET", "effects")
    assert report["messages"] == [{"ref": REF, "kind": "channel", "count": 2}]
    assert report["nonces"] == {"once": 1, "twice": 2}


def test_a_fault_before_the_effect_leaves_nothing_done(small_discord):
    user_id = small_discord.cast.plain[0]
    small_discord.control("POST", "faults", {"method": "PUT", "route": BAN, "when": "before", "status": 503})

    struck = small_discord.in_guild("PUT", f"/bans/{user_id}", reason=MARK)

    assert struck.status_code == 503
    assert user_id in small_discord.guild.members
    assert counted(small_discord) == {}


def test_a_fault_after_the_effect_hides_that_it_was_done(small_discord):
    user_id = small_discord.cast.plain[0]
    small_discord.control("POST", "faults", {"method": "PUT", "route": BAN, "when": "after", "status": 502})

    struck = small_discord.in_guild("PUT", f"/bans/{user_id}", reason=MARK)
    again = small_discord.in_guild("GET", f"/bans/{user_id}")

    assert struck.status_code == 502
    assert again.status_code == 200
    assert counted(small_discord) == {"ban": (1, 1)}


@pytest.mark.parametrize(("when", "done"), [("before", False), ("after", True)])
def test_a_dropped_connection_answers_nothing(small_discord, when, done):
    user_id = small_discord.cast.plain[0]
    # The client's library sends an idempotent request again by itself, so the fault must hold.
    small_discord.control("POST", "faults", {"route": BAN, "when": when, "drop": True, "times": None})

    with pytest.raises(requests.ConnectionError):
        small_discord.in_guild("PUT", f"/bans/{user_id}", reason=MARK)

    assert (user_id in small_discord.guild.bans) is done


def test_a_reset_reaches_the_client_as_one(small_discord):
    address = urllib.parse.urlsplit(small_discord.base_url)
    small_discord.control("POST", "faults", {"route": "/guilds/{guild_id}", "reset": True})
    request = f"GET /api/v10/guilds/{small_discord.guild.id} HTTP/1.1\r\nHost: sandbox\r\n"

    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(f"{request}Authorization: Bot {DEFAULT_TOKEN}\r\n\r\n".encode())
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_a_fault_strikes_only_where_and_as_often_as_it_was_told(small_discord):
    one, two = small_discord.cast.plain[:2]
    small_discord.control("POST", "faults", {"route": BAN, "params": {"user_id": str(two)}, "skip": 1, "times": 1})

    statuses = [small_discord.in_guild("PUT", f"/bans/{user}").status_code for user in (one, two, two, two)]

    assert statuses == [204, 204, 502, 204]
    assert small_discord.control("GET", "faults") == []


def test_a_fault_of_a_share_strikes_about_that_part(small_discord):
    small_discord.control("POST", "faults", {"share": 0.3, "times": None, "status": 500})

    statuses = [small_discord.in_guild("GET", "").status_code for _ in range(200)]

    assert 30 <= statuses.count(500) <= 90


def test_an_answer_that_hangs_hides_what_was_done_at_once(small_discord):
    user_id = small_discord.cast.plain[0]
    small_discord.control("POST", "faults", {"route": BAN, "when": "after", "delay_ms": 60_000, "drop": True})

    with pytest.raises(requests.Timeout):
        small_discord.in_guild("PUT", f"/bans/{user_id}", reason=MARK, timeout=0.5)

    assert user_id in small_discord.guild.bans


def test_an_injected_429_counts_as_an_invalid_request(small_discord):
    small_discord.control("POST", "faults", {"status": 429, "extra": {"retry_after": 1.0}})

    small_discord.in_guild("GET", "")

    assert small_discord.control("GET", "limits")["invalid_requests"] == 1


def test_clearing_the_faults_ends_them(small_discord):
    small_discord.control("POST", "faults", {"times": None, "status": 500})
    small_discord.control("DELETE", "faults")

    assert small_discord.in_guild("GET", "").status_code == 200


def test_latency_delays_every_answer(small_discord):
    small_discord.control("POST", "latency", {"ms": 60})

    answer = small_discord.in_guild("GET", "")

    assert answer.elapsed.total_seconds() >= 0.06
