"""A mass action: one wish for up to 500 targets, kept as a job of single requests that travel in chunks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar
from uuid import UUID

from kovra.actions import rights
from kovra.actions.capabilities import Capability, capabilities
from kovra.actions.envelope import Key, Sealed, canonical, mac, signer
from kovra.actions.request import Action, ActionRequest, Receipt, Refusal, RefusalKind, Source
from kovra.actions.rights import Standing
from kovra.errors import EnvelopeRefused, Malformed
from kovra.ids import GuildId, UserId, derived_request_id

MAX_TARGETS = 500

#: Discord bans at most 200 at once (API reference, Bulk Guild Ban), and a lane entry names one such chunk.
CHUNK_SIZE = 200

#: How long the rows of a job are still wanted: a large one waits for Discord's limits, and it may be paused.
LIFETIME = timedelta(hours=24)

_DOMAIN = b"kovra.chunk.v1\0"

T = TypeVar("T")


class JobState(StrEnum):
    """What people have decided of a job. Whether it has ended is told by its requests."""

    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One mass action, as it was confirmed. ``batch_id`` was minted when the form was drawn.

    ``releases`` is empty, or names for each target the over-budget request that this one stands in for.

    Raises:
        Malformed: no target, more than 500, or what no single request of it could be.
    """

    batch_id: UUID
    guild_id: GuildId
    action: Action
    targets: tuple[UserId, ...]
    moderator_id: UserId
    source: Source
    reason: str
    issued_at: datetime
    params: Mapping[str, int] = field(default_factory=dict)
    releases: tuple[UUID, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", self.reason.strip())
        object.__setattr__(self, "params", MappingProxyType(dict(self.params)))
        if not self.targets:
            raise Malformed("A mass action needs at least one target.")
        if len(self.targets) > MAX_TARGETS:
            raise Malformed(f"A mass action takes at most {MAX_TARGETS} targets, not {len(self.targets)}.")
        if self.releases and len(self.releases) != len(self.targets):
            raise Malformed("A release names one request for each target.")
        self.requests()

    def requests(self) -> list[ActionRequest]:
        """One request for each target, in the order asked; their ids follow from the job's and never change."""
        made_ms = self.batch_id.int >> 80
        first = ActionRequest(
            request_id=derived_request_id(made_ms, self.batch_id, 0),
            guild_id=self.guild_id,
            action=self.action,
            target_id=self.targets[0],
            moderator_id=self.moderator_id,
            source=self.source,
            reason=self.reason,
            issued_at=self.issued_at,
            params=self.params,
            batch_id=self.batch_id,
            releases=self.releases[0] if self.releases else None,
        )
        return [first] + [
            replace(
                first,
                request_id=derived_request_id(made_ms, self.batch_id, place),
                target_id=target_id,
                releases=self.releases[place] if self.releases else None,
            )
            for place, target_id in enumerate(self.targets)
            if place > 0
        ]

    def fingerprint(self) -> bytes:
        """What makes two jobs with one id the same wish: 32 bytes."""
        whole = hashlib.sha256()
        for request in self.requests():
            whole.update(request.fingerprint().encode() + b"\0")
        return whole.digest()


@dataclass(frozen=True, kw_only=True)
class JobReceipt:
    """The answer to a mass action: what became of each target, in the order asked, known at once.

    ``chunks`` are the numbers of the parts that are to be carried; ``replay``: it had been asked before.
    """

    batch_id: UUID
    guild_id: GuildId
    state: JobState
    receipts: tuple[Receipt, ...]
    chunks: tuple[int, ...] = ()
    replay: bool = False

    @property
    def accepted(self) -> list[Receipt]:
        return [receipt for receipt in self.receipts if receipt.accepted]

    @property
    def rejected(self) -> list[Receipt]:
        return [receipt for receipt in self.receipts if not receipt.accepted]


def decide(job: Job, standings: Mapping[UserId, Standing]) -> list[tuple[ActionRequest, Refusal | None]]:
    """Who may be acted on: each request with the first reason why not. Members come before strangers.

    Discord holds back bans of strangers before those of members, and members are the ones who do harm now. The order
    is also that in which a budget that is too small is used up.
    """
    seen: set[UserId] = set()
    decided = []
    for request in job.requests():
        standing = standings[request.target_id]
        refusal = _too_large(job, standing) or rights.check(request, standing)
        if request.target_id in seen:
            sentence = f"{standing.target.name} is in this mass action twice; the first mention counts."
            refusal = Refusal(kind=RefusalKind.DUPLICATE, sentence=sentence)
        seen.add(request.target_id)
        decided.append((request, refusal))
    return sorted(decided, key=lambda pair: not standings[pair[0].target_id].target.member)


def _too_large(job: Job, standing: Standing) -> Refusal | None:
    """A granted capability may be bounded in the size of a batch; a release has been counted where it was asked."""
    held = capabilities(standing.moderator, standing.owner_id, standing.grants)
    limit = held.get(Capability.MASS)
    if job.releases or limit is None or limit.largest_batch is None or len(job.targets) <= limit.largest_batch:
        return None
    return Refusal(
        kind=RefusalKind.CAPABILITY_LIMIT,
        sentence=f"You may act on at most {limit.largest_batch} at once. Choose fewer targets.",
    )


def chunks(ordered: Sequence[T]) -> list[Sequence[T]]:
    """What travels together: up to 200, in order."""
    return [ordered[start : start + CHUNK_SIZE] for start in range(0, len(ordered), CHUNK_SIZE)]


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """The name of a part of a job. Whoever reads it finds the requests, each with its own seal, in the record."""

    guild_id: GuildId
    batch_id: UUID
    number: int


@dataclass(frozen=True, kw_only=True)
class SealedChunk:
    """A signed chunk, exactly as it is stored and carried."""

    chunk: Chunk
    body: bytes
    kid: str
    sig: str


def seal_chunk(chunk: Chunk, key: Key) -> SealedChunk:
    """Sign the name of a chunk."""
    body = _body(chunk)
    return SealedChunk(chunk=chunk, body=body, kid=key.kid, sig=mac(_DOMAIN, key, body))


def open_chunk(body: bytes, kid: str, sig: str, *, keys: Mapping[str, Key], lane: GuildId) -> Chunk:
    """Check a chunk entry of a lane and read it. What it names is checked again, request by request.

    Raises:
        EnvelopeRefused: ``size``, ``key``, ``signature``, ``form`` or ``lane``.
    """
    signer(_DOMAIN, body, kid, sig, keys)
    try:
        raw = json.loads(body.decode("utf-8"))
        chunk = Chunk(guild_id=GuildId(int(raw["guild_id"])), batch_id=UUID(raw["batch_id"]), number=int(raw["chunk"]))
        if _body(chunk) != body:
            raise EnvelopeRefused("form")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise EnvelopeRefused("form") from error
    if chunk.guild_id != lane:
        raise EnvelopeRefused("lane")
    return chunk


def _body(chunk: Chunk) -> bytes:
    return canonical({"batch_id": str(chunk.batch_id), "chunk": chunk.number, "guild_id": str(chunk.guild_id), "v": 1})


#: A request of a job as it is handed over to be kept, with the reason why it will not run, if there is one.
Asked = Sequence[tuple[Sealed, Refusal | None]]
