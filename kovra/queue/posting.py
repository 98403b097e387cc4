"""Posts what waits in the log channels: up to ten cases in a message, and messages that are to read anew."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from kovra.errors import Unavailable
from kovra.ids import GuildId

log = logging.getLogger(__name__)

#: How often a worker looks, and how long it leaves a guild alone in which nothing could be done, in seconds.
TICK_S, QUIET_S = 0.25, 1.0

#: Guilds that are posted for at once: a channel that is waited for must not hold up the others.
AT_ONCE = 4


class Record(Protocol):
    """Where what waits is kept."""

    def waiting(self) -> Sequence[GuildId]:
        """The guilds in which something may be posted or edited now."""


@dataclass(frozen=True, kw_only=True)
class Posting:
    """One loop in each worker. Running it twice is harmless: each message has one sender at a time.

    ``post`` sends and edits what can be sent and edited in a guild now, and says how much that was.
    """

    record: Record
    post: Callable[[GuildId], int]
    monotonic: Callable[[], float] = time.monotonic
    _quiet: dict[GuildId, float] = field(default_factory=dict)
    _in_hand: set[GuildId] = field(default_factory=set)

    def run(self, stop: threading.Event) -> None:
        """Tick until told to stop. A database that is away is waited for."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="posting") as hands:
            while not stop.wait(TICK_S):
                try:
                    for guild_id in self.due():
                        self._in_hand.add(guild_id)
                        hands.submit(self.carry, guild_id)
                except Unavailable:
                    log.warning("posts wait: the database does not answer")
                    stop.wait(1.0)

    def due(self) -> list[GuildId]:
        """The guilds whose turn it is and that nobody of this process has in hand."""
        now = self.monotonic()
        for guild_id in [one for one, until in list(self._quiet.items()) if until <= now]:
            self._quiet.pop(guild_id, None)
        return [one for one in self.record.waiting() if one not in self._in_hand and one not in self._quiet]

    def carry(self, guild_id: GuildId) -> None:
        """Do what can be done in a guild; when that was nothing, it is left alone for a moment."""
        done = 0
        try:
            done = self.post(guild_id)
        except Unavailable:
            log.warning("posts of guild %s wait: the database does not answer", guild_id)
        except Exception:
            # What cannot be posted in one guild must not silence the others; it is tried again, and the log says so.
            log.exception("what waits in guild %s could not be posted", guild_id)
        finally:
            if not done:
                self._quiet[guild_id] = self.monotonic() + QUIET_S
            self._in_hand.discard(guild_id)
