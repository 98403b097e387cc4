"""Refills the lanes with what Redis lost: the rows in Postgres are the queue of record."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from dramatiq import Message

from kovra.actions.checkpoint import nowhere
from kovra.errors import Unavailable
from kovra.ids import GuildId, UserId
from kovra.queue.locks import Offer
from kovra.queue.outbox import TOGETHER, Outbox, chunk_message, lane_message

log = logging.getLogger(__name__)

#: How often the relay looks, in seconds, and how many rows it takes at a time.
TICK_S = 0.25
BATCH = 200

#: A lane that took no more is left alone for so long, so that what it cannot take keeps no other from being looked at.
FULL_S = 2.0


class Overdue(Protocol):
    """A row that should be on a lane and may not be."""

    guild_id: GuildId
    request_id: UUID
    target_id: UserId
    body: bytes
    kid: str
    sig: str


class Backlog(Protocol):
    """Where overdue rows are found."""

    def overdue(self, limit: int, but: Collection[GuildId]) -> Sequence[Overdue]:
        """Accepted and due but unclaimed for two seconds, or left behind by a worker that is gone.

        Those that were looked at last come last; none of the guilds ``but``.
        """


class OverdueChunk(Protocol):
    """A chunk of a job that has something to do and may not be on a lane."""

    guild_id: GuildId
    batch_id: UUID
    number: int
    body: bytes
    kid: str
    sig: str


class JobBacklog(Protocol):
    """Where overdue chunks are found."""

    def overdue(self) -> Sequence[OverdueChunk]:
        """With requests that are overdue as single ones would be."""


@dataclass(frozen=True, kw_only=True)
class Relay:
    """One loop in each worker. Running it twice is harmless: the lane knows the message, the claim decides."""

    backlog: Backlog
    jobs: JobBacklog
    outbox: Outbox
    at: Callable[[str], None] = nowhere
    #: Hears how many messages each tick put on a lane again.
    relayed: Callable[[int], object] = int
    monotonic: Callable[[], float] = time.monotonic
    #: Until when the lanes of these guilds are left alone.
    full: dict[GuildId, float] = field(default_factory=dict)

    def tick(self) -> int:
        """Put every overdue row on its lane; how many Redis took."""
        if not self.outbox.answers():
            # A row that is given out is not given out again for two seconds: those would be lost to the outage's end.
            return 0
        now = self.monotonic()
        for guild_id in [guild_id for guild_id, until in self.full.items() if until <= now]:
            del self.full[guild_id]
        rows = [
            lane_message(
                guild_id=row.guild_id,
                target_id=row.target_id,
                request_id=str(row.request_id),
                body=bytes(row.body),
                kid=row.kid,
                sig=row.sig,
            )
            for row in self.backlog.overdue(BATCH, but=self.full)
        ]
        taken = self._put(rows)
        chunks = [
            chunk_message(
                guild_id=chunk.guild_id,
                batch_id=str(chunk.batch_id),
                number=chunk.number,
                body=bytes(chunk.body),
                kid=chunk.kid,
                sig=chunk.sig,
            )
            for chunk in self.jobs.overdue()
        ]
        taken += self._put(chunks)
        self.relayed(taken)
        return taken

    def _put(self, messages: Sequence[Message]) -> int:
        """On their lanes, a few at a time: what an outage left is hundreds, and Redis does nothing else meanwhile."""
        taken = 0
        for first in range(0, len(messages), TOGETHER):
            self.at("relay_selected")
            some = messages[first : first + TOGETHER]
            offers = self.outbox.offer_each(some, again=True)
            self.at("relay_pushed")
            taken += sum(offer not in (None, Offer.FULL) for offer in offers)
            for message, offer in zip(some, offers, strict=True):
                if offer is Offer.FULL:
                    self.full[GuildId(int(message.options["lane"]))] = self.monotonic() + FULL_S
        return taken

    def run(self, stop: threading.Event) -> None:
        """Tick until told to stop. A database that is away is waited for."""
        while not stop.wait(TICK_S):
            try:
                self.tick()
            except Unavailable:
                log.warning("the relay waits: the database does not answer")
                stop.wait(1.0)
