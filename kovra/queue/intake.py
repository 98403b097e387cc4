"""What was fetched: good entries are taken, the others are moved to the dead letters and reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dramatiq.logging import get_logger
from dramatiq.message import Message

from kovra.queue.entry import MAX_BYTES, Entry, Fetched, Refused, decode

if TYPE_CHECKING:
    from kovra.queue.broker import LanesBroker


class Intake:
    """Examines the entries of one queue before anything runs."""

    def __init__(self, broker: LanesBroker, queue_name: str) -> None:
        self._logger = get_logger(__name__, type(self))
        self._broker, self._queue_name = broker, queue_name

    def examine(self, item: Fetched) -> Message:
        """The message of an entry that may run.

        Raises:
            Refused: it may not.
        """
        message = decode(item, self._queue_name)
        if self._broker.keys.prefix(self._queue_name, self._broker.shard_of(item.lane)) != item.prefix:
            raise Refused("shard", "the lane belongs to another shard")
        if message.actor_name not in self._broker.actors:
            raise Refused("actor", f"nobody is called {message.actor_name[:80]!r}")
        if cause := self._checked(item.lane, message):
            raise Refused(cause)
        return message

    def _checked(self, lane: str, message: Message) -> str | None:
        if self._broker.check is None:
            return None
        try:
            return self._broker.check(lane, message)
        except Exception as error:  # what cannot be checked does not run; it can be redriven
            raise Refused("check", f"{type(error).__name__}: {error}") from error

    def quarantine(self, item: Fetched, refusal: Refused) -> None:
        """Report a refused entry, then move it to the dead letters: after a crash in between it is reported again."""
        broker = self._broker
        self._logger.error("Quarantined %s of %s: %s %s", item.ref, item.prefix, refusal.cause, refusal.detail)
        if broker.on_quarantine is not None:
            try:
                broker.on_quarantine(item.lane, item.payload, refusal.cause)
            except Exception:
                self._logger.critical("Reporting a quarantined entry failed.", exc_info=True)
        self.bury(item, refusal.cause, refusal.detail)

    def bury(self, entry: Entry | Fetched, cause: str, detail: str) -> None:
        """Move an entry to the dead letters."""
        broker = self._broker
        said = detail.encode(errors="replace")[:500]
        broker.scripts.run(
            "finish", entry.prefix, "bury", broker.consumer_name,
            entry.ref.encode(errors="surrogateescape"), entry.order_key, entry.lock, broker.lock_ttl_ms,
            cause, said, entry.deliveries, broker.dead_ttl_ms, MAX_BYTES,
        )  # fmt: skip
