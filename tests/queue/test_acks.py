"""What is done is told to the server: many entries in a trip, each at least once; a spoiled shard spoils no other."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from dramatiq.errors import ConnectionClosed


@pytest.fixture
def elsewhere():
    """``elsewhere(function, …)``: call it in another thread, as a worker thread would, and wait for its end."""
    with ThreadPoolExecutor(1) as threads:
        yield lambda function, *words: threads.submit(function, *words).result(30)


@pytest.fixture
def heard(monkeypatch):
    """``heard(broker)``: the scripts that it runs from now on."""

    def listen(broker):
        asked, run_each = [], broker.scripts.run_each
        monkeypatch.setattr(broker.scripts, "run_each", lambda *words: asked.append(words[0]) or run_each(*words))
        return asked

    return listen


def test_what_is_done_while_the_consumer_sleeps_goes_together(real_desk, take, eventually, monkeypatch):
    broker = real_desk.broker()
    for i in range(8):
        broker.offer(real_desk.message(i, lane=str(i << 22)))
    consumer = real_desk.consumer(broker)
    entries = take(consumer, 8)
    trips, go, run_each = [], threading.Event(), broker.scripts.run_each

    def slowly(name, calls):
        trips.append(name)
        go.wait(30)
        return run_each(name, calls)

    monkeypatch.setattr(broker.scripts, "run_each", slowly)
    consumer.acks.taker = None  # the consumer sleeps
    with ThreadPoolExecutor(8) as threads:
        ended = [threads.submit(consumer.ack, entry) for entry in entries]
        eventually(lambda: len(trips) == 1 and consumer.acks.waiting() == 7)
        go.set()
        for each in ended:
            each.result(30)

    assert trips == ["finish", "finish"]
    assert broker.qsize("work") == 0


def test_what_is_done_goes_along_when_the_consumer_asks_for_more(real_desk, take, elsewhere, heard):
    broker = real_desk.broker()
    for i in range(2):
        broker.offer(real_desk.message(i, lane="0"))
    consumer = real_desk.consumer(broker, prefetch=1)
    (entry,) = take(consumer, 1)
    asked = heard(broker)

    elsewhere(consumer.ack, entry)
    waiting = consumer.acks.waiting()
    (second,) = take(consumer, 1)

    assert waiting == 1
    assert asked == ["fetch"]
    assert [entry.args[0], second.args[0]] == [0, 1]
    assert broker.qsize("work") == 1


def test_what_is_done_takes_its_slot_until_the_server_has_it(real_desk, take, elsewhere):
    broker = real_desk.broker()
    broker.offer(real_desk.message(lane="0"))
    consumer = real_desk.consumer(broker)
    (entry,) = take(consumer, 1)

    elsewhere(consumer.ack, entry)
    held = broker.holdings.total()
    next(consumer)

    assert (held, broker.holdings.total()) == (1, 0)


@pytest.mark.parametrize("sleeping", [True, False], ids=["a trip of its own", "the next trip"])
def test_an_acknowledgement_is_heard_of_once_the_server_has_kept_it(real_desk, take, elsewhere, sleeping):
    told = []
    broker = real_desk.broker(on_acknowledged=lambda message_id: told.append((message_id, broker.qsize("work"))))
    broker.offer(message := real_desk.message(lane="0"))
    consumer = real_desk.consumer(broker)
    (entry,) = take(consumer, 1)
    if sleeping:
        consumer.acks.taker = None

    elsewhere(consumer.ack, entry)
    next(consumer)

    assert told == [(message.message_id, 0)]


def test_whoever_iterates_and_acknowledges_in_one_thread_waits_for_nothing(real_desk, take):
    broker = real_desk.broker()
    broker.offer(real_desk.message(lane="0"))
    consumer = real_desk.consumer(broker)
    (entry,) = take(consumer, 1)

    consumer.ack(entry)

    assert broker.qsize("work") == 0


@pytest.mark.parametrize("end", [next, lambda consumer: consumer.close()], ids=["finds nothing", "is closed"])
def test_a_consumer_that_comes_no_more_leaves_nothing_untold(real_desk, take, elsewhere, end):
    broker = real_desk.broker()
    for i in range(2):
        broker.offer(real_desk.message(i, lane="0"))
    consumer = real_desk.consumer(broker)
    for entry in take(consumer, 2):
        elsewhere(consumer.ack, entry)

    end(consumer)

    assert broker.qsize("work") == 0
    assert consumer.acks.taker is None


def test_what_was_told_in_vain_is_told_again(real_desk, take, elsewhere, monkeypatch):
    broker = real_desk.broker()
    broker.offer(real_desk.message(lane="0"))
    consumer = real_desk.consumer(broker, prefetch=1)
    (entry,) = take(consumer, 1)
    run_each = broker.scripts.run_each

    def unanswered(name, calls):
        monkeypatch.setattr(broker.scripts, "run_each", run_each)
        raise redis.ConnectionError("gone")

    monkeypatch.setattr(broker.scripts, "run_each", unanswered)
    elsewhere(consumer.ack, entry)
    with pytest.raises(ConnectionClosed):
        next(consumer)
    held = broker.qsize("work"), broker.holdings.total()
    next(real_desk.consumer(broker))  # Dramatiq makes a new one after an error

    assert held == (1, 1)
    assert broker.qsize("work") == broker.holdings.total() == 0


def test_what_a_sleeping_consumers_worker_tells_in_vain_is_told_again(real_desk, take, monkeypatch):
    broker = real_desk.broker()
    broker.offer(real_desk.message(lane="0"))
    consumer = real_desk.consumer(broker)
    (entry,) = take(consumer, 1)
    run_each = broker.scripts.run_each

    def unanswered(name, calls):
        run_each(name, calls)  # it was carried out, and the answer is lost
        monkeypatch.setattr(broker.scripts, "run_each", run_each)
        raise redis.ConnectionError("gone")

    monkeypatch.setattr(broker.scripts, "run_each", unanswered)
    consumer.ack(entry)
    waiting = consumer.acks.waiting()
    next(consumer)

    assert waiting == 1
    assert broker.qsize("work") == broker.holdings.total() == 0


def test_a_spoiled_shard_stops_no_other_shards_acknowledgements(real_desk, take):
    broker = real_desk.broker()
    for lane in ("0", str(1 << 22)):
        broker.offer(real_desk.message(lane, lane=lane))
    consumer = real_desk.consumer(broker)
    spoiled, sound = sorted(take(consumer, 2), key=lambda entry: entry.lane)
    real_desk.client.delete(real_desk.stream(broker, "0"))
    real_desk.client.set(real_desk.stream(broker, "0"), "not a stream")

    broker.state("work").done.append(spoiled)
    consumer.ack(sound)

    assert [gauge.lane for gauge in broker.lanes("work")] == []
    assert broker.holdings.empty()
    assert spoiled.prefix in broker.state("work").unsure


def test_a_spoiled_shard_stops_no_other_shards_work(real_desk, take, texts):
    broker = real_desk.broker()
    for lane in ("0", str(1 << 22)):
        broker.offer(real_desk.message(lane, lane=lane))
    real_desk.client.delete(real_desk.stream(broker, "0"))
    real_desk.client.set(real_desk.stream(broker, "0"), "not a stream")

    entries = take(real_desk.consumer(broker), 1)

    assert texts(entries) == [str(1 << 22)]
