"""People talk: post and delete, react, pin, start threads. Discord's permissions hold for whoever does it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from kovra.sandbox import errors, payloads, permissions
from kovra.sandbox.control.asking import Ask, ControlError, Json, Table, actor, find_channel, find_guild, find_user
from kovra.sandbox.deeds import messages, pins, reactions, threads
from kovra.sandbox.rest.pins import MOST_PINS
from kovra.sandbox.rest.reactions import MOST_EMOJI, require_emoji
from kovra.sandbox.rest.threads import DEFAULT_ARCHIVE_MIN, MOST_NAME
from kovra.sandbox.world import Channel, ChannelType, Message

if TYPE_CHECKING:
    from kovra.sandbox.server import Sandbox

table = Table()


@table.on("POST", "messages")
def _post(sandbox: Sandbox, ask: Ask) -> Json:
    """Someone says something: ``user_id``, ``channel_id`` (or none: a DM to the bot), ``content``, ``attachments``.

    ``stickers``: each with ``name``, ``format_type`` and ``base64``. ``forwards``: ``channel_id`` and ``message_id`` of
    the message that is passed on.
    """
    user = find_user(sandbox, ask.id("user_id"))
    if "channel_id" in ask.body:
        channel = find_channel(sandbox, ask.id("channel_id"))
    else:
        channel = messages.open_dm(sandbox.stage, user.id)
    guild = sandbox.world.guilds.get(channel.guild_id or 0)
    if guild is not None:
        permissions.require_in(guild, channel, user.id, permissions.SEND_MESSAGES, sandbox.stage.now())
    attachments = [_upload(sandbox, channel, each) for each in ask.body.get("attachments") or []]
    stickers = [_sticker(sandbox, each) for each in ask.body.get("stickers") or []]
    more = {"attachments": attachments, "stickers": stickers, "forwards": _passed_on(sandbox, ask)}
    message = messages.post(sandbox.stage, channel, user.id, ask.body, **more)
    return payloads.message(message, sandbox.world)


def _sticker(sandbox: Sandbox, asked: Json) -> Json:
    facts = (str(asked["name"]), int(asked["format_type"]), base64.b64decode(asked["base64"]))
    return sandbox.files.put_sticker(sandbox.stage.new_id(), *facts)


def _passed_on(sandbox: Sandbox, ask: Ask) -> Json | None:
    """A copy of the message that is passed on; the files stay where they are."""
    if "forwards" not in ask.body:
        return None
    asked = ask.body["forwards"]
    channel = find_channel(sandbox, int(asked["channel_id"]))
    return payloads.forwarded(sandbox.world.messages[channel.id][int(asked["message_id"])], sandbox.world)


def _upload(sandbox: Sandbox, channel: Channel, asked: Json) -> Json:
    """A file: ``filename``, ``content_type`` and ``base64``, or an attachment as Discord would tell of it."""
    if "base64" not in asked:
        return asked
    content, file_id = base64.b64decode(asked["base64"]), sandbox.stage.new_id()
    where = (sandbox.base_url, channel.id, file_id, str(asked["filename"]))
    return sandbox.files.put(*where, content, str(asked.get("content_type", "")))


@table.on("POST", "messages/delete")
def _delete_message(sandbox: Sandbox, ask: Ask) -> None:
    """``channel_id``, ``message_id``, ``by``: its author unless named, a moderator otherwise."""
    channel, message = _message(sandbox, ask)
    by = ask.id("by", message.author_id)
    guild = sandbox.world.guilds.get(channel.guild_id or 0)
    if guild is not None and by != message.author_id:
        permissions.require_in(guild, channel, by, permissions.MANAGE_MESSAGES, sandbox.stage.now())
    messages.delete(sandbox.stage, channel, message, by=by, reason=None)


@table.on("POST", "reactions")
def _react(sandbox: Sandbox, ask: Ask) -> Json:
    """``user_id``, ``channel_id``, ``message_id``, ``emoji``; ``on`` false takes it off, and left out turns it over."""
    user, (channel, message) = find_user(sandbox, ask.id("user_id")), _message(sandbox, ask)
    emoji = str(ask.body["emoji"])
    require_emoji(emoji)
    if ask.body.get("on", user.id not in message.reactions.get(emoji, [])):
        guild = sandbox.world.guilds.get(channel.guild_id or 0)
        if guild is not None:
            wanted = permissions.READ_MESSAGE_HISTORY
            wanted |= 0 if emoji in message.reactions else permissions.ADD_REACTIONS
            permissions.require_in(guild, channel, user.id, wanted, sandbox.stage.now())
        if emoji not in message.reactions and len(message.reactions) >= MOST_EMOJI:
            raise errors.too_many(30010, "reactions", MOST_EMOJI)
        reactions.add(sandbox.stage, channel, message, emoji, user.id)
    else:
        reactions.remove(sandbox.stage, channel, message, emoji, user.id, by=user.id, reason=None)
    return payloads.message(message, sandbox.world)


@table.on("POST", "pins")
def _pin(sandbox: Sandbox, ask: Ask) -> Json:
    """``by``, ``channel_id``, ``message_id``; ``on`` false takes it down."""
    channel, message = _message(sandbox, ask)
    guild = find_guild(sandbox, channel.guild_id or 0)
    by, on = actor(sandbox, ask, guild), ask.body.get("on", True)
    permissions.require_in(guild, channel, by, permissions.PIN_MESSAGES, sandbox.stage.now())
    if on and not message.pinned and len(pins.pinned(sandbox.stage, channel)) >= MOST_PINS:
        raise errors.too_many(30003, "pins", MOST_PINS)
    deed = pins.pin if on else pins.unpin
    deed(sandbox.stage, channel, message, by=by, reason=None)
    return payloads.message(message, sandbox.world)


@table.on("POST", "threads")
def _start_thread(sandbox: Sandbox, ask: Ask) -> Json:
    """``user_id``, ``channel_id``, ``name``; from a message with its ``message_id``."""
    user, parent = find_user(sandbox, ask.id("user_id")), find_channel(sandbox, ask.id("channel_id"))
    guild, name = find_guild(sandbox, parent.guild_id or 0), str(ask.body["name"]).strip()
    if parent.type != ChannelType.TEXT:
        raise errors.wrong_channel_type()
    if not 1 <= len(name) <= MOST_NAME:
        raise ControlError(f"the name of a thread has 1 to {MOST_NAME} letters")
    wanted = permissions.CREATE_PUBLIC_THREADS | permissions.SEND_MESSAGES_IN_THREADS
    permissions.require_in(guild, parent, user.id, wanted, sandbox.stage.now())
    message = _message(sandbox, ask)[1] if "message_id" in ask.body else None
    if message is not None and message.flags & payloads.HAS_THREAD:
        raise ControlError("this message has a thread already")
    started = threads.start(
        sandbox.stage, guild, parent, name, by=user.id, reason=None, message=message,
        auto_archive_min=DEFAULT_ARCHIVE_MIN,
    )  # fmt: skip
    return payloads.channel(started, sandbox.world)


def _message(sandbox: Sandbox, ask: Ask) -> tuple[Channel, Message]:
    """The message of ``channel_id`` and ``message_id``."""
    channel = find_channel(sandbox, ask.id("channel_id"))
    message = sandbox.world.messages.get(channel.id, {}).get(ask.id("message_id"))
    if message is None:
        raise ControlError("there is no such message", 404)
    return channel, message
