"""Brokers, consumers and lanes for the tests of the queue's broker."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import dramatiq
import fakeredis
import pytest
import redis
from dramatiq import Message
from dramatiq.errors import ConnectionClosed

from kovra.queue.broker import LanesBroker
from kovra.queue.client import connect
from kovra.queue.consumer import LanesConsumer
from kovra.queue.entry import Entry

QUEUE = "work"

#: Long enough for the slowest machine; nothing waits this long unless it fails.
DEADLINE_S = 60.0


@pytest.fixture
def real(valkey_url: str) -> Iterator[redis.Redis]:
    """A client of a real, empty server."""
    with connect(valkey_url) as client:
        yield client


@pytest.fixture(params=["fakeredis", "valkey"])
def client(request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    """A client of an empty server: once in this process, once a real one."""
    if request.param == "valkey":
        yield request.getfixturevalue("real")
        return
    with fakeredis.FakeRedis(server=fakeredis.FakeServer()) as fake:
        yield fake


@dataclass
class Desk:
    """What a test does with lanes."""

    client: redis.Redis
    ran: list[Any] = field(default_factory=list)
    quarantined: list[tuple[str, bytes, str]] = field(default_factory=list)

    def broker(self, **options: Any) -> LanesBroker:
        """A broker with one actor, ``note``, that keeps what it was sent; two shards unless told otherwise."""
        options.setdefault("shards", 2)
        options.setdefault("on_quarantine", lambda *told: self.quarantined.append(told))
        broker = LanesBroker(options.pop("client", self.client), **options)
        dramatiq.actor(self.ran.append, actor_name="note", queue_name=QUEUE, broker=broker, max_retries=0)
        return broker

    def consumer(self, broker: LanesBroker, *, prefetch: int = 100) -> LanesConsumer:
        return broker.consume(QUEUE, prefetch=prefetch, timeout=20)

    def message(self, text: Any = "x", *, message_id: str | None = None, **options: Any) -> Message:
        named = {} if message_id is None else {"message_id": message_id}
        return Message(queue_name=QUEUE, actor_name="note", args=(text,), kwargs={}, options=options, **named)

    def stream(self, broker: LanesBroker, lane: str, priority: int = 0) -> str:
        return broker.keys.stream(QUEUE, broker.shard_of(lane), lane, priority)

    def prefix(self, broker: LanesBroker, lane: str) -> str:
        return broker.keys.prefix(QUEUE, broker.shard_of(lane))


@pytest.fixture
def desk(client: redis.Redis) -> Desk:
    return Desk(client)


@pytest.fixture
def real_desk(real: redis.Redis) -> Desk:
    return Desk(real)


@pytest.fixture
def take() -> Callable[[LanesConsumer, int], list[Entry]]:
    """``take(consumer, n)``: its next n entries, un-acknowledged."""

    def take(consumer: LanesConsumer, n: int) -> list[Entry]:
        got, deadline = [], time.monotonic() + DEADLINE_S
        while len(got) < n:
            assert time.monotonic() < deadline, f"only {len(got)} of {n} entries came"
            if (entry := next(consumer)) is not None:
                got.append(entry)
        return got

    return take


@pytest.fixture
def take_all() -> Callable[[LanesConsumer], list[Entry]]:
    """``take_all(consumer)``: entries until it has nothing to hand out several times in a row."""

    def take_all(consumer: LanesConsumer) -> list[Entry]:
        got, idle = [], 0
        while idle < 3:
            entry = next(consumer)
            idle = 0 if entry is not None else idle + 1
            if entry is not None:
                got.append(entry)
        return got

    return take_all


@pytest.fixture
def work() -> Iterator[Callable[..., dramatiq.Worker]]:
    """``work(broker)``: a Worker of four threads, stopped at the end."""
    workers: list[dramatiq.Worker] = []

    def work(broker: LanesBroker, **options: Any) -> dramatiq.Worker:
        worker = dramatiq.Worker(broker, worker_timeout=50, **{"worker_threads": 4, **options})
        workers.append(worker)
        worker.start()
        return worker

    yield work
    for worker in workers:
        worker.stop()


#: A worker of four shards as a process of its own: keeps what it began and what it ran in two lists.
_WORKER = textwrap.dedent("""
    import signal, sys, threading, time
    import dramatiq
    from kovra.queue.broker import LanesBroker
    from kovra.queue.client import connect

    client = connect(sys.argv[1])
    broker = LanesBroker(client, shards=4, heartbeat_timeout_ms=400)

    @dramatiq.actor(actor_name="note", queue_name="work", broker=broker, max_retries=0)
    def note(i):
        client.rpush("started", i)
        time.sleep(0.1 if client.exists("slow") else 0.002)  # the work of a message
        client.rpush("ran", i)

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    worker = dramatiq.Worker(broker, worker_timeout=50, worker_threads=4)
    worker.start()
    client.rpush("up", 1)
    stop.wait()
    worker.stop()
""")


@pytest.fixture
def start_worker() -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """``start_worker(url)``: a worker process on this server or cluster; all are killed at the end."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(url: str) -> subprocess.Popen[bytes]:
        processes.append(subprocess.Popen([sys.executable, "-c", _WORKER, url]))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def texts() -> Callable[[list[Entry]], list[Any]]:
    return lambda entries: [entry.args[0] for entry in entries]


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """``eventually(condition)``: wait until it is true."""

    def eventually(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, "it never came true"
            time.sleep(0.01)  # between two looks

    return eventually


@pytest.fixture
def patient() -> Callable[[LanesConsumer], Entry | None]:
    """``patient(consumer)``: next entry or None; a lost connection counts as none."""

    def patient(consumer: LanesConsumer) -> Entry | None:
        try:
            return next(consumer)
        except ConnectionClosed:
            return None

    return patient
