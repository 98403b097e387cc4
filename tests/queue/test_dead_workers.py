"""What a dead worker held is handed over as soon as its death is proven, and never on silence alone."""

import threading

import pytest

from kovra.queue.dead_workers import DeadWorkers

LANE = "1"


@pytest.fixture
def silence(desk):
    """``silence(broker, ms)``: let the server have heard nothing from the broker's process for so long."""

    def silence(broker, ms):
        for shard in broker.serve:
            key = broker.keys.prefix("work", shard) + "hb"
            if (heard := desk.client.zscore(key, broker.consumer_name)) is not None:
                desk.client.zadd(key, {broker.consumer_name: heard - ms})

    return silence


@pytest.fixture
def two(desk, take):
    """A worker that holds an entry, and another."""
    dead, alive = desk.broker(), desk.broker()
    dead.offer(desk.message("x", lane=LANE))
    take(desk.consumer(dead), 1)
    return dead, alive


def test_a_proven_death_hands_over_at_once(desk, two, silence, take, texts):
    dead, alive = two
    silence(dead, dead.heartbeat_timeout_ms // 2)  # a heartbeat was missed, and the time-out is still far

    given_up = DeadWorkers(broker=alive, proven=lambda names: names).tick()

    assert given_up == 1
    (entry,) = take(desk.consumer(alive), 1)
    assert (entry.args, entry.deliveries) == (("x",), 2)


def test_without_a_proof_silence_is_waited_out(desk, two, silence, take_all):
    dead, alive = two
    silence(dead, dead.heartbeat_timeout_ms // 2)

    given_up = DeadWorkers(broker=alive, proven=lambda names: ()).tick()

    assert given_up == 0
    assert take_all(desk.consumer(alive)) == []


def test_nobody_is_asked_about_whom_we_heard(two):
    asked = []

    DeadWorkers(broker=two[1], proven=lambda names: asked.append(names) or names).tick()

    assert asked == []


def test_a_worker_does_not_bury_itself(two, silence):
    dead, _ = two
    silence(dead, dead.heartbeat_timeout_ms // 2)

    assert dead.silent("work") == set()


def test_it_looks_until_told_to_stop(two, silence, eventually):
    dead, alive = two
    silence(dead, dead.heartbeat_timeout_ms // 2)
    stop = threading.Event()
    looking = threading.Thread(target=DeadWorkers(broker=alive, proven=lambda names: names).run, args=(stop,))
    looking.start()

    eventually(lambda: not alive.silent("work"))
    stop.set()
    looking.join(10)

    assert not looking.is_alive()
