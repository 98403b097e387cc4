"""Scenes: the town lives by itself. People chat, come and go; and now and then there is trouble for moderators.

A scene is a generator: it does one thing and yields how many seconds pass before the next. All chance is in its seed,
so the same scene on the same world does the same again. Nobody acts who is gone, banned or timed out: what
moderators do shows.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import count

from kovra.sandbox import people, permissions, talk
from kovra.sandbox.commands import CommandRefused, run_command
from kovra.sandbox.deeds import members, messages, reactions, threads
from kovra.sandbox.interactions import Desk
from kovra.sandbox.names import FIRST_WORDS, LAST_WORDS
from kovra.sandbox.rest.commands import known_commands
from kovra.sandbox.stage import Stage
from kovra.sandbox.world import Channel, ChannelType, Guild, Message

#: How many come in a raid, and how long it lasts, in seconds.
RAIDERS, RAID_S = 300, 120.0
_HANDS, _SPAM_POSTS = 3, 60
_QUARREL_LINES = 30
#: How many of those who came while it was busy stay.
_NEWCOMERS = 40
#: How many lines are liked, how many conversations go on in a thread, and after how much silence that one rests.
_LIKED, _THREAD_CHANCE, _ARCHIVE_AFTER_MIN = 0.25, 0.08, 60
_MESSAGE_COMMAND = 3


class Players:
    """What every scene needs: the demo's guild, chance, and people who can still act."""

    def __init__(self, stage: Stage, desk: Desk, seed: int) -> None:
        self.stage, self.desk, self.rng = stage, desk, random.Random(seed)
        self.numbers = count(1)

    @property
    def guild(self) -> Guild:
        return self.stage.world.guilds[self.stage.world.cast.guild_id]

    def channels(self) -> list[Channel]:
        """Where people without a role may talk."""
        everyone = permissions.VIEW_CHANNEL | permissions.SEND_MESSAGES
        found = []
        for channel in self.stage.world.guild_channels(self.guild):
            overwrite = channel.overwrites.get(self.guild.id)
            if channel.type == ChannelType.TEXT and not (overwrite and overwrite.deny & everyone):
                found.append(channel)
        return found

    def anyone(self) -> int | None:
        """A plain member, None when nobody is left."""
        here = [i for i in self.stage.world.cast.plain if i in self.guild.members]
        return self.rng.choice(here) if here else None

    def say(self, user_id: int | None, channel: Channel | None, content: str) -> Message | None:
        """Say something where that person may; None when they may not."""
        if user_id not in self.guild.members or channel is None or channel.id not in self.stage.world.channels:
            return None
        have = permissions.in_channel(self.guild, channel, user_id, self.stage.now())
        wanted = permissions.VIEW_CHANNEL | permissions.SEND_MESSAGES
        if have & wanted != wanted:
            return None
        return messages.post(self.stage, channel, user_id, {"content": content})

    def somewhere(self) -> Channel | None:
        """One of the open channels; half of all that is said is said in the main hall."""
        found = self.channels()
        hall = [channel for channel in found if channel.name == "main-hall"]
        return self.rng.choice(hall if hall and self.rng.random() < 0.5 else found) if found else None

    def newcomer(self, *, days_old: float, prefix: str = "") -> int:
        """A new account that joins now.

        Args:
            days_old: how long ago the account was made.
        """
        words = f"{self.rng.choice(FIRST_WORDS.split())}{self.rng.choice(LAST_WORDS.split())}"
        name = f"{prefix}{words}{self.rng.randint(1, 999)}"
        made_at = self.stage.clock() - days_old * 86_400
        user = people.newcomer(self.stage.world, {"username": name}, made_at)
        members.join(self.stage, self.guild, user.id)
        return user.id


def quiet(play: Players) -> Iterator[float]:
    """Now and then somebody says something."""
    while True:
        play.say(play.anyone(), play.somewhere(), talk.line(play.rng, talk.CHAT))
        yield play.rng.uniform(15, 60)


def busy(play: Players) -> Iterator[float]:
    """People talk with each other, react, join, leave, meet in voice and are given roles."""
    joined: list[int] = []
    while True:
        chance = play.rng.random()
        if chance < 0.10:
            newcomer = play.newcomer(days_old=play.rng.uniform(20, 2000))
            joined.append(newcomer)
            play.say(newcomer, play.somewhere(), talk.line(play.rng, talk.HELLO))
        elif chance < 0.15 and joined or len(joined) > _NEWCOMERS:
            # As many go as come, in the end: a town left to itself for days does not grow.
            members.leave(play.stage, play.guild, joined.pop(play.rng.randrange(len(joined))))
        elif chance < 0.22:
            _voice(play)
        elif chance < 0.26:
            _promote(play)
        elif chance < 0.55:
            yield from _converse(play)
        else:
            said = play.say(play.anyone(), play.somewhere(), talk.line(play.rng, talk.CHAT))
            _react(play, said)
        yield play.rng.uniform(0.5, 4)


def raid(play: Players) -> Iterator[float]:
    """Three hundred young accounts join and post, all within two minutes."""
    pause_s = RAID_S / (2 * RAIDERS)
    for _ in range(RAIDERS):
        raider = play.newcomer(days_old=play.rng.uniform(0.01, 3), prefix="hive.")
        yield pause_s
        play.say(raider, play.somewhere(), talk.line(play.rng, talk.RAID, number=next(play.numbers)))
        yield pause_s


def spam(play: Players) -> Iterator[float]:
    """Three accounts post the same few offers everywhere."""
    hands = [play.newcomer(days_old=play.rng.uniform(1, 30), prefix="offer.") for _ in range(_HANDS)]
    for place in range(_SPAM_POSTS):
        play.say(hands[place % _HANDS], play.somewhere(), talk.line(play.rng, talk.SPAM, number=next(play.numbers)))
        yield play.rng.uniform(0.3, 1.5)


def drama(play: Players) -> Iterator[float]:
    """Two people quarrel, others are tired of it, and somebody reports it."""
    one, other, where = play.anyone(), play.anyone(), play.somewhere()
    for place in range(_QUARREL_LINES):
        said = play.say((one, other)[place % 2], where, talk.line(play.rng, talk.QUARREL))
        yield play.rng.uniform(1, 5)
        if place % 5 == 4:
            play.say(play.anyone(), where, talk.line(play.rng, talk.BYSTANDERS))
            yield play.rng.uniform(1, 3)
        if place % 10 == 9 and said is not None:
            _report(play, said)


def _converse(play: Players) -> Iterator[float]:
    """Two people talk about one thing, in one place; now and then it goes on in a thread."""
    where, those = play.somewhere(), (play.anyone(), play.anyone())
    lines = talk.exchange(play.rng)
    for place, words in enumerate(lines):
        said = play.say(those[place % 2], where, words)
        _react(play, said)
        yield play.rng.uniform(1, 4)
        if place == 1 and said is not None and where is not None and play.rng.random() < _THREAD_CHANCE:
            where = threads.start(
                play.stage, play.guild, where, lines[0], by=said.author_id, reason=None, message=said,
                auto_archive_min=_ARCHIVE_AFTER_MIN,
            )  # fmt: skip


def _react(play: Players, said: Message | None) -> None:
    """One line in four is liked by somebody, some by several."""
    if said is None or play.rng.random() > _LIKED:
        return
    channel, emoji = play.stage.world.channels[said.channel_id], play.rng.choice(talk.EMOJI)
    for _ in range(play.rng.choice((1, 1, 2, 4))):
        if (who := play.anyone()) is not None:
            reactions.add(play.stage, channel, said, emoji, who)


def _voice(play: Players) -> None:
    rooms = [c for c in play.stage.world.guild_channels(play.guild) if c.type == ChannelType.VOICE]
    who = play.anyone()
    if who is None or not rooms:
        return
    if who in play.guild.voice:
        members.disconnect(play.stage, play.guild, who)
    else:
        members.connect(play.stage, play.guild, play.guild.members[who], play.rng.choice(rooms).id)


def _promote(play: Players) -> None:
    """The owner gives someone one of the roles that carry no rights, or takes it back."""
    who = play.anyone()
    roles = [r for r in play.guild.roles.values() if r.name in ("Lamplighter", "Cartographer", "Minstrel")]
    if who is not None and roles:
        member, role = play.guild.members[who], play.rng.choice(roles)
        deed = members.take_role if role.id in member.roles else members.give_role
        deed(play.stage, play.guild, member, role, by=play.guild.owner_id, reason=None)


def _report(play: Players, said: Message) -> None:
    """With the bot's own message command where there is one, else in words to the staff."""
    world, guild = play.stage.world, play.guild
    where, reporter = world.channels[said.channel_id], play.anyone()
    commands = [c for c in known_commands(world, guild.id) if c["type"] == _MESSAGE_COMMAND]
    report = next((c["name"] for c in commands if "report" in c["name"].casefold()), None)
    if report is not None and reporter is not None:
        try:
            run_command(
                play.desk, world, world.users[reporter], guild, where, {"command": report, "target_id": said.id}
            )
            return
        except CommandRefused:
            pass  # whoever may not use it tells the staff instead
    staff = [person.user_id for person in world.cast.people if person.user_id in guild.members]
    room = next((c for c in world.guild_channels(guild) if c.name == "staff-room"), None)
    if staff:
        play.say(play.rng.choice(staff), room, talk.line(play.rng, talk.REPORT, where=f"#{where.name}"))


SCENES: dict[str, Callable[[Players], Iterator[float]]] = {
    scene.__name__: scene for scene in (quiet, busy, raid, spam, drama)
}
#: Those that go on until they are stopped.
ENDLESS = frozenset({"quiet", "busy"})
