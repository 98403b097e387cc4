"""The slow repair: whoever broke it, the next sweep makes it right and counts it."""

import threading

import pytest

from kovra.queue.client import connect
from kovra.queue.janitor import Janitor, Mended

LANE = "1"


@pytest.fixture
def broker(real_desk):
    return real_desk.broker()


@pytest.fixture
def consumer(real_desk, broker, take_all):
    consumer = real_desk.consumer(broker)
    take_all(consumer)  # its first look at everything is behind it
    return consumer


def test_a_healthy_queue_needs_no_mending(real_desk, broker, consumer, take):
    for i in range(20):
        broker.offer(real_desk.message(i, lane=str(i % 3), order_key=f"k{i % 2}", priority=i % 2, lock=f"r{i}"))
    take(consumer, 5)
    broker.offer(real_desk.message(), delay=3_600_000)

    mended = Janitor(broker, idle_ms=0).sweep()

    assert mended == Mended(lanes=3)
    assert not mended


@pytest.mark.parametrize("lost", ["ready:0", "parts"])
def test_a_lane_that_no_rotation_knows_is_registered(real_desk, broker, consumer, take, lost):
    broker.offer(real_desk.message("x", lane=LANE))
    real_desk.client.delete(real_desk.prefix(broker, LANE) + lost, real_desk.prefix(broker, LANE) + "wake:0")

    mended = Janitor(broker).sweep()

    assert mended.registered == (lost == "ready:0")
    assert broker.qsize("work") == 1
    assert take(consumer, 1)


def test_a_stream_without_its_group_gets_one_and_its_entries_come_again(real_desk, broker, consumer, take):
    broker.offer(real_desk.message("x", lane=LANE))
    take(consumer, 1)
    stream = real_desk.stream(broker, LANE)
    real_desk.client.xgroup_destroy(stream, f"s{broker.shard_of(LANE)}")

    mended = Janitor(broker).sweep()

    assert (mended.groups, mended.registered) == (1, 1)
    assert take(consumer, 1)


def test_an_entry_of_a_destroyed_group_does_not_wait_for_itself(real_desk, broker, consumer, take_all, texts):
    for i in range(2):
        broker.offer(real_desk.message(i, lane=LANE, order_key="x"))
    take_all(consumer)
    real_desk.client.xgroup_destroy(real_desk.stream(broker, LANE), f"s{broker.shard_of(LANE)}")
    broker.offer(real_desk.message(2, lane=LANE, order_key="x"))  # makes the group again

    other, order = real_desk.consumer(real_desk.broker()), []
    for _ in range(3):
        entries = take_all(other)
        order.append(texts(entries))
        other.ack(*entries)

    assert order == [[0], [1], [2]]


def test_an_idle_entry_that_no_living_consumer_answers_for_is_delivered_again(real_desk, broker, consumer, take):
    dead = real_desk.broker()
    broker.offer(real_desk.message("x", lane=LANE))
    take(real_desk.consumer(dead), 1)
    prefix = real_desk.prefix(broker, LANE)
    real_desk.client.delete(prefix + "hb", f"{prefix}own:{dead.consumer_name}")

    early = Janitor(broker).sweep()
    late = Janitor(broker, idle_ms=-1).sweep()

    assert (early.reclaimed, late.reclaimed) == (0, 1)
    assert take(consumer, 1)[0].deliveries == 2


def test_a_long_running_entry_of_a_living_worker_stays_with_it(real_desk, broker, consumer, take, take_all):
    broker.offer(real_desk.message("x", lane=LANE))
    take(consumer, 1)

    mended = Janitor(broker, idle_ms=-1).sweep()

    assert not mended
    assert take_all(real_desk.consumer(real_desk.broker())) == []


def test_entries_of_a_consumer_without_a_heartbeat_are_taken_from_it(real_desk, broker, consumer, take):
    dead = real_desk.broker()
    broker.offer(real_desk.message("x", lane=LANE))
    take(real_desk.consumer(dead), 1)
    real_desk.client.delete(real_desk.prefix(broker, LANE) + "hb")

    assert Janitor(broker).sweep().adopted == 1
    assert take(consumer, 1)


def test_an_entry_deleted_while_it_was_out_gives_back_its_slot_and_its_order_key(
    real_desk, broker, consumer, take, texts
):
    for text in ("deleted", "next"):
        broker.offer(real_desk.message(text, lane=LANE, order_key="x"))
    (entry,) = take(consumer, 1)
    real_desk.client.xdel(real_desk.stream(broker, LANE), entry.ref.split("|")[1])

    mended = Janitor(broker).sweep()

    assert (mended.dangling, mended.freed) == (1, 1)
    assert texts(take(consumer, 1)) == ["next"]
    assert broker.lanes("work")[0].in_flight == 1


def test_parked_entries_whose_waiting_list_was_lost_are_found_in_their_order(
    real_desk, broker, consumer, take, take_all, texts
):
    for i in range(4):
        broker.offer(real_desk.message(i, lane=LANE, order_key="x"))
    (running,) = take_all(consumer)
    real_desk.client.delete(f"{real_desk.prefix(broker, LANE)}wait:{LANE}:x")

    assert Janitor(broker).sweep().parked == 3
    order = []
    for _ in range(3):
        consumer.ack(running)
        (running,) = take(consumer, 1)
        order += texts([running])
    assert order == [1, 2, 3]


def test_an_order_key_held_by_nobody_is_freed(real_desk, broker, consumer, take):
    real_desk.client.hset(f"{real_desk.prefix(broker, LANE)}busy:{LANE}", "x", f"0|1-0|{LANE}")

    mended = Janitor(broker).sweep()
    broker.offer(real_desk.message(lane=LANE, order_key="x"))

    assert mended.freed == 1
    assert take(consumer, 1)


def test_a_delayed_message_without_a_time_is_due_now(real_desk, broker, consumer, take):
    broker.offer(real_desk.message("x"), delay=3_600_000)
    real_desk.client.delete(real_desk.prefix(broker, "default") + "delayed")

    mended = Janitor(broker).sweep()
    consumer.state.looked_at = float("-inf")

    assert mended.scheduled == 1
    assert take(consumer, 1)


def test_entries_acknowledged_from_outside_but_never_deleted_are_delivered_again(
    real_desk, broker, consumer, take, texts
):
    broker.offer(real_desk.message("x", lane=LANE))
    (entry,) = take(consumer, 1)
    real_desk.client.xack(real_desk.stream(broker, LANE), f"s{broker.shard_of(LANE)}", entry.ref.split("|")[1])

    Janitor(broker).sweep()

    assert texts(take(consumer, 1)) == ["x"]


def test_a_flood_of_dead_letters_is_cut_to_the_newest(real_desk, take):
    broker = real_desk.broker(dead_most=3)
    consumer = real_desk.consumer(broker)
    for i in range(5):
        broker.offer(real_desk.message(i, lane=LANE))
        consumer.nack(*take(consumer, 1))

    mended = Janitor(broker).sweep()

    assert (bool(mended), mended.trimmed) == (False, 2)
    assert [letter.message.args[0] for letter in broker.dead_letters("work")] == [4, 3, 2]


def test_old_dead_letters_are_trimmed_and_young_ones_kept(real_desk, broker, consumer, take):
    for text in ("old", "young"):
        broker.offer(real_desk.message(text, lane=LANE))
        consumer.nack(*take(consumer, 1))
    key = real_desk.prefix(broker, LANE) + "dead"
    (_, fields), _ = real_desk.client.xrange(key)
    real_desk.client.delete(key)
    real_desk.client.xadd(key, fields, id="1000-0")
    broker.offer(real_desk.message("young", lane=LANE))
    consumer.nack(*take(consumer, 1))

    Janitor(broker).sweep()

    assert [letter.message.args[0] for letter in broker.dead_letters("work")] == ["young"]


def test_keys_of_other_forms_and_other_queues_are_left_alone(real_desk, broker):
    keys = ["kovra:{s1}:work:q:a:b:0", "kovra:{s9}:work:q:1:0", "kovra:{s1}:other:q:1:0", "elsewhere"]
    for key in keys:
        real_desk.client.xadd(key, {"any": "thing"})

    assert Janitor(broker).sweep() == Mended()
    assert real_desk.client.exists(*keys) == len(keys)


def test_a_janitor_mends_the_shards_of_its_worker_only(real_desk, broker):
    real_desk.client.xadd(real_desk.stream(broker, LANE), {"any": "thing"})

    assert Janitor(real_desk.broker(serve=[1])).sweep().lanes == 0
    assert Janitor(real_desk.broker(serve=[0])).sweep().lanes == 1


def test_it_sweeps_again_and_again_until_it_is_stopped(real_desk, broker, eventually):
    stop = threading.Event()
    janitor = threading.Thread(target=Janitor(broker, every_s=0.01).run, args=(stop,))
    janitor.start()
    try:
        for _ in range(2):
            real_desk.client.hset(f"{real_desk.prefix(broker, LANE)}busy:{LANE}", "x", f"0|1-0|{LANE}")
            eventually(lambda: not real_desk.client.exists(f"{real_desk.prefix(broker, LANE)}busy:{LANE}"))
    finally:
        stop.set()
        janitor.join(60)

    assert not janitor.is_alive()


def test_it_outlives_a_server_that_is_away(real_desk):
    stop = threading.Event()
    lost = real_desk.broker(client=connect("unix:///tmp/there-is-no-kovra.sock"))
    janitor = threading.Thread(target=Janitor(lost, every_s=0.001).run, args=(stop,))

    janitor.start()
    stop.wait(0.05)
    alive = janitor.is_alive()
    stop.set()
    janitor.join(60)

    assert alive
