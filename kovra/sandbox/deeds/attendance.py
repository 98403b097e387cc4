"""Who is in a thread, and whether it is awake: joined, left, woken by what is said, put to rest when nothing is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from kovra.sandbox import payloads, permissions
from kovra.sandbox.stage import Stage
from kovra.sandbox.world import Channel, ChannelType, Guild, Thread


def join(stage: Stage, guild: Guild, channel: Channel, user_id: int) -> bool:
    """Somebody comes into a thread; says whether that was news. The bot is told of its own membership as well."""
    thread = _thread_of(channel)
    if user_id in thread.members:
        return False
    thread.members[user_id] = stage.now()
    if user_id == stage.world.bot_id:
        if not _is_public(channel):
            # What was hidden from the bot until now is new to it.
            stage.tell("THREAD_CREATE", guild, lambda: payloads.channel(channel, stage.world), channel)
        mine = payloads.thread_member(channel, thread, user_id)
        stage.tell("THREAD_MEMBER_UPDATE", guild, lambda: {**mine, "guild_id": str(guild.id)}, channel)
    whole = payloads.whole_thread_member(channel, thread, user_id, guild, stage.world)
    _tell(stage, guild, channel, added_members=[{**whole, "presence": None}])
    return True


def leave(stage: Stage, guild: Guild, channel: Channel, user_id: int) -> bool:
    """Somebody goes out of a thread, or is put out; says whether there was someone to go."""
    if _thread_of(channel).members.pop(user_id, None) is None:
        return False
    _tell(stage, guild, channel, removed_member_ids=[str(user_id)])
    return True


def leave_all(stage: Stage, guild: Guild, user_id: int) -> None:
    """Whoever is out of the guild is out of its threads."""
    for channel, thread in stage.world.guild_threads(guild):
        if user_id in thread.members:
            leave(stage, guild, channel, user_id)


def heard(stage: Stage, guild: Guild, channel: Channel, author_id: int) -> None:
    """Something is said in a thread: it wakes, counts it, and whoever said it is in it from then on."""
    thread = _thread_of(channel)
    if thread.archived:
        turn(stage, guild, channel, archived=False)
    thread.message_count += 1
    thread.total_sent += 1
    thread.spoken_at = stage.now()
    if author_id in guild.members:
        join(stage, guild, channel, author_id)


def turn(stage: Stage, guild: Guild, channel: Channel, *, archived: bool) -> None:
    """Put a thread to rest, or wake it; nobody's deed, so nothing is recorded."""
    thread = _thread_of(channel)
    thread.archived, thread.archived_at = archived, stage.now()
    thread.spoken_at = stage.now()
    stage.changed = True
    stage.tell("THREAD_UPDATE", guild, lambda: payloads.channel(channel, stage.world), channel)


def settle(stage: Stage, guild: Guild) -> None:
    """Put to rest the threads in which nothing was said for as long as each waits. Called before threads are read."""
    for channel, thread in stage.world.guild_threads(guild):
        quiet = stage.now() - thread.spoken_at
        if not thread.archived and quiet >= timedelta(minutes=thread.auto_archive_min):
            turn(stage, guild, channel, archived=True)


@contextmanager
def opening(stage: Stage, guild: Guild) -> Iterator[None]:
    """Around a change of rights: the bot is sent the threads of every channel it sees from then on."""
    if not guild.thread_ids:
        yield
        return
    before = _seen(stage, guild)
    yield
    news = _seen(stage, guild) - before
    awake = [(c, t) for c, t in stage.world.guild_threads(guild) if c.parent_id in news and not t.archived]
    if not awake:
        return
    bot_id = stage.world.bot_id
    sync = {
        "guild_id": str(guild.id),
        "channel_ids": sorted({str(c.parent_id) for c, _ in awake}),
        "threads": [payloads.channel(c, stage.world) for c, _ in awake],
        "members": [payloads.thread_member(c, t, bot_id) for c, t in awake if bot_id in t.members],
    }
    stage.tell("THREAD_LIST_SYNC", guild, lambda: sync)


def _seen(stage: Stage, guild: Guild) -> set[int]:
    """The channels that the bot sees."""
    bot_id, now = stage.world.bot_id, stage.now()
    channels = stage.world.guild_channels(guild)
    return {c.id for c in channels if permissions.in_channel(guild, c, bot_id, now) & permissions.VIEW_CHANNEL}


def _thread_of(channel: Channel) -> Thread:
    assert channel.thread is not None
    return channel.thread


def _is_public(channel: Channel) -> bool:
    return channel.type == ChannelType.PUBLIC_THREAD


def _tell(stage: Stage, guild: Guild, channel: Channel, **what: Any) -> None:
    stage.changed = True
    told = {
        "id": str(channel.id),
        "guild_id": str(guild.id),
        "member_count": min(len(_thread_of(channel).members), payloads.MOST_COUNTED),
        **what,
    }
    # Without the channel: whoever is put out of a private thread sees it no more, and is told nevertheless.
    stage.tell("THREAD_MEMBERS_UPDATE", guild, lambda: told)
