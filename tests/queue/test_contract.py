"""What Dramatiq's users know of every broker: ages, rates, retries by order, pipelines, groups, delays."""

import time

import dramatiq
import pytest
from dramatiq.middleware import AgeLimit, Callbacks, Pipelines, Retries, TimeLimit
from dramatiq.rate_limits import BucketRateLimiter
from dramatiq.rate_limits.backends import StubBackend
from dramatiq.results import Results
from dramatiq.results.backends import StubBackend as StubResults


def test_a_message_past_its_age_limit_is_not_run(desk, work):
    broker = desk.broker(middleware=[AgeLimit(), Retries()])
    broker.enqueue(desk.message("stale", max_age=1).copy(message_timestamp=1))
    broker.enqueue(desk.message("fresh", max_age=60_000))

    work(broker)
    broker.join("work", timeout=60_000)

    assert desk.ran == ["fresh"]
    assert [letter.message.args for letter in broker.dead_letters("work")] == [("stale",)]


def test_an_actor_says_itself_when_it_wants_to_be_tried_again(desk, work):
    broker, tried = desk.broker(middleware=[Retries()]), []

    @dramatiq.actor(queue_name="work", broker=broker, max_retries=3, min_backoff=60_000)
    def asks():
        tried.append(time.monotonic())
        if len(tried) < 3:
            raise dramatiq.errors.Retry("not yet", delay=10)

    asks.send()
    work(broker)
    broker.join("work", timeout=60_000)

    assert len(tried) == 3
    assert list(broker.dead_letters("work")) == []


def test_an_actor_that_takes_too_long_is_interrupted_and_its_worker_goes_on(desk, work):
    broker = desk.broker(middleware=[TimeLimit(interval=50), Retries(max_retries=0)])

    @dramatiq.actor(queue_name="work", broker=broker, time_limit=100)
    def dawdles():
        # Python raises the interrupt between two of its own steps, so one long sleep would hold it up.
        give_up_at = time.monotonic() + 30
        while time.monotonic() < give_up_at:
            time.sleep(0.01)  # between two looks

    # Who counts the time is started by a process's boot, which Dramatiq's command line announces and a Worker does not.
    broker.emit_after("process_boot")
    dawdles.send()
    broker.enqueue(desk.message("next"))
    work(broker, worker_threads=1)
    broker.join("work", timeout=25_000)

    (letter,) = broker.dead_letters("work")
    assert (letter.cause, letter.detail) == ("failed", "TimeLimitExceeded: ")
    assert desk.ran == ["next"]


def test_a_rate_limit_that_is_reached_is_tried_again(desk, work):
    broker, ran = desk.broker(middleware=[Retries(min_backoff=10, max_backoff=50)]), []
    limiter = BucketRateLimiter(StubBackend(), "contract", limit=1, bucket=50)

    @dramatiq.actor(queue_name="work", broker=broker, max_retries=200)
    def limited(number):
        with limiter.acquire():
            ran.append(number)

    for number in range(3):
        limited.send(number)
    work(broker)
    broker.join("work", timeout=60_000)

    assert sorted(ran) == [0, 1, 2]


def test_a_pipeline_passes_results_on_and_a_delayed_one_waits(desk, work):
    results = StubResults()
    broker = desk.broker(middleware=[Results(backend=results), Pipelines(), Callbacks(), Retries()])

    @dramatiq.actor(queue_name="work", broker=broker, store_results=True)
    def double(number):
        return number * 2

    pipe = dramatiq.pipeline([double.message(1), double.message(), double.message()], broker=broker)
    work(broker)
    pipe.run(delay=20)

    assert pipe.get_result(block=True, timeout=30_000) == 8
    assert list(pipe.get_results(block=True, timeout=30_000)) == [2, 4, 8]


def test_a_group_waits_for_all_of_its_members(desk, work):
    results = StubResults()
    broker = desk.broker(middleware=[Results(backend=results), Retries()])

    @dramatiq.actor(queue_name="work", broker=broker, store_results=True)
    def square(number):
        return number * number

    group = dramatiq.group([square.message(number) for number in range(10)], broker=broker)
    work(broker)
    group.run()

    assert list(group.get_results(block=True, timeout=30_000)) == [number * number for number in range(10)]


def test_delayed_messages_run_in_the_order_of_their_times(desk, work):
    broker = desk.broker()
    for number, delay in enumerate((400, 100, 250)):
        broker.enqueue(desk.message(number), delay=delay)

    work(broker, worker_threads=1)
    broker.join("work", timeout=60_000)

    assert desk.ran == [1, 2, 0]


def test_a_lane_refuses_a_delay_and_says_who_keeps_times(desk):
    broker = desk.broker()

    with pytest.raises(ValueError, match="takes no delay: when it is due is for its record to say"):
        broker.enqueue(desk.message(lane="1"), delay=1_000)

    assert broker.qsize("work") == 0
