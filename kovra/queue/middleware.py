"""How Dramatiq's worker is told to prefetch no more than it can run, and to begin nothing that it no longer has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dramatiq import worker as dramatiq_worker
from dramatiq.broker import Broker, MessageProxy
from dramatiq.middleware import Middleware, SkipMessage

from kovra.queue.entry import Entry

if TYPE_CHECKING:
    from kovra.queue.broker import LanesBroker


class LanesMiddleware(Middleware):
    """What the broker asks of the worker around it."""

    def before_worker_boot(self, broker: Broker, worker: dramatiq_worker.Worker) -> None:
        """Prefetch as much as can run. Twice that, which is Dramatiq's habit, keeps entries from idle workers."""
        if not dramatiq_worker.QUEUE_PREFETCH:
            worker.queue_prefetch = worker.worker_threads

    def before_process_message(self, broker: LanesBroker, message: MessageProxy) -> None:
        """Start nothing that the server may have given to someone else while this process stood still.

        Raises:
            SkipMessage: the lease is over; the entry is dropped without acknowledgement and fetched again by whoever
                has it now.
        """
        if not isinstance(message, Entry):
            return
        if message.lost or not broker.leases.holds(message.prefix):
            message.dropped = True
            raise SkipMessage("another consumer may have this entry by now")
        message.started = True
        broker.stir()
