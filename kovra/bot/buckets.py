"""Rate-limit buckets: Discord says in each answer how many more requests it takes, and until when.

A bucket is told by the method, ``X-RateLimit-Bucket`` and the major parameter (guild, channel or webhook). Waiting is
better than a 429, because every 429 counts towards the 10,000 invalid requests after which an address is blocked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import discord

#: Beyond this many remembered windows the ones that have passed are forgotten.
_MANY_WINDOWS = 2_000

#: Of a bucket, this share is kept for clicks while its window is young; in the last moments of the window, which a
#: click would wait out anyway, whoever comes may have it.
_KEPT_SHARE, _KEPT_UNTIL_S = 0.2, 1.0

#: How long to look again when a window has passed but its answers are still on their way, in seconds.
_LOOK_AGAIN_S = 0.02


class Limited(discord.HTTPException):
    """A rate limit, told by Discord (429) or foreseen here. The request was not done.

    Args:
        retry_after_s: when it may be asked again.
        response: Discord's answer; ``None`` when the request was held back here.
    """

    def __init__(self, retry_after_s: float, response: Any = None) -> None:
        Exception.__init__(self, f"rate limited for {retry_after_s:.1f} s")
        self.retry_after_s = retry_after_s
        # What Pycord's own callers read of an HTTPException.
        self.response, self.status, self.code, self.text = response, 429, 0, "rate limited"


@dataclass(kw_only=True)
class _Window:
    """What one bucket still takes until ``resets_at``, and what is on its way."""

    limit: int
    remaining: int
    resets_at: float
    in_flight: int = 0

    def wait_s(self, now: float, behind: bool) -> float:
        """Seconds until one more request fits; 0 when it fits now. What is kept for clicks is not for one behind."""
        if now >= self.resets_at:
            self.remaining = self.limit
        left = self.remaining - self.in_flight
        kept = int(self.limit * _KEPT_SHARE) if behind else 0
        if left > kept:
            return 0.0
        if left > 0:
            return max(self.resets_at - _KEPT_UNTIL_S - now, 0.0)
        return max(self.resets_at - now, _LOOK_AGAIN_S)


class Buckets:
    """The buckets of one HTTP client. Belongs to one event loop.

    Args:
        longest_wait_s: a request that would have to wait longer is refused with ``Limited`` at once.
        clock: seconds that never go back.
    """

    def __init__(self, longest_wait_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.longest_wait_s = longest_wait_s
        self._clock = clock
        self._paused_until = 0.0
        #: The bucket of each known route; ``None`` for a route that Discord does not limit.
        self._bucket_of: dict[str, str | None] = {}
        self._limit_of: dict[str, int] = {}
        self._windows: dict[tuple[str, str], _Window] = {}
        self._first: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def turn(self, route: discord.http.Route, *, behind: bool = False):
        """Hold a place in the route's bucket while a request is on its way.

        The first request to a route goes alone: nobody knows its bucket before the first answer. ``behind``: nobody
        waits for it, so it leaves the last places of a window to others.

        Raises:
            Limited: the place would come later than ``longest_wait_s``.
        """
        give_up_at = self._clock() + self.longest_wait_s
        await self._sleep_until(lambda: self._paused_until - self._clock(), give_up_at)
        name = _name(route)
        if name not in self._bucket_of and await self._first_of(name):
            try:
                yield
            finally:
                self._first[name].release()
            return
        window = self._window(route)
        if window is None:
            yield
            return
        await self._sleep_until(lambda: window.wait_s(self._clock(), behind), give_up_at)
        window.in_flight += 1
        try:
            yield
        finally:
            window.in_flight -= 1

    def learn(self, route: discord.http.Route, headers: Mapping[str, str]) -> None:
        """Read what an answer says about its bucket."""
        bucket = headers.get("X-RateLimit-Bucket")
        if bucket is None:
            # An error page of a proxy says nothing about a bucket that is already known.
            self._bucket_of.setdefault(_name(route), None)
            return
        self._bucket_of[_name(route)] = bucket
        try:
            limit = int(headers["X-RateLimit-Limit"])
            remaining = int(headers["X-RateLimit-Remaining"])
            resets_at = self._clock() + float(headers["X-RateLimit-Reset-After"])
        except (KeyError, ValueError):
            return  # an answer without its bucket's count: the next one has it
        self._limit_of[bucket] = max(limit, 1)
        window = self._window(route)
        # Answers of one window may overtake each other: within it, the lowest count is the newest.
        same_window = abs(resets_at - window.resets_at) < 0.5 and self._clock() < window.resets_at
        window.remaining = min(window.remaining, remaining) if same_window else remaining
        window.limit, window.resets_at = max(limit, 1), max(resets_at, window.resets_at)

    def close_for(self, route: discord.http.Route, retry_after_s: float) -> None:
        """Obey a 429 of one bucket: nothing more goes out to it until it is over."""
        if self._bucket_of.get(_name(route)) is None:
            self._bucket_of[_name(route)] = f"unnamed {_name(route)}"
        window = self._window(route)
        window.remaining, window.resets_at = 0, max(window.resets_at, self._clock() + retry_after_s)

    def rest(self, seconds: float) -> None:
        """Let nothing go out at all for so long."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    async def _first_of(self, name: str) -> bool:
        """Wait for the first answer of a route; True, holding its lock, when we are to ask for it."""
        lock = self._first.setdefault(name, asyncio.Lock())
        try:
            await asyncio.wait_for(lock.acquire(), self.longest_wait_s)
        except TimeoutError:
            # The first answer is late. Going on without it risks a 429; waiting on would line everybody up behind it.
            return False
        if name not in self._bucket_of:
            return True
        lock.release()
        return False

    async def _sleep_until(self, wait_s: Callable[[], float], give_up_at: float) -> None:
        while (left_s := wait_s()) > 0:
            if self._clock() + left_s > give_up_at:
                raise Limited(left_s)
            await asyncio.sleep(left_s)

    def _window(self, route: discord.http.Route) -> _Window | None:
        bucket = self._bucket_of.get(_name(route))
        if bucket is None:
            return None
        key = (f"{route.method} {bucket}", _major(route))
        if key not in self._windows:
            if len(self._windows) > _MANY_WINDOWS:
                self._forget_passed()
            limit = self._limit_of.get(bucket, 1)
            self._windows[key] = _Window(limit=limit, remaining=limit, resets_at=0.0)
        return self._windows[key]

    def _forget_passed(self) -> None:
        now = self._clock()
        self._windows = {
            key: window for key, window in self._windows.items() if window.in_flight or window.resets_at > now
        }


def _name(route: discord.http.Route) -> str:
    return f"{route.method} {route.path}"


def _major(route: discord.http.Route) -> str:
    """The parameter by which Discord splits a bucket: guild, channel, or webhook with its token."""
    return f"{route.channel_id}:{route.guild_id}:{route.webhook_id}:{route.webhook_token}"
