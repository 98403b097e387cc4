"""Who comes next: lanes in turn, interactive before bulk, caps, order keys."""

import pytest

A, B, C = "1", str(2 << 22), str(4 << 22)  # all in shard 0 of two


def test_a_lane_keeps_the_order_of_arrival(desk, take, texts):
    broker = desk.broker(in_flight=100)
    for i in range(20):
        broker.offer(desk.message(i, lane=A))

    assert texts(take(desk.consumer(broker), 20)) == list(range(20))


def test_a_single_message_beside_a_burst_is_served_within_one_rotation(desk, take, texts):
    broker = desk.broker(in_flight=1000)
    for i in range(200):
        broker.offer(desk.message(f"a{i}", lane=A))
    broker.offer(desk.message("b", lane=B))

    order = texts(take(desk.consumer(broker, prefetch=201), 201))

    assert order.index("b") <= 2


@pytest.mark.parametrize("other", [1, 9, 63])
@pytest.mark.parametrize("priority", [0, 1])
def test_a_burst_in_another_shard_delays_nobody_longer_than_a_slot(desk, take, texts, other, priority):
    broker = desk.broker(shards=64, in_flight=1000)
    consumer = desk.consumer(broker, prefetch=1)
    for i in range(100):
        broker.offer(desk.message(f"a{i}", lane=A, priority=priority))
    consumer.ack(*take(consumer, 1))  # the burst is being served

    broker.offer(desk.message("b", lane=str(other << 22), priority=priority))
    order = []
    for _ in range(3):
        entries = take(consumer, 1)
        order += texts(entries)
        consumer.ack(*entries)

    assert "b" in order[:2]


def test_shards_that_ring_share_the_free_slots_of_a_worker(desk, take, take_all, texts):
    broker = desk.broker(shards=64)
    consumer = desk.consumer(broker, prefetch=4)
    take_all(consumer)
    for shard in (0, 3, 9, 40):
        for _ in range(8):
            broker.offer(desk.message(shard, lane=str(shard << 22)))

    assert sorted(texts(take(consumer, 4))) == [0, 3, 9, 40]


def test_lanes_take_turns(desk, take, texts):
    broker = desk.broker(in_flight=100)
    for lane in (A, B, C):
        for i in range(3):
            broker.offer(desk.message((lane, i), lane=lane))

    turns = [(lane, i) for lane, i in texts(take(desk.consumer(broker), 9))]

    assert turns == [(lane, i) for i in range(3) for lane in (A, B, C)]


def test_eight_entries_of_a_lane_are_in_flight_and_an_end_lets_in_the_next(desk, take, take_all, texts):
    broker = desk.broker()
    consumer = desk.consumer(broker)
    for i in range(12):
        broker.offer(desk.message(i, lane=A))

    first = take_all(consumer)
    consumer.ack(first[0])

    assert texts(first) == list(range(8))
    assert texts(take_all(consumer)) == [8]


def test_the_cap_of_a_lane_holds_over_all_workers(desk, take_all):
    brokers = [desk.broker() for _ in range(3)]
    for i in range(20):
        brokers[0].offer(desk.message(i, lane=A))

    taken = [len(take_all(desk.consumer(broker, prefetch=4))) for broker in brokers]

    assert taken == [4, 4, 0]


def test_bulk_leaves_one_slot_of_its_lane_to_interactive_work(desk, take_all, texts):
    broker = desk.broker(bulk_share=1.0)
    consumer = desk.consumer(broker)
    for i in range(20):
        broker.offer(desk.message(f"bulk{i}", lane=A, priority=1))

    bulk = take_all(consumer)
    broker.offer(desk.message("now", lane=A))

    assert len(bulk) == 7
    assert texts(take_all(consumer)) == ["now"]


def test_bulk_waits_while_interactive_work_fills_all_but_the_kept_slot(desk, take_all, texts):
    broker = desk.broker(in_flight=2)
    consumer = desk.consumer(broker)
    broker.offer(desk.message("bulk", lane=A, priority=1))
    broker.offer(desk.message("now", lane=A))

    first = take_all(consumer)
    consumer.ack(*first)

    assert (texts(first), texts(take_all(consumer))) == (["now"], ["bulk"])


def test_interactive_work_overtakes_bulk_of_its_own_lane(desk, take, texts):
    broker = desk.broker(bulk_share=1.0)
    consumer = desk.consumer(broker, prefetch=1)
    for i in range(50):
        broker.offer(desk.message(f"bulk{i}", lane=A, priority=1))
    broker.offer(desk.message("now", lane=A))

    order = []
    for _ in range(3):
        entries = take(consumer, 1)
        order += texts(entries)
        consumer.ack(*entries)

    assert "now" in order[:2]  # the very first pick may be bulk's one in eight


def test_bulk_holds_at_most_three_quarters_of_a_worker(desk, take, take_all, texts):
    broker = desk.broker(in_flight=100)
    consumer = desk.consumer(broker, prefetch=8)
    for i in range(40):
        broker.offer(desk.message(f"bulk{i}", lane=str(i << 23), priority=1))

    bulk = take_all(consumer)
    broker.offer(desk.message("now", lane=A))
    urgent = take(consumer, 1)
    consumer.ack(bulk[0])

    assert len(bulk) == 6
    assert texts(urgent) == ["now"]
    assert len(take_all(consumer)) == 1


def test_one_pick_in_eight_favours_bulk(desk, take, texts):
    broker = desk.broker(in_flight=1000)
    consumer = desk.consumer(broker, prefetch=1)
    for _ in range(100):
        broker.offer(desk.message("now", lane=A))
        broker.offer(desk.message("bulk", lane=B, priority=1))

    order = []
    for _ in range(64):
        entries = take(consumer, 1)
        order += texts(entries)
        consumer.ack(*entries)

    assert order.count("bulk") == 8


def test_a_busy_order_key_holds_back_its_own_entries_only(desk, take_all, texts):
    broker = desk.broker()
    consumer = desk.consumer(broker)
    for text, key in [("x1", "x"), ("x2", "x"), ("y1", "y"), ("free", None), ("x3", "x"), ("y2", "y")]:
        broker.offer(desk.message(text, lane=A, order_key=key))

    first = take_all(consumer)
    rounds = [texts(first)]
    for _ in range(2):
        for entry in first:
            consumer.ack(entry)
        first = take_all(consumer)
        rounds.append(texts(first))

    assert rounds == [["x1", "y1", "free"], ["x2", "y2"], ["x3"]]


def test_entries_of_one_order_key_run_in_their_order_one_at_a_time(desk, take, take_all, texts):
    broker = desk.broker()
    consumer = desk.consumer(broker)
    for i in range(30):
        broker.offer(desk.message(i, lane=A, order_key="x"))

    order = []
    while entries := take_all(consumer) if len(order) > 27 else take(consumer, 1):
        assert len(entries) == 1
        order += texts(entries)
        consumer.ack(*entries)

    assert order == list(range(30))


def test_parked_entries_take_no_slot_of_their_lane(desk, take_all, texts):
    broker = desk.broker()
    consumer = desk.consumer(broker)
    for i in range(100):
        broker.offer(desk.message(f"x{i}", lane=A, order_key="x"))
    for i in range(7):
        broker.offer(desk.message(f"free{i}", lane=A))

    assert texts(take_all(consumer)) == ["x0", *(f"free{i}" for i in range(7))]


def test_an_order_key_binds_interactive_and_bulk_entries_alike(desk, take_all, texts):
    broker = desk.broker()
    consumer = desk.consumer(broker)
    broker.offer(desk.message("bulk", lane=A, order_key="x", priority=1))
    first = take_all(consumer)
    broker.offer(desk.message("now", lane=A, order_key="x"))

    beside = take_all(consumer)
    consumer.ack(*first)

    assert (texts(first), texts(beside), texts(take_all(consumer))) == (["bulk"], [], ["now"])


def test_order_keys_of_two_lanes_do_not_meet(desk, take_all, texts):
    broker = desk.broker()
    for lane in (A, B):
        broker.offer(desk.message(lane, lane=lane, order_key="x"))

    assert sorted(texts(take_all(desk.consumer(broker)))) == sorted([A, B])


def test_a_dead_letter_frees_its_order_key(desk, take, take_all, texts):
    broker = desk.broker()
    consumer = desk.consumer(broker)
    for text in ("first", "second"):
        broker.offer(desk.message(text, lane=A, order_key="x"))

    consumer.nack(*take(consumer, 1))

    assert texts(take_all(consumer)) == ["second"]


@pytest.mark.parametrize("lane", [A, B, None])
def test_an_empty_lane_leaves_nothing_but_the_clock(desk, take, lane):
    broker = desk.broker()
    consumer = desk.consumer(broker)
    for i in range(3):
        broker.offer(desk.message(i, lane=lane, order_key="x" if lane else None, priority=i % 2))

    for _ in range(3):
        consumer.ack(*take(consumer, 1))

    left = {key.decode().rsplit(":", 1)[1] for key in desk.client.keys("*") if b":wake:" not in key}
    assert left <= {"clock"}


def test_a_gauge_tells_the_whole_queue(desk, take):
    broker = desk.broker(shards=8)
    consumer = desk.consumer(broker)
    for shard in range(4):
        broker.offer(desk.message(shard, lane=str(shard << 22)))
    broker.enqueue(desk.message("later"), delay=60_000)
    (entry, *_) = take(consumer, 4)
    entry.fail()
    consumer.nack(entry)
    broker.pause("work", "1")

    gauge = broker.gauge("work", fullest=2)

    assert (gauge.depth, gauge.in_flight, gauge.delayed) == (4, 3, 1)
    assert (gauge.lanes, gauge.paused, gauge.dead) == (3, 1, 1)
    assert [(shard.held, shard.in_flight) for shard in gauge.shards[:4]].count((1, 1)) == 3
    assert gauge.oldest_age_ms == max(shard.oldest_age_ms for shard in gauge.shards) >= 0
    assert len(gauge.fullest) == 2


def test_gauges_tell_depth_age_and_flight_of_each_lane(desk, take):
    broker = desk.broker()
    consumer = desk.consumer(broker)
    for i in range(3):
        broker.offer(desk.message(i, lane=A, order_key="x"))
    broker.offer(desk.message(lane=B, priority=1))

    take(consumer, 2)
    by_lane = {gauge.lane: gauge for gauge in broker.lanes("work")}

    assert (by_lane[A].depth, by_lane[A].in_flight, by_lane[A].parked) == (3, 1, 2)
    assert (by_lane[B].depth, by_lane[B].in_flight, by_lane[B].parked) == (1, 1, 0)
    assert (by_lane[A].bulk, by_lane[B].bulk) == (0, 1)
    assert broker.lane("work", A).depth == 3
    assert broker.gauge("work", fullest=1).fullest == [A]
    assert all(gauge.oldest_age_ms >= 0 for gauge in by_lane.values())
    assert broker.qsize("work") == 4
