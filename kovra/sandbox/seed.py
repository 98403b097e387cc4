"""Lanternfall: the guild of the demo, with its staff, its members and a little of what they say.

Everything is invented. People, roles and channels have the same ids for the same seed, at any time; when they joined
and what they said lies a fixed span before the clock's now, so that the place always looks lived in.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from kovra.ids import DISCORD_EPOCH_MS
from kovra.sandbox import permissions as p
from kovra.sandbox.names import CLOSING_LINES, FIRST_WORDS, LAST_WORDS, LINES
from kovra.sandbox.world import (
    Cast,
    Channel,
    ChannelType,
    Clock,
    Guild,
    Member,
    Message,
    Overwrite,
    Person,
    Role,
    User,
    World,
    moment,
)

DEFAULT_BOT_ID = 1_180_000_000_000_000_001
GUILD_NAME = "Lanternfall"
#: The guild was made on 2021-03-05; its id and those of its roles and channels follow from that.
_FOUNDED_MS = 1_614_945_600_000

EVERYONE_RIGHTS = (
    p.VIEW_CHANNEL | p.SEND_MESSAGES | p.READ_MESSAGE_HISTORY | p.ADD_REACTIONS | p.EMBED_LINKS | p.ATTACH_FILES
    | p.CONNECT | p.SPEAK | p.CHANGE_NICKNAME | p.USE_APPLICATION_COMMANDS | p.CREATE_INVITE
    | p.CREATE_PUBLIC_THREADS | p.CREATE_PRIVATE_THREADS | p.SEND_MESSAGES_IN_THREADS
)  # fmt: skip
_TRAINEE = p.MODERATE_MEMBERS
MODERATOR_RIGHTS = _TRAINEE | p.KICK_MEMBERS | p.BAN_MEMBERS | p.MANAGE_MESSAGES | p.MANAGE_NICKNAMES
_SENIOR = MODERATOR_RIGHTS | p.MANAGE_CHANNELS | p.MANAGE_ROLES | p.VIEW_AUDIT_LOG | p.MOVE_MEMBERS | p.MUTE_MEMBERS
_SENIOR |= p.MANAGE_THREADS | p.PIN_MESSAGES
_HEAD = _SENIOR | p.MANAGE_GUILD | p.MANAGE_WEBHOOKS
GUARD_RIGHTS = _HEAD | EVERYONE_RIGHTS | p.MENTION_EVERYONE | p.DEAFEN_MEMBERS

#: Name, permissions, colour, shown apart; from the top down.
_ROLES: list[tuple[str, int, int, bool]] = [
    ("Council", EVERYONE_RIGHTS, 0xE0B84C, True),
    ("Guard", GUARD_RIGHTS, 0x4CC2B0, True),
    ("Head moderator", _HEAD, 0xC9687A, True),
    ("Senior moderator", _SENIOR, 0x9D7BD8, True),
    ("Moderator", MODERATOR_RIGHTS, 0x5C8FD6, True),
    ("Trainee", _TRAINEE, 0x7BB57F, True),
    ("Bots", 0, 0x8A94A6, True),
    ("Lamplighter", 0, 0xE7A15A, False),
    ("Cartographer", 0, 0x6FB3C8, False),
    ("Minstrel", 0, 0xC58BC0, False),
    ("Newcomer", 0, 0, False),
    ("Quarantine", 0, 0x555555, False),
]

#: User name, display name, role (None: the owner), and what they may do, as a person signing in wants to know it.
_STAFF: list[tuple[str, str, str | None, str]] = [
    ("maren.oake", "Maren Oake", None, "everything, and nobody can act on them"),
    ("tamsin_reed", "Tamsin", "Head moderator", "ban, kick, mute, warn, note; manages the server"),
    ("idris.vale", "Idris Vale", "Senior moderator", "ban, kick, mute, warn, note; channels, roles, audit log"),
    ("juniperlock", "Juniper", "Moderator", "ban, kick, mute, warn, note"),
    ("pip.hollow", "Pip", "Trainee", "mute, warn, note"),
]

_CHANNELS: list[tuple[str, str, str, int]] = [
    ("welcome", "WELCOME", "Read the three rules, then say hello.", 0),
    ("announcements", "WELCOME", "News of the town.", 0),
    ("main-hall", "THE TOWN", "Everything and nothing.", 0),
    ("trade-post", "THE TOWN", "Swap, lend, give away. No real money.", 10),
    ("map-room", "THE TOWN", "Maps, routes, and getting lost.", 0),
    ("music-by-night", "THE TOWN", "What are you listening to?", 0),
    ("bot-corner", "THE TOWN", "Commands go here.", 0),
    ("staff-room", "STAFF", "For the staff.", 0),
    ("mod-log", "STAFF", "What Guard and the staff did.", 0),
]
_FIRST, _LAST = FIRST_WORDS.split(), LAST_WORDS.split()
_READ_ONLY = {"welcome", "announcements"}
_STAFF_ONLY = {"staff-room", "mod-log"}


def lanternfall(
    clock: Clock, *, seed: int = 7, members: int = 300, bot_id: int = DEFAULT_BOT_ID, bot_name: str = "Guard"
) -> World:
    """Make the demo's world.

    Args:
        clock: Unix time in seconds; joins and messages lie before it.
        seed: the same seed gives the same people.
        members: how many besides staff and bots.
        bot_id: the bot's user and application id.
    """
    return _Founding(clock, seed, bot_id).found(bot_name, members)


class _Founding:
    """The making of the world, step by step."""

    def __init__(self, clock: Clock, seed: int, bot_id: int) -> None:
        self.now = moment(clock())
        self.rng = random.Random(seed)
        self.world = World(bot_id=bot_id)
        self.roles: dict[str, Role] = {}
        self.channels: dict[str, Channel] = {}
        self._ids = 0
        self.guild = Guild(id=self._id(_FOUNDED_MS), name=GUILD_NAME, owner_id=0)

    def found(self, bot_name: str, members: int) -> World:
        self.world.guilds[self.guild.id] = self.guild
        self._make_roles()
        self._make_channels()
        self._make_staff(bot_name)
        self._make_members(members)
        self._choose_cast()
        self._say()
        return self.world

    def _id(self, at_ms: int) -> int:
        self._ids += 1
        return (at_ms - DISCORD_EPOCH_MS << 22) + self._ids % 4096

    def _make_roles(self) -> None:
        everyone = Role(id=self.guild.id, name="@everyone", position=0, permissions=EVERYONE_RIGHTS)
        self.guild.roles[everyone.id] = everyone
        for place, (name, rights, color, hoist) in enumerate(_ROLES):
            role = Role(
                id=self._id(_FOUNDED_MS + place),
                name=name,
                position=len(_ROLES) - place,
                permissions=rights,
                color=color,
                hoist=hoist,
                managed=name == "Guard",
            )
            self.roles[name] = self.guild.roles[role.id] = role

    def _make_channels(self) -> None:
        categories: dict[str, Channel] = {}
        for name, category, topic, slowmode_s in _CHANNELS:
            if category not in categories:
                categories[category] = self._channel(category, ChannelType.CATEGORY)
            channel = self._channel(name, ChannelType.TEXT)
            channel.parent_id, channel.topic, channel.slowmode_s = categories[category].id, topic, slowmode_s
            self._close(channel, name)
        self._close(categories["STAFF"], "staff-room")
        self._channel("Fireside", ChannelType.VOICE).parent_id = categories["THE TOWN"].id
        self.guild.system_channel_id = self.channels["welcome"].id

    def _channel(self, name: str, kind: ChannelType) -> Channel:
        place = len(self.guild.channel_ids)
        channel = Channel(
            id=self._id(_FOUNDED_MS + 60_000 + place), type=kind, guild_id=self.guild.id, name=name, position=place
        )
        self.guild.channel_ids.append(channel.id)
        self.channels[name] = self.world.channels[channel.id] = channel
        return channel

    def _close(self, channel: Channel, name: str) -> None:
        """Overwrites: staff channels are hidden from everyone else, some channels are read-only."""
        denied = p.VIEW_CHANNEL if name in _STAFF_ONLY else p.SEND_MESSAGES if name in _READ_ONLY else 0
        if not denied:
            return
        channel.overwrites[self.guild.id] = Overwrite(id=self.guild.id, type=0, deny=denied)
        for insider in ("Council", "Guard", "Head moderator", "Senior moderator", "Moderator", "Trainee"):
            role = self.roles[insider]
            channel.overwrites[role.id] = Overwrite(id=role.id, type=0, allow=p.VIEW_CHANNEL | p.SEND_MESSAGES)

    def _make_staff(self, bot_name: str) -> None:
        guard = User(id=self.world.bot_id, username=bot_name, bot=True)
        self.world.users[guard.id] = guard
        self._join(guard, days_ago=400, roles=["Guard"])
        for username, shown, role, can in _STAFF:
            user = self._user(username, shown, years_ago=self.rng.uniform(4, 8))
            if role is None:
                self.guild.owner_id = user.id
            self._join(user, days_ago=self.rng.randint(500, 1500), roles=[role or "Council"])
            self.world.cast.people.append(Person(user_id=user.id, rank=role or "Owner", can=can))
        elder = self._user("oldwick", "Old Wick", years_ago=9)
        self._join(elder, days_ago=1600, roles=["Council"])
        self.world.cast.above_guard = elder.id
        for username in ("jukebox", "dice-tower"):
            bot = self._user(username, None, years_ago=5, bot=True)
            self._join(bot, days_ago=900, roles=["Bots"])
            self.world.cast.bot_member = self.world.cast.bot_member or bot.id

    def _make_members(self, count: int) -> None:
        taken: set[str] = set()
        for place in range(count):
            username = self._username(taken)
            # One in nine has been here for less than a month; a few of those accounts are young themselves.
            recent = place % 9 == 0
            days_ago = self.rng.uniform(0.05, 30) if recent else self.rng.uniform(30, 1400)
            years_ago = days_ago / 365 + self.rng.uniform(0.02, 6)
            user = self._user(username, self._shown(username), years_ago=years_ago)
            user.dms_open = place % 12 != 5
            roles = ["Newcomer"] if recent else self.rng.choices(
                [[], ["Lamplighter"], ["Cartographer"], ["Minstrel"], ["Lamplighter", "Minstrel"]], [6, 2, 1, 1, 1]
            )[0]  # fmt: skip
            member = self._join(user, days_ago=days_ago, roles=roles)
            if self.rng.random() < 0.25:
                member.nick = self._shown(username)
        outsider = self._user("passing.stranger", "Passing Stranger", years_ago=2)
        self.world.cast.outsider = outsider.id

    def _username(self, taken: set[str]) -> str:
        while True:
            joint = self.rng.choice(["", "", ".", "_"])
            name = self.rng.choice(_FIRST) + joint + self.rng.choice(_LAST)
            if self.rng.random() < 0.2:
                name += str(self.rng.randint(2, 99))
            if name not in taken:
                taken.add(name)
                return name

    def _shown(self, username: str) -> str | None:
        words = username.replace("_", " ").replace(".", " ").strip("0123456789")
        return self.rng.choice([words.title(), words, words.split()[0].capitalize(), None])

    def _user(self, username: str, shown: str | None, *, years_ago: float, bot: bool = False) -> User:
        # Accounts are dated from a fixed day, so that a person's id does not depend on when the sandbox is started.
        made_ms = 1_767_225_600_000 - int(years_ago * 31_557_600_000)
        user = User(id=self._id(max(made_ms, DISCORD_EPOCH_MS + 1)), username=username, global_name=shown, bot=bot)
        self.world.users[user.id] = user
        return user

    def _join(self, user: User, *, days_ago: float, roles: list[str]) -> Member:
        held = [self.roles[name].id for name in roles]
        member = Member(user_id=user.id, joined_at=self.now - timedelta(days=days_ago), roles=held)
        self.guild.members[user.id] = member
        return member

    def _choose_cast(self) -> None:
        cast: Cast = self.world.cast
        cast.guild_id = self.guild.id
        known = {cast.above_guard, cast.bot_member, self.world.bot_id, *(person.user_id for person in cast.people)}
        plain = [u for u in self.world.users.values() if u.id in self.guild.members and u.id not in known and not u.bot]
        cast.closed_dm = [user.id for user in plain if not user.dms_open]
        cast.plain = [user.id for user in plain if user.dms_open]

    def _say(self) -> None:
        """Lines in the open channels over the last two days, the newest a few minutes ago."""
        speakers = self.world.cast.plain
        spoken = [(name, line) for name, lines in LINES.items() for line in lines]
        self.rng.shuffle(spoken)
        spoken += CLOSING_LINES
        span_s = 2 * 86_400 / len(spoken)
        for place, (name, line) in enumerate(spoken):
            at = self.now - timedelta(seconds=120 + span_s * (len(spoken) - place))
            author = self.rng.choice(speakers) if speakers else self.guild.owner_id
            if name in _READ_ONLY or name in _STAFF_ONLY:
                author = self.rng.choice([person.user_id for person in self.world.cast.people])
            self._message(self.channels[name], author, line, at)

    def _message(self, channel: Channel, author_id: int, content: str, at: Any) -> None:
        message_id = self.world.new_id(at.timestamp())
        message = Message(id=message_id, channel_id=channel.id, author_id=author_id, content=content, sent_at=at)
        self.world.messages.setdefault(channel.id, {})[message.id] = message
        channel.last_message_id = message.id
