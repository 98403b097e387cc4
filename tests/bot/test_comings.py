"""Who comes by which invite, how much they write, and what they were called before."""

from __future__ import annotations

import pytest

from kovra.sandbox.deeds import invites, members
from kovra.store.bygone import BygoneKeeper


def the_guild(sandbox):
    return sandbox.call(lambda s: s.world.guilds[s.world.cast.guild_id])


@pytest.fixture
def invite(sandbox):
    """``invite(max_uses=0)``: an invite of the owner's; its code."""

    def make(max_uses=0):
        guild = the_guild(sandbox)

        def create(s):
            channel = next(iter(s.world.guild_channels(guild)))
            return invites.create(
                s.stage, guild, channel, by=guild.owner_id, reason=None, max_age_s=0, max_uses=max_uses
            ).code

        return sandbox.call(create)

    return make


def joins(rows, user_id):
    return rows("SELECT invite_code, inviter_id, left_at IS NULL FROM joins WHERE user_id = %s", user_id)


@pytest.mark.parametrize("max_uses", [0, 1])
def test_the_invite_by_which_somebody_came_is_known(
    sandbox, control, start_bot, rows, eventually, asked, database, invite, max_uses
):
    guild, code, other = the_guild(sandbox), invite(max_uses), invite()
    start_bot(bygone=BygoneKeeper(database))
    eventually(lambda: [line for line in asked("/invites") if line[2] == 200])

    user_id = int(control("join", username="latecomer", invite=code)["user"]["id"])

    eventually(lambda: joins(rows, user_id) == [(code, guild.owner_id, True)])
    control("leave", user_id=str(user_id))
    eventually(lambda: joins(rows, user_id) == [(code, guild.owner_id, False)])
    assert other != code


def test_an_invite_that_was_taken_back_has_brought_nobody(
    sandbox, control, start_bot, rows, eventually, asked, database, invite
):
    guild, revoked, other = the_guild(sandbox), invite(), invite()
    start_bot(bygone=BygoneKeeper(database))
    eventually(lambda: len(asked("/invites")) == 1)

    sandbox.call(lambda s: invites.delete(s.stage, guild, guild.invites[revoked], by=guild.owner_id, reason=None))
    by_none = int(control("join", username="from_nowhere")["user"]["id"])
    eventually(lambda: len(asked("/invites")) == 2)
    by_other = int(control("join", username="latecomer", invite=other)["user"]["id"])

    eventually(lambda: joins(rows, by_other) == [(other, guild.owner_id, True)])
    assert joins(rows, by_none) == [(None, None, True)]


def test_messages_are_counted_by_person_and_day(sandbox, control, start_bot, rows, eventually, database):
    user_id = sandbox.call(lambda s: s.world.cast.plain[0])
    channel_id = sandbox.call(lambda s: next(c.id for c in s.world.channels.values() if c.name == "bot-corner"))
    bot = start_bot(bygone=BygoneKeeper(database))

    for word in ("one", "two", "three"):
        control("messages", user_id=str(user_id), channel_id=str(channel_id), content=word)
    counted = "SELECT sum(messages) FROM member_days WHERE user_id = %s"
    eventually(lambda: rows(counted, user_id) == [(3,)])
    control("messages", user_id=str(user_id), channel_id=str(channel_id), content="four")
    bot.stop()

    assert rows(counted, user_id)[0][0] >= 3


def test_former_names_are_kept_also_those_changed_while_guard_was_away(sandbox, start_bot, rows, eventually):
    guild, user_id = the_guild(sandbox), sandbox.call(lambda s: s.world.cast.plain[0])
    first = sandbox.call(lambda s: s.world.users[user_id].username)
    bot = start_bot()

    def rename(nick):
        member = guild.members[user_id]
        sandbox.call(lambda s: members.rename(s.stage, guild, member, nick, by=guild.owner_id, reason=None))

    rename("Nightjar")
    rename("Nightjar the Second")
    former = "SELECT kind, name FROM member_names WHERE user_id = %s ORDER BY until_at"
    eventually(lambda: ("nick", "Nightjar") in rows(former, user_id))
    bot.stop()
    sandbox.call(lambda s: setattr(s.world.users[user_id], "username", "nightjar_2"))
    start_bot()

    assert rows(former, user_id)[-1] == ("username", first)


def test_a_guild_that_removed_guard_while_it_was_away_is_gone(sandbox, start_bot, rows, eventually):
    guild, bot_id = the_guild(sandbox), sandbox.call(lambda s: s.world.bot_id)
    start_bot().stop()

    sandbox.call(lambda s: members.leave(s.stage, guild, bot_id))
    start_bot(wait=False)

    eventually(lambda: rows("SELECT gone_at IS NOT NULL FROM guilds") == [(True,)])
