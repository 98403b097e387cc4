"""Reactions: one's own, other people's, all of a message, and who reacted."""

from __future__ import annotations

import unicodedata
from typing import Any

from kovra.sandbox import errors, payloads, permissions
from kovra.sandbox.deeds import reactions as deeds
from kovra.sandbox.rest.call import Call
from kovra.sandbox.rest.routing import Table
from kovra.sandbox.world import Channel, Message

table = Table()

#: Different emoji on one message (error 30010).
MOST_EMOJI = 20
#: Categories of the characters that emoji are made of, and the few emoji of other categories.
_SYMBOLS, _OTHERS = frozenset({"So", "Sm", "Me"}), frozenset("‼⁉〰〽")

_OF_MESSAGE = "/channels/{channel_id}/messages/{message_id}/reactions"
_OF_EMOJI = _OF_MESSAGE + "/{emoji_name}"


@table.on("PUT", _OF_EMOJI + "/@me")
def react(call: Call) -> None:
    """React. A new emoji needs the permission to add one; joining others needs only to see the message."""
    channel, message = _change(call)
    emoji = call.params["emoji_name"]
    if emoji not in message.reactions:
        call.require_in(channel, permissions.ADD_REACTIONS)
        require_emoji(emoji)
        if len(message.reactions) >= MOST_EMOJI:
            raise errors.too_many(30010, "reactions", MOST_EMOJI)
    deeds.add(call.stage, channel, message, emoji, call.bot_id, call.reason)


@table.on("DELETE", _OF_EMOJI + "/@me")
def take_back(call: Call) -> None:
    channel, message = _change(call)
    emoji = _known(call, message)
    deeds.remove(call.stage, channel, message, emoji, call.bot_id, by=call.bot_id, reason=call.reason)


@table.on("DELETE", _OF_EMOJI + "/{user_id}")
def take_off(call: Call) -> None:
    channel, message = _change(call)
    user_id = call.user().id
    if user_id != call.bot_id:
        _require_manager(call, channel)
    emoji = _known(call, message)
    deeds.remove(call.stage, channel, message, emoji, user_id, by=call.bot_id, reason=call.reason)


@table.on("GET", _OF_EMOJI)
def who_reacted(call: Call) -> list[dict[str, Any]]:
    """The people, by id. The sandbox has no super reactions, which ``type`` 1 asks for."""
    _, message = _find(call)
    after, most = call.after() or 0, call.limit(25, 100)
    if call.query.get("type") == "1":
        return []
    who = sorted(user_id for user_id in message.reactions.get(_known(call, message), []) if user_id > after)
    return [payloads.user(call.world.users[user_id]) for user_id in who[:most]]


@table.on("DELETE", _OF_EMOJI)
def clear_emoji(call: Call) -> None:
    channel, message = _change(call)
    _require_manager(call, channel)
    deeds.clear_emoji(call.stage, channel, message, _known(call, message), by=call.bot_id, reason=call.reason)


@table.on("DELETE", _OF_MESSAGE)
def clear(call: Call) -> None:
    channel, message = _change(call)
    _require_manager(call, channel)
    deeds.clear(call.stage, channel, message, by=call.bot_id, reason=call.reason)


def _find(call: Call) -> tuple[Channel, Message]:
    channel = call.channel(permissions.READ_MESSAGE_HISTORY)
    return channel, call.message(channel)


def _change(call: Call) -> tuple[Channel, Message]:
    """The same, in a place that is not at rest."""
    channel, message = _find(call)
    call.require_awake(channel)
    return channel, message


def _known(call: Call, message: Message) -> str:
    """The emoji of the path, which must be one, on this message or not."""
    emoji = call.params["emoji_name"]
    if emoji not in message.reactions:
        require_emoji(emoji)
    return emoji


def _require_manager(call: Call, channel: Channel) -> None:
    if channel.guild_id is None:
        raise errors.dm_channel()
    call.require_in(channel, permissions.MANAGE_MESSAGES)


def require_emoji(text: str) -> None:
    """Refuse what is no emoji of Unicode: words, and custom emoji, of which the sandbox has none."""
    if not any(unicodedata.category(sign) in _SYMBOLS and sign > "\x7f" or sign in _OTHERS for sign in text):
        raise errors.unknown_emoji()
