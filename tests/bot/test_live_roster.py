from dataclasses import dataclass

import pytest

from kovra.actions.capabilities import Permission, Person
from kovra.actions.rights import Standing
from kovra.bot.live_roster import LiveRoster
from kovra.errors import DiscordUnreached, Unavailable
from kovra.store.mirror import MemberRow, RoleRow

GUILD, MODERATOR, TARGET, ROLE = 100, 1, 2, 200


@dataclass
class Mirror:
    silent: bool

    def standings(self, guild_id, moderator_id, target_ids):
        def person(user_id):
            return Person(user_id=user_id, name=str(user_id), member=True, permissions=0, rank=9)

        def standing(target_id):
            people = {"guard": person(8), "moderator": person(moderator_id), "target": person(target_id)}
            return Standing(guild_id=guild_id, owner_id=7, **people)

        return {target_id: standing(target_id) for target_id in target_ids}

    def gateway_silent(self, guild_id):
        return self.silent


@dataclass
class Discord:
    down: bool = False

    def fetch_roles(self, guild_id):
        if self.down:
            raise DiscordUnreached("refused")
        more = {"name": "x", "colour": 0, "managed": False}
        return [
            RoleRow(role_id=GUILD, position=0, permissions=0, **more),
            RoleRow(role_id=ROLE, position=3, permissions=Permission.BAN_MEMBERS.value, **more),
        ]

    def fetch_member(self, guild_id, user_id):
        if user_id == TARGET:
            return None
        more = {"global_name": "Tamsin", "nick": None, "avatar": None, "bot": False, "joined_at": None}
        return MemberRow(user_id=user_id, username="t", role_ids=(ROLE,), timed_out_until=None, **more)


def test_gateway_that_speaks_is_believed():
    roster = LiveRoster(mirror=Mirror(silent=False), discord=Discord(down=True))

    assert roster.standing(GUILD, MODERATOR, TARGET).moderator.rank == 9


def test_silent_gateway_makes_discord_be_asked():
    standing = LiveRoster(mirror=Mirror(silent=True), discord=Discord()).standing(GUILD, MODERATOR, TARGET)

    assert (standing.moderator.name, standing.moderator.rank) == ("Tamsin", 3)
    assert standing.moderator.permissions == Permission.BAN_MEMBERS.value
    assert not standing.target.member


def test_nobody_answering_defers():
    with pytest.raises(Unavailable):
        LiveRoster(mirror=Mirror(silent=True), discord=Discord(down=True)).standing(GUILD, MODERATOR, TARGET)
