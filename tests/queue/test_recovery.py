"""What happens to entries whose worker died, froze, or did not hear the answer."""

import time

import pytest
import redis
from dramatiq.errors import ConnectionClosed
from dramatiq.middleware import SkipMessage

from kovra.queue.client import connect

LANE = "1"


@pytest.fixture
def lapse(desk):
    """``lapse(broker)``: let the server find the broker's process silent for too long, without waiting for it."""

    def lapse(broker):
        for shard in broker.serve:
            desk.client.zadd(broker.keys.prefix("work", shard) + "hb", {broker.consumer_name: 1}, xx=True)

    return lapse


def test_entries_of_a_silent_worker_are_delivered_again(desk, take, lapse, texts):
    dead, alive = desk.broker(), desk.broker()
    for i in range(3):
        dead.offer(desk.message(i, lane=LANE))
    take(desk.consumer(dead), 3)

    lapse(dead)
    entries = take(desk.consumer(alive), 3)

    assert sorted(texts(entries)) == [0, 1, 2]
    assert [entry.deliveries for entry in entries] == [2, 2, 2]


def test_redelivery_keeps_the_order_key_busy(desk, take, take_all, lapse, texts):
    dead, alive = desk.broker(), desk.broker()
    for i in range(3):
        dead.offer(desk.message(i, lane=LANE, order_key="x"))
    take(desk.consumer(dead), 1)
    lapse(dead)
    consumer = desk.consumer(alive)

    order = []
    for _ in range(3):
        entries = take_all(consumer)
        order.append(texts(entries))
        consumer.ack(*entries)

    assert order == [[0], [1], [2]]


def test_a_late_acknowledgement_is_accepted_and_ends_the_entry_everywhere(desk, take, lapse):
    slow, other = desk.broker(), desk.broker()
    slow.offer(desk.message(lane=LANE, lock="r1", message_id="m1"))
    slow_consumer, other_consumer = desk.consumer(slow), desk.consumer(other)
    late = take(slow_consumer, 1)
    lapse(slow)
    again = take(other_consumer, 1)

    slow_consumer.ack(*late)
    other_consumer.ack(*again)

    assert slow.qsize("work") == 0
    assert slow.lock(desk.message(lane=LANE, lock="r1")).state == "done"


def test_a_worker_that_ends_in_order_hands_over_at_once_and_without_a_mark(desk, take, texts):
    leaving, staying = desk.broker(), desk.broker()
    for i in range(3):
        leaving.offer(desk.message(i, lane=LANE))
    consumer = desk.consumer(leaving)
    started = take(consumer, 1)

    consumer.close()  # two were fetched with the first and wait in the process
    consumer.ack(*started)
    entries = take(desk.consumer(staying), 2)

    assert sorted(texts(entries)) == [1, 2]
    assert [entry.deliveries for entry in entries] == [1, 1]


def test_a_name_used_again_takes_over_at_once(desk, take, texts):
    first = desk.broker(consumer_name="guard-0")
    first.offer(desk.message("x", lane=LANE))
    take(desk.consumer(first), 1)

    second = desk.broker(consumer_name="guard-0")

    assert texts(take(desk.consumer(second), 1)) == ["x"]


def test_a_revived_worker_starts_nothing_that_may_run_elsewhere(desk, take, take_all, lapse):
    frozen, other = desk.broker(), desk.broker()
    frozen.offer(desk.message(lane=LANE))
    consumer = desk.consumer(frozen)
    (prefetched,) = take(consumer, 1)
    lapse(frozen)
    elsewhere = take(desk.consumer(other), 1)

    frozen.state("work").beat_at = float("-inf")
    take_all(consumer)  # it wakes, says that it lives, and hears that it was given up
    with pytest.raises(SkipMessage):
        frozen.emit_before("process_message", prefetched)
    consumer.ack(prefetched)  # what Dramatiq's worker does with a skipped message

    assert other.qsize("work") == 1
    other_consumer = desk.consumer(other)
    other_consumer.ack(*elsewhere)
    assert other.qsize("work") == 0


def test_a_worker_thread_that_wakes_before_its_consumer_starts_nothing_either(desk, take):
    frozen = desk.broker(heartbeat_timeout_ms=1)
    frozen.offer(desk.message(lane=LANE))
    (prefetched,) = take(desk.consumer(frozen), 1)

    time.sleep(0.002)  # longer than the lease: the very thing the lease is about
    with pytest.raises(SkipMessage):
        frozen.emit_before("process_message", prefetched)


def test_a_worker_that_beats_keeps_its_entries(desk, take, take_all):
    living, other = desk.broker(), desk.broker()
    living.offer(desk.message(lane=LANE))
    consumer = desk.consumer(living)
    (entry,) = take(consumer, 1)
    key = desk.prefix(living, LANE) + "hb"
    before = desk.client.zscore(key, living.consumer_name)

    living.state("work").beat_at = float("-inf")
    time.sleep(0.002)  # the server's clock has to move on by a millisecond
    take_all(consumer)
    living.emit_before("process_message", entry)

    assert desk.client.zscore(key, living.consumer_name) > before
    assert take_all(desk.consumer(other)) == []


def test_a_worker_that_holds_nothing_leaves_no_trace(desk, take):
    broker = desk.broker()
    consumer = desk.consumer(broker)
    broker.offer(desk.message(lane=LANE))

    consumer.ack(*take(consumer, 1))

    assert desk.client.exists(desk.prefix(broker, LANE) + "hb") == 0


def test_a_message_that_kills_its_worker_dies_alone(desk, take_all, lapse, texts):
    sender = desk.broker()
    for i in range(30):
        sender.offer(desk.message("killer" if i == 10 else i, lane=str(i << 22)))

    done, crowds = [], []
    for _ in range(200):
        worker = desk.broker()
        consumer = desk.consumer(worker, prefetch=8)
        if not (entries := take_all(consumer)):
            break
        if "killer" in texts(entries):
            crowds.append(len(entries))
            lapse(worker)
            continue
        done += texts(entries)
        for entry in entries:
            consumer.ack(entry)
        consumer.close()

    assert sorted(done) == sorted(i for i in range(30) if i != 10)
    assert [(letter.message.args, letter.cause, letter.deliveries) for letter in sender.dead_letters("work")] == [
        (("killer",), "poison", 6)
    ]
    assert [cause for _, _, cause in desk.quarantined] == ["poison"]
    # In company at the first two crashes, alone at the last three.
    assert (len(crowds), crowds[2:]) == (5, [1, 1, 1])
    assert sender.qsize("work") == 0


def test_while_a_suspect_runs_its_process_fetches_nothing_beside_it(desk, take, take_all, lapse, texts):
    sender = desk.broker()
    sender.offer(desk.message("suspect", lane=LANE))
    for _ in range(2):
        worker = desk.broker()
        take(desk.consumer(worker), 1)
        lapse(worker)
    worker = desk.broker()
    consumer = desk.consumer(worker)

    alone = take_all(consumer)
    for i in range(3):
        sender.offer(desk.message(i, lane=LANE))
    beside = take_all(consumer)
    consumer.ack(*alone)
    after = take_all(consumer)

    assert (texts(alone), beside, texts(after)) == (["suspect"], [], [0, 1, 2])


def test_while_a_suspect_runs_other_processes_go_on(desk, take, take_all, lapse, texts):
    sender = desk.broker()
    sender.offer(desk.message("suspect", lane=LANE))
    for _ in range(2):
        worker = desk.broker()
        take(desk.consumer(worker), 1)
        lapse(worker)
    take(desk.consumer(desk.broker()), 1)

    sender.offer(desk.message("other", lane=LANE))

    assert texts(take_all(desk.consumer(desk.broker()))) == ["other"]


def lose_next_answer(broker, script):
    """The next answer to this script is lost after the server carried it out."""
    lines, ask = broker.scripts.lines, broker.scripts.lines.ask
    names = (broker.scripts._shas[script], broker.scripts._sources[script])

    def carried_out_but_unanswered(*words):
        answer = ask(*words)
        if words[1] not in names:
            return answer
        lines.ask = ask
        raise redis.TimeoutError("the answer was lost")

    lines.ask = carried_out_but_unanswered


def test_entries_whose_fetch_was_answered_to_nobody_come_again(desk, take, texts):
    broker = desk.broker()
    for i in range(3):
        broker.offer(desk.message(i, lane=LANE))
    consumer = desk.consumer(broker)

    lose_next_answer(broker, "fetch")
    with pytest.raises(ConnectionClosed):
        take(consumer, 1)
    consumer.close()  # Dramatiq makes a new consumer after a lost connection
    entries = take(desk.consumer(broker), 3)

    assert sorted(texts(entries)) == [0, 1, 2]
    assert [entry.deliveries for entry in entries] == [1, 1, 1]


def test_an_acknowledgement_whose_answer_was_lost_is_sent_again(desk, take):
    broker = desk.broker()
    broker.offer(desk.message(lane=LANE, lock="r1", message_id="m1"))
    consumer = desk.consumer(broker)
    (entry,) = take(consumer, 1)

    lose_next_answer(broker, "finish")
    consumer.ack(entry)
    unheard = broker.holdings.total()
    next(consumer)

    assert unheard == 1
    assert broker.qsize("work") == 0
    assert broker.lock(desk.message(lane=LANE, lock="r1")).state == "done"
    assert broker.holdings.empty()


def test_a_message_whose_offer_was_answered_to_nobody_is_offered_again_without_harm(desk):
    broker = desk.broker()
    message = desk.message(lane=LANE, lock="r1", message_id="m1")

    lose_next_answer(broker, "enqueue")
    with pytest.raises(ConnectionClosed):
        broker.offer(message)

    assert broker.offer(message) == "same"
    assert broker.qsize("work") == 1


def test_a_token_taken_by_a_worker_that_died_at_once_is_replaced(desk, take, texts):
    broker = desk.broker()
    consumer = desk.consumer(broker, prefetch=1)
    broker.offer(desk.message("x", lane=LANE))
    desk.client.delete(desk.prefix(broker, LANE) + "wake:0")  # somebody popped it and is no more

    assert texts(take(consumer, 1)) == ["x"]


def test_bulk_that_waits_for_room_is_fetched_when_some_is_free(desk, take, take_all, texts):
    broker = desk.broker()
    consumer = desk.consumer(broker, prefetch=4)
    for i in range(5):
        broker.offer(desk.message(i, lane=str(i << 22), priority=1))  # in both shards
    held = take_all(consumer)

    for _ in range(2):
        consumer.ack(held.pop(0))
        held += take(consumer, 1)

    assert len(held) == 3
    assert broker.qsize("work") == 3


def test_a_server_that_goes_away_is_told_as_a_closed_connection(desk):
    broker = desk.broker(client=connect("unix:///tmp/there-is-no-kovra.sock"))

    with pytest.raises(ConnectionClosed):
        next(desk.consumer(broker))
