"""Scopes, cards, the mirror and the roster."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from sqlalchemy import text

from kovra.actions.capabilities import Capability, Limit, Permission
from kovra.errors import Unavailable
from kovra.ids import ChannelId, GuildId, RoleId, UserId
from kovra.store.guilds import GuildScope
from kovra.store.members import Members
from kovra.store.mirror import BanRow, ChannelRow, GuildRow, RoleRow


def test_a_scope_says_who_looks_and_what_they_may(guilds, say):
    scope = guilds.scope(say.ODALYS, say.HARBOUR)

    assert (scope.guild_id, scope.guild_name, scope.viewer.name) == (say.HARBOUR, "Harbour", "Odalys")
    assert scope.may(Capability.BAN)
    assert not scope.may(Capability.SETTINGS)


def test_nobody_without_a_capability_has_a_scope(guilds, mirror, say):
    mirror.member_gone(say.HARBOUR, say.PELL)

    assert guilds.scope(say.QUILLON, say.HARBOUR) is None
    assert guilds.scope(say.STRANGER, say.HARBOUR) is None
    assert guilds.scope(say.PELL, say.HARBOUR) is None
    assert guilds.scope(say.ODALYS, say.MEADOW) is None
    assert guilds.scope(say.ODALYS, GuildId(1)) is None


def test_a_scope_is_built_by_the_check_of_rights_alone(odalys, say):
    with pytest.raises(TypeError):
        dataclasses.replace(odalys, guild_id=say.MEADOW)
    with pytest.raises(TypeError):
        GuildScope(
            guild_id=say.MEADOW,
            guild_name="Meadow",
            member_count=1,
            owner_id=say.OWNER,
            guard_id=say.GUARD,
            viewer=odalys.viewer,
            capabilities=odalys.capabilities,
        )


def test_a_guild_that_removed_guard_shows_nothing_until_guard_is_back(guilds, mirror, roster, say):
    mirror.guild_gone(say.HARBOUR)
    gone = guilds.scope(say.ODALYS, say.HARBOUR), roster.standing(say.HARBOUR, say.ODALYS, say.QUILLON).guard.member

    mirror.guild(
        GuildRow(
            guild_id=say.HARBOUR, name="Harbour", icon=None, owner_id=say.OWNER, guard_id=say.GUARD, member_count=5
        )
    )

    assert gone == (None, False)
    assert guilds.scope(say.ODALYS, say.HARBOUR) is not None
    assert roster.standing(say.HARBOUR, say.ODALYS, say.QUILLON).guard.member


def test_the_picker_lists_the_guilds_in_which_someone_has_a_capability(guilds, say):
    of_pell = guilds.guilds_of(say.PELL)
    of_odalys = guilds.guilds_of(say.ODALYS)

    assert [card.name for card in of_pell] == ["Harbour", "Meadow"]
    assert [card.name for card in of_odalys] == ["Harbour"]
    assert Capability.BAN in of_odalys[0].capabilities
    assert guilds.guilds_of(say.QUILLON) == []
    assert [card.name for card in guilds.guilds_of(say.PELL, among=[say.MEADOW])] == ["Meadow"]


def test_a_grant_adds_to_what_discord_gives(guilds, roster, give, say, clock):
    give(Capability.MUTE, user_id=say.QUILLON, longest_s=3600)
    give(Capability.BAN, user_id=say.QUILLON, ends_at=clock.now() - timedelta(seconds=1))

    scope = guilds.scope(say.QUILLON, say.HARBOUR)
    standing = roster.standing(say.HARBOUR, say.QUILLON, say.STRANGER)

    assert set(scope.capabilities) == {Capability.MUTE, Capability.VIEW, Capability.VIEW_NOTES}
    assert standing.grants == {Capability.MUTE: Limit(longest_s=3600)}


def test_many_scopes_at_once_are_what_each_would_be_alone(guilds, give, mirror, say, clock):
    give(Capability.MUTE, user_id=say.QUILLON, longest_s=3600)
    give(Capability.MUTE, user_id=say.QUILLON, longest_s=60)
    give(Capability.SETTINGS, role_id=say.MODERATOR_ROLE)
    give(Capability.BAN, user_id=say.QUILLON, ends_at=clock.now() - timedelta(seconds=1))
    people = [say.ODALYS, say.QUILLON, say.STRANGER, say.OWNER]

    together = guilds.scopes(people, say.HARBOUR)

    alone = {user_id: guilds.scope(user_id, say.HARBOUR) for user_id in people}
    assert together == {user_id: scope for user_id, scope in alone.items() if scope is not None}
    assert say.QUILLON in together
    assert say.STRANGER not in together
    mirror.guild_gone(say.HARBOUR)
    assert guilds.scopes(people, say.HARBOUR) == {}


def test_of_several_grants_the_widest_counts(roster, give, say):
    give(Capability.MUTE, user_id=say.QUILLON, longest_s=3600)
    give(Capability.MUTE, role_id=say.HARBOUR, longest_s=7200)
    give(Capability.WARN, user_id=say.QUILLON, longest_s=60)
    give(Capability.WARN, role_id=say.HARBOUR)

    grants = roster.standing(say.HARBOUR, say.QUILLON, say.STRANGER).grants

    assert grants == {Capability.MUTE: Limit(longest_s=7200), Capability.WARN: Limit()}


def test_a_grant_through_a_role_is_for_those_who_hold_it(roster, give, say):
    give(Capability.SETTINGS, role_id=say.MODERATOR_ROLE)

    assert Capability.SETTINGS in roster.standing(say.HARBOUR, say.ODALYS, say.QUILLON).grants
    assert roster.standing(say.HARBOUR, say.QUILLON, say.ODALYS).grants == {}


def test_a_standing_knows_rank_permissions_and_names(roster, say):
    standing = roster.standing(say.HARBOUR, say.ODALYS, say.QUILLON)

    assert (standing.owner_id, standing.guard.user_id, standing.guard.rank) == (say.OWNER, say.GUARD, 9)
    assert (standing.moderator.rank, standing.moderator.name) == (5, "Odalys")
    assert standing.moderator.permissions & Permission.BAN_MEMBERS.value
    assert (standing.target.rank, standing.target.permissions, standing.target.name) == (0, 0, "Brass Key")


def test_someone_unknown_stands_as_a_stranger_named_by_their_id(roster, say):
    target = roster.standing(say.HARBOUR, say.ODALYS, say.STRANGER).target

    assert (target.member, target.rank, target.name) == (False, 0, str(say.STRANGER))


def test_someone_who_left_keeps_their_name_and_nothing_else(roster, mirror, say):
    mirror.member_gone(say.HARBOUR, say.ODALYS)

    left = roster.standing(say.HARBOUR, say.ODALYS, say.QUILLON).moderator

    assert (left.name, left.member, left.rank, left.permissions) == ("Odalys", False, 0, 0)


def test_a_time_out_counts_while_it_lasts(roster, mirror, say, clock):
    until = clock.now() + timedelta(minutes=5)
    mirror.member(say.HARBOUR, say.member_row(say.ODALYS, "odalys", say.MODERATOR_ROLE, timed_out_until=until))
    before = roster.standing(say.HARBOUR, say.ODALYS, say.QUILLON).moderator.timed_out

    clock.forward(minutes=6)

    assert before
    assert not roster.standing(say.HARBOUR, say.ODALYS, say.QUILLON).moderator.timed_out


def test_a_role_that_is_gone_gives_nothing(roster, mirror, say):
    mirror.role_gone(say.HARBOUR, say.MODERATOR_ROLE)

    moderator = roster.standing(say.HARBOUR, say.ODALYS, say.QUILLON).moderator

    assert (moderator.rank, moderator.permissions) == (0, 0)


def test_a_changed_role_counts_at_once(roster, mirror, say):
    mirror.role(say.HARBOUR, RoleRow(role_id=say.MODERATOR_ROLE, name="Moderator", position=7, permissions=8))

    moderator = roster.standing(say.HARBOUR, say.ODALYS, say.QUILLON).moderator

    assert (moderator.rank, moderator.permissions) == (7, 8)


def test_a_guild_that_was_never_mirrored_is_unavailable(roster, say):
    with pytest.raises(Unavailable):
        roster.standing(GuildId(77), say.ODALYS, say.QUILLON)


def test_a_complete_list_of_members_ends_the_others(mirror, roster, say):
    mirror.members(say.HARBOUR, [say.member_row(say.ODALYS, "odalys")], complete=True)

    standing = roster.standing(say.HARBOUR, say.ODALYS, say.QUILLON)

    assert (standing.moderator.member, standing.target.member) == (True, False)
    assert roster.standing(say.MEADOW, say.PELL, say.QUILLON).target.member


def test_an_incomplete_list_of_members_ends_nobody(mirror, roster, say):
    mirror.members(say.HARBOUR, [say.member_row(say.ODALYS, "odalys")], complete=False)

    assert roster.standing(say.HARBOUR, say.ODALYS, say.QUILLON).target.member


def test_someone_who_comes_back_is_a_member_again(mirror, roster, say):
    mirror.member_gone(say.HARBOUR, say.QUILLON)
    mirror.member(say.HARBOUR, say.member_row(say.QUILLON, "quillon"))

    assert roster.standing(say.HARBOUR, say.ODALYS, say.QUILLON).target.member


def test_the_mirror_may_be_told_the_same_twice(mirror, roster, say):
    row = say.member_row(say.QUILLON, "quillon")

    mirror.members(say.HARBOUR, [row, row], complete=False)
    mirror.member_gone(say.HARBOUR, say.QUILLON)
    mirror.member_gone(say.HARBOUR, say.QUILLON)
    mirror.ban_gone(say.HARBOUR, say.QUILLON)
    mirror.role_gone(say.HARBOUR, RoleId(9))
    mirror.channel_gone(say.HARBOUR, ChannelId(9))

    assert not roster.standing(say.HARBOUR, say.ODALYS, say.QUILLON).target.member


def test_thousands_of_members_are_taken_at_once(mirror, roster, say):
    crowd = [say.member_row(UserId(10_000 + number), f"person{number}") for number in range(5_000)]

    mirror.members(say.MEADOW, crowd, complete=True)

    assert roster.standing(say.MEADOW, UserId(10_000), UserId(14_999)).target.name == "person4999"
    assert not roster.standing(say.MEADOW, UserId(10_000), say.QUILLON).target.member


def test_a_case_is_posted_in_the_channel_named_mod_log(roster, mirror, say):
    first = roster.log_channels(say.HARBOUR).common

    mirror.channel_gone(say.HARBOUR, say.MOD_LOG)
    none = roster.log_channels(say.HARBOUR).common
    mirror.channels(
        say.HARBOUR,
        [
            ChannelRow(channel_id=ChannelId(11), name="log", kind=0),
            ChannelRow(channel_id=ChannelId(12), name="modlog", kind=0),
            ChannelRow(channel_id=ChannelId(13), name="mod-log", kind=2),
        ],
    )

    assert (first, none, roster.log_channels(say.HARBOUR).common) == (say.MOD_LOG, None, 12)


def test_a_channel_that_the_guild_chose_comes_before_any_name(roster, owner, guilds, say):
    with owner.transaction(say.HARBOUR) as session:
        session.execute(
            text("INSERT INTO guild_settings (guild_id, log_channel_id, changed_at) VALUES (:g, 99, now())"),
            {"g": say.HARBOUR},
        )

    assert roster.log_channels(say.HARBOUR).common == 99
    assert guilds.settings(say.HARBOUR, {}).log_channel_id == 99


def test_the_gateway_is_silent_when_its_shard_was_not_heard_for_60_seconds(roster, mirror, clock, say):
    fresh = roster.gateway_silent(say.HARBOUR)
    clock.forward(seconds=60)
    just = roster.gateway_silent(say.HARBOUR)
    clock.forward(seconds=1)
    silent = roster.gateway_silent(say.HARBOUR)
    mirror.heard(0, 1)

    assert (fresh, just, silent, roster.gateway_silent(say.HARBOUR)) == (False, False, True, False)


def test_another_shard_does_not_speak_for_this_guild(roster, mirror, clock, say):
    clock.forward(minutes=5)
    mirror.heard(1 - (say.HARBOUR >> 22) % 2, 2)
    silent = roster.gateway_silent(say.HARBOUR)
    mirror.heard((say.HARBOUR >> 22) % 2, 2)

    assert (silent, roster.gateway_silent(say.HARBOUR)) == (True, False)


def test_a_guild_has_a_name(roster, say):
    assert [roster.notice_texts(one).server for one in (say.HARBOUR, GuildId(77))] == ["Harbour", "77"]


def test_a_whole_guild_is_mirrored_as_it_is(mirror, bot, say):
    mirror.channels(
        say.HARBOUR,
        [
            ChannelRow(channel_id=ChannelId(5), name='plain \u2028 "quoted"', kind=0),
            ChannelRow(channel_id=ChannelId(2**63 - 1), name="shut", kind=0, overwrites=[{"id": "7", "deny": "1024"}]),
        ],
    )
    members = [say.member_row(UserId(10**18 + n), f"name-{n % 3}") for n in range(12_000)]
    mirror.members(say.HARBOUR, [*members, members[0]], complete=True)

    with bot.transaction(say.HARBOUR) as session:
        channels = session.execute(
            text("SELECT channel_id, name, overwrites, overwrites IS NULL FROM channels ORDER BY channel_id")
        ).all()
        here = session.execute(
            text("SELECT count(*) FROM members WHERE guild_id = :g AND gone_at IS NULL"), {"g": say.HARBOUR}
        )
        assert here.scalar_one() == 12_000
    assert [tuple(row) for row in channels] == [
        (5, 'plain \u2028 "quoted"', None, True),
        (2**63 - 1, "shut", [{"id": "7", "deny": "1024"}], False),
    ]


@pytest.fixture
def members(web):
    return Members(web)


@pytest.mark.parametrize("typed", ["qui", "QUILL", "rass", "Brass Key", "@quillon", "300000000000000005", "30000"])
def test_a_member_is_found_by_a_part_of_a_name_or_the_beginning_of_the_id(members, odalys, say, typed):
    assert say.QUILLON in [card.user_id for card in members.find(odalys, typed)]


@pytest.mark.parametrize("typed", ["", "  ", "%", "_", "zzqx", "\x00", "'; --"])
def test_nothing_else_is_found(members, odalys, typed):
    assert members.find(odalys, typed) == []


def test_those_who_left_are_found_last(members, odalys, mirror, say):
    mirror.member(say.HARBOUR, say.member_row(say.STRANGER, "quill"))
    mirror.member_gone(say.HARBOUR, say.STRANGER)

    found = members.find(odalys, "quill")

    assert [(card.username, card.member) for card in found] == [("quillon", True), ("quill", False)]


def test_members_of_another_guild_are_not_found(members, guilds, mirror, odalys, say):
    mirror.member(say.MEADOW, say.member_row(say.STRANGER, "quillish"))

    assert [card.username for card in members.find(odalys, "quill")] == ["quillon"]
    assert members.card(odalys, say.STRANGER) is None


def test_a_card_shows_ban_rank_and_the_number_of_cases(members, odalys, mirror, accept, guard, say):
    guard.carry(accept()[0])
    mirror.member_gone(say.HARBOUR, say.QUILLON)
    mirror.ban(
        say.HARBOUR,
        BanRow(user_id=say.QUILLON, username="quillon", global_name=None, avatar=None, bot=False, reason="spam"),
    )

    card = members.card(odalys, say.QUILLON)

    assert (card.name, card.member, card.banned, card.case_count) == ("Brass Key", False, True, 1)
    assert members.card(odalys, say.ODALYS).rank == 5


def test_a_lifted_ban_is_gone_and_a_complete_list_lifts_the_rest(members, odalys, mirror, say):
    rows = [
        BanRow(user_id=UserId(number), username=f"u{number}", global_name=None, avatar=None, bot=False, reason=None)
        for number in (71, 72, 73)
    ]
    mirror.bans(say.HARBOUR, rows, complete=True)
    mirror.ban_gone(say.HARBOUR, UserId(71))
    mirror.bans(say.HARBOUR, rows[2:], complete=True)

    cards = [members.card(odalys, UserId(number)) for number in (71, 72, 73)]

    assert [card and card.banned for card in cards] == [None, None, True]


def test_someone_known_from_cases_only_has_the_name_of_the_newest(members, odalys, accept, guard, owner, say):
    guard.carry(accept(target_id=say.STRANGER)[0])
    with owner.transaction(say.HARBOUR) as session:
        session.execute(text("UPDATE mod_cases SET target_name = 'Wren'"))

    card = members.card(odalys, say.STRANGER)

    assert (card.name, card.username, card.member, card.case_count) == ("Wren", None, False, 1)


def test_a_ban_without_a_reason_leaves_the_known_one(mirror, bot, say):
    banned = {"user_id": say.QUILLON, "username": "quillon", "global_name": None, "avatar": None, "bot": False}
    mirror.bans(say.HARBOUR, [BanRow(**banned, reason="spam")], complete=True)

    mirror.ban(say.HARBOUR, BanRow(**banned, reason=None))

    with bot.transaction(say.HARBOUR) as session:
        assert session.scalars(text("SELECT reason FROM bans")).all() == ["spam"]
