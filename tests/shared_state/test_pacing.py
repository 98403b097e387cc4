"""One pace towards Discord, shared over processes, on a real Valkey."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from kovra.shared_state.pacing import BURST, KEY, PER_SECOND, RedisPacer


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url) as line:
        yield line


def test_a_burst_goes_at_once_and_the_rest_waits_its_turn(client):
    pacer = RedisPacer(client, per_second=10, burst=5)

    waits = [pacer.take(60) for _ in range(15)]

    assert waits[:5] == [0.0] * 5
    # Each further one waits a tenth of a second more; what passed while asking is taken off.
    assert all(later > earlier for earlier, later in zip(waits[5:], waits[6:], strict=False))
    assert 0.5 < waits[-1] <= 1.0


def test_two_processes_share_one_pace(client, valkey_url):
    with redis.Redis.from_url(valkey_url) as another:
        here, there = RedisPacer(client, per_second=1, burst=2), RedisPacer(another, per_second=1, burst=2)

        waits = [here.take(60), there.take(60), here.take(60), there.take(60)]

    assert waits[:2] == [0.0, 0.0]
    assert 0 < waits[2] <= 1
    assert waits[2] < waits[3] <= 2


def test_never_more_than_fifty_turns_fall_into_one_second(client):
    pacer = RedisPacer(client)

    goes_at = []
    for _ in range(200):
        waits = pacer.take(60) > 0
        seconds, microseconds = client.time()
        now, mark = seconds + microseconds / 1e6, int(client.get(KEY)) / 1e6
        goes_at.append(mark - BURST / PER_SECOND if waits else now)

    busiest = max(sum(1 for other in goes_at if moment <= other < moment + 1) for moment in goes_at)
    # One more than the limit: a turn that goes at once is dated a moment late here.
    assert busiest <= 51


def test_a_turn_that_would_come_too_late_is_not_taken(client):
    pacer = RedisPacer(client, per_second=1, burst=1)
    pacer.take(0.1)
    mark = client.get(KEY)

    wait_s = pacer.take(0.1)

    assert wait_s > 0.1
    assert client.get(KEY) == mark


def test_without_redis_nothing_waits_and_it_is_asked_again_only_after_a_while():
    asked = []
    away = redis.Redis(port=1, retry=Retry(NoBackoff(), 0))
    now = [100.0]
    pacer = RedisPacer(away, per_second=1, burst=1, clock=lambda: now[0])
    really_take = pacer._take
    pacer._take = lambda **kwargs: asked.append(now[0]) or really_take(**kwargs)

    first, second = pacer.take(1), pacer.take(1)
    now[0] += 6
    third = pacer.take(1)

    assert (first, second, third) == (0.0, 0.0, 0.0)
    assert asked == [100.0, 106.0]
