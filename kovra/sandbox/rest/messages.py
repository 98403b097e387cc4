"""Messages: history, send with nonce, edit, delete, bulk delete."""

from __future__ import annotations

from itertools import islice
from typing import Any

from kovra.ids import snowflake_ms
from kovra.sandbox import errors, payloads, permissions
from kovra.sandbox.deeds import messages as deeds
from kovra.sandbox.rest.call import Call, snowflake
from kovra.sandbox.rest.routing import Table
from kovra.sandbox.world import Channel, ChannelType, Message, Thread

table = Table()

#: Limits of a message (API reference, Create Message, Embed Limits) and of a bulk delete.
MOST_CONTENT, MOST_NONCE, MOST_EMBEDS, MOST_EMBED_TEXT = 2000, 25, 10, 6000
MOST_TITLE, MOST_DESCRIPTION, MOST_FIELDS, MOST_FIELD_NAME, MOST_FIELD_VALUE, MOST_FOOTER = (
    256,
    4096,
    25,
    256,
    1024,
    2048,
)
BULK_DELETE_WITHIN_MS = 14 * 86_400_000


@table.on("GET", "/channels/{channel_id}/messages")
def messages(call: Call) -> list[dict[str, Any]]:
    channel = call.channel(permissions.READ_MESSAGE_HISTORY)
    held = call.world.messages.get(channel.id, {})
    most, before, after = call.limit(50, 100), call.before(), call.after()
    shown = (m for m in reversed(held.values()) if m.ephemeral_for is None)
    if "around" in call.query:
        return _around(call, list(shown), most)
    if after is not None:
        newer = [m for m in held.values() if m.id > after and m.ephemeral_for is None][:most]
        return [payloads.message(m, call.world) for m in reversed(newer)]
    if before is not None:
        shown = (m for m in shown if m.id < before)
    return [payloads.message(m, call.world) for m in islice(shown, most)]


def _around(call: Call, newest_first: list[Message], most: int) -> list[dict[str, Any]]:
    """The message of ``around``, there or not, with as many before as after it."""
    middle = snowflake("around", call.query["around"])
    newer = [m for m in newest_first if m.id > middle]
    older = [m for m in newest_first if m.id <= middle]
    shown = newer[len(newer) - min(most // 2, len(newer)) :]
    return [payloads.message(m, call.world) for m in [*shown, *older[: most - len(shown)]]]


@table.on("POST", "/channels/{channel_id}/messages")
def send(call: Call) -> dict[str, Any]:
    channel = call.channel(permissions.SEND_MESSAGES)
    if channel.type == ChannelType.DM:
        _require_open_dm(call, channel)
    if channel.thread is not None:
        _require_open_thread(call, channel, channel.thread)
    check_body(call.body, files=bool(call.files))
    if earlier := _sent_before(call):
        return payloads.message(earlier, call.world)
    message = deeds.post(
        call.stage,
        channel,
        call.bot_id,
        call.body,
        attachments=call.files,
        reply_to=_reply_to(call),
    )
    if message.nonce is not None:
        call.world.remember_nonce(call.bot_id, str(message.nonce), message, call.stage.clock())
    return payloads.message(message, call.world)


@table.on("POST", "/channels/{channel_id}/messages/bulk-delete")
def bulk_delete(call: Call) -> None:
    guild, channel = call.guild_channel(permissions.MANAGE_MESSAGES)
    call.require_awake(channel)
    ids = [snowflake("messages", message_id) for message_id in call.body.get("messages") or []]
    if not 2 <= len(ids) <= 100:
        raise errors.bulk_delete_count()
    if len(set(ids)) != len(ids):
        message = "The set already contains this value"
        raise errors.invalid_form("messages", "SET_TYPE_ALREADY_CONTAINS_VALUE", message)
    oldest_ms = call.stage.clock() * 1000 - BULK_DELETE_WITHIN_MS
    if any(snowflake_ms(message_id) < oldest_ms for message_id in ids):
        raise errors.bulk_delete_age()
    deeds.bulk_delete(call.stage, guild, channel, ids, by=call.bot_id, reason=call.reason)


@table.on("GET", "/channels/{channel_id}/messages/{message_id}")
def message(call: Call) -> dict[str, Any]:
    return payloads.message(call.message(call.channel(permissions.READ_MESSAGE_HISTORY)), call.world)


@table.on("PATCH", "/channels/{channel_id}/messages/{message_id}")
def edit(call: Call) -> dict[str, Any]:
    channel = call.channel()
    edited = call.message(channel)
    call.require_awake(channel)
    if edited.author_id != call.bot_id:
        raise errors.edits_another_author()
    check_body({"content": edited.content, "embeds": edited.embeds, **call.body}, files=bool(edited.attachments))
    deeds.edit(call.stage, channel, edited, call.body)
    return payloads.message(edited, call.world)


@table.on("DELETE", "/channels/{channel_id}/messages/{message_id}")
def delete(call: Call) -> None:
    channel = call.channel()
    gone = call.message(channel)
    call.require_awake(channel)
    if gone.author_id != call.bot_id:
        if channel.guild_id is None:
            raise errors.dm_channel()
        guild = call.world.guilds[channel.guild_id]
        permissions.require_in(guild, channel, call.bot_id, permissions.MANAGE_MESSAGES, call.stage.now())
    deeds.delete(call.stage, channel, gone, by=call.bot_id, reason=call.reason)


def check_body(body: dict[str, Any], *, files: bool = False) -> None:
    """Refuse what Discord would refuse of a message: nothing in it, or too much.

    Args:
        files: whether files go with it, which is something.
    """
    content, embeds, nonce = body.get("content") or "", body.get("embeds") or [], body.get("nonce")
    if not (content or embeds or body.get("components") or body.get("sticker_ids") or body.get("poll") or files):
        raise errors.empty_message()
    if len(content) > MOST_CONTENT:
        raise errors.too_long("content", MOST_CONTENT)
    if nonce is not None and (isinstance(nonce, bool) or not isinstance(nonce, str | int)):
        raise errors.invalid_form("nonce", "NONCE_TYPE_INVALID", "Nonce must be a string or an integer.")
    if nonce is not None and len(str(nonce)) > MOST_NONCE:
        message = f"Nonce must be at most {MOST_NONCE} characters long."
        raise errors.invalid_form("nonce", "NONCE_TYPE_TOO_LONG", message)
    if len(embeds) > MOST_EMBEDS:
        raise errors.too_long("embeds", MOST_EMBEDS)
    if sum(_check_embed(embed, f"embeds.{at}") for at, embed in enumerate(embeds)) > MOST_EMBED_TEXT:
        message = "Embed size exceeds maximum size of 6000"
        raise errors.invalid_form("embeds", "MAX_EMBED_SIZE_EXCEEDED", message)


def _check_embed(embed: dict[str, Any], where: str) -> int:
    """Refuse an embed that is too large in one part; returns the characters that count towards the sum."""
    footer, author = embed.get("footer") or {}, embed.get("author") or {}
    fields = embed.get("fields") or []
    parts = [
        ("title", embed.get("title"), MOST_TITLE),
        ("description", embed.get("description"), MOST_DESCRIPTION),
        ("footer.text", footer.get("text"), MOST_FOOTER),
        ("author.name", author.get("name"), MOST_TITLE),
    ]
    if len(fields) > MOST_FIELDS:
        raise errors.too_long(f"{where}.fields", MOST_FIELDS)
    for at, item in enumerate(fields):
        for key in ("name", "value"):
            if not item.get(key):
                raise errors.required(f"{where}.fields.{at}.{key}")
        parts.append((f"fields.{at}.name", item["name"], MOST_FIELD_NAME))
        parts.append((f"fields.{at}.value", item["value"], MOST_FIELD_VALUE))
    for name, text, most in parts:
        if len(text or "") > most:
            raise errors.too_long(f"{where}.{name}", most)
    return sum(len(text or "") for _, text, _ in parts)


def _reply_to(call: Call) -> int | None:
    reference = call.body.get("message_reference")
    if reference is None:
        return None
    if "message_id" not in reference:
        raise errors.required("message_reference.message_id")
    return snowflake("message_reference.message_id", reference["message_id"])


def _sent_before(call: Call) -> Message | None:
    """The message already sent under this nonce, when the bot asked for it to be enforced.

    Raises:
        Refusal: 10008, the message was sent and is deleted: Discord does not send it again.
    """
    nonce = call.body.get("nonce")
    if nonce is None or not call.body.get("enforce_nonce"):
        return None
    used = call.world.used_nonce(call.bot_id, str(nonce), call.stage.clock())
    if used is None:
        return None
    earlier = call.world.messages.get(used.channel_id, {}).get(used.message_id)
    if earlier is None:
        raise errors.unknown_message()
    return earlier


def _require_open_thread(call: Call, channel: Channel, thread: Thread) -> None:
    """A locked thread is for moderators; one that rests is woken by the message, unless it is locked."""
    guild = call.world.guilds[channel.guild_id or 0]
    have = permissions.in_channel(guild, channel, call.bot_id, call.stage.now())
    if thread.locked and not have & permissions.MANAGE_THREADS:
        raise errors.thread_archived() if thread.archived else errors.thread_locked()


def _require_open_dm(call: Call, channel: Channel) -> None:
    recipient = call.world.users[channel.recipient_id or 0]
    if recipient.bot or not recipient.dms_open:
        raise errors.dm_refused()
    if not call.world.shares_guild(call.bot_id, recipient.id):
        raise errors.no_mutual_guild()
