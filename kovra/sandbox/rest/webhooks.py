"""Webhooks of one's own, and everything behind the token in a path: theirs, or an interaction's.

An application answers interactions at ``/webhooks/{application}/{token}``, so both come to the same routes; which it
is, the id says.
"""

from __future__ import annotations

import hashlib
from typing import Any

from kovra.sandbox import errors, payloads, permissions
from kovra.sandbox.deeds import messages
from kovra.sandbox.deeds import webhooks as deeds
from kovra.sandbox.rest import interactions
from kovra.sandbox.rest.call import Call, snowflake
from kovra.sandbox.rest.messages import check_body
from kovra.sandbox.rest.routing import Access, Table
from kovra.sandbox.world import Channel, ChannelType, Guild, Message, Webhook

table = Table()

#: Webhooks of one channel (error 30007) and the letters of a name (API reference, Create Webhook).
MOST_WEBHOOKS, MOST_NAME = 15, 80
#: Words that no name may contain, to keep people from posing as Discord (same page).
_FORBIDDEN = ("clyde", "discord")

_TOKEN = "/webhooks/{webhook_id}/{webhook_token}"


@table.on("POST", "/channels/{channel_id}/webhooks")
def create(call: Call) -> dict[str, Any]:
    guild, channel = call.guild_channel(permissions.MANAGE_WEBHOOKS)
    _require_room(call, channel)
    name, avatar = _name(call), _avatar(call)
    if name is None:
        raise errors.required("name")
    made = deeds.create(call.stage, guild, channel, name, avatar, by=call.bot_id, reason=call.reason)
    return _payload(call, made)


@table.on("GET", "/channels/{channel_id}/webhooks")
def of_channel(call: Call) -> list[dict[str, Any]]:
    _, channel = call.guild_channel(permissions.MANAGE_WEBHOOKS)
    return [_payload(call, each) for each in call.world.webhooks.values() if each.channel_id == channel.id]


@table.on("GET", "/guilds/{guild_id}/webhooks")
def of_guild(call: Call) -> list[dict[str, Any]]:
    guild = call.guild(permissions.MANAGE_WEBHOOKS)
    return [_payload(call, each) for each in call.world.webhooks.values() if each.guild_id == guild.id]


@table.on("GET", "/webhooks/{webhook_id}")
def webhook(call: Call) -> dict[str, Any]:
    return _payload(call, _managed(call)[1])


@table.on("PATCH", "/webhooks/{webhook_id}")
def edit(call: Call) -> dict[str, Any]:
    guild, edited = _managed(call)
    wanted = _wanted(call)
    if call.body.get("channel_id") is not None:
        goal = call.world.channels.get(snowflake("channel_id", call.body["channel_id"]))
        if goal is None or goal.guild_id != guild.id:
            raise errors.unknown_channel()
        call.require_in(goal, permissions.MANAGE_WEBHOOKS)
        if goal.id != edited.channel_id:
            _require_room(call, goal)
        wanted["channel_id"] = goal.id
    deeds.edit(call.stage, guild, edited, wanted, by=call.bot_id, reason=call.reason)
    return _payload(call, edited)


@table.on("DELETE", "/webhooks/{webhook_id}")
def delete(call: Call) -> None:
    guild, gone = _managed(call)
    deeds.delete(call.stage, guild, gone, by=call.bot_id, reason=call.reason)


# -- by whoever holds the token ----------------------------------------------------------------------------------------


@table.on("GET", _TOKEN, access=Access.PATH)
def webhook_by_token(call: Call) -> dict[str, Any]:
    """The webhook, without who made it."""
    payload = _payload(call, _held(call))
    del payload["user"]
    return payload


@table.on("PATCH", _TOKEN, access=Access.PATH)
def edit_by_token(call: Call) -> dict[str, Any]:
    """Its name or picture; the channel is not the holder's to choose. The deed is its maker's, as nobody is named."""
    edited = _held(call)
    guild = call.world.guilds[edited.guild_id]
    deeds.edit(call.stage, guild, edited, _wanted(call), by=edited.creator_id, reason=call.reason)
    payload = _payload(call, edited)
    del payload["user"]
    return payload


@table.on("DELETE", _TOKEN, access=Access.PATH)
def delete_by_token(call: Call) -> None:
    gone = _held(call)
    deeds.delete(call.stage, call.world.guilds[gone.guild_id], gone, by=gone.creator_id, reason=call.reason)


@table.on("POST", _TOKEN, access=Access.PATH)
def execute(call: Call) -> dict[str, Any] | None:
    """Post; the message is the answer when ``wait`` asks for it. For an interaction ``wait`` is always true."""
    if _is_interaction(call):
        return interactions.follow_up(call)
    held = _held(call)
    check_body(call.body, files=bool(call.files))
    _check_signature(call)
    posted = deeds.post(call.stage, held, _channel(call, held), call.body, call.files)
    return payloads.message(posted, call.world) if call.flag("wait") else None


@table.on("GET", _TOKEN + "/messages/{message_id}", access=Access.PATH)
def message(call: Call) -> dict[str, Any]:
    if _is_interaction(call):
        return interactions.message(call)
    return payloads.message(_own(call)[1], call.world)


@table.on("PATCH", _TOKEN + "/messages/{message_id}", access=Access.PATH)
def edit_message(call: Call) -> dict[str, Any]:
    if _is_interaction(call):
        return interactions.edit(call)
    channel, edited = _own(call)
    check_body({"content": edited.content, "embeds": edited.embeds, **call.body}, files=bool(edited.attachments))
    messages.edit(call.stage, channel, edited, call.body)
    return payloads.message(edited, call.world)


@table.on("DELETE", _TOKEN + "/messages/{message_id}", access=Access.PATH)
def delete_message(call: Call) -> None:
    if _is_interaction(call):
        return interactions.delete(call)
    channel, gone = _own(call)
    messages.delete(call.stage, channel, gone, by=gone.author_id, reason=None)
    return None


# -- what the path and the body name -----------------------------------------------------------------------------------


def _is_interaction(call: Call) -> bool:
    return call.id("webhook_id") == call.bot_id


def _find(call: Call) -> Webhook:
    found = call.world.webhooks.get(call.id("webhook_id"))
    if found is None:
        raise errors.unknown_webhook()
    return found


def _managed(call: Call) -> tuple[Guild, Webhook]:
    """The webhook of the path, in whose channel the bot may manage webhooks."""
    found = _find(call)
    guild = call.world.guilds[found.guild_id]
    if call.bot_id not in guild.members:
        raise errors.missing_access()
    call.require_in(call.world.channels[found.channel_id], permissions.MANAGE_WEBHOOKS)
    return guild, found


def _held(call: Call) -> Webhook:
    """The webhook of the path, whose token the caller holds."""
    found = _find(call)
    if found.token != call.params["webhook_token"]:
        raise errors.invalid_webhook_token()
    return found


def _own(call: Call) -> tuple[Channel, Message]:
    """The message of the path, which this webhook must have posted."""
    held = _held(call)
    channel = _channel(call, held)
    found = call.message(channel)
    if found.author_id != held.id:
        raise errors.unknown_message()
    return channel, found


def _channel(call: Call, held: Webhook) -> Channel:
    """Where it posts: its channel, or the thread of it that the query names."""
    if "thread_id" not in call.query:
        return call.world.channels[held.channel_id]
    thread = call.world.channels.get(snowflake("thread_id", call.query["thread_id"]))
    if thread is None or thread.thread is None or thread.parent_id != held.channel_id:
        raise errors.unknown_channel()
    return thread


def _require_room(call: Call, channel: Channel) -> None:
    if channel.type not in (ChannelType.TEXT, ChannelType.VOICE):
        raise errors.wrong_channel_type()
    if sum(each.channel_id == channel.id for each in call.world.webhooks.values()) >= MOST_WEBHOOKS:
        raise errors.too_many(30007, "webhooks", MOST_WEBHOOKS)


def _wanted(call: Call) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if (name := _name(call)) is not None:
        wanted["name"] = name
    if "avatar" in call.body:
        wanted["avatar"] = _avatar(call)
    return wanted


def _name(call: Call) -> str | None:
    name = call.body.get("name")
    return None if name is None else _checked_name("name", name)


def _check_signature(call: Call) -> None:
    """Refuse what only a webhook's message can get wrong: the name it is signed with, and a thread of its own."""
    if call.body.get("username") is not None:
        _checked_name("username", call.body["username"])
    if call.body.get("thread_name"):
        raise errors.Refusal(400, 220003, "Webhooks can only create threads in forum channels")


def _checked_name(field: str, text: object) -> str:
    name = str(text).strip()
    if not 1 <= len(name) <= MOST_NAME:
        message = f"Must be between 1 and {MOST_NAME} in length."
        raise errors.invalid_form(field, "BASE_TYPE_BAD_LENGTH", message)
    for word in _FORBIDDEN:
        if word in name.casefold():
            raise errors.invalid_form(field, "USERNAME_INVALID_CONTAINS", f'Username cannot contain "{word}"')
    return name


def _avatar(call: Call) -> str | None:
    """The picture as Discord names it: by the hash of what was sent."""
    data = call.body.get("avatar")
    if data is None:
        return None
    if not str(data).startswith("data:image/"):
        raise errors.invalid_form("avatar", "IMAGE_INVALID", "Unsupported image type given")
    return hashlib.md5(str(data).encode(), usedforsecurity=False).hexdigest()


def _payload(call: Call, one: Webhook) -> dict[str, Any]:
    return payloads.webhook(one, call.world, f"{call.api_url}/webhooks/{one.id}/{one.token}")
