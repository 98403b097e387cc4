"""Acknowledgements of many threads share their trips, and one spoiled shard spoils no other."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

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
    with ThreadPoolExecutor(8) as threads:
        ended = [threads.submit(consumer.ack, entry) for entry in entries]
        eventually(lambda: len(trips) == 1 and len(consumer.acks._wishes) == 7)
        go.set()
        for each in ended:
            each.result(30)

    assert trips == ["finish", "finish"]
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
