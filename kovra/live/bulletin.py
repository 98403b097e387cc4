"""The doorbell: after a commit its writer tells every hub to look again. Nothing depends on it but speed."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from kovra.ids import GuildId, UserId
from kovra.live.events import Hint, HintKind, compact

CHANNEL = "kovra:bulletin"

#: A ring is worth this much of a moderator's click, and no more: without it a page is a tick late.
PATIENCE_S = 0.5

#: After a failed ring the next ones are saved for this long, so that a hanging Redis slows one click and not a burst.
QUIET_S = 1.0

#: In the place of a guild: what concerns a person in all of them.
EVERYWHERE = GuildId(0)

_log = logging.getLogger(__name__)


def connect(redis_url: str) -> redis.Redis:
    """A client for ringing: short patience, no second attempt. Opens nothing until it is used."""
    return redis.Redis.from_url(
        redis_url,
        socket_timeout=PATIENCE_S,
        socket_connect_timeout=PATIENCE_S,
        retry=Retry(NoBackoff(), 0),
        max_connections=64,
    )


class Bulletin:
    """Rings for every process that shows a guild. Never fails its caller for a Redis that is away."""

    def __init__(self, client: redis.Redis, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client, self._monotonic = client, monotonic
        self._away, self._quiet_until = False, float("-inf")

    def ring(self, guild_id: GuildId) -> None:
        """There are new events of this guild to read. Call it after the commit, never inside the transaction."""
        self._publish(str(guild_id).encode())

    def hint(self, guild_id: GuildId, kind: str, facts: Mapping[str, object]) -> None:
        """Pass on something of Discord's that nobody keeps; who is not connected now never hears of it.

        Call it for each thing that happens, as often as it happens: hubs gather what comes close together. Facts are
        the ids that the kind names.

        Raises:
            ValueError: there is no such kind, or a fact is no JSON value: a mistake of the caller.
        """
        hint = Hint(guild_id=guild_id, kind=HintKind(kind), facts=facts)
        self._publish(b"%d %s %s" % (hint.guild_id, hint.kind.encode(), compact(hint.facts)))

    def session_ended(self, user_id: UserId) -> None:
        """A session of this user is over: open streams look at once whether it was theirs. Call it after the commit."""
        self.hint(EVERYWHERE, HintKind.SESSION_ENDED, {"user_id": user_id})

    def _publish(self, message: bytes) -> None:
        if self._monotonic() < self._quiet_until:
            return
        try:
            self._client.publish(CHANNEL, message)
        except (redis.RedisError, OSError) as error:
            self._quiet_until = self._monotonic() + QUIET_S
            if not self._away:
                _log.warning("Redis takes no rings (%s); open pages follow by the hub's tick until it does", error)
            self._away = True
        else:
            if self._away:
                _log.info("Redis takes rings again")
            self._away = False


def read(message: bytes) -> GuildId | Hint | None:
    """What a ring says: a guild to look at, a hint to pass on, or None when it is neither."""
    guild, _, rest = message.partition(b" ")
    try:
        guild_id = GuildId(int(guild))
        if not rest:
            return guild_id
        kind, _, facts = rest.partition(b" ")
        return Hint(guild_id=guild_id, kind=HintKind(kind.decode()), facts=dict(json.loads(facts)))
    except (ValueError, TypeError, RecursionError):
        return None  # whoever rang is newer or broken; the tick brings what was kept
