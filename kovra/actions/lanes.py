"""A guild's lane as its staff sees and steers it: what waits on it, what was refused on it, whether it is paused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kovra.actions.capabilities import Capability, Person
from kovra.ids import GuildId

#: Said to whoever may not decide about lanes and dead letters.
TAKES_QUEUE_OPS = "It takes the capability “queue_ops”, which comes with Manage Server. Ask an admin of this server."


@dataclass(frozen=True, kw_only=True)
class LaneNow:
    """A lane at this moment, in entries; one entry of bulk work is a whole chunk of a mass action.

    ``parked`` wait for another entry about the same person, ``oldest_s`` is the age of the oldest in seconds, and while
    it is ``paused`` nothing more is handed out.
    """

    interactive: int
    bulk: int
    in_flight: int
    parked: int
    oldest_s: float
    paused: bool


@dataclass(frozen=True, kw_only=True)
class Letter:
    """An entry that was refused or killed its workers, kept for people to decide. ``docs/queue.md`` lists the causes.

    ``message_id`` is the request's id for entries that are ours; None when the entry cannot be read, and then it can
    only be discarded.
    """

    id: str
    cause: str
    detail: str
    deliveries: int
    died_at: datetime
    message_id: str | None


class Operator(Protocol):
    """Who looks, and in which guild; a page's scope is one."""

    @property
    def guild_id(self) -> GuildId: ...

    @property
    def viewer(self) -> Person: ...

    def may(self, capability: Capability) -> bool: ...


class LaneDesk(Protocol):
    """Where staff look at their guild's lane and decide about its dead letters. Every method raises Unavailable
    when Redis, which the first two do not ask, does not answer."""

    @property
    def shards(self) -> int:
        """Over how many shards the lanes are spread."""

    def shard_of(self, guild_id: GuildId) -> int:
        """The shard that carries a guild's lane; whoever serves it executes what is asked for there."""

    def lane(self, guild_id: GuildId) -> LaneNow:
        """The lane now."""

    def letters(self, guild_id: GuildId, count: int = 50) -> Sequence[Letter]:
        """Its dead letters, newest first."""

    def retry(self, operator: Operator, letter_id: str) -> str | None:
        """Put a letter back on the lane, on record; None when done, else why not."""

    def discard(self, operator: Operator, letter_id: str) -> str | None:
        """Throw a letter away, on record; None when done, else why not."""

    def pause(self, guild_id: GuildId, paused: bool) -> bool:
        """Carry out what was decided and written down about the lane; False when Redis does not answer: a worker does
        it once it is back."""
