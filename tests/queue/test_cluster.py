"""The lanes on a Redis Cluster of three nodes."""

import itertools
import threading
import time
from collections import Counter

import dramatiq
import pytest
import redis

from kovra.queue.client import connect, of_one_node
from kovra.queue.janitor import Janitor
from tests.queue.cluster import Cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    cluster.flush()
    with connect(cluster.url) as client:
        yield client


def lanes(count):
    return [str(i << 22) for i in range(count)]


def test_the_shards_lie_on_all_nodes(desk, client):
    broker = desk.broker(shards=64)

    nodes = {client.get_node_from_key(broker.keys.prefix("work", shard)).port for shard in range(64)}

    assert len(nodes) == 3


def test_everything_is_run_wherever_its_shard_lies(desk, take_all, texts):
    broker = desk.broker(shards=64)
    consumer = desk.consumer(broker)
    for i, lane in enumerate(lanes(64) * 2):
        broker.offer(desk.message(i, lane=lane, lock=f"l{i}", order_key=lane, priority=i % 2))

    ran = []
    while len(ran) < 128:
        for entry in take_all(consumer):
            ran.append(entry.args[0])
            consumer.ack(entry)

    assert sorted(ran) == list(range(128))
    assert broker.qsize("work") == 0
    assert broker.lock(desk.message(lane="0", lock="l0")).state == "done"


def test_a_sleeping_worker_is_woken_from_every_node(desk, eventually):
    # A name of its own: a consumer of an earlier test, closed by nobody, may still wait at its bells for a second.
    broker = desk.broker(shards=16, namespace="woken")
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=1000)
    worker.start()
    try:
        consumer = worker.consumers["work"]
        eventually(lambda: consumer.consumer is not None and len(consumer.consumer.doorbells._waiting) == 16)
        consumer.consumer.state.looked_at = float("inf")  # nothing but the bell may find them

        for lane in lanes(16):
            broker.offer(desk.message(lane, lane=lane))
            eventually(lambda lane=lane: lane in desk.ran)
    finally:
        worker.stop()


def test_what_a_silent_worker_held_on_any_node_is_delivered_again(desk, take, eventually):
    broker = desk.broker(shards=16, heartbeat_timeout_ms=300)
    for lane in lanes(16):
        broker.offer(desk.message(lane, lane=lane))
    take(desk.consumer(broker), 16)  # and never speaks again

    heir = desk.broker(shards=16, heartbeat_timeout_ms=300)
    again = take(desk.consumer(heir), 16)

    assert sorted(entry.deliveries for entry in again) == [2] * 16


def test_what_a_killed_worker_held_on_any_node_is_run_by_another(desk, client, cluster, start_worker, eventually):
    broker = desk.broker(shards=4)
    victim = start_worker(cluster.url)
    eventually(lambda: client.llen("up") == 1)
    client.set("slow", 1)
    for i in range(60):
        broker.offer(desk.message(i, lane=lanes(4)[i % 4], lock=f"r{i}"))
    eventually(lambda: client.llen("started") > 8)

    victim.kill()
    victim.wait()
    held = [key.decode() for node in cluster.nodes for key in redis.Redis.from_url(node.url).scan_iter("*:own:*")]
    start_worker(cluster.url)
    eventually(lambda: broker.qsize("work") == 0)

    ran = Counter(int(i) for i in client.lrange("ran", 0, -1))
    assert held
    assert len({client.get_node_from_key(broker.keys.prefix("work", shard)).port for shard in range(4)}) > 1
    assert set(ran) == set(range(60))
    # Only what was in the killed worker's hands may have run twice.
    assert sum(n - 1 for n in ran.values()) <= 4


def test_a_busy_worker_gives_tokens_back_to_an_idle_one(desk, take, eventually):
    broker = desk.broker(shards=4, namespace="busy")
    busy = desk.consumer(broker, prefetch=1)
    assert next(busy) is None  # it waits at every bell
    for lane in lanes(2):
        broker.offer(desk.message(lane, lane=lane))
    (held,) = take(busy, 1)

    idle = desk.consumer(desk.broker(shards=4, namespace="busy"))
    idle.whole, idle.state.looked_at = False, float("inf")
    busy.timeout_s = 0.01
    assert next(busy) is None

    assert [entry.args[0] for entry in take(idle, 1)] != [held.args[0]]


def test_gauges_dead_letters_pauses_flush_and_the_janitor_see_all_nodes(desk, take):
    broker = desk.broker(shards=16)
    consumer = desk.consumer(broker)
    for lane in lanes(16):
        broker.offer(desk.message(lane, lane=lane))
    for entry in take(consumer, 8):
        entry.fail()
        consumer.nack(entry)
    broker.pause("work", "0")

    assert len(broker.lanes("work")) == broker.qsize("work") == 8
    assert len(list(broker.dead_letters("work"))) == 8
    assert broker.paused("work") == {"0"}
    assert not Janitor(broker).sweep()
    broker.flush("work")
    assert broker.qsize("work") == 0
    assert not list(broker.dead_letters("work"))


def test_a_slot_that_moves_while_work_goes_on_loses_nothing(desk, client, cluster, eventually):
    broker = desk.broker(shards=4)
    worker = dramatiq.Worker(broker, worker_threads=4, worker_timeout=100)
    worker.start()
    numbers, stop = itertools.count(), threading.Event()

    def send():
        while not stop.is_set():
            number = next(numbers)
            # Its record stands for what Redis lost or refused: offered until the lane has it.
            while True:
                try:
                    broker.offer(
                        desk.message(number, lane=lanes(4)[number % 4], lock=f"l{number}", message_id=f"m{number}")
                    )
                    break
                except dramatiq.errors.ConnectionClosed:
                    time.sleep(0.01)  # between two looks

    sender = threading.Thread(target=send)
    sender.start()
    try:
        eventually(lambda: len(desk.ran) > 100)
        prefix = broker.keys.prefix("work", 1)
        cluster.move(client.keyslot(prefix), prefix)
        moved_at = len(desk.ran)
        eventually(lambda: len(desk.ran) > moved_at + 100)
        stop.set()
        sender.join(60)
        eventually(lambda: broker.qsize("work") == 0)
    finally:
        stop.set()
        worker.stop()

    assert set(desk.ran) == set(range(next(numbers)))


def test_a_ring_at_one_node_is_heard_at_another(cluster, client):
    others = redis.Redis.from_url(cluster.nodes[2].url)
    with others.pubsub() as line:
        line.subscribe("kovra:bulletin")
        line.get_message(timeout=5)

        redis.Redis.from_url(of_one_node(cluster.url)).publish("kovra:bulletin", b"1")

        assert line.get_message(timeout=5)["data"] == b"1"
