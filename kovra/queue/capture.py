"""Makes cases of what was done in Discord itself: the bot writes down what it hears, a worker makes cases of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kovra.actions import envelope
from kovra.actions.checkpoint import nowhere
from kovra.actions.envelope import Key, Sealed
from kovra.actions.ports import Bulletin
from kovra.actions.request import ActionRequest
from kovra.actions.submit import LIFETIME
from kovra.errors import Unavailable
from kovra.ids import GuildId
from kovra.queue.keys import BULK
from kovra.queue.outbox import Outbox, message_of

log = logging.getLogger(__name__)

#: How often a worker looks, in seconds.
TICK_S = 0.25


class Native(Protocol):
    """Where what was heard is kept."""

    def waiting(self) -> Sequence[GuildId]:
        """The guilds of which something was heard that has not been looked at."""

    def capture(self, guild_id: GuildId, seal: Callable[[ActionRequest, datetime], Sealed]) -> Sequence[Sealed]:
        """Make cases of the oldest entries of a guild, in their order; the sealed requests whose post is to come."""


@dataclass(frozen=True, kw_only=True)
class Capture:
    """One loop in each worker. Running it twice is harmless. ``signing_key`` is Guard's."""

    native: Native
    outbox: Outbox
    bulletin: Bulletin
    signing_key: Key
    at: Callable[[str], None] = nowhere

    def tick(self) -> int:
        """Look at what was heard; how many cases were made."""
        made = 0
        for guild_id in self.native.waiting():
            try:
                made += self._capture(guild_id)
            except Unavailable:
                raise
            except Exception:
                # What cannot be kept in one guild must not silence the others; it is tried again, and the log says so.
                log.exception("what was done in guild %s could not be kept", guild_id)
        return made

    def run(self, stop: threading.Event) -> None:
        """Tick until told to stop. A database that is away is waited for."""
        while not stop.wait(TICK_S):
            try:
                self.tick()
            except Unavailable:
                log.warning("what was done in Discord waits: the database does not answer")
                stop.wait(1.0)

    def _capture(self, guild_id: GuildId) -> int:
        made = self.native.capture(guild_id, self._seal)
        self.at("after_capture_commit")
        for sealed in made:
            # Best effort, and behind what people ask for: what the lane does not take, the relay brings.
            self.outbox.offer(message_of(sealed, BULK))
        if made:
            self.bulletin.ring(guild_id)
        return len(made)

    def _seal(self, request: ActionRequest, now: datetime) -> Sealed:
        return envelope.seal(request, self.signing_key, now + LIFETIME)
