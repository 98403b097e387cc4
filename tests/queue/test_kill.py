"""Workers killed without a word, as real processes on a real server: nothing is lost."""

import random
import signal
from collections import Counter

import pytest

from kovra.queue.janitor import Janitor


@pytest.fixture
def start(start_worker, valkey_url):
    """``start()``: a worker process; all are killed at the end."""
    return lambda: start_worker(valkey_url)


def test_what_a_killed_worker_held_is_run_by_another(real_desk, start, eventually):
    broker, client = real_desk.broker(shards=4), real_desk.client
    victim = start()
    eventually(lambda: client.llen("up") == 1)
    for i in range(300):
        broker.offer(real_desk.message(i, lane=str(i % 7 << 22), order_key=f"k{i % 20}", lock=f"r{i}"))
    eventually(lambda: client.llen("ran") > 20)

    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert broker.qsize("work") > 0
    start()
    eventually(lambda: broker.qsize("work") == 0)

    ran = Counter(int(i) for i in client.lrange("ran", 0, -1))
    assert set(ran) == set(range(300))
    # Only what was in the killed worker's hands may have run twice.
    assert sum(n - 1 for n in ran.values()) <= 4


def test_three_workers_killed_at_random_lose_nothing_and_leave_nothing(real_desk, start, eventually):
    broker, client, dice = real_desk.broker(shards=4), real_desk.client, random.Random(20)
    workers = [start() for _ in range(3)]
    eventually(lambda: client.llen("up") == 3)
    for i in range(1200):
        broker.offer(real_desk.message(i, lane=str(i % 11 << 22), priority=i % 2, order_key=f"k{i % 50}", lock=f"r{i}"))

    for kills in range(1, 6):
        eventually(lambda kills=kills: client.llen("started") >= kills * 150)
        victim = dice.randrange(3)
        workers[victim].kill()
        workers[victim].wait()
        workers[victim] = start()
    eventually(lambda: broker.qsize("work") == 0)

    assert {int(i) for i in client.lrange("ran", 0, -1)} == set(range(1200))
    assert list(broker.dead_letters("work")) == []
    assert not Janitor(broker).sweep()
    kinds = {key.decode().split(":work:", 1)[1].split(":")[0] for key in client.scan_iter("kovra:*")}
    assert kinds <= {"clock", "lock", "wake", "bell"}


def test_a_worker_that_stood_still_starts_nothing_that_others_did_meanwhile(real_desk, start, eventually, monkeypatch):
    broker, client = real_desk.broker(shards=4), real_desk.client
    monkeypatch.setenv("dramatiq_queue_prefetch", "40")  # hoards: most of what it holds has not started
    frozen = start()
    eventually(lambda: client.llen("up") == 1)
    client.set("slow", 1)
    for i in range(200):
        broker.offer(real_desk.message(i, lane=str(i << 22)))
    eventually(lambda: client.llen("started") >= 4)
    frozen.send_signal(signal.SIGSTOP)
    client.delete("slow")
    monkeypatch.delenv("dramatiq_queue_prefetch")
    start()
    eventually(lambda: broker.qsize("work") == 0)
    before = Counter(client.lrange("started", 0, -1))

    frozen.send_signal(signal.SIGCONT)
    for i in range(200, 300):
        broker.offer(real_desk.message(i, lane=str(i << 22)))
    eventually(lambda: broker.qsize("work") == 0)
    after = Counter(client.lrange("started", 0, -1))

    assert len(before) == 200
    assert {i: n for i, n in after.items() if int(i) < 200} == before
    # Only the four that it was running may have been started a second time, by the other.
    assert sum(n - 1 for n in before.values()) <= 4 + 4


def test_a_worker_told_to_stop_hands_over_at_once(real_desk, start, eventually):
    broker, client = real_desk.broker(shards=4), real_desk.client
    leaving = start()
    eventually(lambda: client.llen("up") == 1)
    for i in range(200):
        broker.offer(real_desk.message(i, lane=str(i << 22)))
    eventually(lambda: client.llen("ran") > 20)

    leaving.send_signal(signal.SIGTERM)
    assert leaving.wait(60) == 0
    held = list(client.scan_iter("*:own:*"))
    start()
    eventually(lambda: broker.qsize("work") == 0)

    assert held == []
    assert Counter(client.lrange("ran", 0, -1)) == {str(i).encode(): 1 for i in range(200)}
