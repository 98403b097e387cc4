"""Turns to identify, shared over processes, on a real Valkey."""

from __future__ import annotations

import redis

from kovra.shared_state.identifying import KEY, IdentifyTurns


def test_processes_take_turns_in_a_slot_and_none_waits_for_another_slot(valkey_url):
    with redis.Redis.from_url(valkey_url) as one, redis.Redis.from_url(valkey_url) as two:
        one.delete(f"{KEY}:7", f"{KEY}:8")
        here, there = IdentifyTurns(one), IdentifyTurns(two)

        waits = [here.take(7, 5.0), there.take(7, 5.0), here.take(7, 5.0)]

        assert waits[0] == 0.0
        assert 4.0 < waits[1] <= 5.0
        assert 9.0 < waits[2] <= 10.0
        assert there.take(8, 5.0) == 0.0


def test_without_redis_nobody_waits():
    turns = IdentifyTurns(redis.Redis(port=1, socket_connect_timeout=0.2, retry=None))

    assert turns.take(0, 5.0) == 0.0
