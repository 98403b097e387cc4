"""One subscription to the bulletin, made again whenever it breaks."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from kovra.ids import GuildId
from kovra.live import bulletin
from kovra.live.events import Hint

#: Waits between attempts to reach Redis again, in seconds: doubled from the first to the last.
BACK_OFF_S = (0.1, 5.0)

#: How soon the listening thread notices that it must stop.
HEED_STOP_S = 0.25

_log = logging.getLogger(__name__)


class Listening:
    """Hears the bulletin for a hub, whose tick carries on while Redis is away.

    Args:
        hear: called with each guild that rang and each hint.
        tick_s: how late pages are meanwhile, for the log.
    """

    def __init__(self, redis_url: str, hear: Callable[[GuildId | Hint], None], tick_s: float) -> None:
        self._redis_url, self._hear, self._tick_s = redis_url, hear, tick_s
        self._away = False

    def run(self, stopping: threading.Event) -> None:
        """Listen until ``stopping`` is set."""
        wait_s, longest_s = BACK_OFF_S
        while not stopping.is_set():
            try:
                with (
                    redis.Redis.from_url(
                        self._redis_url,
                        socket_timeout=5,
                        socket_connect_timeout=2,
                        max_connections=2,
                        retry=Retry(NoBackoff(), 0),
                        health_check_interval=15,
                    ) as client,
                    client.pubsub() as line,
                ):
                    line.subscribe(bulletin.CHANNEL)
                    while not stopping.is_set():
                        if message := line.get_message(timeout=HEED_STOP_S):
                            wait_s = BACK_OFF_S[0]
                            self._take(message)
            except (redis.RedisError, OSError) as error:
                if not self._away:
                    _log.warning("the bulletin is away (%s); pages follow by the tick of %g s", error, self._tick_s)
                self._away = True
                # Not all processes knock at the same moment.
                stopping.wait(wait_s * random.uniform(0.5, 1))
                wait_s = min(wait_s * 2, longest_s)
            except Exception:
                # Without this thread every page would follow by the tick for good, and no right end at once.
                _log.exception("hearing the bulletin failed; it is begun again")
                stopping.wait(BACK_OFF_S[0])

    def _take(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "subscribe":
            if self._away:
                _log.info("the bulletin is back")
            self._away = False
        elif message["type"] == "message" and (told := bulletin.read(message["data"])) is not None:
            self._hear(told)
