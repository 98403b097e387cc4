"""One pace towards Discord for all processes that speak with one bot token.

Discord takes 50 requests a second from a bot, whatever the routes (API reference, Rate Limits). Each process alone
would keep to its buckets and still break that limit together with the others. So they share, in Redis: the common pace;
slower *lines* for what must not be hurried or must not stand in anybody's way; a pause, once Discord or Cloudflare has
said so to one of them; and the tally of invalid requests.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import redis

#: All keys have one hash tag: a script touches several of them, also on a cluster.
KEY = "kovra:pacing:{discord}"
_PAUSE = f"{KEY}:pause"
_INVALID = f"{KEY}:invalid"

#: 45 a second with a burst of 5 are never more than 50 in any second.
PER_SECOND = 45
BURST = 5

#: Discord blocks an address after 10,000 invalid requests in ten minutes (API reference, Invalid Request Limit). Half
#: of it is left to what else speaks from this address, and to answers still on their way.
MOST_INVALID = 5_000
_INVALID_MINUTES = 10

#: How long everything pauses then; should more follow, it pauses again.
_REST_MS = 60_000

#: After Redis failed it is not asked for this long, so that an outage costs one time-out and not one per request.
_TRUST_AGAIN_S = 5.0


class Line(StrEnum):
    """A slower line that a request may have to stand in, beside the common pace."""

    DM = "dm"
    """Opening a DM: buckets allow more, Discord's guard against spam does not."""
    BULK_BAN = "bulk_ban"
    """Others measured one bulk ban in five seconds, over all guilds of a bot."""
    BEHIND = "behind"
    """What nobody waits for: mass actions one by one, the mirror's reading. A quarter of the pace stays for clicks."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How many a second, and how many may go at once after a pause."""

    per_second: float
    burst: int = 1

    @property
    def step_us(self) -> int:
        return round(1_000_000 / self.per_second)

    @property
    def burst_us(self) -> int:
        return self.burst * self.step_us


COMMON = Rate(per_second=PER_SECOND, burst=BURST)

LINES = {
    Line.DM: Rate(per_second=5, burst=2),
    Line.BULK_BAN: Rate(per_second=0.2),
    Line.BEHIND: Rate(per_second=34, burst=2),
}


@dataclass(frozen=True, kw_only=True)
class Turn:
    """When a request may go. ``taken`` is False when the wait is longer than it may be: nothing may be sent.

    ``again``: it is a turn of the line only; after the wait, a turn of the common pace is still to be taken. A place
    far back in a line takes none of the pace, or clicks would wait behind it.
    """

    wait_s: float
    taken: bool = True
    again: bool = False


#: Each request moves one mark by its step; it may go when the mark is less than the burst ahead of now. Redis's clock
#: is the one clock of all processes. Times are whole microseconds.
_TAKE = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local longest = tonumber(ARGV[1])

local function wait(key, step, burst)
  local mark = tonumber(redis.call('GET', key) or '0')
  if mark < now then mark = now end
  local left = mark + step - burst - now
  if left < 0 then left = 0 end
  return left, mark + step
end

local function take(key, mark)
  redis.call('SET', key, string.format('%.0f', mark), 'PX', math.ceil((mark - now) / 1000) + 1000)
end

local paused = redis.call('PTTL', KEYS[2]) * 1000
if paused > longest then return {paused, 0, 0} end
local left, mark = wait(KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[3]))
if paused > left then left = paused end
if KEYS[3] then
  local line_left, line_mark = wait(KEYS[3], tonumber(ARGV[4]), tonumber(ARGV[5]))
  if line_left > longest then return {line_left, 0, 0} end
  if line_left > 0 then
    take(KEYS[3], line_mark)
    return {line_left, 1, 1}
  end
  if left <= longest then take(KEYS[3], line_mark) end
end
if left > longest then return {left, 0, 0} end
take(KEYS[1], mark)
return {left, 1, 0}
"""

#: A longer pause that is being kept is not cut short.
_REST = """
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], 1, 'PX', ARGV[1]) end
"""

#: A line rests by its mark alone.
_REST_LINE = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local mark = now + tonumber(ARGV[1]) * 1000 + tonumber(ARGV[2])
if tonumber(redis.call('GET', KEYS[1]) or '0') < mark then
  redis.call('SET', KEYS[1], string.format('%.0f', mark), 'PX', tonumber(ARGV[1]) + 1000)
end
"""

#: Counted by the minute: what left the window is forgotten a minute at a time.
_NOTE = """
local now = tonumber(redis.call('TIME')[1])
local minute = math.floor(now / 60)
redis.call('HINCRBY', KEYS[1], minute, 1)
redis.call('EXPIRE', KEYS[1], (tonumber(ARGV[1]) + 1) * 60)
local counts, all = redis.call('HGETALL', KEYS[1]), 0
for i = 1, #counts, 2 do
  if tonumber(counts[i]) <= minute - tonumber(ARGV[1]) then
    redis.call('HDEL', KEYS[1], counts[i])
  else
    all = all + tonumber(counts[i + 1])
  end
end
return all
"""


class RedisPacer:
    """The shared pace. Safe from any thread. Without Redis there is no waiting: Discord's own 429 is then the limit.

    Args:
        client: a Redis client with short time-outs; a request to Discord waits for it.
        common: the pace of all requests of all processes together.
        most_invalid: at so many invalid requests within ten minutes, everything pauses.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        client: redis.Redis,
        *,
        common: Rate = COMMON,
        most_invalid: int = MOST_INVALID,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._take = client.register_script(_TAKE)
        self._rest = client.register_script(_REST)
        self._rest_line = client.register_script(_REST_LINE)
        self._note = client.register_script(_NOTE)
        self._common, self._most_invalid, self._clock = common, most_invalid, clock
        self._without_until = 0.0

    def take(self, longest_wait_s: float, line: Line | None = None) -> Turn:
        """Ask for a turn, in one trip to Redis."""
        keys, rates = [KEY, _PAUSE], [self._common]
        if line is not None:
            keys, rates = [*keys, f"{KEY}:{line}"], [self._common, LINES[line]]
        steps = [number for rate in rates for number in (rate.step_us, rate.burst_us)]
        answer = self._ask(self._take, keys, [round(longest_wait_s * 1_000_000), *steps])
        if answer is None:
            return Turn(wait_s=0.0)
        wait_us, taken, again = answer
        return Turn(wait_s=wait_us / 1_000_000, taken=bool(taken), again=bool(again))

    def rest(self, seconds: float, line: Line | None = None) -> None:
        """Let no process send anything, or anything of this line, for so long."""
        ms = max(1, round(seconds * 1000))
        if line is None:
            self._ask(self._rest, [_PAUSE], [ms])
        else:
            self._ask(self._rest_line, [f"{KEY}:{line}"], [ms, LINES[line].burst_us])

    def note_invalid(self) -> bool:
        """Count an answer that Discord counts as invalid. True: too many, and everything pauses for a while."""
        count = self._ask(self._note, [_INVALID], [_INVALID_MINUTES])
        if count is None or count < self._most_invalid:
            return False
        self._ask(self._rest, [_PAUSE], [_REST_MS])
        return True

    def _ask(self, script: Callable[..., object], keys: list[str], args: list[int]):
        if self._clock() < self._without_until:
            return None
        try:
            return script(keys=keys, args=args)
        except redis.RedisError:
            self._without_until = self._clock() + _TRUST_AGAIN_S
            return None
