"""Ends punishments when their time has come: the rows in Postgres say when, and a worker that was away catches up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from kovra.actions import envelope, rights
from kovra.actions.checkpoint import nowhere
from kovra.actions.envelope import Key, Sealed
from kovra.actions.ports import Bulletin, Roster
from kovra.actions.request import Refusal
from kovra.actions.submit import LIFETIME
from kovra.errors import Unavailable
from kovra.guard.endings import Ask, End, Settle, Wait, next_step, request_for
from kovra.queue.keys import BULK
from kovra.queue.outbox import Outbox, message_of

log = logging.getLogger(__name__)

#: How often the scheduler looks, in seconds, and how many ends it takes at a time: what has gathered while nobody
#: worked is worked off at about the pace that Discord allows.
TICK_S = 0.5
BATCH = 25


class Schedule(Protocol):
    """Where the ends are kept."""

    def due(self, limit: int) -> Sequence[End]:
        """Ends whose time to look has come, the longest waiting first; no other scheduler is given them meanwhile."""

    def wait(self, end: End, step: Wait) -> None: ...

    def settle(self, end: End, step: Settle) -> bool:
        """False when somebody was faster."""

    def ask(self, end: End, sealed: Sealed, refusal: Refusal | None) -> bool:
        """Keep the request, accepted or refused, in one transaction with the end; True when it is accepted."""


@dataclass(frozen=True, kw_only=True)
class Scheduler:
    """One loop in each worker. Several at once share the ends between them. ``signing_key`` is Guard's."""

    schedule: Schedule
    roster: Roster
    outbox: Outbox
    bulletin: Bulletin
    signing_key: Key
    at: Callable[[str], None] = nowhere

    def tick(self) -> int:
        """Do what is due; how many requests were accepted."""
        return sum(self._keep(end) for end in self.schedule.due(BATCH))

    def run(self, stop: threading.Event) -> None:
        """Tick until told to stop. A database that is away is waited for."""
        while not stop.wait(TICK_S):
            try:
                self.tick()
            except Unavailable:
                log.warning("the ends of punishments wait: the database does not answer")
                stop.wait(1.0)

    def _keep(self, end: End) -> bool:
        self.at("end_selected")
        try:
            # Nobody asks for this but Guard: only the target's standing and its own count.
            standing = self.roster.standing(end.guild_id, end.target_id, end.target_id)
        except Unavailable as error:
            # It comes again in a moment; the others must not wait behind a guild that nobody knows.
            log.warning("the end of case %s in guild %s waits: %s", end.case_no, end.guild_id, error)
            return False
        step = next_step(end, member=standing.target.member)
        if isinstance(step, Wait):
            self.schedule.wait(end, step)
        elif isinstance(step, Settle):
            if self.schedule.settle(end, step):
                self.bulletin.ring(end.guild_id)
        elif isinstance(step, Ask):
            return self._ask(end, standing)
        return False

    def _ask(self, end: End, standing: rights.Standing) -> bool:
        request = request_for(end, standing.guard.user_id)
        if rights.looks_around(request):
            standing = self.roster.around(request, standing)
        refusal = rights.check(request, standing)
        sealed = envelope.seal(request, self.signing_key, end.now + LIFETIME)
        accepted = self.schedule.ask(end, sealed, refusal)
        self.at("after_end_commit")
        if accepted:
            # Best effort, and behind what people ask for: what the lane does not take, the relay brings.
            self.outbox.offer(message_of(sealed, BULK))
        self.bulletin.ring(end.guild_id)
        return accepted
