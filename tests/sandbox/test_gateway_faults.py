"""Trouble on the gateway, asked for through control and met by a real Pycord."""

from __future__ import annotations

import discord
import pytest

from kovra.sandbox import gateway


def counts(place):
    return place.control("GET", "gateway")


def test_a_client_that_must_resume_resumes(small_discord, connect, eventually):
    guard = connect(small_discord)

    small_discord.control("POST", "gateway", {"do": "invalidate", "resumable": True})

    eventually(lambda: "resumed" in guard.names())
    assert counts(small_discord)["identified"] == 1


def test_a_silent_gateway_is_left_and_what_was_missed_comes_afterwards(small_discord, connect, eventually, monkeypatch):
    monkeypatch.setattr(gateway, "HEARTBEAT_INTERVAL_MS", 200)
    guard = connect(small_discord, heartbeat_timeout=1.0)

    small_discord.control("POST", "gateway", {"do": "silence"})
    newcomer = small_discord.control("POST", "join", {"username": "late"})["user"]["id"]

    joined = eventually(lambda: [what for name, what in guard.heard if name == "member_join"])
    assert [str(member.id) for member in joined] == [newcomer]
    assert "resumed" in guard.names()


@pytest.mark.parametrize(
    ("code", "error"), [(4014, discord.PrivilegedIntentsRequired), (4004, discord.ConnectionClosed)]
)
def test_a_refused_identify_ends_the_client(small_discord, connect, code, error):
    small_discord.control("POST", "gateway", {"do": "refuse", "codes": [code]})

    with pytest.raises(error):
        connect(small_discord)

    # Only that one was refused.
    connect(small_discord)
    assert counts(small_discord)["identified"] == 1


def test_trouble_nobody_knows_is_refused(small_discord):
    small_discord.control("POST", "gateway", {"do": "dance"}, status=400)
