"""Rate limits: off unless asked for, and Discord's when on."""

from __future__ import annotations

import pytest


@pytest.fixture
def limited(a_discord, clock):
    with a_discord(limited=True, clock=clock) as place:
        yield place


def test_without_limits_nothing_is_limited_and_no_bucket_is_named(timed_discord):
    path = f"/members/{timed_discord.cast.plain[0]}"

    answers = [timed_discord.in_guild("GET", path) for _ in range(60)]

    assert {answer.status_code for answer in answers} == {200}
    assert "X-RateLimit-Bucket" not in answers[0].headers


def test_a_bucket_empties_and_fills_again(limited, clock):
    path = f"/members/{limited.cast.plain[0]}"

    answers = [limited.in_guild("GET", path) for _ in range(6)]
    clock.forward(1.001)
    after = limited.in_guild("GET", path)

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["4", "3", "2", "1", "0", "0"]
    body = answers[-1].json()
    assert body["message"] == "You are being rate limited."
    assert body["global"] is False
    assert 0 < body["retry_after"] <= 1
    assert answers[-1].headers["Via"] == "1.1 google"
    assert answers[-1].headers["X-RateLimit-Scope"] == "user"
    assert after.status_code == 200


def test_buckets_are_divided_by_channel(limited):
    log, hall = limited.channel("mod-log"), limited.channel("main-hall")
    for _ in range(5):
        limited.rest("POST", f"/channels/{log}/messages", json={"content": "x"})

    full = limited.rest("POST", f"/channels/{log}/messages", json={"content": "x"})
    other = limited.rest("POST", f"/channels/{hall}/messages", json={"content": "x"})

    assert (full.status_code, other.status_code) == (429, 200)


def test_more_than_fifty_requests_in_a_second_are_refused_globally(limited, clock):
    clock.at = float(int(clock.at))
    answers = [limited.in_guild("GET", "/roles") for _ in range(51)]
    clock.forward(1)
    after = limited.in_guild("GET", "/roles")

    assert [answer.status_code for answer in answers] == [200] * 50 + [429]
    assert answers[-1].headers["X-RateLimit-Global"] == "true"
    assert answers[-1].json()["global"] is True
    assert after.status_code == 200
    assert limited.control("GET", "limits")["refused"] == {"user": 0, "global": 1}


def test_refused_requests_are_tallied_for_ten_minutes(timed_discord, clock):
    for _ in range(3):
        timed_discord.in_guild("PUT", f"/bans/{timed_discord.cast.above_guard}")

    assert timed_discord.control("GET", "limits")["invalid_requests"] == 3
    clock.forward(601)
    assert timed_discord.control("GET", "limits")["invalid_requests"] == 0


def test_limits_can_be_switched_while_running(timed_discord):
    timed_discord.control("POST", "limits", {"on": True})

    answer = timed_discord.in_guild("GET", f"/members/{timed_discord.cast.plain[0]}")

    assert answer.headers["X-RateLimit-Limit"] == "5"
