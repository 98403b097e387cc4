"""What the worker tells Prometheus of the lanes."""

from __future__ import annotations

from dramatiq import Message

from kovra import readings
from kovra.queue.broker import LanesBroker
from kovra.queue.client import connect
from kovra.readings import NAMED_FROM, NAMED_LANES


def test_lanes_are_told_whole_by_shard_and_the_fullest_by_name(valkey_url):
    broker = LanesBroker(connect(valkey_url), middleware=[], shards=4)
    broker.declare_queue("guard")
    fullest = [str(n << 22) for n in range(1, NAMED_LANES + 4)]
    for place, lane in enumerate(fullest):
        for _ in range(NAMED_FROM + place if place > 1 else NAMED_FROM - 1):
            options = {"lane": lane}
            broker.offer(Message(queue_name="guard", actor_name="a", args=(), kwargs={}, options=options))

    told = list(readings.of_queue(broker, "guard")())
    broker.close()

    whole = {reading.name: reading.value for reading in told if reading.labels == {"queue": "guard"}}
    lanes = {reading.labels["lane"]: reading.value for reading in told if reading.name == "kovra_lane_depth"}
    shards = {reading.labels["shard"]: reading.value for reading in told if reading.name == "kovra_shard_depth"}
    assert whole["kovra_queue_depth"] == sum(shards.values())
    assert whole["kovra_queue_lanes"] == len(fullest)
    assert whole["kovra_queue_in_flight"] == 0
    assert whole["kovra_queue_oldest_seconds"] >= 0
    assert set(lanes) == set(fullest[-NAMED_LANES:])  # those with less than NAMED_FROM are not among them
    assert len(shards) == 4


def test_a_lane_with_little_in_it_is_not_named(valkey_url):
    broker = LanesBroker(connect(valkey_url), middleware=[], shards=4)
    broker.declare_queue("guard")
    broker.offer(Message(queue_name="guard", actor_name="a", args=(), kwargs={}, options={"lane": "1"}))

    told = [reading.name for reading in readings.of_queue(broker, "guard")()]
    broker.close()

    assert "kovra_queue_depth" in told
    assert "kovra_lane_depth" not in told
