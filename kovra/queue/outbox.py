"""The way onto a guild's lane."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dramatiq import Message
from dramatiq.errors import ConnectionClosed

from kovra.actions.envelope import Sealed
from kovra.actions.job import SealedChunk
from kovra.ids import GuildId, UserId
from kovra.queue.broker import LanesBroker
from kovra.queue.keys import BULK
from kovra.queue.locks import Offer

log = logging.getLogger(__name__)

#: The queue and the actor that execute actions.
QUEUE = "guard"
ACTOR = "execute_action"
#: The actor that executes chunks of jobs, at the priority of bulk work.
CHUNK_ACTOR = "execute_chunk"


def lane_message(
    *, guild_id: GuildId, target_id: UserId, request_id: str, body: bytes, kid: str, sig: str, priority: int = 0
) -> Message:
    """The message that carries one request: the same whoever makes it and whenever, so a refill is no second one.

    The body travels in base64: Dramatiq's JSON would make twelve bytes of a single emoji, and an entry has a limit.
    """
    return Message(
        queue_name=QUEUE,
        actor_name=ACTOR,
        args=(),
        kwargs={"body": base64.b64encode(body).decode(), "kid": kid, "sig": sig},
        options={
            "lane": str(guild_id),
            "priority": priority,
            "order_key": f"{guild_id}:{target_id}",
            "lock": request_id,
        },
        message_id=request_id,
        message_timestamp=0,
    )


def chunk_message(*, guild_id: GuildId, batch_id: str, number: int, body: bytes, kid: str, sig: str) -> Message:
    """The message that names one chunk of a job. The chunks of one job run one after another."""
    name = f"{batch_id}.{number}"
    return Message(
        queue_name=QUEUE,
        actor_name=CHUNK_ACTOR,
        args=(),
        kwargs={"body": base64.b64encode(body).decode(), "kid": kid, "sig": sig},
        options={"lane": str(guild_id), "priority": BULK, "order_key": f"{guild_id}:{batch_id}", "lock": name},
        message_id=name,
        message_timestamp=0,
    )


def message_of(sealed: Sealed, priority: int = 0) -> Message:
    """The entry of an accepted request."""
    request = sealed.request
    return lane_message(
        guild_id=request.guild_id,
        target_id=request.target_id,
        request_id=str(request.request_id),
        body=sealed.body,
        kid=sealed.kid,
        sig=sealed.sig,
        priority=priority,
    )


#: How many messages travel to Redis in one trip: it does nothing else meanwhile.
TOGETHER = 50

#: A Redis that let us wait this long is not asked for a while, so that it slows one click and not a burst. One that
#: refuses at once costs nothing and is always asked.
LONG_S, QUIET_S = 0.2, 1.0


class Quiet:
    """Until when a Redis that hangs is left alone; one for each outbox."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.monotonic, self.until = monotonic, float("-inf")


@dataclass(frozen=True, kw_only=True)
class Outbox:
    """Puts sealed requests on their lanes; what Redis does not take, the relay brings later."""

    broker: LanesBroker
    quiet: Quiet = field(default_factory=Quiet)

    def put(self, sealed: Sealed) -> bool:
        """True when the lane holds it now."""
        return self.offer(message_of(sealed))

    def put_each(self, sealed: Sequence[Sealed]) -> Sequence[Sealed]:
        """Those that the lane holds now. Several at once stand behind what people click one by one."""
        put: list[Sealed] = []
        if self.quiet.monotonic() < self.quiet.until:
            return put
        for first in range(0, len(sealed), TOGETHER):
            some = sealed[first : first + TOGETHER]
            offers = self.offer_each([message_of(one, BULK if len(sealed) > 1 else 0) for one in some])
            put += [one for one, offer in zip(some, offers, strict=True) if offer not in (None, Offer.FULL)]
            if len(put) < first + len(some):
                break  # Redis went away, or the lane takes no more: the relay brings the rest
        return put

    def put_chunk(self, sealed: SealedChunk) -> bool:
        """True when the lane holds it now."""
        chunk = sealed.chunk
        return self.offer(
            chunk_message(
                guild_id=chunk.guild_id,
                batch_id=str(chunk.batch_id),
                number=chunk.number,
                body=sealed.body,
                kid=sealed.kid,
                sig=sealed.sig,
            )
        )

    def answers(self) -> bool:
        """Whether Redis is there."""
        return self.broker.answers()

    def offer(self, message: Message, *, again: bool = False) -> bool:
        """Put a lane message; False when Redis is away, or the lane takes no more now.

        Args:
            again: its row still wants it, whatever the lane remembers of an earlier entry.
        """
        quiet, began = self.quiet, self.quiet.monotonic()
        if began < quiet.until:
            return False
        try:
            offer = self.broker.offer(message, again=again)
        except ConnectionClosed as error:
            if quiet.monotonic() - began > LONG_S:
                quiet.until = quiet.monotonic() + QUIET_S
            log.warning("the lane of request %s waits for the relay: %s", message.message_id, error)
            return False
        return offer is not Offer.FULL

    def offer_each(self, messages: Sequence[Message], *, again: bool = False) -> Sequence[Offer | None]:
        """Put several lane messages at once; None for each that Redis did not take. ``again`` as in ``offer``."""
        try:
            return self.broker.offer_each(messages, again=again)
        except ConnectionClosed as error:
            log.warning("the lanes of %d requests wait for the relay: %s", len(messages), error)
            return [None] * len(messages)
