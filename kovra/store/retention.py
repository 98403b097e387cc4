"""Forgets what is kept only for a time, so that no table grows for ever."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from kovra.errors import Unavailable
from kovra.store.events import Events
from kovra.store.evidence import LooseEvidence
from kovra.store.forgetting import Forgetting

log = logging.getLogger(__name__)

#: Between two looks, in seconds: an event may be kept this much longer than it has to be.
EVERY_S = 600.0


@dataclass(frozen=True, kw_only=True)
class Retention:
    """One loop in each worker. Running it twice is harmless: what is gone is gone."""

    events: Events
    evidence: LooseEvidence
    forgetting: Forgetting
    every_s: float = EVERY_S

    def run(self, stop: threading.Event) -> None:
        """Look at once and then again and again, until told to stop. A database that is away is waited for."""
        while not stop.is_set():
            try:
                if forgotten := self.events.prune_everywhere():
                    log.info("forgot %d events that open pages can no longer ask for", forgotten)
                if forgotten := self.evidence.prune_everywhere():
                    log.info("forgot %d messages that no case stands on", forgotten)
                if forgotten := self.forgetting.forget_everywhere():
                    log.info("forgot %d messages whose servers keep them no longer", forgotten)
                self.forgetting.open_dms_everywhere()
                if lost := self.forgetting.give_up_files_everywhere():
                    log.info("gave up %d files of messages that nobody fetches any more", lost)
            except Unavailable:
                log.warning("what is old stays for now: the database does not answer")
            stop.wait(self.every_s)
