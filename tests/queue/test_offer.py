"""Putting messages on lanes: what is refused, and what a lock says."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from dramatiq.errors import ConnectionClosed

from kovra.queue.broker import LaneFull, LanesBroker
from kovra.queue.client import connect
from kovra.queue.entry import MAX_BYTES
from kovra.queue.locks import LockState, Offer


def test_a_message_above_32_kib_is_refused_with_its_size(desk):
    broker = desk.broker()

    with pytest.raises(ValueError, match="32768"):
        broker.offer(desk.message("x" * MAX_BYTES, lane="1"))

    assert broker.qsize("work") == 0


def test_a_message_of_almost_32_kib_is_carried_whole(desk, take):
    broker = desk.broker()
    text = "x" * (MAX_BYTES - 400)

    broker.offer(desk.message(text, lane="1"))

    assert take(desk.consumer(broker), 1)[0].args == (text,)


@pytest.mark.parametrize(
    "options",
    [
        {"lane": "a b"},
        {"lane": 5},
        {"lane": ""},
        {"priority": 2},
        {"priority": True},
        {"order_key": "a|b"},
        {"lock": "a b"},
        {"lock": "x" * 201},
    ],
)
def test_an_option_that_keys_cannot_carry_is_refused(desk, options):
    broker = desk.broker()

    with pytest.raises(ValueError):
        broker.offer(desk.message(**{"lane": "1", **options}))

    assert broker.qsize("work") == 0


def test_a_message_with_a_lane_takes_no_delay(desk):
    broker = desk.broker()

    with pytest.raises(ValueError, match="no delay"):
        broker.offer(desk.message(lane="1"), delay=1000)

    assert broker.qsize("work") == 0


def test_the_same_message_offered_twice_waits_once(desk):
    broker = desk.broker()
    message = desk.message(lane="1", lock="r1", message_id="m1")

    assert [broker.offer(message), broker.offer(message)] == [Offer.ENQUEUED, Offer.SAME]
    assert broker.qsize("work") == 1


def test_another_message_with_the_same_lock_is_turned_away(desk):
    broker = desk.broker()

    broker.offer(desk.message(lane="1", lock="r1", message_id="m1"))

    assert broker.offer(desk.message(lane="1", lock="r1", message_id="m2")) is Offer.TAKEN
    assert broker.qsize("work") == 1


def test_while_it_runs_the_same_message_is_not_enqueued_again(desk, take):
    broker = desk.broker()
    message = desk.message(lane="1", lock="r1", message_id="m1")
    broker.offer(message)

    take(desk.consumer(broker), 1)

    assert broker.offer(message) is Offer.SAME


def test_after_it_is_done_the_lock_says_finished_to_everyone(desk, take):
    broker = desk.broker()
    consumer = desk.consumer(broker)
    broker.offer(desk.message(lane="1", lock="r1", message_id="m1"))

    consumer.ack(*take(consumer, 1))

    assert broker.offer(desk.message(lane="1", lock="r1", message_id="m1")) is Offer.FINISHED
    assert broker.offer(desk.message(lane="1", lock="r1", message_id="m2")) is Offer.FINISHED
    assert broker.lock(desk.message(lane="1", lock="r1")).state is LockState.DONE
    assert broker.qsize("work") == 0


def test_a_done_message_whose_record_wants_it_again_is_enqueued(desk, take):
    broker = desk.broker()
    consumer = desk.consumer(broker)
    message = desk.message(lane="1", lock="r1", message_id="m1")
    broker.offer(message)
    consumer.ack(*take(consumer, 1))

    assert broker.offer(message, again=True) is Offer.ENQUEUED
    assert broker.offer(desk.message(lane="1", lock="r1", message_id="m2"), again=True) is Offer.TAKEN


def test_after_it_died_the_lock_says_dead(desk, take):
    broker = desk.broker()
    consumer = desk.consumer(broker)
    message = desk.message(lane="1", lock="r1", message_id="m1")
    broker.offer(message)

    consumer.nack(*take(consumer, 1))

    assert broker.offer(message) is Offer.DEAD
    assert broker.offer(message, again=True) is Offer.ENQUEUED


def test_a_lock_whose_entry_is_gone_lets_its_own_message_in_again(desk, take):
    broker = desk.broker()
    message = desk.message(lane="1", lock="r1", message_id="m1")
    broker.offer(message)
    desk.client.delete(desk.stream(broker, "1"))  # the entry is lost, the lock is kept

    refilled = broker.offer(message)

    assert refilled is Offer.ENQUEUED
    assert broker.offer(desk.message(lane="1", lock="r1", message_id="m2")) is Offer.TAKEN
    assert [entry.message_id for entry in take(desk.consumer(broker), 1)] == ["m1"]


def test_a_lock_whose_entry_was_deleted_beside_others_lets_its_own_message_in_again(desk, take):
    broker = desk.broker()
    first, second = (desk.message(lane="1", lock=f"r{i}", message_id=f"m{i}") for i in (1, 2))
    broker.offer(first)
    broker.offer(second)
    stream = desk.stream(broker, "1")
    desk.client.xdel(stream, desk.client.xrange(stream)[0][0])

    assert broker.offer(second) is Offer.SAME
    assert broker.offer(first) is Offer.ENQUEUED
    assert [entry.message_id for entry in take(desk.consumer(broker), 2)] == ["m2", "m1"]


def test_a_lock_is_kept_as_long_as_it_was_told(desk, take):
    broker = desk.broker(lock_ttl_ms=50_000)
    consumer = desk.consumer(broker)
    message = desk.message(lane="1", lock="r1", message_id="m1")
    broker.offer(message)
    key = broker.keys.lock("work", broker.shard_of("1"), "r1")

    waiting_ms = desk.client.pttl(key)
    consumer.ack(*take(consumer, 1))

    assert 0 < waiting_ms <= 50_000
    assert 0 < desk.client.pttl(key) <= 50_000


def test_twenty_at_once_with_one_lock_run_once(real_desk, valkey_url, take_all):
    brokers = [real_desk.broker(client=connect(valkey_url)) for _ in range(20)]
    messages = [real_desk.message(i, lane="1", lock="r1", message_id=f"m{i}") for i in range(20)]

    with ThreadPoolExecutor(20) as crowd:
        offers = list(crowd.map(LanesBroker.offer, brokers, messages))

    assert sorted(offers) == [Offer.ENQUEUED] + [Offer.TAKEN] * 19
    assert len(take_all(real_desk.consumer(brokers[0]))) == 1


def test_without_redis_the_sender_hears_that_the_connection_is_closed(desk):
    broker = desk.broker(client=connect("unix:///tmp/there-is-no-kovra.sock"))

    with pytest.raises(ConnectionClosed):
        broker.offer(desk.message(lane="1"))


def test_several_messages_are_put_on_their_lanes_together(desk, take):
    broker = desk.broker(shards=8)
    messages = [desk.message(number, lane=str(number), lock=f"wish-{number}") for number in range(20)]

    first, second = broker.offer_each(messages), broker.offer_each(messages)

    assert first == [Offer.ENQUEUED] * 20
    assert second == [Offer.SAME] * 20
    assert sorted(entry.args[0] for entry in take(desk.consumer(broker), 20)) == list(range(20))


def test_of_several_messages_one_that_cannot_be_put_stops_no_other(desk, real, take):
    broker = desk.broker(shards=8, client=real)
    messages = [desk.message(lane, lane=lane) for lane in ("1", "2", "3")]
    real.set(desk.stream(broker, "2"), "spoiled")

    offers = broker.offer_each(messages)

    assert offers == [Offer.ENQUEUED, None, Offer.ENQUEUED]
    assert {entry.args[0] for entry in take(desk.consumer(broker), 2)} == {"1", "3"}


def test_several_messages_for_a_redis_that_is_away_are_refused(desk):
    broker = desk.broker(client=connect("unix:///tmp/there-is-no-kovra.sock"))

    with pytest.raises(ConnectionClosed):
        broker.offer_each([desk.message(lane="1"), desk.message(lane="2")])


# A lane that is full.


@pytest.fixture
def short(desk):
    """A broker whose lanes take two entries of a priority; lane 0 has them, each with a lock."""
    broker = desk.broker(longest=2)
    assert [broker.offer(desk.message(lane="0", lock=f"first-{i}")) for i in range(2)] == [Offer.ENQUEUED] * 2
    return broker


def test_a_lane_takes_no_more_than_its_length_and_no_lock_is_left_behind(short, desk):
    beyond = desk.message(lane="0", lock="beyond")

    assert short.offer(beyond) is Offer.FULL
    assert short.lock(beyond) is None
    assert short.qsize("work") == 2


def test_a_full_lane_holds_up_no_other_priority_and_no_other_lane(short, desk):
    assert short.offer(desk.message(lane="0", priority=1)) is Offer.ENQUEUED
    assert short.offer(desk.message(lane="1")) is Offer.ENQUEUED


def test_a_full_lane_still_knows_what_it_holds(short, desk):
    held = desk.message(lane="0", lock="held", message_id="held")
    other = desk.broker()
    other.offer(held)

    assert short.offer(held) is Offer.SAME


def test_what_was_refused_is_taken_when_there_is_room(short, desk, take):
    consumer = desk.consumer(short)
    beyond = desk.message(lane="0", lock="beyond")
    short.offer(beyond)

    for entry in take(consumer, 2):
        consumer.ack(entry)

    assert short.offer(beyond) is Offer.ENQUEUED


def test_dramatiq_is_told_that_a_lane_is_full(short, desk):
    with pytest.raises(LaneFull, match="takes no more"):
        short.enqueue(desk.message(lane="0"))
