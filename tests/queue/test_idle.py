"""What it costs to wait: counted in commands, not in time."""

import threading

import pytest


@pytest.fixture
def commands(real):
    """``commands()``: what the server has run so far, by name."""
    return lambda: {name.removeprefix("cmdstat_"): row["calls"] for name, row in real.info("commandstats").items()}


def test_an_idle_round_over_64_shards_is_one_blpop(real_desk, commands, take_all):
    broker = real_desk.broker(shards=64)
    consumer = real_desk.consumer(broker)
    take_all(consumer)
    broker.state("work").looked_at = broker.state("work").beat_at = float("inf")  # keep the slow look out of the count

    before = commands()
    for _ in range(10):
        assert next(consumer) is None
    after = commands()

    spent = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    assert spent == {"blpop": 10, "info": 1}


def test_a_slow_look_costs_one_exists_where_a_shard_is_empty(real_desk, commands, take_all):
    broker = real_desk.broker(shards=64)
    consumer = real_desk.consumer(broker)
    take_all(consumer)

    before = commands()
    consumer._look(0.0)
    after = commands()

    assert consumer.slice == 18  # all 64 in a quarter of 15 s
    assert after["evalsha"] - before["evalsha"] == 1
    assert after["exists"] - before["exists"] == 18


def test_a_broker_says_since_when_the_server_let_it_look(real_desk, take_all, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("kovra.queue.consumer.time.monotonic", lambda: now[0])
    broker = real_desk.broker()
    consumer = real_desk.consumer(broker)
    never = broker.unheard_s("work")
    next(consumer)
    now[0] += 3.0

    assert (never, broker.unheard_s("work")) == (None, 3.0)


def test_only_the_shard_that_rang_is_fetched(real_desk, take_all, take, monkeypatch):
    broker = real_desk.broker(shards=64)
    consumer = real_desk.consumer(broker)
    take_all(consumer)
    asked, run_each = [], broker.scripts.run_each

    def listen(name, calls):
        asked.extend((name, prefix) for prefix, _ in calls)
        return run_each(name, calls)

    monkeypatch.setattr(broker.scripts, "run_each", listen)
    broker.offer(real_desk.message(lane=str(7 << 22)))
    take(consumer, 1)

    assert [prefix for name, prefix in asked if name == "fetch"] == ["kovra:{s7}:work:"]


@pytest.fixture
def sleeper(real, eventually):
    """``sleeper(consumer, n)``: a thread that takes n entries and sleeps in Redis for longer than a test may take.

    Returns what it got so far and a function that waits until it has all; the socket's own time-out is five seconds.
    """

    def sleeper(consumer, n):
        consumer.timeout_s = consumer.nap_s = 60.0
        got = []

        def listen():
            while len(got) < n:
                if (entry := next(consumer)) is not None:
                    got.append(entry)

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        return got, lambda: thread.join(4)

    return sleeper


def test_a_sleeper_is_woken_by_the_doorbell_and_not_by_its_clock(real_desk, real, eventually, sleeper):
    broker = real_desk.broker()
    got, wait = sleeper(broker.consume("work", prefetch=1, timeout=60_000), 1)
    eventually(lambda: real.info("clients")["blocked_clients"] == 1)

    broker.offer(real_desk.message("x", lane="1"))
    wait()

    assert [entry.args for entry in got] == [("x",)]


def test_a_sleeper_that_has_no_room_for_bulk_is_woken_when_it_has(real_desk, real, eventually, sleeper):
    broker = real_desk.broker()
    for i in range(4):
        broker.offer(real_desk.message(i, lane=str(i << 22), priority=1))  # in both shards
    consumer = broker.consume("work", prefetch=4, timeout=60_000)
    got, wait = sleeper(consumer, 4)
    eventually(lambda: len(got) == 3 and real.info("clients")["blocked_clients"] == 1)

    consumer.ack(got[0])
    wait()

    assert len(got) == 4


def test_an_offer_rings_once_however_many_wait(real_desk):
    broker = real_desk.broker()

    for i in range(10):
        broker.offer(real_desk.message(i, lane="1"))

    assert real_desk.client.llen(real_desk.prefix(broker, "1") + "wake:0") == 1


def test_work_that_is_left_rings_for_the_next_worker(real_desk, take):
    broker = real_desk.broker()
    for i in range(10):
        broker.offer(real_desk.message(i, lane="1"))

    take(real_desk.consumer(broker, prefetch=2), 2)

    assert real_desk.client.llen(real_desk.prefix(broker, "1") + "wake:0") == 1
