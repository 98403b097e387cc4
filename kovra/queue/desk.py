"""A guild's lane and its dead letters, for the people who look after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from dramatiq.errors import ConnectionClosed

from kovra.actions.audit import AuditEntry, AuditKind
from kovra.actions.capabilities import Capability
from kovra.actions.lanes import TAKES_QUEUE_OPS, LaneNow, Letter, Operator
from kovra.actions.ports import AuditLog
from kovra.errors import Unavailable
from kovra.ids import GuildId
from kovra.queue.broker import LanesBroker
from kovra.queue.dead import DeadLetter
from kovra.queue.locks import Offer
from kovra.queue.outbox import QUEUE

#: How far back a letter is looked for.
_MOST = 1_000

_GONE = "There is no such dead letter any more: somebody has decided about it, or it is older than 30 days."
_UNREADABLE = "Not put back: this entry cannot be read, so nothing could run it. Discard it."
_HELD = "Not put back: the same request lies on the lane again already. Discard this copy."


@dataclass(frozen=True, kw_only=True)
class LaneDesk:
    """Look at a lane and its dead letters, try one again, or throw one away; ``kovra.actions.lanes`` has the words."""

    broker: LanesBroker
    audit: AuditLog

    @property
    def shards(self) -> int:
        return self.broker.keys.shards

    def shard_of(self, guild_id: GuildId) -> int:
        return self.broker.shard_of(str(guild_id))

    def lane(self, guild_id: GuildId) -> LaneNow:
        with _told_as_unavailable():
            gauge = self.broker.lane(QUEUE, str(guild_id))
        return LaneNow(
            interactive=gauge.depth - gauge.bulk,
            bulk=gauge.bulk,
            in_flight=gauge.in_flight,
            parked=gauge.parked,
            oldest_s=gauge.oldest_age_ms / 1000,
            paused=gauge.paused,
        )

    def letters(self, guild_id: GuildId, count: int = 50) -> Sequence[Letter]:
        return [_letter(one) for one in self._of(guild_id, count)]

    def retry(self, operator: Operator, letter_id: str) -> str | None:
        """It is checked like any other entry: what was forged is refused again."""
        if not operator.may(Capability.QUEUE_OPS):
            return TAKES_QUEUE_OPS
        letter = self._find(operator.guild_id, letter_id)
        if letter is None:
            return _GONE
        if letter.message is None:
            return _UNREADABLE
        self._record(AuditKind.LETTER_RETRIED, operator, letter)
        with _told_as_unavailable():
            offer = self.broker.redrive(letter_id)
        if offer is None:
            return _GONE
        return None if offer is Offer.ENQUEUED else _HELD

    def discard(self, operator: Operator, letter_id: str) -> str | None:
        """A request's row is not touched by it."""
        if not operator.may(Capability.QUEUE_OPS):
            return TAKES_QUEUE_OPS
        letter = self._find(operator.guild_id, letter_id)
        if letter is None:
            return _GONE
        self._record(AuditKind.LETTER_DISCARDED, operator, letter)
        with _told_as_unavailable():
            return None if self.broker.discard(letter_id) else _GONE

    def pause(self, guild_id: GuildId, paused: bool) -> bool:
        try:
            (self.broker.pause if paused else self.broker.resume)(QUEUE, str(guild_id))
        except ConnectionClosed:
            return False
        return True

    def _of(self, guild_id: GuildId, count: int) -> list[DeadLetter]:
        with _told_as_unavailable():
            return list(self.broker.dead_letters(QUEUE, lane=str(guild_id), count=count))

    def _find(self, guild_id: GuildId, letter_id: str) -> DeadLetter | None:
        # The id names a queue and a shard, which many guilds share: the lane says whose it is.
        return next((letter for letter in self._of(guild_id, _MOST) if letter.id == letter_id), None)

    def _record(self, kind: AuditKind, operator: Operator, letter: DeadLetter) -> None:
        """Before it happens: what is on record and did not happen harms less than the other way round."""
        facts = {"letter": letter.id, "cause": letter.cause, "message_id": _letter(letter).message_id}
        actor_id = operator.viewer.user_id
        self.audit.append(AuditEntry(guild_id=operator.guild_id, kind=kind, actor_id=actor_id, facts=facts))


def _letter(found: DeadLetter) -> Letter:
    message = found.message
    return Letter(
        id=found.id,
        cause=found.cause,
        detail=found.detail,
        deliveries=found.deliveries,
        died_at=found.died_at,
        message_id=None if message is None else str(message.message_id)[:100],
    )


@contextmanager
def _told_as_unavailable() -> Iterator[None]:
    try:
        yield
    except ConnectionClosed as error:
        raise Unavailable("Redis does not answer") from error
