"""Search, prune, preview, counts and places: what else is asked of a guild as a whole."""

from __future__ import annotations

import json

import pytest


def post(place, text, channel="main-hall", person=None):
    body = {"user_id": str(person or place.cast.plain[0]), "channel_id": str(place.channel(channel)), "content": text}
    return place.control("POST", "messages", body)["id"]


def found(place, **query):
    answer = place.in_guild("GET", "/messages/search", params=query).json()
    return [group[0]["id"] for group in answer["messages"]], answer["total_results"]


def code(answer):
    return answer.status_code, answer.json()["code"]


# -- search ------------------------------------------------------------------------------------------------------------


def test_messages_are_found_by_words_author_channel_and_kind(small_discord):
    one, two = small_discord.cast.plain[:2]
    first = post(small_discord, "a Zanzibar kettle", person=one)
    second = post(small_discord, "kettle of zanzibar: https://kettle.example", "trade-post", two)

    assert found(small_discord, content="zanzibar KETTLE") == ([second, first], 2)
    assert found(small_discord, content="zanzibar", sort_order="asc", limit=1) == ([first], 2)
    assert found(small_discord, content="zanzibar", offset=1) == ([first], 2)
    assert found(small_discord, content="zanzibar", author_id=[str(one), "1"]) == ([first], 1)
    assert found(small_discord, content="zanzibar", channel_id=str(small_discord.channel("trade-post"))) == (
        [second], 1
    )  # fmt: skip
    assert found(small_discord, content="zanzibar", has="link") == ([second], 1)
    assert found(small_discord, content="zanzibar", max_id=second) == ([first], 1)
    assert found(small_discord, content="zanzibar", has="poll") == ([], 0)


def test_search_finds_nothing_where_the_bot_may_not_look(small_discord):
    post(small_discord, "quagga")
    for role in small_discord.guild.roles.values():
        role.permissions &= ~(1 << 16)

    assert found(small_discord, content="quagga") == ([], 0)


def test_messages_are_read_around_one(small_discord):
    ids = [post(small_discord, str(n)) for n in range(5)]

    path = f"/channels/{small_discord.channel('main-hall')}/messages"
    shown = small_discord.rest("GET", path, params={"around": ids[2], "limit": 3}).json()

    assert [m["id"] for m in shown] == [ids[3], ids[2], ids[1]]


# -- prune -------------------------------------------------------------------------------------------------------------


def test_members_without_a_role_who_were_not_seen_are_counted_and_put_out(timed_discord, clock, connect):
    small_discord = timed_discord
    connect(small_discord)
    clock.forward(60 * 86_400)
    talker = small_discord.cast.plain[0]
    post(small_discord, "still here", person=talker)
    expected = {
        user_id
        for user_id, member in small_discord.guild.members.items()
        if not member.roles and not small_discord.world.users[user_id].bot
    } - {talker, small_discord.guild.owner_id}

    counted = small_discord.in_guild("GET", "/prune", params={"days": 30}).json()["pruned"]
    done = small_discord.in_guild("POST", "/prune", json={"days": 30}, reason="spring").json()["pruned"]

    assert counted == done == len(expected) > 0
    assert not expected & small_discord.guild.members.keys()
    assert talker in small_discord.guild.members
    sent = [json.loads(text) for text in small_discord.host.call(lambda sandbox: sandbox.gateway.sent())]
    assert {int(e["d"]["user"]["id"]) for e in sent if e["t"] == "GUILD_MEMBER_REMOVE"} == expected
    entry = small_discord.in_guild("GET", "/audit-logs").json()["audit_log_entries"][0]
    assert (entry["action_type"], entry["options"], entry["reason"]) == (
        21, {"delete_member_days": "30", "members_removed": str(done)}, "spring"
    )  # fmt: skip


def test_a_prune_may_include_roles_and_keep_its_number_to_itself(timed_discord, clock):
    clock.forward(60 * 86_400)
    role = timed_discord.role("Lamplighter")
    holder = timed_discord.cast.plain[0]
    timed_discord.guild.members[holder].roles = [role]

    without = timed_discord.in_guild("GET", "/prune").json()["pruned"]
    included = timed_discord.in_guild("GET", "/prune", params={"include_roles": str(role)}).json()["pruned"]
    done = timed_discord.in_guild("POST", "/prune", json={"include_roles": [str(role)], "compute_prune_count": False})

    assert included > without
    assert done.json() == {"pruned": None}
    assert holder not in timed_discord.guild.members


@pytest.mark.parametrize("days", [0, 31, "many"])
def test_a_prune_looks_back_one_to_thirty_days(small_discord, days):
    assert code(small_discord.in_guild("GET", "/prune", params={"days": days})) == (400, 50035)


@pytest.mark.parametrize("missing", [1 << 5, 1 << 1])
def test_a_prune_needs_two_permissions(small_discord, missing):
    small_discord.guild.roles[small_discord.role("Guard")].permissions &= ~missing

    assert code(small_discord.in_guild("POST", "/prune", json={})) == (403, 50013)


# -- the rest ----------------------------------------------------------------------------------------------------------


def test_a_guild_is_previewed_and_its_roles_are_counted(small_discord):
    preview = small_discord.in_guild("GET", "/preview").json()
    counts = small_discord.in_guild("GET", "/roles/member-counts").json()

    assert preview["approximate_member_count"] == len(small_discord.guild.members)
    trainee = small_discord.role("Trainee")
    held = sum(trainee in member.roles for member in small_discord.guild.members.values())
    assert counts[str(trainee)] == held > 0
    assert str(small_discord.guild.id) not in counts


def test_roles_are_moved_below_ones_own_and_no_higher(small_discord):
    roles = small_discord.guild.roles
    minstrel, guard = roles[small_discord.role("Minstrel")], roles[small_discord.role("Guard")]
    goal = guard.position - 1

    moved = small_discord.in_guild("PATCH", "/roles", json=[{"id": str(minstrel.id), "position": goal}])
    above = small_discord.in_guild("PATCH", "/roles", json=[{"id": str(minstrel.id), "position": guard.position + 1}])
    council = {"id": str(small_discord.role("Council")), "position": 1}
    higher = small_discord.in_guild("PATCH", "/roles", json=[council])

    assert moved.status_code == 200
    assert minstrel.position == goal
    assert [code(above), code(higher)] == [(403, 50013)] * 2


def test_channels_are_moved_and_take_over_what_their_category_allows(small_discord):
    hall = small_discord.channel("main-hall")
    staff = small_discord.world.channels[small_discord.world.channels[small_discord.channel("mod-log")].parent_id]
    deny = {"id": str(small_discord.guild.id), "type": 0, "deny": "2048"}
    small_discord.rest("PATCH", f"/channels/{staff.id}", json={"permission_overwrites": [deny]})
    items = [{"id": str(hall), "position": 9, "parent_id": str(staff.id), "lock_permissions": True}]

    assert small_discord.in_guild("PATCH", "/channels", json=items).status_code == 204

    moved = small_discord.rest("GET", f"/channels/{hall}").json()
    assert (moved["position"], moved["parent_id"]) == (9, str(staff.id))
    assert [each["deny"] for each in moved["permission_overwrites"]] == ["2048"]
    wrong = small_discord.in_guild("PATCH", "/channels", json=[{"id": str(hall), "parent_id": str(hall)}])
    assert code(wrong) == (400, 50035)
