"""Acknowledgements of many threads share their trips, and one spoiled shard spoils no other."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from dramatiq.errors import ConnectionClosed

from kovra.queue.acks import Wish


def test_acknowledgements_that_wait_for_a_trip_go_together(real_desk, take, eventually, monkeypatch):
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
    consumer.acks.taken_along = False  # the consumer sleeps
    with ThreadPoolExecutor(8) as threads:
        ended = [threads.submit(consumer.ack, entry) for entry in entries]
        eventually(lambda: len(trips) == 1 and len(consumer.acks._wishes) == 7)
        go.set()
        for each in ended:
            each.result(30)

    assert trips == ["finish", "finish"]
    assert broker.qsize("work") == 0


def test_an_acknowledgement_goes_along_when_the_consumer_asks_for_more(real_desk, take, eventually, monkeypatch):
    broker = real_desk.broker()
    for i in range(2):
        broker.offer(real_desk.message(i, lane="0"))
    consumer = real_desk.consumer(broker, prefetch=1)
    (entry,) = take(consumer, 1)
    asked, run_each = [], broker.scripts.run_each
    monkeypatch.setattr(broker.scripts, "run_each", lambda *words: asked.append(words[0]) or run_each(*words))
    monkeypatch.setattr("kovra.queue.acks._PATIENCE_S", 30)

    with ThreadPoolExecutor(1) as threads:
        ended = threads.submit(consumer.ack, entry)
        eventually(lambda: consumer.acks.waiting() == 1)
        (second,) = take(consumer, 1)
        ended.result(30)

    assert asked == ["fetch"]
    assert [entry.args[0], second.args[0]] == [0, 1]


def test_a_consumer_that_comes_no_more_leaves_acknowledgements_to_their_threads(real_desk, take):
    broker = real_desk.broker()
    broker.offer(real_desk.message(lane="0"))
    consumer = real_desk.consumer(broker)
    (entry,) = take(consumer, 1)
    consumer.acks.taken_along = True

    consumer.ack(entry)

    assert broker.qsize("work") == 0


def test_acknowledgements_that_were_taken_along_in_vain_may_be_sent_again(real_desk, take, eventually, monkeypatch):
    broker = real_desk.broker()
    broker.offer(real_desk.message(lane="0"))
    consumer = real_desk.consumer(broker, prefetch=1)
    (entry,) = take(consumer, 1)
    monkeypatch.setattr("kovra.queue.acks._PATIENCE_S", 30)
    run_each = broker.scripts.run_each

    def unanswered(name, calls):
        monkeypatch.setattr(broker.scripts, "run_each", run_each)
        raise redis.ConnectionError("gone")

    monkeypatch.setattr(broker.scripts, "run_each", unanswered)
    with ThreadPoolExecutor(1) as threads:
        ended = threads.submit(consumer.ack, entry)
        eventually(lambda: consumer.acks.waiting() == 1)
        with pytest.raises(ConnectionClosed):
            next(consumer)
        with pytest.raises(ConnectionClosed):
            ended.result(30)
    consumer.ack(entry)

    assert broker.qsize("work") == 0


def test_a_spoiled_shard_stops_no_other_shards_acknowledgements(real_desk, take, monkeypatch):
    broker = real_desk.broker()
    for lane in ("0", str(1 << 22)):
        broker.offer(real_desk.message(lane, lane=lane))
    consumer = real_desk.consumer(broker)
    spoiled, sound = sorted(take(consumer, 2), key=lambda entry: entry.lane)
    real_desk.client.delete(real_desk.stream(broker, "0"))
    real_desk.client.set(real_desk.stream(broker, "0"), "not a stream")

    consumer.acks._wishes.append(wish := Wish(spoiled))
    consumer.ack(sound)

    assert isinstance(wish.error, redis.ResponseError)
    assert [gauge.lane for gauge in broker.lanes("work")] == []
    assert spoiled.prefix in broker.state("work").unsure


def test_a_spoiled_shard_stops_no_other_shards_work(real_desk, take, texts):
    broker = real_desk.broker()
    for lane in ("0", str(1 << 22)):
        broker.offer(real_desk.message(lane, lane=lane))
    real_desk.client.delete(real_desk.stream(broker, "0"))
    real_desk.client.set(real_desk.stream(broker, "0"), "not a stream")

    entries = take(real_desk.consumer(broker), 1)

    assert texts(entries) == [str(1 << 22)]


def test_an_acknowledgement_the_server_refuses_is_told_and_the_entry_let_go(real_desk, take):
    broker = real_desk.broker()
    broker.offer(real_desk.message(lane="0"))
    consumer = real_desk.consumer(broker)
    (entry,) = take(consumer, 1)
    real_desk.client.delete(real_desk.stream(broker, "0"))
    real_desk.client.set(real_desk.stream(broker, "0"), "not a stream")

    with pytest.raises(redis.ResponseError):
        consumer.ack(entry)

    assert broker.holdings.empty()
