"""Workers killed without a word, as real processes on a real server: nothing is lost."""

import os
import random
import signal
import subprocess
import sys
import textwrap
from collections import Counter

import pytest

from kovra.queue.janitor import Janitor

WORKER = textwrap.dedent("""
    import sys, threading, time
    import dramatiq
    from kovra.queue.broker import LanesBroker
    from kovra.queue.client import connect

    client = connect(sys.argv[1])
    broker = LanesBroker(client, shards=4, heartbeat_timeout_ms=400)

    @dramatiq.actor(actor_name="note", queue_name="work", broker=broker, max_retries=0)
    def note(i):
        client.rpush("started", i)
        time.sleep(0.002)
        client.rpush("ran", i)

    dramatiq.Worker(broker, worker_timeout=50, worker_threads=4).start()
    client.rpush("up", 1)
    threading.Event().wait()
""")


@pytest.fixture
def start(valkey_url):
    """``start()``: a worker process; all are killed at the end."""
    processes = []

    def start():
        processes.append(subprocess.Popen([sys.executable, "-c", WORKER, valkey_url], cwd=os.getcwd()))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


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
