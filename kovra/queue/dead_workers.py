"""Hands over what a dead worker held without waiting for its silence to last."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass

import redis
from dramatiq.errors import ConnectionClosed
from dramatiq.logging import get_logger

from kovra.queue.broker import LanesBroker

#: How often to look, in seconds.
TICK_S = 0.25

_log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class DeadWorkers:
    """One loop in each worker.

    Silence alone proves little: whoever stops for a moment is silent too, and an entry that seems to kill its workers
    ends alone. So only a consumer that is proven dead is given up before its heartbeat has timed out.

    Args:
        proven: which of these consumers are dead beyond doubt; asked only about some that missed a heartbeat.
    """

    broker: LanesBroker
    proven: Callable[[Collection[str]], Collection[str]]

    def tick(self) -> int:
        """Give up who is dead; how many entries are delivered again.

        Raises:
            ConnectionClosed: Redis did not answer.
        """
        given_up = 0
        for queue_name in self.broker.get_declared_queues():
            silent = self.broker.silent(queue_name)
            for name in self.proven(silent) if silent else ():
                given_up += self.broker.give_up(queue_name, name)
        return given_up

    def run(self, stop: threading.Event) -> None:
        """Look until told to stop. Redis being away is waited out."""
        while not stop.wait(TICK_S):
            try:
                if given_up := self.tick():
                    _log.info("Handed over %d entries of a dead worker.", given_up)
            except ConnectionClosed:
                stop.wait(1.0)
            except redis.RedisError:
                _log.exception("Looking for dead workers failed.")
