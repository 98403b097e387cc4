"""The mirror: what Discord is, written down, and kept so from what the gateway says."""

from __future__ import annotations

from kovra.errors import Unavailable
from kovra.sandbox import payloads, people
from kovra.sandbox.deeds import members, places
from kovra.sandbox.world import Role
from kovra.store.mirror import Mirror as StoredMirror


def the_guild(sandbox):
    return sandbox.call(lambda s: s.world.guilds[s.world.cast.guild_id])


def members_of(rows, guild):
    found = rows("SELECT user_id, role_ids FROM members WHERE guild_id = %s AND gone_at IS NULL", guild.id)
    return {user_id: set(role_ids) for user_id, role_ids in found}


def bans_of(rows, guild):
    return dict(rows("SELECT user_id, reason FROM bans WHERE guild_id = %s", guild.id))


# The first picture


def test_after_the_start_the_mirror_holds_all_that_discord_has(sandbox, control, start_bot, rows):
    guild = the_guild(sandbox)
    for user_id in sandbox.call(lambda s: s.world.cast.plain)[:3]:
        control("bans", user_id=str(user_id), reason="before")

    start_bot()

    assert members_of(rows, guild) == {user_id: set(member.roles) for user_id, member in guild.members.items()}
    assert bans_of(rows, guild) == guild.bans
    assert {row[0]: row[1:] for row in rows("SELECT role_id, name, position, permissions FROM roles")} == {
        role.id: (role.name, role.position, role.permissions) for role in guild.roles.values()
    }
    assert dict(rows("SELECT channel_id, name FROM channels")) == sandbox.call(
        lambda s: {channel.id: channel.name for channel in s.world.guild_channels(guild)}
    )
    assert rows("SELECT name, owner_id, guard_id, member_count, locale FROM guilds") == [
        (guild.name, guild.owner_id, sandbox.call(lambda s: s.world.bot_id), len(guild.members), "en-US")
    ]


def test_a_large_guild_comes_in_many_chunks_and_whole(sandbox, control, start_bot, rows):
    guild = the_guild(sandbox)
    for number in range(2100):
        sandbox.call(lambda s, n=number: members.join(s.stage, guild, _newcomer(s, n)))

    start_bot()

    assert len(members_of(rows, guild)) == len(guild.members) > 2100


def _newcomer(sandbox, number):
    return people.newcomer(sandbox.world, {"username": f"crowd{number}"}, sandbox.clock()).id


def test_many_pages_of_bans_are_read_to_the_end(sandbox, start_bot, rows):
    guild = the_guild(sandbox)

    def ban_crowd(s):
        for number in range(1005):
            guild.bans[_newcomer(s, number)] = None

    sandbox.call(ban_crowd)

    start_bot()

    assert bans_of(rows, guild) == guild.bans


def test_without_the_right_to_see_bans_the_rest_is_mirrored(sandbox, start_bot, rows):
    guild = the_guild(sandbox)
    sandbox.call(
        lambda s: s.faults.arm(method="GET", route="/guilds/{guild_id}/bans", status=403, code=50013, times=None)
    )

    start_bot()

    assert set(members_of(rows, guild)) == set(guild.members)


def test_bans_are_read_again_when_discord_stumbles(sandbox, control, start_bot, rows, monkeypatch):
    monkeypatch.setattr("kovra.bot.mirror._PAUSE_S", 0.05)
    guild, user_id = the_guild(sandbox), sandbox.call(lambda s: s.world.cast.plain[0])
    control("bans", user_id=str(user_id), reason="before")
    sandbox.call(lambda s: s.faults.arm(method="GET", route="/guilds/{guild_id}/bans", status=500, times=2))

    start_bot()

    assert bans_of(rows, guild) == {user_id: "before"}


# What happens later


def test_who_joins_changes_and_leaves_is_followed(sandbox, control, start_bot, rows, eventually):
    guild = the_guild(sandbox)
    hints = []
    start_bot(hints=lambda guild_id, kind, facts: facts and hints.append((guild_id, kind, facts["user_id"])))
    count = len(guild.members)

    user_id = int(control("join", username="latecomer")["user"]["id"])
    eventually(lambda: user_id in members_of(rows, guild))
    control("roles", user_id=str(user_id), role="Lamplighter")
    eventually(lambda: members_of(rows, guild)[user_id] == set(guild.members[user_id].roles) != set())
    control("timeouts", user_id=str(user_id), seconds=600)
    timed_out = "SELECT timed_out_until IS NOT NULL FROM members WHERE user_id = %s"
    eventually(lambda: rows(timed_out, user_id) == [(True,)])
    eventually(lambda: rows("SELECT member_count FROM guilds") == [(count + 1,)])
    control("leave", user_id=str(user_id))
    eventually(lambda: user_id not in members_of(rows, guild))

    eventually(lambda: rows("SELECT member_count FROM guilds") == [(count,)])
    eventually(lambda: len(hints) == 4)
    assert hints == [
        (guild.id, kind, str(user_id)) for kind in ("member.joined", "member.updated", "member.updated", "member.left")
    ]


def test_bans_and_their_lifting_are_followed(sandbox, control, start_bot, rows, eventually):
    guild, user_id = the_guild(sandbox), sandbox.call(lambda s: s.world.cast.plain[0])
    start_bot()

    control("bans", user_id=str(user_id), reason="raid")
    eventually(lambda: user_id in bans_of(rows, guild))
    eventually(lambda: user_id not in members_of(rows, guild))
    control("unbans", user_id=str(user_id))

    eventually(lambda: user_id not in bans_of(rows, guild))


def test_roles_channels_and_the_guild_itself_are_followed(sandbox, start_bot, rows, eventually):
    guild, hints = the_guild(sandbox), []
    start_bot(hints=lambda guild_id, kind, facts: hints.append((guild_id, kind)))
    eventually(lambda: hints)
    hints.clear()
    role = Role(id=sandbox.call(lambda s: s.stage.new_id()), name="Warden", position=3, permissions=4)

    sandbox.call(lambda s: places.create_role(s.stage, guild, role, by=guild.owner_id, reason=None))
    eventually(lambda: rows("SELECT permissions FROM roles WHERE name = 'Warden'") == [(4,)])
    role.permissions = 6
    sandbox.call(lambda s: places.role_changed(s.stage, guild, role, [], by=guild.owner_id, reason=None))
    eventually(lambda: rows("SELECT permissions FROM roles WHERE name = 'Warden'") == [(6,)])
    sandbox.call(lambda s: places.delete_role(s.stage, guild, role, by=guild.owner_id, reason=None))
    eventually(lambda: rows("SELECT 1 FROM roles WHERE name = 'Warden'") == [])
    eventually(lambda: hints == [(guild.id, "role.updated")] * 3)

    channel = sandbox.call(lambda s: next(c for c in s.world.guild_channels(guild) if c.name == "map-room"))
    sandbox.call(lambda s: places.delete_channel(s.stage, guild, channel, by=guild.owner_id, reason=None))
    eventually(lambda: rows("SELECT 1 FROM channels WHERE name = 'map-room'") == [])

    guild.name = "Lantern Rise"
    sandbox.call(lambda s: places.guild_changed(s.stage, guild, [], by=guild.owner_id, reason=None))
    eventually(lambda: rows("SELECT name, member_count FROM guilds") == [("Lantern Rise", len(guild.members))])


def test_a_guild_that_removed_guard_is_gone_and_one_in_an_outage_is_not(sandbox, start_bot, rows, eventually):
    guild, hints = the_guild(sandbox), []
    start_bot(hints=lambda guild_id, kind, facts: hints.append((guild_id, kind)))

    sandbox.call(lambda s: s.stage.tell("GUILD_DELETE", guild, lambda: {"id": str(guild.id), "unavailable": True}))
    sandbox.call(lambda s: s.stage.tell("GUILD_UPDATE", guild, lambda: _renamed(guild, "still here")))
    eventually(lambda: rows("SELECT name, gone_at FROM guilds") == [("still here", None)])
    assert (guild.id, "guild.left") not in hints
    sandbox.call(lambda s: s.stage.tell("GUILD_DELETE", guild, lambda: {"id": str(guild.id)}))

    eventually(lambda: rows("SELECT gone_at IS NOT NULL FROM guilds") == [(True,)])
    eventually(lambda: hints[-1:] == [(guild.id, "guild.left")])


def _renamed(guild, name):
    return {**payloads.guild(guild), "name": name}


# Trouble


def test_what_happened_while_guard_was_away_is_caught_up(sandbox, control, start_bot, rows):
    guild = the_guild(sandbox)
    plain = sandbox.call(lambda s: list(s.world.cast.plain))
    control("bans", user_id=str(plain[2]), reason="old")
    start_bot().stop()

    control("leave", user_id=str(plain[0]))
    control("roles", user_id=str(plain[1]), role="Minstrel")
    control("unbans", user_id=str(plain[2]))
    joined = int(control("join", username="meanwhile")["user"]["id"])
    start_bot()

    now = members_of(rows, guild)
    assert plain[0] not in now
    assert joined in now
    assert now[plain[1]] == set(guild.members[plain[1]].roles)
    assert bans_of(rows, guild) == {}


def test_a_broken_connection_is_resumed_and_nothing_is_missed(sandbox, control, start_bot, rows, eventually):
    guild = the_guild(sandbox)
    start_bot()

    control("gateway", do="drop", code=4000)
    joined = int(control("join", username="unheard")["user"]["id"])

    eventually(lambda: joined in members_of(rows, guild))
    assert control("gateway")["resumed"] == 1


def test_a_lost_session_is_mirrored_anew(sandbox, control, start_bot, rows, eventually):
    guild, gone = the_guild(sandbox), sandbox.call(lambda s: s.world.cast.plain[0])
    start_bot()

    # Told to nobody: the old session ends before, and the new one is told the guild whole.
    sandbox.call(lambda s: guild.members.pop(gone))
    control("gateway", do="invalidate")

    eventually(lambda: gone not in members_of(rows, guild))


def test_a_database_that_was_away_gets_every_write_in_order(sandbox, control, start_bot, rows, eventually, database):
    guild, user_id = the_guild(sandbox), sandbox.call(lambda s: s.world.cast.plain[0])
    away, refused = False, []

    class ComesAndGoes(StoredMirror):
        def member(self, *args):
            if away:
                refused.append(args)
                raise Unavailable("gone fishing")
            super().member(*args)

    start_bot(mirror=ComesAndGoes(database))
    away = True
    control("roles", user_id=str(user_id), role="Minstrel")
    control("roles", user_id=str(user_id), role="Minstrel", give=False)
    control("leave", user_id=str(user_id))
    eventually(lambda: refused)
    assert user_id in members_of(rows, guild)
    away = False

    eventually(lambda: user_id not in members_of(rows, guild))
