"""Session and rights of those who open streams, asked for once for all who come at the same moment.

When a web process dies, everybody it served comes to another one within the same seconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from kovra.dashboard.watch import AT_ONCE
from kovra.ids import GuildId
from kovra.live.rounds import Rounds
from kovra.store.viewers import Viewers, Visitor

_Key = tuple[GuildId, bytes]


class Arrivals:
    """Finds who comes. No answer is older than the request that gets it."""

    def __init__(self, viewers: Viewers) -> None:
        self._viewers = viewers
        self._rounds = Rounds(self._find)

    def of(self, guild_id: GuildId, session_id: bytes) -> Visitor | None:
        """Whose session this is (the SHA-256 of its cookie), with their rights in the guild; None when it is over.

        Raises:
            Unavailable: PostgreSQL did not answer.
        """
        return self._rounds.of((guild_id, session_id))

    def _find(self, keys: Collection[_Key]) -> dict[_Key, Visitor]:
        by_guild: defaultdict[GuildId, list[bytes]] = defaultdict(list)
        for guild_id, session_id in keys:
            by_guild[guild_id].append(session_id)
        found = {}
        for guild_id, session_ids in by_guild.items():
            for start in range(0, len(session_ids), AT_ONCE):
                visitors = self._viewers.of(guild_id, session_ids[start : start + AT_ONCE])
                found |= {(guild_id, session_id): visitor for session_id, visitor in visitors.items()}
        return found
