"""taskiq with its Redis list broker and one worker process."""

import asyncio
import os
import time

import task
from taskiq_redis import ListQueueBroker

broker = ListQueueBroker(task.URL)
run = broker.task(task_name="run")(task.run)
_loop = asyncio.new_event_loop()


def send() -> None:
    _loop.run_until_complete(run.kiq(time.monotonic()))


def run_worker() -> None:
    os.execvp("taskiq", ["taskiq", "worker", "taskiq_app:broker", "--workers", "1", "--log-level", "ERROR"])
