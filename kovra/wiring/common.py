"""What several processes are built with: the lanes, the checkpoints, the pace, the metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dramatiq.middleware import CurrentMessage, Retries

from kovra.actions.checkpoint import nowhere
from kovra.config import QUEUE_SHARDS, Config
from kovra.crash import checkpoint
from kovra.metrics import Metrics
from kovra.queue.broker import LanesBroker
from kovra.queue.client import connect
from kovra.queue.outbox import QUEUE

if TYPE_CHECKING:
    from kovra.bot.ports import Pacer

log = logging.getLogger(__name__)


#: How long somebody who clicks waits for a Redis that hangs, in seconds; the relay brings what it did not take.
AT_THE_DOOR_S = 1.0


def build_broker(config: Config, *, patience_s: float = 5.0, **options: Any) -> LanesBroker:
    """The lanes, as every process sees them. Retries only marks what failed: an action's row says what comes next.

    ``patience_s`` is how long an answer of Redis is waited for.
    """
    middleware = [CurrentMessage(), Retries(max_retries=0)]
    client = connect(config.redis_url, socket_timeout_s=patience_s, connect_timeout_s=min(2.0, patience_s))
    broker = LanesBroker(client, middleware=middleware, shards=QUEUE_SHARDS, **options)
    broker.declare_queue(QUEUE)
    return broker


def serve_metrics(metrics: Metrics, config: Config) -> None:
    """Serve this process's metrics when the operator wants them."""
    if config.metrics_port:
        try:
            metrics.serve(config.metrics_host, config.metrics_port)
        except OSError as error:  # nobody's ban waits for a graph
            log.error("there are no metrics of this process: %s", error)


def pacer_of(config: Config) -> Pacer | None:
    """The pace that all processes of this token share; a sandbox may do without."""
    if not config.pacing:
        return None
    from kovra.shared_state.pacing import RedisPacer

    return RedisPacer(connect(config.redis_url))


def checkpoint_of(config: Config) -> Callable[[str], None]:
    """Where this process dies, when a test wants it to."""
    return checkpoint(config.crash, _request_in_hand) if config.crash else nowhere


def _request_in_hand() -> str | None:
    """The request whose entry this thread is working on: the message's id is its."""
    message = CurrentMessage.get_current_message()
    return message.message_id if message is not None else None
