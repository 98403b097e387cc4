"""Keeps the lanes paused that people paused: their decision is a row, and Redis may forget."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from dramatiq.errors import ConnectionClosed

from kovra.errors import Unavailable
from kovra.ids import GuildId
from kovra.queue.broker import LanesBroker
from kovra.queue.outbox import QUEUE

log = logging.getLogger(__name__)

#: How often to compare, in seconds.
TICK_S = 1.0


class Decided(Protocol):
    """Where it is written which lanes are paused."""

    def everywhere(self) -> Collection[GuildId]:
        """The guilds whose lane somebody paused."""


@dataclass(frozen=True, kw_only=True)
class KeepPauses:
    """One loop in each worker. Running it twice is harmless."""

    decided: Decided
    broker: LanesBroker

    def tick(self) -> int:
        """Pause and resume what is not as it is written; how many lanes that were.

        Raises:
            Unavailable: PostgreSQL does not answer.
            ConnectionClosed: Redis does not answer.
        """
        wanted = {str(guild_id) for guild_id in self.decided.everywhere()}
        found = self.broker.paused(QUEUE)
        for lane in wanted - found:
            self.broker.pause(QUEUE, lane)
        for lane in found - wanted:
            self.broker.resume(QUEUE, lane)
        return len(wanted ^ found)

    def run(self, stop: threading.Event) -> None:
        """Tick until told to stop. What is away is waited for."""
        while not stop.wait(TICK_S):
            try:
                if mended := self.tick():
                    log.info("paused or resumed %d lanes as it is written", mended)
            except (Unavailable, ConnectionClosed) as error:
                log.warning("which lanes are paused cannot be compared: %s", error)
