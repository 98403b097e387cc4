"""Discord's rate limits, off unless asked for: buckets per route, the global limit, the tally of invalid requests.

Discord publishes no numbers and forbids relying on them; the profile holds what others measured of the real service.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from kovra.sandbox.errors import Refusal, rate_limited
from kovra.sandbox.rest.routing import Access, Route
from kovra.sandbox.world import Clock


class Per(StrEnum):
    """What a bucket is divided by: the guild or channel in the path, or not at all."""

    GUILD = "guild_id"
    CHANNEL = "channel_id"
    BOT = "bot"
    TOKEN = "webhook_token"


#: Requests a bot may make in a second, over all routes but interactions (Discord, Rate Limits).
GLOBAL_PER_S = 50
#: Refused requests an address may make in ten minutes before it is shut out (Discord, Invalid Request Limit).
MOST_INVALID = 10_000
INVALID_WINDOW_S = 600

#: (method, template) -> (requests, seconds, what the bucket is divided by).
PROFILE: dict[tuple[str, str], tuple[int, float, Per]] = {
    ("GET", "/gateway/bot"): (2, 5, Per.BOT),
    ("GET", "/users/{user_id}"): (30, 30, Per.BOT),
    ("GET", "/guilds/{guild_id}/members"): (10, 10, Per.GUILD),
    ("GET", "/guilds/{guild_id}/members/search"): (10, 10, Per.GUILD),
    ("GET", "/guilds/{guild_id}/members/{user_id}"): (5, 1, Per.GUILD),
    ("PATCH", "/guilds/{guild_id}/members/{user_id}"): (10, 10, Per.GUILD),
    ("PATCH", "/guilds/{guild_id}/members/@me"): (1, 1, Per.BOT),
    ("DELETE", "/guilds/{guild_id}/members/{user_id}"): (5, 1, Per.GUILD),
    ("PUT", "/guilds/{guild_id}/members/{user_id}/roles/{role_id}"): (10, 10, Per.GUILD),
    ("DELETE", "/guilds/{guild_id}/members/{user_id}/roles/{role_id}"): (10, 10, Per.GUILD),
    ("GET", "/guilds/{guild_id}/bans"): (10, 10, Per.GUILD),
    ("GET", "/guilds/{guild_id}/bans/{user_id}"): (1000, 1, Per.GUILD),
    ("PUT", "/guilds/{guild_id}/bans/{user_id}"): (1000, 1, Per.GUILD),
    ("DELETE", "/guilds/{guild_id}/bans/{user_id}"): (1000, 1, Per.GUILD),
    ("POST", "/guilds/{guild_id}/bulk-ban"): (1, 5, Per.BOT),
    ("GET", "/guilds/{guild_id}/auto-moderation/rules"): (5, 10, Per.BOT),
    ("POST", "/guilds/{guild_id}/auto-moderation/rules"): (5, 30, Per.BOT),
    ("PATCH", "/guilds/{guild_id}/auto-moderation/rules/{rule_id}"): (5, 30, Per.BOT),
    ("DELETE", "/guilds/{guild_id}/auto-moderation/rules/{rule_id}"): (5, 30, Per.BOT),
    ("PATCH", "/channels/{channel_id}"): (5, 15, Per.CHANNEL),
    ("PUT", "/channels/{channel_id}/permissions/{overwrite_id}"): (10, 15, Per.CHANNEL),
    ("DELETE", "/channels/{channel_id}/permissions/{overwrite_id}"): (10, 15, Per.CHANNEL),
    ("GET", "/channels/{channel_id}/messages"): (5, 5, Per.CHANNEL),
    ("POST", "/channels/{channel_id}/messages"): (5, 5, Per.CHANNEL),
    ("PATCH", "/channels/{channel_id}/messages/{message_id}"): (5, 4, Per.CHANNEL),
    ("DELETE", "/channels/{channel_id}/messages/{message_id}"): (3, 1, Per.CHANNEL),
    ("POST", "/channels/{channel_id}/messages/bulk-delete"): (1, 3, Per.CHANNEL),
    ("PUT", "/applications/{application_id}/commands"): (2, 60, Per.BOT),
    ("PUT", "/applications/{application_id}/guilds/{guild_id}/commands"): (2, 60, Per.GUILD),
    ("POST", "/webhooks/{webhook_id}/{webhook_token}"): (5, 2, Per.TOKEN),
}


@dataclass(slots=True)
class _Bucket:
    opened_at: float
    used: int = 0


class Limits:
    """The limiter.

    Args:
        clock: Unix time in seconds.
        on: whether it limits from the start.
    """

    def __init__(self, clock: Clock, *, on: bool = False) -> None:
        self._clock, self.on = clock, on
        self._buckets: dict[tuple[Route, str], _Bucket] = {}
        self._second, self._in_second = 0, 0
        self._invalid: deque[float] = deque()
        #: How many answers were 429, by scope, since the start.
        self.refused = {"user": 0, "global": 0}

    def take(self, route: Route, params: dict[str, str]) -> dict[str, str]:
        """Count a request; returns the headers its answer carries.

        Raises:
            Refusal: 429, with the same headers.
        """
        if not self.on:
            return {}
        if route.access is not Access.PATH:
            self._take_global()
        rule = PROFILE.get((route.method, route.template))
        return {} if rule is None else self._take_bucket(route, params, *rule)

    def note(self, status: int, shared: bool = False) -> None:
        """Count an answer that Discord counts as an invalid request."""
        if status in (401, 403) or status == 429 and not shared:
            self._invalid.append(self._clock())

    def invalid_requests(self) -> int:
        """Invalid requests within the last ten minutes."""
        since = self._clock() - INVALID_WINDOW_S
        while self._invalid and self._invalid[0] < since:
            self._invalid.popleft()
        return len(self._invalid)

    def _take_global(self) -> None:
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._second, self._in_second = second, 0
        if self._in_second >= GLOBAL_PER_S:
            self.refused["global"] += 1
            raise rate_limited(second + 1 - now, "global")
        self._in_second += 1

    def _take_bucket(
        self, route: Route, params: dict[str, str], most: int, window_s: float, per: Per
    ) -> dict[str, str]:
        now, key = self._clock(), (route, params.get(per, ""))
        bucket = self._buckets.get(key)
        if bucket is None or now >= bucket.opened_at + window_s:
            bucket = self._buckets[key] = _Bucket(now)
        over = bucket.used >= most
        if not over:
            bucket.used += 1
        reset_after_s = bucket.opened_at + window_s - now
        headers = {
            "X-RateLimit-Limit": str(most),
            "X-RateLimit-Remaining": str(most - bucket.used),
            "X-RateLimit-Reset": f"{now + reset_after_s:.3f}",
            # Rounded up: a client that waits exactly this long must find the bucket open.
            "X-RateLimit-Reset-After": f"{math.ceil(reset_after_s * 1000) / 1000:.3f}",
            "X-RateLimit-Bucket": _name_of(route),
        }
        if over:
            self.refused["user"] += 1
            refusal: Refusal = rate_limited(reset_after_s, "user")
            refusal.headers.update(headers)
            raise refusal
        return headers


def _name_of(route: Route) -> str:
    return hashlib.md5(f"{route.method} {route.template}".encode(), usedforsecurity=False).hexdigest()
