"""What executing a job asks of the world, beside :mod:`kovra.guard.ports`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from kovra.actions.envelope import Verified
from kovra.actions.job import Chunk, JobState
from kovra.actions.request import Action
from kovra.actions.rights import Standing
from kovra.guard.case import Case
from kovra.guard.claim import Claim
from kovra.guard.ports import Discord
from kovra.ids import GuildId, UserId


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A request of a chunk that somebody should carry on now, with its seal as it was accepted.

    ``begun``: an earlier attempt may have acted, so it is carried to its end whatever people decided of the job since.
    """

    request_id: UUID
    body: bytes
    kid: str
    sig: str
    begun: bool


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is left of a chunk. ``singly``: Discord would not take it in one call."""

    state: JobState
    action: Action
    singly: bool
    entries: tuple[Entry, ...]


class JobLedger(Protocol):
    """The queue of record, as the executor of chunks writes it. Each method is one transaction, and fenced.

    What is no longer ours is left out, never an error: the others of a chunk go on. Raises Unavailable.
    """

    def open(self, chunk: Chunk, body: bytes) -> Work:
        """Raises EnvelopeRefused when no chunk is kept under this name or its bytes differ."""

    def keeps(self, lane: GuildId, *, body: bytes, kid: str, sig: str) -> bool:
        """Whether exactly this chunk was accepted, under a key that this worker may not know."""

    def state(self, chunk: Chunk) -> JobState: ...

    def claim_all(self, verified: Sequence[Verified]) -> list[Claim]:
        """Take what is free, due and never begun otherwise than in bulk; each claim has its own epoch."""

    def intend_all(self, claims: Sequence[Claim], tries: int) -> tuple[list[Claim], float]:
        """Commit that Guard is about to act on all of them in one call: those still ours, and surely until when."""

    def settle(self, claims: Sequence[Claim], standings: Mapping[UserId, Standing]) -> list[Case]:
        """Case, number and events of each, in one transaction; ``done`` but for the post they share."""

    def give_back_all(self, claims: Sequence[Claim], *, delay_s: float, intent_stays: bool = False) -> None:
        """As ``Ledger.give_back``, for each."""

    def go_singly(self, chunk: Chunk) -> None:
        """What is left of this chunk is carried one by one from now on."""

    def disown(self, entry: Entry, guild_id: GuildId) -> None:
        """End a request whose kept seal does not hold: it was never ours to execute."""


class JobRoster(Protocol):
    """Who is who at the moment of execution, for many."""

    def standings(
        self, guild_id: GuildId, moderator_id: UserId, target_ids: Sequence[UserId]
    ) -> Mapping[UserId, Standing]: ...


class BulkDiscord(Discord, Protocol):
    """Guard's hands, for many at once."""

    def bulk_ban(
        self, guild_id: GuildId, user_ids: Sequence[UserId], *, delete_window_s: int, reason: str
    ) -> frozenset[UserId]:
        """Ban up to 200; who was banned by this call. Raises as every act does; DiscordRefused 500000: nobody was."""

    def bans_among(self, guild_id: GuildId, user_ids: Iterable[UserId]) -> Mapping[UserId, str]:
        """Who of these is banned, with the reason."""

    def noted_targets(self, guild_id: GuildId, action: Action, mark: str) -> frozenset[UserId]:
        """Whom late entries of the audit log for this action name, whose reason ends in the mark."""
