"""The dead letters of one guild, and what a person decides about them, on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kovra.actions.audit import AuditEntry, AuditKind
from kovra.actions.ports import AuditLog
from kovra.ids import GuildId, UserId
from kovra.queue.broker import LanesBroker
from kovra.queue.dead import DeadLetter
from kovra.queue.outbox import QUEUE


@dataclass(frozen=True, kw_only=True)
class DeadLetterDesk:
    """Look at dead letters, try one again, or throw one away. Who may (``queue_ops``) is the door's to ask."""

    broker: LanesBroker
    audit: AuditLog

    def letters(self, guild_id: GuildId, count: int = 50) -> Sequence[DeadLetter]:
        """The newest of a guild. Raises ConnectionClosed when Redis does not answer."""
        return list(self.broker.dead_letters(QUEUE, lane=str(guild_id), count=count))

    def retry(self, guild_id: GuildId, actor_id: UserId, letter_id: str) -> bool:
        """Put a letter back on its lane; False when this guild has none of this id, or it cannot be read.

        It is checked like any other entry: what was forged is refused again.
        """
        letter = self._of(guild_id, letter_id)
        if letter is None or letter.message is None:
            return False
        self._record(AuditKind.LETTER_RETRIED, guild_id, actor_id, letter)
        return self.broker.redrive(letter_id) is not None

    def discard(self, guild_id: GuildId, actor_id: UserId, letter_id: str) -> bool:
        """Throw a letter away; False when this guild has none of this id. A request's row is not touched by it."""
        letter = self._of(guild_id, letter_id)
        if letter is None:
            return False
        self._record(AuditKind.LETTER_DISCARDED, guild_id, actor_id, letter)
        return self.broker.discard(letter_id)

    def _of(self, guild_id: GuildId, letter_id: str) -> DeadLetter | None:
        # The id names a queue and a shard, which many guilds share: the lane says whose it is.
        found = (letter for letter in self.broker.dead_letters(QUEUE, lane=str(guild_id), count=1_000))
        return next((letter for letter in found if letter.id == letter_id), None)

    def _record(self, kind: AuditKind, guild_id: GuildId, actor_id: UserId, letter: DeadLetter) -> None:
        """Before it happens: what is on record and did not happen harms less than the other way round."""
        message = letter.message
        facts = {
            "letter": letter.id,
            "cause": letter.cause,
            "message_id": message.message_id[:100] if message is not None else None,
        }
        self.audit.append(AuditEntry(guild_id=guild_id, kind=kind, actor_id=actor_id, facts=facts))
