"""The two Dramatiq brokers that are measured side by side, each with a worker process of its own.

Both run as their authors made the default, with the same number of threads and without middleware. A message carries
when it was sent (the monotonic clock is one for all processes of a machine) and how long its work takes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dramatiq
import psutil
from dramatiq.brokers.redis import RedisBroker

from kovra.launcher import children
from kovra.queue.broker import LanesBroker
from kovra.queue.client import connect

ROOT = Path(__file__).parents[1]
QUEUE = "bench"
THREADS = 8

#: The names of the brokers: Dramatiq's own over Redis as its users get it, and Kovra's.
STOCK, STREAMS = "stock", "streams"

#: How long a worker may take to come up or to end its work, in seconds.
PATIENCE_S = 120.0

#: An actor's work: a tag, when it was sent, and how many milliseconds it takes.
Work = Callable[[str, float, float], None]


def build(kind: str, url: str, work: Work) -> dramatiq.Actor:
    """The actor on one of the two brokers; sends and runs ``work``."""
    broker = RedisBroker(url=url, middleware=[]) if kind == STOCK else LanesBroker(connect(url), middleware=[])
    return dramatiq.actor(work, actor_name="work", queue_name=QUEUE, broker=broker)


class Sender:
    """Sends to one broker. Where the broker has no lanes, whose message it is makes no difference."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind = kind
        self._actor = build(kind, url, lambda tag, sent_at, ms: None)

    def send(self, tag: str = "", *, lane: int = 0, ms: float = 0, priority: int = 0, order_key: str = "") -> None:
        """Send one message, with a lock of its own when it has an order key, as Guard's have."""
        options: dict[str, Any] = {}
        if self.kind == STREAMS:
            options = {"lane": str((1_000_000 + lane) << 22), "priority": priority}
            if order_key:
                options |= {"order_key": order_key, "lock": f"{order_key}:{time.monotonic_ns()}"}
        message = self._actor.message_with_options(args=(tag, time.monotonic(), ms), **options)
        self._actor.broker.enqueue(message)


class Worker:
    """A worker process that ends after ``count`` messages, or after ``enough`` that have a tag."""

    def __init__(self, kind: str, url: str, count: int, *, enough: int = 0, threads: int = THREADS) -> None:
        argv = [sys.executable, "-m", "benchmarks.carriers", kind, url, *map(str, (count, enough, threads))]
        self._process = children.spawn(argv, cwd=ROOT, stdout=subprocess.PIPE)
        if self._process.stdout.readline().strip() != b"ready":
            raise RuntimeError(f"the {kind} worker did not come up")

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def results(self) -> dict[str, Any]:
        """Wait for its end: ``first_at``, ``last_at``, ``waits`` in ms by tag, ``threads``, ``rss_mb``, and the
        ``cpu_s`` it took for them, its own start aside."""
        said, _ = self._process.communicate(timeout=PATIENCE_S)
        if self._process.returncode != 0:
            raise RuntimeError("a worker failed; see above")
        return json.loads(said)

    def stop(self) -> None:
        children.kill_tree(self._process)


class Watch:
    """What a worker process sees of its messages."""

    def __init__(self, count: int, enough: int) -> None:
        self.left, self.wanted, self.whole = count, enough, threading.Event()
        self.first_at = self.last_at = 0.0
        self.waits: dict[str, list[float]] = {}
        self._mutex = threading.Lock()

    def work(self, tag: str, sent_at: float, ms: float) -> None:
        now = time.monotonic()
        with self._mutex:
            self.first_at, self.last_at = self.first_at or now, now
            self.left -= 1
            if tag:
                self.wanted -= 1
                self.waits.setdefault(tag, []).append((now - sent_at) * 1000)
        if ms:
            time.sleep(ms / 1000)  # the work of a message that is said to take this long
        if self.left == 0 or (tag and self.wanted == 0):
            self.whole.set()


def main(kind: str, url: str, count: int, enough: int, threads: int) -> int:
    """Run as the worker process."""
    watch, this = Watch(count, enough), psutil.Process()
    actor = build(kind, url, watch.work)
    hands = dramatiq.Worker(actor.broker, worker_threads=threads)
    before = sum(this.cpu_times()[:2])
    print("ready", flush=True)
    hands.start()
    whole = watch.whole.wait(PATIENCE_S)
    seen = {
        "first_at": watch.first_at,
        "last_at": watch.last_at,
        "waits": watch.waits,
        "threads": this.num_threads(),
        "rss_mb": this.memory_info().rss / 1_000_000,
        "cpu_s": sum(this.cpu_times()[:2]) - before,
    }
    hands.stop(timeout=5_000)
    print(json.dumps(seen), flush=True)
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3], *map(int, sys.argv[3:])))
