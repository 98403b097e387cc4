"""A paused lane: closed to whoever fetches, open to whoever sends."""

import pytest

A, B = "1", str(2 << 22)


def test_a_paused_lane_hands_out_nothing_and_others_go_on(desk, take_all, texts):
    broker = desk.broker()
    for lane in (A, B):
        for priority in (0, 1):
            broker.offer(desk.message((lane, priority), lane=lane, priority=priority))

    assert broker.pause("work", A)
    broker.offer(desk.message("late", lane=A))

    assert sorted(lane for lane, _ in texts(take_all(desk.consumer(broker)))) == [B, B]
    assert broker.paused("work") == {A}
    assert broker.qsize("work") == 5


def test_a_resumed_lane_is_served_at_once_in_its_old_order(desk, take, take_all, texts):
    broker = desk.broker()
    consumer = desk.consumer(broker)
    broker.pause("work", A)
    for i in range(3):
        broker.offer(desk.message(i, lane=A))
    take_all(consumer)

    assert broker.resume("work", A)

    assert texts(take(consumer, 3)) == [0, 1, 2]
    assert broker.paused("work") == set()


def test_what_was_in_flight_ends_as_ever_and_opens_nothing(desk, take, take_all):
    broker = desk.broker()
    consumer = desk.consumer(broker)
    for i in range(2):
        broker.offer(desk.message(i, lane=A, order_key="x"))
    running = take(consumer, 1)

    broker.pause("work", A)
    consumer.ack(*running)

    assert take_all(consumer) == []
    assert broker.qsize("work") == 1


def test_pausing_twice_changes_nothing(desk):
    broker = desk.broker()

    assert [broker.pause("work", A), broker.pause("work", A)] == [True, False]
    assert [broker.resume("work", A), broker.resume("work", A)] == [True, False]


def test_a_lane_of_another_form_cannot_be_paused(desk):
    with pytest.raises(ValueError, match="no lane"):
        desk.broker().pause("work", "a b")
