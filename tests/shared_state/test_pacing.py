"""One pace towards Discord, shared over processes, on a real Valkey."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from kovra.shared_state.pacing import BURST, COMMON, KEY, LINES, PER_SECOND, Line, Rate, RedisPacer

SLOW = Rate(per_second=1, burst=1)


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url) as line:
        yield line


def test_a_burst_goes_at_once_and_the_rest_waits_its_turn(client):
    pacer = RedisPacer(client, common=Rate(per_second=10, burst=5))

    waits = [pacer.take(60).wait_s for _ in range(15)]

    assert waits[:5] == [0.0] * 5
    # Each further one waits a tenth of a second more; what passed while asking is taken off.
    assert all(later > earlier for earlier, later in zip(waits[5:], waits[6:], strict=False))
    assert 0.5 < waits[-1] <= 1.0


def test_two_processes_share_one_pace(client, valkey_url):
    with redis.Redis.from_url(valkey_url) as another:
        here, there = (RedisPacer(each, common=Rate(per_second=1, burst=2)) for each in (client, another))

        waits = [each.take(60).wait_s for each in (here, there, here, there)]

    assert waits[:2] == [0.0, 0.0]
    assert 0 < waits[2] <= 1
    assert waits[2] < waits[3] <= 2


def test_never_more_than_fifty_turns_fall_into_one_second(client):
    pacer = RedisPacer(client)

    goes_at = []
    for _ in range(200):
        waits = pacer.take(60).wait_s > 0
        seconds, microseconds = client.time()
        now, mark = seconds + microseconds / 1e6, int(client.get(KEY)) / 1e6
        goes_at.append(mark - BURST / PER_SECOND if waits else now)

    busiest = max(sum(1 for other in goes_at if moment <= other < moment + 1) for moment in goes_at)
    # One more than the limit: a turn that goes at once is dated a moment late here.
    assert busiest <= 51


def test_a_turn_that_would_come_too_late_is_not_taken(client):
    pacer = RedisPacer(client, common=SLOW)
    pacer.take(0.1)
    mark = client.get(KEY)

    turn = pacer.take(0.1)

    assert not turn.taken
    assert turn.wait_s > 0.1
    assert client.get(KEY) == mark


def test_one_bulk_ban_goes_in_five_seconds_over_all_processes(client, valkey_url):
    with redis.Redis.from_url(valkey_url) as another:
        first = RedisPacer(client).take(1.5, Line.BULK_BAN)
        second = RedisPacer(another).take(1.5, Line.BULK_BAN)

    assert first.taken
    assert first.wait_s == 0
    assert not second.taken
    assert 4 < second.wait_s <= 5


@pytest.mark.parametrize("line", [Line.BEHIND, Line.DM])
def test_what_nobody_waits_for_leaves_a_click_its_turn(client, line):
    pacer = RedisPacer(client)

    behind = [pacer.take(60, line) for _ in range(100)]
    click = pacer.take(1.0)

    assert behind[-1].wait_s > 1.5  # in its own line
    assert behind[-1].again
    assert click.taken
    assert click.wait_s < 0.1


def test_a_place_in_a_line_is_followed_by_a_turn_of_the_pace(client):
    pacer = RedisPacer(client, common=SLOW)
    at_once = [pacer.take(60, Line.DM) for _ in range(LINES[Line.DM].burst)]

    place = pacer.take(60, Line.DM)
    mark = client.get(KEY)
    turn = pacer.take(60)

    assert not any(each.again for each in at_once)
    assert place.again
    assert place.wait_s > 0
    assert not turn.again
    assert int(client.get(KEY)) > int(mark)


def test_the_lines_together_are_slower_than_the_pace():
    for rate in LINES.values():
        assert rate.per_second + rate.burst < COMMON.per_second


def test_all_processes_pause_together_and_a_long_pause_is_not_cut_short(client, valkey_url):
    with redis.Redis.from_url(valkey_url) as another:
        told, other = RedisPacer(client), RedisPacer(another)

        told.rest(30)
        other.rest(1)
        turn = other.take(1.5)

    assert not turn.taken
    assert 1.5 < turn.wait_s <= 30


def test_a_short_pause_is_waited_for(client):
    pacer = RedisPacer(client)

    pacer.rest(1)
    turn = pacer.take(1.5)

    assert turn.taken
    assert 0 < turn.wait_s <= 1


def test_a_line_rests_alone(client):
    pacer = RedisPacer(client)

    pacer.rest(600, Line.DM)
    pacer.rest(1, Line.DM)
    dm, other, click = pacer.take(1, Line.DM), pacer.take(1, Line.BEHIND), pacer.take(1)

    assert not dm.taken
    assert 500 < dm.wait_s <= 601
    assert other.taken
    assert click.taken


def test_too_many_invalid_requests_of_all_processes_pause_everything(client, valkey_url):
    with redis.Redis.from_url(valkey_url) as another:
        here, there = (RedisPacer(each, most_invalid=4) for each in (client, another))

        noted = [each.note_invalid() for each in (here, there, here, there)]
        turn = here.take(1.5)

    assert noted == [False, False, False, True]
    assert not turn.taken
    assert turn.wait_s > 30


def test_invalid_requests_of_more_than_ten_minutes_ago_are_forgotten(client):
    pacer = RedisPacer(client, most_invalid=4)
    minute = int(client.time()[0]) // 60
    client.hset(f"{KEY}:invalid", mapping={str(minute - 10): 1000, str(minute): 2})

    noted = [pacer.note_invalid(), pacer.note_invalid()]

    assert noted == [False, True]
    assert str(minute - 10).encode() not in client.hgetall(f"{KEY}:invalid")


def test_without_redis_nothing_waits_and_it_is_asked_again_only_after_a_while():
    asked = []
    away = redis.Redis(port=1, retry=Retry(NoBackoff(), 0))
    now = [100.0]
    pacer = RedisPacer(away, common=SLOW, clock=lambda: now[0])
    really_take = pacer._take
    pacer._take = lambda **kwargs: asked.append(now[0]) or really_take(**kwargs)

    first, second = pacer.take(1), pacer.take(1)
    now[0] += 6
    third = pacer.take(1)

    assert [turn.wait_s for turn in (first, second, third)] == [0.0, 0.0, 0.0]
    assert asked == [100.0, 106.0]
