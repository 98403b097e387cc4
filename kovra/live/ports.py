"""What showing needs of the world."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from kovra.ids import GuildId


class EventLike(Protocol):
    """One numbered event of a guild, as whoever keeps it has it. ``facts`` are ids and states, never texts."""

    @property
    def guild_id(self) -> GuildId: ...
    @property
    def seq(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def request_id(self) -> UUID | None: ...
    @property
    def facts(self) -> Mapping[str, object]: ...
    @property
    def at(self) -> datetime: ...


class EventSource(Protocol):
    """The kept history of events. Numbers count up by one in each guild, and become visible in that order.

    The order is what makes a number a bookmark: once 8 can be read, 7 can be, or never will be. A number that is not
    there was pruned. Each method raises Unavailable when the database does not answer.
    """

    def after(self, guild_id: GuildId, seq: int, limit: int) -> Sequence[EventLike]:
        """The next events behind ``seq``, lowest first, at most ``limit``."""

    def newest(self, guild_ids: Iterable[GuildId]) -> Mapping[GuildId, int]:
        """The highest number of each guild, 0 or no entry when nothing ever happened there."""
