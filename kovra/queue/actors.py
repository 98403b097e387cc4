"""The actors of the worker: plain names on the broker, each calling what wiring hands in."""

from __future__ import annotations

import base64
import binascii
from typing import Protocol

import dramatiq
from dramatiq.middleware import CurrentMessage

from kovra.errors import EnvelopeRefused
from kovra.ids import GuildId
from kovra.queue.broker import LanesBroker
from kovra.queue.outbox import ACTOR, QUEUE


class Executor(Protocol):
    """What is called with each entry of a lane."""

    def __call__(self, *, lane: GuildId, body: bytes, kid: str, sig: str) -> None: ...


def declare_actions(broker: LanesBroker, execute: Executor) -> dramatiq.Actor:
    """Declare the actor that executes actions. The broker carries the CurrentMessage and Retries middleware.

    Retries are switched off: the request's row says what comes next, never the message. An entry that must not run
    raises EnvelopeRefused and goes to the dead letters.
    """

    def execute_action(*, body: str, kid: str, sig: str) -> None:
        # The lane as the broker read it from the stream's name, not as the message claims.
        lane = CurrentMessage.get_current_message().lane
        execute(lane=GuildId(int(lane)), body=_body(body), kid=kid, sig=sig)

    return dramatiq.actor(
        execute_action,
        actor_name=ACTOR,
        queue_name=QUEUE,
        broker=broker,
        max_retries=0,
        throws=(EnvelopeRefused,),
    )


def _body(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        # Not what the outbox wrote; whatever it is, no signature fits it.
        return text.encode("utf-8", "surrogatepass")
