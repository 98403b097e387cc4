"""Guard's ears: how the connection lives, what it survives, and how it ends."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest
import redis

from kovra.bot.gateway import BotFailed
from kovra.bot.pointing import point_pycord_at
from kovra.errors import Unavailable
from kovra.sandbox import Sandbox, hosted, lanternfall
from kovra.shared_state.identifying import KEY as IDENTIFY
from kovra.shared_state.identifying import IdentifyTurns
from kovra.store.mirror import Mirror as StoredMirror


def a_member(sandbox):
    return sandbox.call(lambda s: s.world.cast.plain[0])


def is_mirrored(rows, user_id):
    return rows("SELECT gone_at IS NULL FROM members WHERE user_id = %s", user_id) == [(True,)]


def test_a_member_list_that_never_came_is_asked_for_again(sandbox, start_bot, rows, eventually, monkeypatch):
    monkeypatch.setattr("kovra.bot.mirror.ASK_AGAIN_S", 0.5)
    answer, deaf = sandbox.sandbox.gateway.members.answer, []

    async def once_deaf(session, data):
        deaf.append(data)
        if len(deaf) > 1:
            await answer(session, data)

    sandbox.call(lambda s: setattr(s.gateway.members, "answer", once_deaf))

    start_bot()

    assert len(deaf) >= 2
    assert is_mirrored(rows, a_member(sandbox))


# Signs of life


def test_a_living_gateway_is_noted_for_every_shard(start_bot, rows, eventually):
    start_bot(shard_count=2)

    eventually(lambda: sorted(rows("SELECT shard_count, shard_id FROM gateway_shards")) == [(2, 0), (2, 1)])


def test_a_gateway_is_noted_as_soon_as_guard_is_ready(start_bot, rows, eventually):
    start_bot(pulse_s=60)

    eventually(lambda: rows("SELECT shard_id FROM gateway_shards") == [(0,)])


def test_shards_of_one_process_keep_discords_distance(sandbox, start_bot, rows, eventually):
    sandbox.call(lambda s: setattr(s.gateway, "identify_gap_s", 0.8))

    start_bot(shard_count=2, identify_gap_s=1.0)

    eventually(lambda: len(rows("SELECT 1 FROM gateway_shards")) == 2)
    assert sandbox.call(lambda s: s.gateway.counts["identified"]) == 2
    assert sandbox.call(lambda s: s.gateway.counts["invalidated"]) == 0


def test_shards_of_two_processes_keep_it_together(sandbox, start_bot, rows, eventually, valkey_url):
    sandbox.call(lambda s: setattr(s.gateway, "identify_gap_s", 0.8))
    lines = [redis.Redis.from_url(valkey_url) for _ in range(2)]
    lines[0].delete(f"{IDENTIFY}:0")

    for shard_id, line in enumerate(lines):
        turns = IdentifyTurns(line)
        start_bot(wait=False, shard_count=2, shard_ids=[shard_id], identify_gap_s=1.0, turns=turns)

    eventually(lambda: sorted(rows("SELECT shard_count, shard_id FROM gateway_shards")) == [(2, 0), (2, 1)])
    assert sandbox.call(lambda s: s.gateway.counts["invalidated"]) == 0
    for line in lines:
        line.close()


def test_two_processes_that_know_nothing_of_each_other_are_refused_and_come_again(sandbox, start_bot, rows, eventually):
    sandbox.call(lambda s: setattr(s.gateway, "identify_gap_s", 1.5))

    for shard_id in range(2):
        start_bot(wait=False, shard_count=2, shard_ids=[shard_id], identify_gap_s=0.5)

    eventually(lambda: len(rows("SELECT 1 FROM gateway_shards")) == 2)
    assert sandbox.call(lambda s: s.gateway.counts["invalidated"]) >= 1


def test_shards_of_other_slots_do_not_wait(sandbox, start_bot, rows, eventually, valkey_url):
    sandbox.call(lambda s: (setattr(s.gateway, "identify_gap_s", 60.0), setattr(s.gateway, "slots", 2)))

    start_bot(shard_count=2, identify_gap_s=60.0)

    eventually(lambda: len(rows("SELECT 1 FROM gateway_shards")) == 2)
    assert sandbox.call(lambda s: s.gateway.counts["invalidated"]) == 0


def test_a_silent_gateway_is_no_longer_noted(sandbox, start_bot, rows, eventually):
    start_bot()
    eventually(lambda: rows("SELECT 1 FROM gateway_shards"))

    async def hear_nothing(line, text):
        return None

    sandbox.call(lambda s: setattr(s.gateway, "_hear", hear_nothing))

    # Looked at twice a second, a shard that is still noted is never three seconds old.
    eventually(lambda: rows("SELECT clock_timestamp() - heard_at > interval '3 s' FROM gateway_shards") == [(True,)])


def test_a_shard_counts_as_heard_only_when_its_guilds_are_known(sandbox, start_bot, eventually, database, monkeypatch):
    heard, beats = [], []
    answer, hear = sandbox.sandbox.gateway.members.answer, sandbox.sandbox.gateway._hear

    class Listening(StoredMirror):
        def heard(self, *args):
            heard.append(args)

    async def no_members(session, data):
        return None

    async def count(line, text):
        beats.append(json.loads(text or "{}").get("op") == 1)
        return await hear(line, text)

    sandbox.call(lambda s: setattr(s.gateway.members, "answer", no_members))
    sandbox.call(lambda s: setattr(s.gateway, "_hear", count))

    bot = start_bot(wait=False, mirror=Listening(database))
    eventually(lambda: sum(beats) > 4)
    too_early = list(heard)
    sandbox.call(lambda s: setattr(s.gateway.members, "answer", answer))
    monkeypatch.setattr("kovra.bot.mirror.ASK_AGAIN_S", 0.0)

    eventually(lambda: heard)
    assert too_early == []
    assert bot.ready.wait(30)


# Beginning and end


def test_a_discord_that_comes_up_later_is_waited_for(start_bot):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base_url = f"http://127.0.0.1:{port}"
    point_pycord_at(base_url, base_url)
    bot = start_bot(wait=False, base_url=base_url)

    with hosted(lambda: Sandbox(lanternfall(time.time, members=5)), port=port):
        assert bot.ready.wait(30)
        bot.stop()


def test_a_wrong_token_ends_it_with_what_to_do(start_bot, eventually):
    bot = start_bot(wait=False, token="not.the.token")

    eventually(lambda: bot.failure)

    assert isinstance(bot.failure[0], BotFailed)
    assert "DISCORD_TOKEN" in str(bot.failure[0])


def test_a_token_is_never_sent_to_another_discord(sandbox, start_bot, eventually, asked):
    bot = start_bot(wait=False, base_url="https://discord.com")

    eventually(lambda: bot.failure)

    assert asked() == []


def test_it_ends_at_once_and_says_goodbye(control, start_bot, eventually):
    bot = start_bot()
    began = time.monotonic()

    bot.stop()

    assert time.monotonic() - began < 10
    eventually(lambda: control("gateway")["sessions"] == [])


def test_it_ends_in_time_while_the_database_is_away(start_bot, database):
    tried = threading.Event()

    class Away(StoredMirror):
        def guild(self, guild):
            tried.set()
            raise Unavailable("gone fishing")

    bot = start_bot(wait=False, mirror=Away(database))
    assert tried.wait(30)
    began = time.monotonic()

    bot.stop()

    assert time.monotonic() - began < 10
    assert not bot.ready.is_set()


def test_it_gives_up_when_the_database_is_away_for_too_long(
    sandbox, control, start_bot, database, monkeypatch, eventually
):
    monkeypatch.setattr("kovra.bot.writer.MOST_WAITING", 20)

    class Away(StoredMirror):
        def guild(self, guild):
            raise Unavailable("gone fishing")

    bot = start_bot(wait=False, mirror=Away(database))
    for number in range(20):
        control("join", username=f"more{number}")

    eventually(lambda: bot.failure)

    assert isinstance(bot.failure[0], BotFailed)


def test_a_connection_dropped_again_and_again_is_found_again(control, start_bot, rows, eventually):
    start_bot()

    for code in (1000, 4000, 4009):
        control("gateway", do="drop", code=code)
        joined = int(control("join", username=f"dropped{code}")["user"]["id"])
        eventually(lambda joined=joined: is_mirrored(rows, joined))
    control("gateway", do="reconnect")
    joined = int(control("join", username="asked-to-reconnect")["user"]["id"])

    eventually(lambda: is_mirrored(rows, joined))


@pytest.fixture(autouse=True)
def _quick_backoff(monkeypatch):
    # Pycord waits a random time before it connects again; the tests need not.
    monkeypatch.setattr("discord.backoff.ExponentialBackoff.delay", lambda self: 0.05)
