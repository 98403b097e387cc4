"""Punishments that end by themselves, the whole way: whoever dies, at the right time, and once."""

import json

import pytest
import redis
from sqlalchemy import text

from kovra.actions.request import Action, State
from kovra.ids import audit_ref


def end_of(path, request):
    return path.first("SELECT * FROM scheduled_ends WHERE request_id = :id", id=request.request_id)


def guards_own(path, target, action="unban"):
    """Guard's own requests about this person."""
    return path.all(
        "SELECT * FROM action_requests WHERE target_id = :t AND action = :a AND source = 'system'", t=target, a=action
    )


def due_now(path, request):
    """The moment its end is due has come."""
    with path.engine.begin() as line:
        moved = "UPDATE scheduled_ends SET ends_at = now(), due_at = now(), next_at = now() WHERE request_id = :id"
        line.execute(text(moved), {"id": request.request_id})


def temporary_ban(path, target, seconds=3600, **more):
    request = path.a(Action.BAN, target, params={"duration_s": seconds}, **more)
    path.run(request)
    return request


def unbans(path, target):
    """How often anybody lifted this ban, as the sandbox saw it."""
    effects = path.discord.ask("GET", "effects")["effects"]
    refs = {audit_ref(row["request_id"])[4:-1] for row in guards_own(path, target)}
    return sum(effect["changed"] for effect in effects if effect["ref"] in refs and effect["verb"] == "unban")


def test_a_temporary_ban_ends_by_itself_exactly_once(path):
    target = path.discord.someone()
    request = temporary_ban(path, target, seconds=2)
    case = path.case_of(request.request_id)

    path.until(lambda: not path.discord.is_banned(target))

    end = path.until(lambda: (end := end_of(path, request))["state"] == "ended" and end)
    [own] = guards_own(path, target)
    lifted = path.until(lambda: path.case_of(own["request_id"]))
    assert own["effect_at"] >= end["ends_at"] == case["ends_at"]
    assert (lifted["source"], lifted["params"]) == ("system", {"for_case": case["case_no"]})
    assert unbans(path, target) == 1
    path.end_of(own["request_id"])
    [post] = path.discord.log_posts(own["request_id"])
    assert f"#{case['case_no']}" in json.dumps(post["embeds"])
    assert "Until: <t:" in path.discord.dms(target)[0]


def test_a_permanent_ban_afterwards_stays(path):
    target = path.discord.someone()
    request = temporary_ban(path, target)
    path.run(path.a(Action.BAN, target, reason="for good"))

    due_now(path, request)

    assert end_of(path, request)["state"] == "cancelled"
    other = temporary_ban(path, path.discord.someone(), seconds=1)
    path.until(lambda: end_of(path, other)["state"] == "ended")
    assert path.discord.is_banned(target)
    assert guards_own(path, target) == []


def test_a_ban_made_in_discord_since_is_not_lifted(path):
    # The bot is away and misses that one ban was lifted and another one made; the reason on Discord tells.
    target = path.discord.someone()
    request = temporary_ban(path, target)
    path.stack.kill("bot")
    by_hand = {"guild_id": str(path.guild_id), "user_id": str(target)}
    path.discord.ask("POST", "unbans", by_hand)
    path.discord.ask("POST", "bans", by_hand | {"reason": "by hand, for good"})

    due_now(path, request)

    own = path.until(lambda: guards_own(path, target))[0]
    assert path.end_of(own["request_id"])["refusal_kind"] == "superseded"
    assert path.discord.is_banned(target)
    path.stack.restart("bot")


@pytest.mark.parametrize("by", ["kovra", "hand"])
def test_a_manual_unban_cancels_the_end(path, by):
    target = path.discord.someone()
    request = temporary_ban(path, target)
    if by == "kovra":
        path.run(path.a(Action.UNBAN, target, reason="appealed"))
    else:
        path.discord.ask("POST", "unbans", {"guild_id": str(path.guild_id), "user_id": str(target)})

    path.until(lambda: end_of(path, request)["state"] == "cancelled")

    assert guards_own(path, target) == []


def test_a_flushed_redis_and_a_dead_worker_only_make_it_late(path):
    target = path.discord.someone()
    request = temporary_ban(path, target, seconds=2)
    path.stack.kill("worker")
    path.until(
        lambda: path.first(
            "SELECT 1 AS due FROM scheduled_ends WHERE request_id = :id AND due_at < now()", id=request.request_id
        )
    )
    redis.Redis.from_url(path.stack.redis_url).flushall()
    assert path.discord.is_banned(target)

    path.stack.restart("worker")

    path.until(lambda: end_of(path, request)["state"] == "ended")
    assert not path.discord.is_banned(target)
    assert unbans(path, target) == 1


def test_a_muted_member_who_comes_back_is_muted_again_once(path):
    target = path.discord.someone()
    request = path.a(Action.MUTE, target, params={"duration_s": 3600})
    path.run(request)
    case = path.case_of(request.request_id)
    user = {"guild_id": str(path.guild_id), "user_id": str(target)}
    path.discord.ask("POST", "leave", user)
    path.until(lambda: path.first("SELECT 1 AS x FROM members WHERE user_id = :t AND gone_at IS NOT NULL", t=target))

    path.discord.ask("POST", "join", user)

    again = path.until(lambda: (found := path.discord.member(target)) and found["communication_disabled_until"])
    assert again.startswith(case["ends_at"].strftime("%Y-%m-%dT%H:%M:%S"))
    [own] = guards_own(path, target, "mute")
    assert path.end_of(own["request_id"])["state"] == State.DONE
    assert len(path.discord.dms(target)) == 1
    path.stack.restart("bot")  # it lists everybody anew
    assert len(guards_own(path, target, "mute")) == 1
