"""The one way in for mass actions, and for releasing what went over somebody's budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from kovra.actions import already, envelope
from kovra.actions.already import Held
from kovra.actions.checkpoint import nowhere
from kovra.actions.envelope import Key
from kovra.actions.job import (
    LIFETIME,
    Asked,
    Chunk,
    Job,
    JobReceipt,
    SealedChunk,
    chunks,
    decide,
    seal_chunk,
)
from kovra.actions.ports import Bulletin, Clock
from kovra.actions.request import ActionRequest, Refusal
from kovra.actions.rights import Standing
from kovra.ids import GuildId, UserId


class JobRoster(Protocol):
    """Who is who in a guild now, for many at once."""

    def standings(
        self, guild_id: GuildId, moderator_id: UserId, target_ids: Sequence[UserId]
    ) -> Mapping[UserId, Standing]:
        """Raises Unavailable when the guild has never been mirrored or the database does not answer."""

    def held_among(self, guild_id: GuildId, target_ids: Sequence[UserId]) -> Mapping[UserId, Held]:
        """What each of them is under now, as far as it is known."""


class Jobs(Protocol):
    """The queue of record, as far as jobs go."""

    def accept(self, job: Job, asked: Asked, sealed_chunks: Sequence[SealedChunk]) -> JobReceipt:
        """Keep a job and all its requests in one transaction: budget, rows, events and audit entries.

        An earlier job with this id comes first and is given back as it stands now. ``asked`` is in the order in which
        a budget is used up. Raises Conflict when the id was used for another wish, and Unavailable.
        """

    def mark_enqueued(self, sealed: SealedChunk) -> None:
        """Note that the lane took it. Best effort."""


class ChunkOutbox(Protocol):
    """The way onto a guild's lane, for chunks."""

    def put_chunk(self, sealed: SealedChunk) -> bool:
        """True when the lane holds it now. Never raises for a Redis that is away."""


@dataclass(frozen=True, kw_only=True)
class SubmitJob:
    """Ask for a mass action. Built once per process with the keys of its ring; ``at`` is for tests."""

    roster: JobRoster
    jobs: Jobs
    outbox: ChunkOutbox
    bulletin: Bulletin
    clock: Clock
    signing_key: Key
    at: Callable[[str], None] = nowhere

    def __call__(self, job: Job) -> JobReceipt:
        """Ask for one job: check the rights of each target, seal each request, accept all at once, enqueue.

        Returns:
            What became of each target; asking twice with one id returns the first answer.

        Raises:
            Conflict: the id was used for another wish.
            Unavailable: Postgres did not answer; nothing was accepted, and the same id may be asked again.
        """
        decided = self.decided(job)
        expires_at = self.clock.now() + LIFETIME
        asked = [(envelope.seal(request, self.signing_key, expires_at), refusal) for request, refusal in decided]
        parts = [
            seal_chunk(Chunk(guild_id=job.guild_id, batch_id=job.batch_id, number=number), self.signing_key)
            for number in range(len(chunks(asked)))
        ]
        self.at("before_accept")
        receipt = self.jobs.accept(job, asked, parts)
        self.at("after_accept")
        for number in receipt.chunks:
            if self.outbox.put_chunk(parts[number]):
                self.at("after_enqueue")
                self.jobs.mark_enqueued(parts[number])
        self.bulletin.ring(job.guild_id)
        self.at("before_answer")
        return receipt

    def decided(self, job: Job) -> list[tuple[ActionRequest, Refusal | None]]:
        """Each request with the first reason why not: as rights and hierarchy say, and because it is so already.

        In the order in which their turn comes. Nothing is asked for.
        """
        standings = self.roster.standings(job.guild_id, job.moderator_id, job.targets)
        decided = decide(job, standings)
        asked = [
            request.target_id
            for request, refusal in decided
            if refusal is None and already.in_question(request, standings[request.target_id])
        ]
        held = self.roster.held_among(job.guild_id, asked) if asked else {}

        def why(request: ActionRequest, refusal: Refusal | None) -> Refusal | None:
            known = held.get(request.target_id)
            if refusal or known is None:
                return refusal
            return already.refusal(request, standings[request.target_id].target.name, known)

        return [(request, why(request, refusal)) for request, refusal in decided]
