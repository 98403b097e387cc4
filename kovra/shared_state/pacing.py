"""One pace towards Discord for all processes that speak with one bot token.

Discord takes 50 requests a second from a bot, whatever the routes (API reference, Rate Limits). Each process alone
would keep to its buckets and still break that limit together with the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import redis

KEY = "kovra:pacing:discord"

#: 45 a second with a burst of 5 are never more than 50 in any second.
PER_SECOND = 45
BURST = 5

#: After Redis failed it is not asked for this long, so that an outage costs one time-out and not one per request.
_TRUST_AGAIN_S = 5.0

#: Every request moves one mark by 1/45 s; it may go when the mark is less than the burst ahead of now. Redis's clock is
#: the one clock of all processes. Times are whole microseconds. Returns the wait; a turn that would come too late is
#: not taken.
_TAKE = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local step, burst, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local mark = tonumber(redis.call('GET', KEYS[1]) or '0')
if mark < now then mark = now end
local wait = mark + step - burst - now
if wait < 0 then wait = 0 end
if wait <= longest then
  redis.call('SET', KEYS[1], string.format('%.0f', mark + step), 'PX', math.ceil((mark + step - now) / 1000) + 1000)
end
return wait
"""


class RedisPacer:
    """The shared pace. Safe from any thread.

    Args:
        client: a Redis client with short time-outs; a request to Discord waits for it.
        per_second: how many requests a second all processes together may send.
        burst: how many may go at once after a pause.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        client: redis.Redis,
        *,
        per_second: int = PER_SECOND,
        burst: int = BURST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._take = client.register_script(_TAKE)
        self._step_us = round(1_000_000 / per_second)
        self._burst_us = burst * self._step_us
        self._clock = clock
        self._without_until = 0.0

    def take(self, longest_wait_s: float) -> float:
        """Ask for a turn: the seconds to wait before sending. More than ``longest_wait_s`` means no turn was taken.

        Without Redis there is no waiting: Discord's own 429 is then the limit.
        """
        if self._clock() < self._without_until:
            return 0.0
        try:
            wait_us = self._take(keys=[KEY], args=[self._step_us, self._burst_us, round(longest_wait_s * 1_000_000)])
        except redis.RedisError:
            self._without_until = self._clock() + _TRUST_AGAIN_S
            return 0.0
        return int(wait_us) / 1_000_000
