"""Messages with their reactions, and webhooks, in Discord's JSON."""

from __future__ import annotations

from kovra.sandbox.payloads.people import Json, iso, member, user
from kovra.sandbox.payloads.places import channel
from kovra.sandbox.world import Message, User, Webhook, World

#: The flag of a message that a thread was started from; the thread has the message's id.
HAS_THREAD = 1 << 5
#: The type of the first message of a thread that was started from a message.
THREAD_STARTER = 21
#: The type of a reference to a message that is passed on, and what of it is copied.
FORWARD = 1
_COPIED = frozenset(
    {"type", "content", "mentions", "mention_roles", "attachments", "embeds", "timestamp", "edited_timestamp"}
    | {"flags", "components", "sticker_items"}
)


def message(one: Message, world: World) -> Json:
    payload: Json = {
        "id": str(one.id),
        "channel_id": str(one.channel_id),
        "type": one.type,
        "content": one.content,
        "mentions": [],
        "mention_roles": [],
        "attachments": one.attachments,
        "embeds": one.embeds,
        "timestamp": iso(one.sent_at),
        "edited_timestamp": iso(one.edited_at),
        "flags": one.flags,
        "components": one.components,
        "author": _author(one, world),
        "pinned": one.pinned,
        "mention_everyone": False,
        "tts": False,
    }
    if one.nonce is not None:
        payload["nonce"] = one.nonce
    if one.reply_to is not None:
        payload["message_reference"] = _reference(one, world)
    if one.stickers:
        payload["sticker_items"] = one.stickers
    if one.forwards is not None:
        payload["message_reference"] = {"type": FORWARD} | {
            name: one.forwards[name] for name in ("guild_id", "channel_id", "message_id")
        }
        payload["message_snapshots"] = [{"message": one.forwards["message"]}]
    if one.signed is not None:
        payload |= {"webhook_id": str(one.author_id), "application_id": str(world.bot_id)}
    if one.flags & HAS_THREAD and one.id in world.channels:
        payload["thread"] = channel(world.channels[one.id], world)
    if one.reactions:
        payload["reactions"] = [_reaction(name, who, world.bot_id) for name, who in one.reactions.items()]
    return payload


def forwarded(one: Message, world: World) -> Json:
    """A message as another one passes it on: a copy that does not say whose it is."""
    where = world.channels[one.channel_id]
    copy = {name: value for name, value in message(one, world).items() if name in _COPIED}
    ids = {"guild_id": str(where.guild_id), "channel_id": str(one.channel_id), "message_id": str(one.id)}
    return ids | {"message": copy}


def _reference(one: Message, world: World) -> Json:
    """What a message answers; the first of a thread points into the channel that the thread was started in."""
    where = world.channels.get(one.channel_id)
    started_in = where.parent_id if where is not None and one.type == THREAD_STARTER else None
    return {"type": 0, "channel_id": str(started_in or one.channel_id), "message_id": str(one.reply_to)}


def _author(one: Message, world: World) -> Json:
    """A webhook is no account: its messages bear the name it gave itself, as a bot's would."""
    if one.signed is None:
        return user(world.users[one.author_id])
    return user(User(id=one.author_id, username=one.signed, bot=True))


def message_event(one: Message, world: World) -> Json:
    """A message as the gateway tells of it: with the guild and the author's membership."""
    payload = message(one, world)
    guild_id = world.channels[one.channel_id].guild_id
    if guild_id is not None:
        payload["guild_id"] = str(guild_id)
        author = world.guilds[guild_id].members.get(one.author_id)
        if author is not None:
            payload["member"] = member(author, None)
    return payload


def emoji(name: str) -> Json:
    """An emoji of Unicode; the sandbox has no others."""
    return {"id": None, "name": name}


def _reaction(name: str, who: list[int], bot_id: int) -> Json:
    return {
        "emoji": emoji(name),
        "count": len(who),
        "count_details": {"burst": 0, "normal": len(who)},
        "burst_colors": [],
        "me_burst": False,
        "me": bot_id in who,
    }


def webhook(one: Webhook, world: World, url: str | None) -> Json:
    """A webhook with its token; with the address it posts to where that is known, and who made it."""
    payload: Json = {
        "application_id": str(world.bot_id) if one.creator_id == world.bot_id else None,
        "avatar": one.avatar,
        "channel_id": str(one.channel_id),
        "guild_id": str(one.guild_id),
        "id": str(one.id),
        "name": one.name,
        "type": 1,
        "token": one.token,
        "user": user(world.users[one.creator_id]),
    }
    if url is not None:
        payload["url"] = url
    return payload
