"""Dramatiq's own Worker on our broker: everything an actor's author expects of a broker."""

import threading
from collections import Counter

import dramatiq
import pytest
from dramatiq.errors import QueueJoinTimeout, QueueNotFound
from dramatiq.middleware import CurrentMessage, Middleware
from dramatiq.rate_limits.backends import StubBackend as StubLimits
from dramatiq.results import Results
from dramatiq.results.backends import StubBackend


def listens(worker):
    """Whether its consumer has looked at everything and waits for a bell."""
    consumer = worker.consumers["work"].consumer
    return consumer is not None and consumer.doorbells.turn > 2


def test_a_sent_message_is_run_once(desk, work):
    broker = desk.broker()
    work(broker)

    for i in range(50):
        broker.enqueue(desk.message(i, lane=str(i << 22)))
    broker.join("work", timeout=60_000)

    assert sorted(desk.ran) == list(range(50))


def test_a_message_without_a_lane_is_run_too(desk, work):
    broker = desk.broker()
    work(broker)

    broker.get_actor("note").send("plain")
    broker.join("work", timeout=60_000)

    assert desk.ran == ["plain"]


def test_a_message_sent_while_everyone_sleeps_wakes_a_worker(desk, work, eventually):
    broker = desk.broker(shards=64)
    worker = work(broker)
    bell = desk.prefix(broker, "1") + "wake:0"
    eventually(lambda: listens(worker))  # it has looked at everything and listens

    broker.enqueue(desk.message("x", lane="1"))
    broker.join("work", timeout=60_000)

    assert desk.ran == ["x"]
    assert desk.client.llen(bell) == 0


def test_no_thread_is_started_for_delays(desk, work):
    broker = desk.broker()

    worker = work(broker)

    assert set(worker.consumers) == {"work"}
    assert broker.get_declared_delay_queues() == set()


def test_a_worker_prefetches_as_much_as_it_can_run(desk, work):
    broker = desk.broker()

    worker = work(broker, worker_threads=3)

    assert worker.queue_prefetch == 3


def test_order_keys_hold_over_real_threads(desk, work):
    broker, running, overlaps = desk.broker(), Counter(), []

    def run(key, i):
        running[key] += 1
        if running[key] > 1:
            overlaps.append(key)
        desk.ran.append((key, i))
        running[key] -= 1

    dramatiq.actor(run, queue_name="work", broker=broker)
    for i in range(20):
        for key in "abc":
            message = broker.get_actor("run").message_with_options(args=(key, i), lane="1", order_key=key)
            broker.enqueue(message)
    work(broker)
    broker.join("work", timeout=60_000)

    assert overlaps == []
    assert [[i for k, i in desk.ran if k == key] for key in "abc"] == [list(range(20))] * 3


def test_a_failing_actor_is_retried_until_it_succeeds(desk, work):
    broker = desk.broker()

    def stumble():
        desk.ran.append("try")
        if len(desk.ran) < 3:
            raise ValueError("not yet")

    dramatiq.actor(stumble, queue_name="work", broker=broker, max_retries=5, min_backoff=1, max_backoff=2).send()
    work(broker)
    broker.join("work", timeout=60_000)

    assert desk.ran == ["try"] * 3
    assert list(broker.dead_letters("work")) == []


def test_an_actor_that_gives_up_leaves_a_dead_letter_with_its_error(desk, work):
    broker = desk.broker()

    def fail():
        raise ValueError("for good")

    dramatiq.actor(fail, queue_name="work", broker=broker, max_retries=1, min_backoff=1, max_backoff=2).send()
    work(broker)
    broker.join("work", timeout=60_000)

    (letter,) = broker.dead_letters("work")
    assert (letter.cause, letter.detail) == ("failed", "ValueError: for good")


def test_a_lane_message_that_would_be_retried_is_a_dead_letter_and_not_lost(desk, work):
    broker = desk.broker()

    def fail():
        raise ValueError("no")

    actor = dramatiq.actor(fail, queue_name="work", broker=broker, max_retries=5, min_backoff=1)
    broker.enqueue(actor.message_with_options(lane="1"))
    work(broker)
    broker.join("work", timeout=60_000)

    assert [letter.cause for letter in broker.dead_letters("work")] == ["failed"]


def test_a_delayed_message_waits_for_its_time(desk, work, eventually):
    broker = desk.broker()
    broker.get_actor("note").send_with_options(args=("later",), delay=3_600_000)
    broker.get_actor("note").send_with_options(args=("soon",), delay=50)
    work(broker)

    eventually(lambda: desk.ran and broker.qsize("work") == 1)

    assert desk.ran == ["soon"]


def test_a_delayed_message_wakes_a_worker_that_slept_before_it_was_sent(desk, work, eventually):
    broker = desk.broker()
    worker = work(broker)
    eventually(lambda: listens(worker))

    broker.get_actor("note").send_with_options(args=("soon",), delay=50)
    broker.join("work", timeout=60_000)

    assert desk.ran == ["soon"]


def test_a_delayed_message_keeps_its_lock_and_order_key(desk, take):
    broker = desk.broker()
    first = desk.message("a", lock="r1", message_id="m1", order_key="x")

    assert broker.offer(first, delay=1) == "enqueued"
    assert broker.offer(first) == "same"
    assert broker.offer(desk.message(lock="r1", message_id="m2")) == "taken"
    consumer = desk.consumer(broker)
    (entry,) = take(consumer, 1)
    consumer.ack(entry)

    assert (entry.order_key, entry.lock) == ("x", "r1")
    assert broker.offer(first) == "finished"


def test_an_unknown_actor_is_quarantined_and_the_worker_lives(desk, work):
    broker = desk.broker()
    work(broker)
    stranger = dramatiq.Message(queue_name="work", actor_name="nobody", args=(), kwargs={}, options={})

    broker.enqueue(stranger)
    broker.enqueue(desk.message("x", lane="1"))
    broker.join("work", timeout=60_000)

    assert desk.ran == ["x"]
    assert [letter.cause for letter in broker.dead_letters("work")] == ["actor"]


def test_middleware_hears_every_signal_in_dramatiqs_order(desk, work):
    heard = []

    class Ear(Middleware):
        pass

    for name in ("enqueue", "process_message", "ack", "nack", "declare_queue"):
        for moment in ("before", "after"):
            signal = f"{moment}_{name}"
            setattr(Ear, signal, lambda *_, signal=signal, **__: heard.append(signal))
    broker = desk.broker()
    broker.add_middleware(Ear())
    heard.clear()

    broker.declare_queue("more")
    broker.declare_queue("more")
    broker.enqueue(desk.message(lane="1"))
    work(broker).join()
    broker.join("work", timeout=60_000)

    steps = ("declare_queue", "enqueue", "process_message")
    assert heard[:6] == [f"{moment}_{step}" for step in steps for moment in ("before", "after")]
    assert heard[6] == "before_ack"


def test_a_message_that_its_lock_keeps_out_is_not_announced_as_enqueued(desk):
    heard = []

    class Ear(Middleware):
        def after_enqueue(self, broker, message, delay):
            heard.append(message.message_id)

    broker = desk.broker()
    broker.add_middleware(Ear())
    for message_id in ("m1", "m2"):
        broker.enqueue(desk.message(lane="1", lock="r1", message_id=message_id))

    assert heard == ["m1"]


def test_the_actor_can_ask_for_the_lane_it_was_found_in(desk, work):
    broker = desk.broker()
    broker.add_middleware(CurrentMessage())

    def look():
        entry = CurrentMessage.get_current_message()
        desk.ran.append((entry.lane, entry.deliveries))

    actor = dramatiq.actor(look, queue_name="work", broker=broker)
    broker.enqueue(actor.message_with_options(lane="42"))
    work(broker)
    broker.join("work", timeout=60_000)

    assert desk.ran == [("42", 1)]


def test_results_and_pipelines_work_as_with_any_broker(desk, work):
    broker, backend = desk.broker(), StubBackend()
    broker.add_middleware(Results(backend=backend))

    def add(x, y):
        return x + y

    actor = dramatiq.actor(add, queue_name="work", broker=broker, store_results=True)
    work(broker)
    pipe = dramatiq.pipeline([actor.message(1, 2), actor.message(3), actor.message(4)], broker=broker).run()

    assert pipe.get_result(block=True, timeout=60_000) == 10


def test_groups_with_callbacks_work_as_with_any_broker(desk, work, eventually):
    broker = desk.broker()
    broker.add_middleware(dramatiq.middleware.GroupCallbacks(StubLimits()))
    work(broker)
    note = broker.get_actor("note")

    group = dramatiq.group([note.message(i) for i in range(5)], broker=broker)
    group.add_completion_callback(note.message("all"))
    group.run()
    eventually(lambda: "all" in desk.ran)

    assert sorted(desk.ran[:-1]) == list(range(5))


def test_two_queues_in_one_worker_do_not_mix(desk, work):
    broker, others = desk.broker(), []
    dramatiq.actor(others.append, actor_name="other", queue_name="second", broker=broker)
    work(broker)

    for i in range(10):
        broker.get_actor("note").send(i)
        broker.get_actor("other").send(-i)
    broker.join("work", timeout=60_000)
    broker.join("second", timeout=60_000)

    assert (sorted(desk.ran), sorted(others)) == (list(range(10)), list(range(-9, 1)))


def test_a_worker_serves_its_own_shards_only(desk, take_all, texts):
    sender = desk.broker()
    for shard in (0, 1):
        sender.offer(desk.message(shard, lane=str(shard << 22)))

    assert texts(take_all(desk.consumer(desk.broker(serve=[1])))) == [1]
    assert texts(take_all(desk.consumer(desk.broker(serve=[0])))) == [0]


def test_flush_forgets_messages_locks_and_dead_letters_of_that_queue_only(desk, take):
    broker = desk.broker()
    broker.declare_queue("second")
    consumer = desk.consumer(broker)
    broker.offer(desk.message("dead", lane="1"))
    consumer.nack(*take(consumer, 1))
    broker.offer(desk.message(lane="1", lock="r1", message_id="m1"))
    broker.offer(desk.message(), delay=1000)
    second = dramatiq.Message(queue_name="second", actor_name="note", args=(), kwargs={}, options={})
    broker.offer(second)

    broker.flush("work")

    assert (broker.qsize("work"), broker.qsize("second")) == (0, 1)
    assert list(broker.dead_letters("work")) == []
    assert broker.offer(desk.message(lane="1", lock="r1", message_id="m2")) == "enqueued"
    broker.flush_all()
    assert broker.qsize("work") + broker.qsize("second") == 0


def test_join_gives_up_after_its_time(desk):
    broker = desk.broker()
    broker.offer(desk.message())

    with pytest.raises(QueueJoinTimeout):
        broker.join("work", interval=1, timeout=20)


def test_a_queue_nobody_declared_cannot_be_consumed(desk):
    with pytest.raises(QueueNotFound):
        desk.broker().consume("nothing")


def test_a_stopping_worker_hands_back_what_it_did_not_start(real_desk, work, eventually, take_all, texts):
    broker, gate, started = real_desk.broker(), threading.Event(), []

    def block(i):
        started.append(i)
        gate.wait(60)

    actor = dramatiq.actor(block, queue_name="work", broker=broker)
    for i in range(8):
        broker.enqueue(actor.message_with_options(args=(i,), lane=str(i << 22)))
    worker = dramatiq.Worker(broker, worker_timeout=50, worker_threads=2)
    broker.middleware.pop()  # ours, which would keep it from hoarding: here there must be something to hand back
    worker.queue_prefetch = 6
    worker.start()
    eventually(lambda: len(started) == 2)
    eventually(lambda: sum(broker.holdings.count("work")) == 6)
    threading.Timer(0.2, gate.set).start()
    worker.stop()

    other = real_desk.broker()
    dramatiq.actor(block, queue_name="work", broker=other)
    entries = take_all(real_desk.consumer(other))
    assert len(started) + len(entries) == 8
    assert {entry.deliveries for entry in entries} == {1}
