"""The story of one chunk of a job, from the lane entry to the last case."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from kovra.actions import envelope
from kovra.actions.checkpoint import nowhere
from kovra.actions.envelope import Key, Verified
from kovra.actions.job import Chunk, JobState, open_chunk
from kovra.actions.ports import Bulletin
from kovra.errors import EnvelopeRefused, Unavailable
from kovra.guard.bulk import BulkBan, fits
from kovra.guard.execute import Execute
from kovra.guard.job_ports import Entry, JobLedger, Work
from kovra.guard.ports import Quarantine
from kovra.ids import GuildId

log = logging.getLogger(__name__)

#: How long a chunk is worked on before the worker's thread is given to others, in seconds; the relay brings it back.
SLICE_S = 10.0


@dataclass(frozen=True, kw_only=True)
class ExecuteChunk:
    """Execute what a chunk entry names.

    The entry brings a name and nothing else: each request is read from the record with its own seal, and checked as
    if it had come alone. ``stopping`` says that the process is to end; ``monotonic`` is seconds that never go back.
    """

    ledger: JobLedger
    execute: Execute
    bulk: BulkBan
    quarantine: Quarantine
    bulletin: Bulletin
    keys: Mapping[str, Key]
    at: Callable[[str], None] = nowhere
    stopping: Callable[[], bool] = lambda: False
    monotonic: Callable[[], float] = time.monotonic

    def __call__(self, *, lane: GuildId, body: bytes, kid: str, sig: str) -> None:
        """Carry a chunk on as far as it goes now.

        Raises:
            EnvelopeRefused: the entry is forged, altered, unknown or on the wrong lane. It has been audited, was not
                executed, and must be taken off the lane.
        """
        self.at("after_read")
        try:
            chunk = open_chunk(body, kid, sig, keys=self.keys, lane=lane)
            self.at("after_verify")
            work = self.ledger.open(chunk, body)
        except EnvelopeRefused as refused:
            if refused.cause == "key" and self._awaits_key(lane, body, kid, sig):
                return
            self.quarantine.refuse(lane=lane, body=body, cause=refused.cause)
            raise
        except Unavailable:
            log.warning("a chunk of guild %s waits: the database does not answer", lane)
            return
        try:
            self._carry_on(chunk, body, work)
        except Unavailable:
            # Nothing more may be done without the record. The rows keep their place; the relay brings them back.
            log.warning("chunk %s.%d is left where it stands", chunk.batch_id, chunk.number)
        finally:
            self.bulletin.ring(lane)
        self.at("before_ack")

    def _carry_on(self, chunk: Chunk, body: bytes, work: Work) -> None:
        opened = self._opened(chunk, work)
        if fits(work, [one.request for one in opened.values()]):
            self.bulk(chunk, list(opened.values()))
            self.bulletin.ring(chunk.guild_id)
            work = self.ledger.open(chunk, body)
            opened = self._opened(chunk, work)
        self._one_by_one(chunk, work, opened)

    def _one_by_one(self, chunk: Chunk, work: Work, opened: Mapping[Entry, Verified]) -> None:
        """Carry on what is left, each as if it had come alone; what people decide of the job meanwhile counts."""
        until = self.monotonic() + SLICE_S
        for entry in opened:
            if self.stopping() or self.monotonic() > until:
                return
            # What was handed out while the job was not running is there to be ended, not to be begun.
            if work.state is JobState.RUNNING and not entry.begun and self.ledger.state(chunk) is not JobState.RUNNING:
                continue
            self._alone(chunk, entry)

    def _alone(self, chunk: Chunk, entry: Entry) -> None:
        with suppress(EnvelopeRefused):  # it has been audited where it was refused
            self.execute(lane=chunk.guild_id, body=entry.body, kid=entry.kid, sig=entry.sig)

    def _awaits_key(self, lane: GuildId, body: bytes, kid: str, sig: str) -> bool:
        """Whether this is an accepted chunk under a key this worker does not know: one that does may come."""
        if not (kid.isascii() and kid.isprintable() and sig.isascii() and sig.isprintable()):
            return False  # no key and no signature of ours
        try:
            return self.ledger.keeps(lane, body=body, kid=kid, sig=sig)
        except Unavailable:
            return True

    def _opened(self, chunk: Chunk, work: Work) -> dict[Entry, Verified]:
        """The requests whose seals hold and that belong to this job; the others are ended, and audited."""
        opened = {}
        for entry in work.entries:
            try:
                one = envelope.open_envelope(entry.body, entry.kid, entry.sig, keys=self.keys, lane=chunk.guild_id)
                if one.request.batch_id != chunk.batch_id or one.request.request_id != entry.request_id:
                    raise EnvelopeRefused("row_differs")
            except EnvelopeRefused as refused:
                if refused.cause == "key":
                    self._alone(chunk, entry)  # one that knows the key may come
                    continue
                self.quarantine.refuse(lane=chunk.guild_id, body=entry.body, cause=refused.cause)
                self.ledger.disown(entry, chunk.guild_id)
                continue
            opened[entry] = one
        return opened
