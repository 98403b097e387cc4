"""Entries that must not run: moved aside and reported, whatever somebody appended; neighbours unharmed."""

import json

import pytest
from dramatiq import Message

from kovra.queue.entry import MAX_BYTES
from kovra.queue.janitor import Janitor
from kovra.queue.locks import LockState

LANE = "1"


def _encoded(**changes):
    fields = {
        "queue_name": "work",
        "actor_name": "note",
        "args": ["forged"],
        "kwargs": {},
        "options": {"lane": LANE},
        "message_id": "m",
        "message_timestamp": 1,
    }
    return json.dumps({**fields, **changes}).encode()


GARBAGE = {
    "not JSON": (b"\xff\xfe{", "undecodable"),
    "a JSON list": (b"[1]", "undecodable"),
    "empty": (b"", "undecodable"),
    "nested deeply": (b"[" * 20_000, "undecodable"),
    "a part missing": (b'{"queue_name": "work"}', "undecodable"),
    "a part too many": (_encoded(extra=1), "undecodable"),
    "args of another type": (_encoded(args=5), "undecodable"),
    "options of another type": (_encoded(options=[]), "undecodable"),
    "kwargs of another type": (_encoded(kwargs="x"), "undecodable"),
    "a number as actor": (_encoded(actor_name=5), "undecodable"),
    "another queue": (_encoded(queue_name="other"), "queue"),
    "an unknown actor": (_encoded(actor_name="nobody"), "actor"),
    "another lane": (_encoded(options={"lane": "2"}), "lane"),
    "no lane": (_encoded(options={}), "lane"),
    "another priority": (_encoded(options={"lane": LANE, "priority": 1}), "priority"),
    "an order key that the entry lacks": (_encoded(options={"lane": LANE, "order_key": "x"}), "order_key"),
    "a lock that the entry lacks": (_encoded(options={"lane": LANE, "lock": "x"}), "lock"),
    "a time of its own": (_encoded(options={"lane": LANE, "eta": 9_999_999_999_999}), "options"),
    "a lane of another type": (_encoded(options={"lane": 1}), "options"),
    "an id with blanks": (_encoded(message_id="a b"), "options"),
    "too large": (b"x" * (MAX_BYTES + 1), "size"),
    "far too large": (_encoded(args=["x" * 1_000_000]), "size"),
}


@pytest.mark.parametrize(("payload", "cause"), GARBAGE.values(), ids=GARBAGE)
def test_a_malformed_entry_is_quarantined_and_its_neighbours_run(desk, take_all, texts, payload, cause):
    broker = desk.broker()
    consumer = desk.consumer(broker)
    broker.offer(desk.message("before", lane=LANE))
    desk.client.xadd(desk.stream(broker, LANE), {"d": payload, "o": "", "k": ""})
    broker.offer(desk.message("after", lane=LANE))

    entries = take_all(consumer)
    for entry in entries:
        consumer.ack(entry)

    assert texts(entries) == ["before", "after"]
    assert desk.quarantined == [(LANE, payload[:MAX_BYTES], cause)]
    assert [(letter.lane, letter.payload, letter.cause) for letter in broker.dead_letters("work")] == desk.quarantined
    assert broker.qsize("work") == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"hello": "world"},
        {"d": _encoded()},
        {"o": "", "d": _encoded(), "k": ""},
        {"d": _encoded(), "o": "x" * 201, "k": ""},
        {"d": _encoded(), "o": "", "k": "", "more": "x"},
        {f"f{i}": b"\xff" * 10_000 for i in range(20)},
    ],
    ids=["others", "payload alone", "another order", "a long order key", "one too many", "many and large"],
)
def test_an_entry_of_other_fields_is_quarantined(desk, take_all, texts, fields):
    broker = desk.broker()
    broker.offer(desk.message("good", lane=LANE))
    desk.client.xadd(desk.stream(broker, LANE), fields)

    assert texts(take_all(desk.consumer(broker))) == ["good"]
    assert [(lane, cause, len(payload) <= MAX_BYTES) for lane, payload, cause in desk.quarantined] == [
        (LANE, "fields", True)
    ]


def test_an_entry_in_a_lane_nobody_registered_is_found_by_the_janitor(real_desk, take_all):
    broker = real_desk.broker()
    consumer = real_desk.consumer(broker)
    take_all(consumer)
    real_desk.client.xadd(real_desk.stream(broker, LANE), {"any": "thing"})

    mended = Janitor(broker).sweep()

    assert (mended.groups, mended.registered) == (1, 1)
    assert take_all(consumer) == []
    assert [cause for _, _, cause in real_desk.quarantined] == ["fields"]


def test_an_entry_in_a_lane_nobody_registered_is_found_when_the_lane_is_used(desk, take_all, texts):
    broker = desk.broker()
    desk.client.xadd(desk.stream(broker, LANE), {"any": "thing"})

    broker.offer(desk.message("good", lane=LANE))

    assert texts(take_all(desk.consumer(broker))) == ["good"]
    assert [cause for _, _, cause in desk.quarantined] == ["fields"]


def test_a_lane_in_the_wrong_shard_is_quarantined(desk, take_all):
    broker = desk.broker()
    wrong = 1 - broker.shard_of(LANE)
    desk.client.xadd(
        broker.keys.stream("work", wrong, LANE, 0),
        {"d": _encoded(), "o": "", "k": ""},
    )
    desk.client.zadd(broker.keys.prefix("work", wrong) + "ready:0", {LANE: 1})

    assert take_all(desk.consumer(broker)) == []
    assert [cause for _, _, cause in desk.quarantined] == ["shard"]


def test_a_forged_id_from_the_future_does_not_close_the_lane(desk, take_all, texts):
    broker = desk.broker()
    desk.client.xadd(desk.stream(broker, LANE), {"any": "thing"}, id="9999999999999999999-0")

    for i in range(3):
        broker.offer(desk.message(i, lane=LANE))

    assert texts(take_all(desk.consumer(broker))) == [0, 1, 2]
    assert len(desk.quarantined) == 1


def test_the_check_refuses_an_entry_with_its_own_word(desk, take_all, texts):
    broker = desk.broker(check=lambda lane, message: "signature" if message.args == ("bad",) else None)
    broker.offer(desk.message("bad", lane=LANE, lock="r1", message_id="m1"))
    broker.offer(desk.message("good", lane=LANE))

    assert texts(take_all(desk.consumer(broker))) == ["good"]
    assert [cause for _, _, cause in desk.quarantined] == ["signature"]
    assert broker.lock(desk.message(lane=LANE, lock="r1")).state is LockState.DEAD


def test_what_cannot_be_checked_does_not_run(desk, take_all):
    def fail(lane, message):
        raise RuntimeError("the keys are away")

    broker = desk.broker(check=fail)
    broker.offer(desk.message(lane=LANE))

    assert take_all(desk.consumer(broker)) == []
    assert [(letter.cause, letter.detail) for letter in broker.dead_letters("work")] == [
        ("check", "RuntimeError: the keys are away")
    ]


def test_a_copy_of_a_good_entry_never_settles_the_lock_of_the_good_one(desk, take):
    broker = desk.broker()
    consumer = desk.consumer(broker)
    broker.offer(desk.message(lane=LANE, lock="r1", message_id="m1"))
    stream = desk.stream(broker, LANE)
    desk.client.xadd(stream, desk.client.xrange(stream)[0][1])

    original, copy = take(consumer, 2)
    consumer.nack(copy)

    assert broker.lock(original._message).state is LockState.HELD


def test_a_reporter_that_fails_stops_nothing(desk, take_all, texts):
    def fail(*told):
        raise RuntimeError("the audit log is away")

    broker = desk.broker(on_quarantine=fail)
    broker.offer(desk.message("before", lane=LANE))
    desk.client.xadd(desk.stream(broker, LANE), {"any": "thing"})
    broker.offer(desk.message("after", lane=LANE))

    assert texts(take_all(desk.consumer(broker))) == ["before", "after"]
    assert [letter.cause for letter in broker.dead_letters("work")] == ["fields"]


def test_a_thousand_malformed_entries_of_one_lane_do_not_hide_the_good_one(real_desk, take, texts):
    broker = real_desk.broker()
    with real_desk.client.pipeline() as pipe:
        for i in range(1000):
            pipe.xadd(real_desk.stream(broker, LANE), {"d": f"garbage {i}"})
        pipe.execute()
    broker.offer(real_desk.message("good", lane=LANE))

    assert texts(take(real_desk.consumer(broker), 1)) == ["good"]
    assert len(real_desk.quarantined) == 1000


def test_a_dead_letter_is_redriven_to_the_end_of_its_lane(desk, take, texts):
    broker = desk.broker()
    consumer = desk.consumer(broker)
    broker.offer(desk.message("first", lane=LANE, lock="r1", message_id="m1", order_key="x"))
    consumer.nack(*take(consumer, 1))
    broker.offer(desk.message("second", lane=LANE, order_key="x"))
    (letter,) = broker.dead_letters("work", lane=LANE)

    assert (letter.cause, letter.deliveries, letter.message.args) == ("failed", 1, ("first",))
    assert broker.redrive(letter.id) == "enqueued"
    assert broker.redrive(letter.id) is None
    order = []
    for _ in range(2):
        entries = take(consumer, 1)
        order += texts(entries)
        consumer.ack(*entries)
    assert order == ["second", "first"]
    assert list(broker.dead_letters("work")) == []
    assert broker.lock(desk.message(lane=LANE, lock="r1")).state is LockState.DONE


def test_a_dead_letter_is_discarded_once(desk, take):
    broker = desk.broker()
    consumer = desk.consumer(broker)
    broker.offer(desk.message(lane=LANE))
    consumer.nack(*take(consumer, 1))
    (letter,) = broker.dead_letters("work")

    assert [broker.discard(letter.id), broker.discard(letter.id)] == [True, False]
    assert list(broker.dead_letters("work")) == []


def test_a_dead_letter_that_cannot_be_read_is_not_redriven(desk, take_all):
    broker = desk.broker()
    desk.client.xadd(desk.stream(broker, LANE), {"any": "thing"})
    broker.offer(desk.message(lane=LANE))
    take_all(desk.consumer(broker))
    (letter,) = broker.dead_letters("work")

    with pytest.raises(ValueError, match="discard"):
        broker.redrive(letter.id)


def test_a_redriven_letter_gives_way_to_a_message_that_took_its_lock(desk, take):
    broker = desk.broker()
    consumer = desk.consumer(broker)
    message = desk.message(lane=LANE, lock="r1", message_id="m1")
    broker.offer(message)
    consumer.nack(*take(consumer, 1))
    (letter,) = broker.dead_letters("work")
    broker.offer(message, again=True)

    assert broker.redrive(letter.id) == "same"
    assert broker.qsize("work") == 1


@pytest.mark.parametrize("letter_id", ["", "work", "work:9:1-0", "work:0:x", "work:0:1-0; DROP"])
def test_an_id_of_another_form_is_no_dead_letter(desk, letter_id):
    with pytest.raises(ValueError, match="not the id"):
        desk.broker().discard(letter_id)


def test_dead_letters_come_newest_first_and_by_lane(desk, take):
    broker = desk.broker()
    consumer = desk.consumer(broker, prefetch=1)
    other = str(int(LANE) + (2 << 22))
    for text, lane in [("a", LANE), ("b", other), ("c", LANE)]:
        broker.offer(desk.message(text, lane=lane))
        consumer.nack(*take(consumer, 1))

    def found(**which):
        return [letter.message.args[0] for letter in broker.dead_letters("work", **which)]

    assert found() == ["c", "b", "a"]
    assert found(lane=LANE) == ["c", "a"]
    assert found(lane=LANE, count=1) == ["c"]


def test_a_quarantined_message_keeps_what_it_was(desk, take_all):
    broker = desk.broker(check=lambda lane, message: "refused")
    message = desk.message("text", lane=LANE)
    broker.offer(message)
    take_all(desk.consumer(broker))

    (letter,) = broker.dead_letters("work")

    assert letter.message == Message.decode(message.encode())
