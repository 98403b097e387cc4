"""RQ with its SimpleWorker, which runs one task after the other in its own process; the forking one is far slower."""

import time

import redis
import task
from rq import Queue, SimpleWorker

queue = Queue("bench", connection=redis.Redis.from_url(task.URL))


def send() -> None:
    queue.enqueue(task.run, time.monotonic(), result_ttl=0)


def run_worker() -> None:
    SimpleWorker([queue], connection=queue.connection).work(logging_level="ERROR")
