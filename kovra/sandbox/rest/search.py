"""Search over the messages of a guild that the bot may read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kovra.sandbox import errors, payloads, permissions
from kovra.sandbox.rest.call import Call, snowflake, whole_number
from kovra.sandbox.rest.routing import Table
from kovra.sandbox.world import Message

table = Table()

#: Results of one page, and how far one may page (API reference, Search Guild Messages).
MOST_FOUND, MOST_OFFSET = 25, 9975
#: What ``has`` may ask for here; the rest of Discord's list finds nothing.
_HAS: dict[str, Callable[[Message], bool]] = {
    "embed": lambda message: bool(message.embeds),
    "file": lambda message: bool(message.attachments),
    "link": lambda message: "http://" in message.content or "https://" in message.content,
}


@table.on("GET", "/guilds/{guild_id}/messages/search")
def search(call: Call) -> dict[str, Any]:
    """Messages that fit every filter, the newest first unless ``sort_order`` says otherwise."""
    found = sorted(_fitting(call), key=lambda message: message.id, reverse=call.query.get("sort_order") != "asc")
    offset, most = whole_number("offset", call.query.get("offset", 0)), call.limit(25, MOST_FOUND)
    if not 0 <= offset <= MOST_OFFSET:
        raise errors.too_large("offset", MOST_OFFSET)
    shown = [[{**payloads.message(m, call.world), "hit": True}] for m in found[offset : offset + most]]
    return {"messages": shown, "total_results": len(found), "doing_deep_historical_index": False}


def _fitting(call: Call) -> Iterator[Message]:
    guild, query, now = call.guild(), call.query, call.stage.now()
    words = query.get("content", "").casefold().split()
    authors, places = _ids(call, "author_id"), _ids(call, "channel_id")
    least, most = (snowflake(key, query[key]) if key in query else None for key in ("min_id", "max_id"))
    pinned, has = query.get("pinned"), [_HAS.get(kind, lambda _: False) for kind in _all(call, "has")]
    wanted = permissions.VIEW_CHANNEL | permissions.READ_MESSAGE_HISTORY
    threads = [channel for channel, _ in call.world.guild_threads(guild)]
    for channel in [*call.world.guild_channels(guild), *threads]:
        may_read = permissions.in_channel(guild, channel, call.bot_id, now) & wanted == wanted
        if not may_read or (places and channel.id not in places):
            continue
        for message in call.world.messages.get(channel.id, {}).values():
            if (
                message.ephemeral_for is None
                and all(word in message.content.casefold() for word in words)
                and (not authors or message.author_id in authors)
                and (least is None or message.id > least)
                and (most is None or message.id < most)
                and (pinned is None or message.pinned == call.flag("pinned"))
                and all(fits(message) for fits in has)
            ):
                yield message


def _ids(call: Call, name: str) -> set[int]:
    return {snowflake(name, each) for each in _all(call, name)}


def _all(call: Call, name: str) -> list[str]:
    """Every value of a key that may be given more than once."""
    return call.query.getall(name, [])
