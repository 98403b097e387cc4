"""Turns to identify at the gateway, for all processes of one bot token.

Discord takes one IDENTIFY in five seconds and slot, and a shard's slot is its number modulo the bot's
``max_concurrency`` (Gateway, Rate Limiting). Processes that start together would break that: each keeps its own
distance only.
"""

from __future__ import annotations

import logging

import redis

log = logging.getLogger(__name__)

#: One hash tag, so that it lies in one place on a cluster.
KEY = "kovra:identify:{discord}"

#: Each turn moves the slot's mark by the gap; Redis's clock is the one clock of all processes. Milliseconds.
_TAKE = """
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local mark = tonumber(redis.call('GET', KEYS[1]) or '0')
if mark < now then mark = now end
redis.call('SET', KEYS[1], string.format('%.0f', mark + ARGV[1]), 'PX', math.ceil(mark + ARGV[1] - now) + 1000)
return mark - now
"""


class IdentifyTurns:
    """The shared turns. Safe from any thread. Without Redis nobody waits for others: Discord then refuses, and the
    shard tries again.

    Args:
        client: a Redis client with short time-outs.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._take = client.register_script(_TAKE)

    def take(self, slot: int, gap_s: float) -> float:
        """Take the next turn of a slot: the seconds until it comes."""
        try:
            return int(self._take(keys=[f"{KEY}:{slot}"], args=[round(gap_s * 1000)])) / 1000
        except redis.RedisError as error:
            log.warning("this process identifies without asking others: %r", error)
            return 0.0
