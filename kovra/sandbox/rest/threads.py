"""Threads: started, listed, changed, deleted, and who is in them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kovra.sandbox import errors, payloads, permissions
from kovra.sandbox.deeds import attendance
from kovra.sandbox.deeds import threads as deeds
from kovra.sandbox.rest.call import Call, choice, moment_or_none, whole_number
from kovra.sandbox.rest.routing import Table
from kovra.sandbox.world import Channel, ChannelType, Guild, Thread

table = Table()

#: Letters of a name, seconds of slow mode, people in a thread (30033), threads awake in a guild (160006).
MOST_NAME, MOST_SLOWMODE_S, MOST_PEOPLE, MOST_AWAKE = 100, 21_600, 1000, 1000
#: Minutes of silence after which a thread may rest, and how long it waits unless told.
ARCHIVE_AFTER_MIN, DEFAULT_ARCHIVE_MIN = (60, 1440, 4320, 10080), 4320
#: What somebody else than a moderator may change of a thread they started.
_OWNERS_OWN = frozenset({"name", "archived", "auto_archive_duration", "invitable"})

_PUBLIC, _PRIVATE = ChannelType.PUBLIC_THREAD, ChannelType.PRIVATE_THREAD
_MEMBERS = "/channels/{channel_id}/thread-members"


# -- starting ----------------------------------------------------------------------------------------------------------


@table.on("POST", "/channels/{channel_id}/messages/{message_id}/threads", status=201)
def start_from_message(call: Call) -> dict[str, Any]:
    guild, parent = _parent(call, permissions.CREATE_PUBLIC_THREADS | permissions.READ_MESSAGE_HISTORY)
    message = call.message(parent)
    if message.flags & payloads.HAS_THREAD:
        raise errors.Refusal(400, 160004, "A thread has already been created for this message")
    started = deeds.start(
        call.stage, guild, parent, by=call.bot_id, reason=call.reason, message=message, **_settings(call)
    )
    return payloads.channel(started, call.world)


@table.on("POST", "/channels/{channel_id}/threads", status=201)
def start(call: Call) -> dict[str, Any]:
    """Start one by itself. Without a type it is private, as it was when threads were new."""
    asked = call.body.get("type")
    kind = choice("type", _PRIVATE if asked is None else asked, (_PUBLIC, _PRIVATE))
    public = kind == _PUBLIC
    guild, parent = _parent(call, permissions.CREATE_PUBLIC_THREADS if public else permissions.CREATE_PRIVATE_THREADS)
    invitable = call.body.get("invitable") is not False
    started = deeds.start(
        call.stage, guild, parent, by=call.bot_id, reason=call.reason, type=kind, invitable=invitable,
        **_settings(call),
    )  # fmt: skip
    return payloads.channel(started, call.world)


def _parent(call: Call, needs: int) -> tuple[Guild, Channel]:
    """The channel of the path, in which threads can be and one more has room."""
    guild, parent = call.guild_channel(needs)
    if parent.type != ChannelType.TEXT:
        raise errors.wrong_channel_type()
    attendance.settle(call.stage, guild)
    if sum(not thread.archived for _, thread in call.world.guild_threads(guild)) >= MOST_AWAKE:
        raise errors.too_many(160006, "active threads", MOST_AWAKE)
    return guild, parent


def _settings(call: Call) -> dict[str, Any]:
    if not call.body.get("name"):
        raise errors.required("name")
    return {
        "name": _name(call),
        "slowmode_s": _slowmode(call) or 0,
        "auto_archive_min": _archive_after(call) or DEFAULT_ARCHIVE_MIN,
    }


# -- changing ----------------------------------------------------------------------------------------------------------


def edit(call: Call, guild: Guild, channel: Channel, thread: Thread) -> dict[str, Any]:
    """Modify Channel, of a thread: what may be changed by whom, and nothing but waking one that rests."""
    wanted = _wanted(call)
    _require_may_edit(call, channel, thread, wanted)
    deeds.edit(call.stage, guild, channel, wanted, by=call.bot_id, reason=call.reason)
    return payloads.channel(channel, call.world)


def delete(call: Call, guild: Guild, channel: Channel) -> dict[str, Any]:
    """Delete Channel, of a thread."""
    call.require_in(channel, permissions.MANAGE_THREADS)
    payload = payloads.channel(channel, call.world)
    deeds.delete(call.stage, guild, channel, by=call.bot_id, reason=call.reason)
    return payload


def _wanted(call: Call) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        key: call.body[key] for key in ("archived", "locked", "invitable") if call.body.get(key) is not None
    }
    read = {"name": _name, "rate_limit_per_user": _slowmode, "auto_archive_duration": _archive_after}
    wanted |= {key: value for key in read if (value := read[key](call)) is not None}
    return wanted


def _require_may_edit(call: Call, channel: Channel, thread: Thread, wanted: dict[str, Any]) -> None:
    guild = call.world.guilds[channel.guild_id or 0]
    manages = permissions.in_channel(guild, channel, call.bot_id, call.stage.now()) & permissions.MANAGE_THREADS
    wakes = wanted.get("archived") is False
    if not manages:
        wakes_only = wanted.keys() == {"archived"} and wakes and not thread.locked
        owns = thread.owner_id == call.bot_id and wanted.keys() <= _OWNERS_OWN and not thread.locked
        if not wakes_only and not owns:
            raise errors.missing_permissions()
        call.require_in(channel, permissions.SEND_MESSAGES)
    if thread.archived and not wakes and wanted.keys() - {"locked"}:
        raise errors.thread_archived()


def _name(call: Call) -> str | None:
    name = call.body.get("name")
    if name is not None and not 1 <= len(name) <= MOST_NAME:
        raise errors.invalid_form("name", "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {MOST_NAME} in length.")
    return name


def _slowmode(call: Call) -> int | None:
    if call.body.get("rate_limit_per_user") is None:
        return None
    seconds = whole_number("rate_limit_per_user", call.body["rate_limit_per_user"])
    if not 0 <= seconds <= MOST_SLOWMODE_S:
        raise errors.too_large("rate_limit_per_user", MOST_SLOWMODE_S)
    return seconds


def _archive_after(call: Call) -> int | None:
    minutes = call.body.get("auto_archive_duration")
    return None if minutes is None else choice("auto_archive_duration", minutes, ARCHIVE_AFTER_MIN)


# -- people in them ----------------------------------------------------------------------------------------------------


@table.on("GET", _MEMBERS)
def people(call: Call) -> list[dict[str, Any]]:
    """Who is in it, by id; in pages when they come with their place in the guild."""
    guild, channel, thread = _thread(call)
    ids = sorted(thread.members)
    if call.flag("with_member"):
        after = call.after() or 0
        ids = [user_id for user_id in ids if user_id > after][: call.limit(100, 100)]
    return [_person(call, guild, channel, thread, user_id) for user_id in ids]


@table.on("GET", _MEMBERS + "/{user_id}")
def person(call: Call) -> dict[str, Any]:
    guild, channel, thread = _thread(call)
    user_id = call.bot_id if call.params["user_id"] == "@me" else call.id("user_id")
    if user_id not in thread.members:
        raise errors.unknown_member()
    return _person(call, guild, channel, thread, user_id)


@table.on("PUT", _MEMBERS + "/@me")
def join(call: Call) -> None:
    guild, channel, thread = _awake(call)
    _require_room(thread, call.bot_id)
    deeds.add(call.stage, guild, channel, call.bot_id, by=call.bot_id, reason=call.reason)


@table.on("PUT", _MEMBERS + "/{user_id}")
def add(call: Call) -> None:
    """Put somebody in; into a private thread that is closed to invitations, only a moderator may."""
    guild, channel, thread = _awake(call)
    call.require_in(channel, permissions.SEND_MESSAGES)
    if channel.type == _PRIVATE and not thread.invitable and thread.owner_id != call.bot_id:
        call.require_in(channel, permissions.MANAGE_THREADS)
    added = call.member(guild).user_id
    _require_room(thread, added)
    deeds.add(call.stage, guild, channel, added, by=call.bot_id, reason=call.reason)


@table.on("DELETE", _MEMBERS + "/@me")
def leave(call: Call) -> None:
    guild, channel, _ = _awake(call)
    deeds.remove(call.stage, guild, channel, call.bot_id, by=call.bot_id, reason=call.reason)


@table.on("DELETE", _MEMBERS + "/{user_id}")
def remove(call: Call) -> None:
    """Put somebody out; the starter of a private thread may, and moderators."""
    guild, channel, thread = _awake(call)
    if not (channel.type == _PRIVATE and thread.owner_id == call.bot_id):
        call.require_in(channel, permissions.MANAGE_THREADS)
    removed = call.id("user_id")
    if removed not in thread.members:
        raise errors.unknown_member()
    deeds.remove(call.stage, guild, channel, removed, by=call.bot_id, reason=call.reason)


def _thread(call: Call) -> tuple[Guild, Channel, Thread]:
    guild, channel = call.guild_channel()
    if channel.thread is None:
        raise errors.wrong_channel_type()
    return guild, channel, channel.thread


def _awake(call: Call) -> tuple[Guild, Channel, Thread]:
    """The thread of the path, which must not be at rest."""
    guild, channel, thread = _thread(call)
    call.require_awake(channel)
    return guild, channel, thread


def _require_room(thread: Thread, user_id: int) -> None:
    if user_id not in thread.members and len(thread.members) >= MOST_PEOPLE:
        raise errors.too_many(30033, "thread participants", MOST_PEOPLE)


def _person(call: Call, guild: Guild, channel: Channel, thread: Thread, user_id: int) -> dict[str, Any]:
    if call.flag("with_member"):
        return payloads.whole_thread_member(channel, thread, user_id, guild, call.world)
    return payloads.thread_member(channel, thread, user_id)


# -- lists -------------------------------------------------------------------------------------------------------------


@table.on("GET", "/guilds/{guild_id}/threads/active")
def active(call: Call) -> dict[str, Any]:
    """The threads of the guild that are awake and that the bot sees, newest first."""
    guild = call.guild()
    attendance.settle(call.stage, guild)
    now = call.stage.now()
    found = [
        channel
        for channel, thread in call.world.guild_threads(guild)
        if not thread.archived and permissions.in_channel(guild, channel, call.bot_id, now) & permissions.VIEW_CHANNEL
    ]
    return _listed(call, sorted(found, key=lambda each: -each.id), more=False)


@table.on("GET", "/channels/{channel_id}/threads/archived/public")
def archived_public(call: Call) -> dict[str, Any]:
    return _archived(call, _PUBLIC, permissions.READ_MESSAGE_HISTORY)


@table.on("GET", "/channels/{channel_id}/threads/archived/private")
def archived_private(call: Call) -> dict[str, Any]:
    return _archived(call, _PRIVATE, permissions.READ_MESSAGE_HISTORY | permissions.MANAGE_THREADS)


@table.on("GET", "/channels/{channel_id}/users/@me/threads/archived/private")
def archived_joined(call: Call) -> dict[str, Any]:
    """The private ones the bot is in, by id, newest first; ``before`` is an id here."""
    found = _resting(call, _PRIVATE, permissions.READ_MESSAGE_HISTORY)
    before = call.before()
    mine = [
        (channel, thread)
        for channel, thread in found
        if call.bot_id in thread.members and (before is None or channel.id < before)
    ]
    return _page(call, sorted(mine, key=lambda each: -each[0].id))


def _archived(call: Call, kind: ChannelType, needs: int) -> dict[str, Any]:
    """Those at rest, the one that was put there last first; ``before`` is a moment."""
    found = _resting(call, kind, needs)
    before = moment_or_none("before", call.query.get("before"))
    shown = [each for each in found if before is None or each[1].archived_at < before]
    return _page(call, sorted(shown, key=lambda each: _at_rest_since(each[1]), reverse=True))


def _at_rest_since(thread: Thread) -> datetime:
    return thread.archived_at


def _resting(call: Call, kind: ChannelType, needs: int) -> list[tuple[Channel, Thread]]:
    guild, parent = call.guild_channel(needs)
    attendance.settle(call.stage, guild)
    threads = call.world.guild_threads(guild)
    return [(c, t) for c, t in threads if c.parent_id == parent.id and c.type == kind and t.archived]


def _page(call: Call, found: list[tuple[Channel, Thread]]) -> dict[str, Any]:
    most = call.limit(50, 100)
    return _listed(call, [channel for channel, _ in found[:most]], more=len(found) > most)


def _listed(call: Call, channels: list[Channel], *, more: bool) -> dict[str, Any]:
    """A page of threads, with the bot's membership of those it is in."""
    shown = [payloads.channel(channel, call.world) for channel in channels]
    return {"threads": shown, "members": [each["member"] for each in shown if "member" in each], "has_more": more}
