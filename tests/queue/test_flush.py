"""A Redis that forgets everything, at any moment: the consumer goes on, and a refill is run."""

import dramatiq
import pytest

from kovra.launcher.valkey import EmbeddedValkey
from kovra.queue.broker import LanesBroker
from kovra.queue.client import connect
from kovra.queue.janitor import Janitor

LANE = "1"


def test_what_waited_is_offered_again_and_run(real_desk, take, texts):
    broker = real_desk.broker()
    consumer = real_desk.consumer(broker, prefetch=1)
    messages = [real_desk.message(i, lane=LANE, lock=f"r{i}", message_id=f"m{i}") for i in range(3)]
    for message in messages:
        broker.offer(message)
    take(consumer, 1)
    real_desk.client.flushall()

    offers = [broker.offer(message) for message in messages]

    assert offers == ["enqueued"] * 3
    assert texts(take(real_desk.consumer(real_desk.broker()), 3)) == [0, 1, 2]


def test_an_acknowledgement_of_what_was_forgotten_touches_nothing_new(real_desk, take):
    broker = real_desk.broker()
    consumer = real_desk.consumer(broker)
    message = real_desk.message("x", lane=LANE, lock="r1", message_id="m1", order_key="x")
    broker.offer(message)
    (forgotten,) = take(consumer, 1)
    real_desk.client.flushall()
    broker.offer(message)

    consumer.ack(forgotten)

    assert broker.qsize("work") == 1
    assert broker.offer(message) == "same"
    (again,) = take(consumer, 1)
    consumer.ack(again)
    assert broker.offer(message) == "finished"


def test_a_prefetched_entry_that_was_forgotten_is_not_started_beside_its_refill(real_desk, take, take_all):
    broker = real_desk.broker()
    consumer = real_desk.consumer(broker)
    broker.offer(real_desk.message(lane=LANE))
    (forgotten,) = take(consumer, 1)
    real_desk.client.flushall()

    broker.state("work").beat_at = float("-inf")
    take_all(consumer)

    with pytest.raises(dramatiq.middleware.SkipMessage):
        broker.emit_before("process_message", forgotten)


def test_a_worker_runs_everything_though_redis_forgets_again_and_again(real_desk, eventually):
    broker = real_desk.broker(shards=64)
    worker = dramatiq.Worker(broker, worker_timeout=50, worker_threads=4)
    worker.start()
    try:
        wanted = {
            f"m{i}": real_desk.message(f"m{i}", lane=str(i % 5 << 22), lock=f"m{i}", message_id=f"m{i}")
            for i in range(100)
        }
        for i, message in enumerate(wanted.values()):
            broker.offer(message)
            if i % 20 == 10:
                real_desk.client.flushall()

        def refill_until_all_ran():
            for name in wanted.keys() - set(real_desk.ran):
                broker.offer(wanted[name])
            return set(real_desk.ran) == wanted.keys()

        eventually(refill_until_all_ran)
    finally:
        worker.stop()

    assert broker.qsize("work") == 0
    assert not Janitor(broker).sweep()


def test_scripts_that_the_server_forgot_are_sent_again(real_desk, take):
    broker = real_desk.broker()
    consumer = real_desk.consumer(broker)
    broker.offer(real_desk.message(lane=LANE))
    real_desk.client.script_flush()

    consumer.ack(*take(consumer, 1))

    assert broker.qsize("work") == 0


def test_a_server_that_restarts_empty_is_found_again(eventually, servers_folder, monkeypatch):
    monkeypatch.setattr("dramatiq.worker.CONSUMER_RESTART_DELAY_SECS", 0.05)
    ran = []
    with EmbeddedValkey(servers_folder / "restarting", durable=False) as server:
        broker = LanesBroker(connect(server.url), shards=4)
        dramatiq.actor(ran.append, actor_name="note", queue_name="work", broker=broker)
        worker = dramatiq.Worker(broker, worker_timeout=50, worker_threads=2)
        worker.start()
        broker.get_actor("note").send("before")
        eventually(lambda: ran == ["before"])

        server.kill()
        server.start()
        broker.get_actor("note").send("after")
        eventually(lambda: ran == ["before", "after"])
        worker.stop()
