"""Who is in a thread, who sees it, and who is told."""

from __future__ import annotations

from datetime import UTC, datetime

import discord

from kovra.sandbox import permissions
from tests.sandbox.forum import MANAGE_THREADS, PRIVATE, code, told


def test_people_are_put_in_and_out_and_listed(small_discord, forum, connect):
    connect(small_discord)
    thread, bot_id = forum.start(), small_discord.world.bot_id
    people = sorted(small_discord.cast.plain[:3])

    statuses = [forum.ask("PUT", thread, f"/thread-members/{each}").status_code for each in people]
    listed = forum.ask("GET", thread, "/thread-members").json()
    page = forum.ask("GET", thread, f"/thread-members?with_member=true&limit=2&after={people[0]}").json()
    out = forum.ask("DELETE", thread, f"/thread-members/{people[0]}")
    left = forum.ask("DELETE", thread, "/thread-members/@me")
    missing = forum.ask("GET", thread, f"/thread-members/{people[0]}")

    assert statuses == [204] * 3
    assert {int(each["user_id"]) for each in listed} == {*people, bot_id}
    after = [user_id for user_id in sorted([*people, bot_id]) if user_id > people[0]]
    assert [int(each["member"]["user"]["id"]) for each in page] == after[:2]
    assert (out.status_code, left.status_code) == (204, 204)
    assert code(missing) == (404, 10007)
    updates = [d for name, d in told(small_discord) if name == "THREAD_MEMBERS_UPDATE"]
    assert [d["member_count"] for d in updates] == [2, 3, 4, 3, 2]
    assert updates[-1]["removed_member_ids"] == [str(bot_id)]


def test_the_bot_joins_is_told_so_and_reads_its_own_membership(small_discord, forum, connect):
    guard = connect(small_discord)
    thread = forum.start_by(small_discord.cast.plain[0])

    assert code(forum.ask("GET", thread, "/thread-members/@me")) == (404, 10007)
    assert forum.ask("PUT", thread, "/thread-members/@me").status_code == 204

    assert forum.ask("GET", thread, "/thread-members/@me").json()["user_id"] == str(small_discord.world.bot_id)
    names = [name for name, _ in told(small_discord)]
    assert names == ["THREAD_CREATE", "THREAD_MEMBER_UPDATE", "THREAD_MEMBERS_UPDATE"]
    assert guard.bot.guilds[0].get_thread(thread) is not None


def test_a_private_thread_is_seen_by_those_in_it_and_by_moderators(small_discord, forum, connect):
    person = small_discord.cast.plain[0]
    guild = small_discord.guild
    hidden = forum.start_by(person, kind=PRIVATE)
    channel = small_discord.world.channels[hidden]

    def sees(user_id):
        now = datetime.now(UTC)
        return bool(permissions.in_channel(guild, channel, user_id, now) & permissions.VIEW_CHANNEL)

    assert [sees(person), sees(small_discord.cast.plain[1]), sees(small_discord.person("Senior moderator"))] == [
        True, False, True
    ]  # fmt: skip
    forum.without(MANAGE_THREADS)
    connect(small_discord)
    forum.say(hidden, person, "a secret")
    assert code(forum.ask("GET", hidden)) == (403, 50001)
    assert hidden not in [int(each) for each in forum.active()]
    assert told(small_discord, "MESSAGE_CREATE") == []


def test_a_private_thread_that_is_closed_to_invitations_is_opened_by_moderators_alone(small_discord, forum):
    person, guest = small_discord.cast.plain[:2]
    closed = forum.start_by(person, kind=PRIVATE, invitable=False)
    forum.ask("PUT", closed, "/thread-members/@me")
    by_moderator = forum.ask("PUT", closed, f"/thread-members/{guest}")
    forum.without(MANAGE_THREADS)

    refused = [
        forum.ask("PUT", closed, f"/thread-members/{small_discord.cast.plain[2]}"),
        forum.ask("DELETE", closed, f"/thread-members/{guest}"),
    ]

    assert by_moderator.status_code == 204
    assert [code(answer) for answer in refused] == [(403, 50013)] * 2


def test_whoever_leaves_the_guild_is_out_of_its_threads(small_discord, forum):
    person = small_discord.cast.plain[0]
    thread = forum.start()
    forum.ask("PUT", thread, f"/thread-members/{person}")

    small_discord.in_guild("DELETE", f"/members/{person}")

    assert forum.ask("GET", thread).json()["member_count"] == 1


def test_without_the_members_intent_only_ones_own_comings_and_goings_are_told(small_discord, forum, connect):
    connect(small_discord, intents=discord.Intents(guilds=True))
    thread = forum.start_by(small_discord.cast.plain[0])

    forum.ask("PUT", thread, f"/thread-members/{small_discord.cast.plain[1]}")
    forum.ask("PUT", thread, "/thread-members/@me")

    updates = [d for name, d in told(small_discord) if name == "THREAD_MEMBERS_UPDATE"]
    assert [d["added_members"][0]["user_id"] for d in updates] == [str(small_discord.world.bot_id)]
