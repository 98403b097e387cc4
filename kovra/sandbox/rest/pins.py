"""Pins, by Discord's present paths and by the older ones."""

from __future__ import annotations

from typing import Any

from kovra.sandbox import errors, payloads, permissions
from kovra.sandbox.deeds import pins as deeds
from kovra.sandbox.rest.call import Call, moment_or_none
from kovra.sandbox.rest.routing import Table
from kovra.sandbox.world import Channel, Message

table = Table()

#: Pins of one channel (error 30003).
MOST_PINS = 250
#: How many the older path lists at most.
_MOST_LISTED = 50


@table.on("GET", "/channels/{channel_id}/messages/pins")
def page(call: Call) -> dict[str, Any]:
    """A page of pins, the latest first; ``before`` is when one was pinned."""
    channel = call.channel(permissions.READ_MESSAGE_HISTORY)
    before, most = moment_or_none("before", call.query.get("before")), call.limit(50, 50)
    found = [m for m in deeds.pinned(call.stage, channel) if before is None or m.pinned_at and m.pinned_at < before]
    items = [{"pinned_at": payloads.iso(m.pinned_at), "message": payloads.message(m, call.world)} for m in found[:most]]
    return {"items": items, "has_more": len(found) > most}


@table.on("GET", "/channels/{channel_id}/pins")
def pins(call: Call) -> list[dict[str, Any]]:
    found = deeds.pinned(call.stage, call.channel(permissions.READ_MESSAGE_HISTORY))
    return [payloads.message(message, call.world) for message in found[:_MOST_LISTED]]


@table.on("PUT", "/channels/{channel_id}/messages/pins/{message_id}")
@table.on("PUT", "/channels/{channel_id}/pins/{message_id}")
def pin(call: Call) -> None:
    channel, message = _find(call)
    if not message.pinned and len(deeds.pinned(call.stage, channel)) >= MOST_PINS:
        raise errors.too_many(30003, "pins", MOST_PINS)
    deeds.pin(call.stage, channel, message, by=call.bot_id, reason=call.reason)


@table.on("DELETE", "/channels/{channel_id}/messages/pins/{message_id}")
@table.on("DELETE", "/channels/{channel_id}/pins/{message_id}")
def unpin(call: Call) -> None:
    channel, message = _find(call)
    deeds.unpin(call.stage, channel, message, by=call.bot_id, reason=call.reason)


def _find(call: Call) -> tuple[Channel, Message]:
    channel = call.channel(permissions.PIN_MESSAGES | permissions.READ_MESSAGE_HISTORY)
    call.require_awake(channel)
    return channel, call.message(channel)
