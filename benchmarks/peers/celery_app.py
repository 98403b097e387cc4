"""Celery with its Redis transport and a pool of eight threads."""

import time

import task
from celery import Celery

app = Celery("bench", broker=task.URL)
run = app.task(task.run, name="run", ignore_result=True)


def send() -> None:
    run.delay(time.monotonic())


def run_worker() -> None:
    app.worker_main(["worker", "--pool=threads", "--concurrency=8", "--loglevel=ERROR"])
