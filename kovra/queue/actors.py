"""The actors of the worker: plain names on the broker, each calling what wiring hands in."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Protocol, TypedDict

import dramatiq
from dramatiq.middleware import CurrentMessage

from kovra.errors import EnvelopeRefused
from kovra.ids import GuildId
from kovra.queue.broker import LanesBroker
from kovra.queue.outbox import ACTOR, CHUNK_ACTOR, QUEUE


class _Envelope(TypedDict):
    body: bytes
    kid: str
    sig: str


class Executor(Protocol):
    """What is called with each entry of a lane."""

    def __call__(self, *, lane: GuildId, body: bytes, kid: str, sig: str) -> None: ...


def declare_actions(broker: LanesBroker, execute: Executor) -> dramatiq.Actor:
    """Declare the actor that executes actions. The broker carries the CurrentMessage and Retries middleware.

    Retries are switched off: the request's row says what comes next, never the message. An entry that must not run
    raises EnvelopeRefused and goes to the dead letters.
    """
    return _declare(broker, execute, ACTOR, priority=0)


def declare_chunks(broker: LanesBroker, execute: Executor) -> dramatiq.Actor:
    """Declare the actor that executes chunks of jobs, as :func:`declare_actions` does for actions.

    Of what a worker has fetched already, single actions run first.
    """
    return _declare(broker, execute, CHUNK_ACTOR, priority=10)


def _declare(broker: LanesBroker, execute: Executor, name: str, priority: int) -> dramatiq.Actor:
    def run(*args: object, **parts: object) -> None:
        # The lane as the broker read it from the stream's name, not as the message claims.
        lane = CurrentMessage.get_current_message().lane
        if not (lane.isascii() and lane.isdigit() and 0 < int(lane) < 1 << 63):
            # No guild has this lane, so none has a record it could stand in.
            raise EnvelopeRefused("lane")
        execute(lane=GuildId(int(lane)), **_envelope(args, parts))

    return dramatiq.actor(
        run,
        actor_name=name,
        queue_name=QUEUE,
        broker=broker,
        priority=priority,
        max_retries=0,
        throws=(EnvelopeRefused,),
    )


def _envelope(args: tuple[object, ...], parts: dict[str, object]) -> _Envelope:
    """The parts of an entry. What is not exactly what the outbox wrote is refused as a whole: no signature fits it."""
    if args or parts.keys() != {"body", "kid", "sig"} or not all(isinstance(part, str) for part in parts.values()):
        return {"body": json.dumps([args, parts]).encode("utf-8", "replace"), "kid": "", "sig": ""}
    body, kid, sig = (str(parts[name]) for name in ("body", "kid", "sig"))
    return {"body": _body(body), "kid": kid, "sig": sig}


def _body(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        # Not what the outbox wrote; whatever it is, no signature fits it.
        return text.encode("utf-8", "surrogatepass")
