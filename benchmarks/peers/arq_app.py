"""arq with at most eight jobs at a time, which polls every half second as it does by default."""

import asyncio
import time

import task
from arq import create_pool
from arq import run_worker as work
from arq.connections import RedisSettings

settings = RedisSettings.from_dsn(task.URL)
_loop = asyncio.new_event_loop()
_pool = None


async def run(_context: dict, sent_at: float) -> None:
    task.run(sent_at)


def send() -> None:
    global _pool
    if _pool is None:
        _pool = _loop.run_until_complete(create_pool(settings))
    _loop.run_until_complete(_pool.enqueue_job("run", time.monotonic()))


class WorkerSettings:
    functions = (run,)
    redis_settings = settings
    max_jobs = 8
    keep_result = 0


def run_worker() -> None:
    work(WorkerSettings)
