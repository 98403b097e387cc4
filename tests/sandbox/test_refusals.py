"""Every refusal a moderation bot must expect, with Discord's status and code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest


def refused(answer):
    return answer.status_code, answer.json()["code"]


def until(**later):
    return {"communication_disabled_until": (datetime.now(UTC) + timedelta(**later)).isoformat()}


@pytest.mark.parametrize(("method", "path", "body"), [
    ("PUT", "/bans/{}", None),
    ("DELETE", "/members/{}", None),
    ("PATCH", "/members/{}", {"nick": "smaller"}),
    ("PATCH", "/members/{}", until(minutes=5)),
])  # fmt: skip
def test_nobody_above_the_bot_and_not_the_owner_can_be_acted_on(small_discord, method, path, body):
    for target in (small_discord.cast.above_guard, small_discord.guild.owner_id):
        answer = small_discord.in_guild(method, path.format(target), json=body)

        assert refused(answer) == (403, 50013)
        assert target in small_discord.guild.members


def test_the_bot_without_the_permission_is_refused(small_discord):
    target = small_discord.cast.plain[0]
    guard = small_discord.guild.roles[small_discord.role("Guard")]
    small_discord.host.call(lambda _: setattr(guard, "permissions", 1 << 10))

    assert refused(small_discord.in_guild("PUT", f"/bans/{target}")) == (403, 50013)
    assert refused(small_discord.in_guild("DELETE", f"/members/{target}")) == (403, 50013)
    assert refused(small_discord.in_guild("PATCH", f"/members/{target}", json=until(minutes=1))) == (403, 50013)
    assert refused(small_discord.in_guild("GET", "/audit-logs")) == (403, 50013)
    assert refused(small_discord.in_guild("GET", f"/bans/{target}")) == (403, 50013)


def test_a_timed_out_bot_can_only_read(small_discord):
    me = small_discord.guild.members[small_discord.world.bot_id]
    small_discord.host.call(lambda _: setattr(me, "timed_out_until", datetime.now(UTC) + timedelta(hours=1)))

    kick = small_discord.in_guild("DELETE", f"/members/{small_discord.cast.plain[0]}")
    read = small_discord.rest("GET", f"/channels/{small_discord.channel('main-hall')}/messages")

    assert refused(kick) == (403, 50013)
    assert read.status_code == 200


def test_an_administrator_cannot_be_timed_out_though_lower(small_discord):
    trainee = small_discord.guild.roles[small_discord.role("Trainee")]
    small_discord.host.call(lambda _: setattr(trainee, "permissions", 1 << 3))

    answer = small_discord.in_guild("PATCH", f"/members/{small_discord.person('Trainee')}", json=until(minutes=5))

    assert refused(answer) == (403, 50013)


def test_a_timeout_of_28_days_is_too_long_and_a_minute_less_is_not(small_discord):
    path = f"/members/{small_discord.cast.plain[0]}"

    too_long = small_discord.in_guild("PATCH", path, json=until(days=28, seconds=5))
    just_right = small_discord.in_guild("PATCH", path, json=until(days=28, seconds=-60))

    assert refused(too_long) == (400, 50035)
    assert "communication_disabled_until" in too_long.json()["errors"]
    assert just_right.status_code == 200


def test_unknown_people_have_three_different_codes(small_discord):
    gone, stranger = small_discord.cast.outsider, 123456789012345678

    assert refused(small_discord.in_guild("DELETE", f"/members/{gone}")) == (404, 10007)
    assert refused(small_discord.in_guild("PATCH", f"/members/{gone}", json=until(minutes=1))) == (404, 10007)
    assert refused(small_discord.in_guild("PUT", f"/bans/{stranger}")) == (404, 10013)
    assert refused(small_discord.in_guild("DELETE", f"/bans/{gone}")) == (404, 10026)
    assert refused(small_discord.in_guild("GET", f"/bans/{gone}")) == (404, 10026)


def test_someone_who_is_no_member_can_be_banned(small_discord):
    assert small_discord.in_guild("PUT", f"/bans/{small_discord.cast.outsider}").status_code == 204
    assert small_discord.in_guild("GET", f"/bans/{small_discord.cast.outsider}").status_code == 200


@pytest.mark.parametrize(("kind", "code"), [("closed_dm", 50007), ("bot_member", 50007), ("outsider", 50278)])
def test_direct_messages_are_refused_by_the_closed_the_bots_and_the_strangers(small_discord, kind, code):
    who = getattr(small_discord.cast, kind)
    user_id = who[0] if isinstance(who, list) else who
    channel = small_discord.rest("POST", "/users/@me/channels", json={"recipient_id": str(user_id)}).json()

    answer = small_discord.rest("POST", f"/channels/{channel['id']}/messages", json={"content": "hello"})

    assert refused(answer) == (403, code)


def test_no_channel_can_be_opened_with_the_bot_itself(small_discord):
    itself = str(small_discord.world.bot_id)

    answer = small_discord.rest("POST", "/users/@me/channels", json={"recipient_id": itself})

    assert refused(answer) == (400, 50033)


def test_once_banned_a_member_cannot_be_messaged_any_more(small_discord):
    user_id = small_discord.cast.plain[0]
    channel = small_discord.rest("POST", "/users/@me/channels", json={"recipient_id": str(user_id)}).json()
    path = f"/channels/{channel['id']}/messages"

    before = small_discord.rest("POST", path, json={"content": "you will be banned"})
    small_discord.in_guild("PUT", f"/bans/{user_id}")
    after = small_discord.rest("POST", path, json={"content": "you were banned"})

    assert before.status_code == 200
    assert refused(after) == (403, 50278)


def test_a_reason_of_513_characters_is_refused_and_nothing_happens(small_discord):
    user_id = small_discord.cast.plain[0]

    answer = small_discord.in_guild("PUT", f"/bans/{user_id}", reason="é" * 513)
    fits = small_discord.in_guild("PUT", f"/bans/{small_discord.cast.plain[1]}", reason="é" * 512)

    assert answer.status_code == 400
    assert "512" in answer.json()["message"]
    assert user_id in small_discord.guild.members
    assert fits.status_code == 204


@pytest.mark.parametrize(("body", "code"), [
    ({"content": ""}, 50006),
    ({"content": "x" * 2001}, 50035),
    ({"content": "x", "nonce": "n" * 26}, 50035),
    ({"embeds": [{"title": "t"}] * 11}, 50035),
    ({"embeds": [{"description": "d" * 4097}]}, 50035),
    ({"embeds": [{"description": "d" * 4000}, {"description": "d" * 2001}]}, 50035),
    ({"embeds": [{"fields": [{"name": "n"}]}]}, 50035),
])  # fmt: skip
def test_messages_that_are_empty_or_too_large_are_refused(small_discord, body, code):
    answer = small_discord.rest("POST", f"/channels/{small_discord.channel('mod-log')}/messages", json=body)

    assert refused(answer) == (400, code)


def test_a_channel_that_is_closed_to_the_bot_gives_no_access(small_discord):
    channel = small_discord.world.channels[small_discord.channel("mod-log")]
    small_discord.host.call(lambda _: channel.overwrites.pop(small_discord.role("Guard")))

    answer = small_discord.rest("POST", f"/channels/{channel.id}/messages", json={"content": "x"})

    assert refused(answer) == (403, 50001)


def test_a_deleted_channel_is_unknown(small_discord):
    log = small_discord.channel("mod-log")
    small_discord.control("POST", f"channels/{log}/delete", {})

    assert refused(small_discord.rest("POST", f"/channels/{log}/messages", json={"content": "x"})) == (404, 10003)


def test_roles_at_or_above_the_bots_own_and_managed_ones_cannot_be_given(small_discord):
    member = small_discord.cast.plain[0]

    for name in ("Council", "Guard"):
        answer = small_discord.in_guild("PUT", f"/members/{member}/roles/{small_discord.role(name)}")
        assert refused(answer) == (403, 50013)
    allowed = small_discord.in_guild("PUT", f"/members/{member}/roles/{small_discord.role('Quarantine')}")
    assert allowed.status_code == 204


def test_a_guild_the_bot_has_left_gives_no_access(small_discord):
    small_discord.rest("DELETE", f"/users/@me/guilds/{small_discord.guild.id}")

    assert refused(small_discord.in_guild("GET", "")) == (403, 50001)
    assert refused(small_discord.rest("GET", "/guilds/81384788765712384")) == (404, 10004)


def test_a_wrong_token_is_unauthorized(small_discord):
    answer = small_discord.rest("GET", "/users/@me", headers={"Authorization": "Bot wrong"})

    assert answer.status_code == 401


def test_bulk_ban_lists_whom_it_could_not_ban_and_fails_when_that_is_everybody(small_discord):
    plain, above = small_discord.cast.plain[:3], small_discord.cast.above_guard
    ids = [*map(str, plain), str(above), str(small_discord.world.bot_id)]

    first = small_discord.in_guild("POST", "/bulk-ban", json={"user_ids": ids})
    again = small_discord.in_guild("POST", "/bulk-ban", json={"user_ids": ids})
    many = small_discord.in_guild("POST", "/bulk-ban", json={"user_ids": [str(10**17 + i) for i in range(201)]})

    assert first.json() == {"banned_users": [*map(str, plain)], "failed_users": [str(above)]}
    assert refused(again) == (400, 500000)
    assert refused(many) == (400, 50035)


def test_what_discord_does_not_have_is_not_found(small_discord):
    assert small_discord.rest("GET", "/nothing/here").status_code == 404
    assert small_discord.rest("DELETE", "/gateway").status_code == 405


def test_a_broken_body_is_refused_and_not_a_crash(small_discord):
    path = f"/channels/{small_discord.channel('mod-log')}/messages"
    headers = {"Content-Type": "application/json"}

    assert refused(small_discord.rest("POST", path, data="{", headers=headers)) == (400, 50109)
    assert refused(small_discord.rest("POST", path, json=["x"])) == (400, 50035)
    assert refused(small_discord.rest("PATCH", "/channels/abc", json={})) == (400, 50035)


@pytest.mark.parametrize("wrong", [5, "x", True, ["x"], {"a": 1}, -1, 1.5])
@pytest.mark.parametrize(("method", "path", "field"), [
    ("PATCH", "/guilds/{guild}/members/{user}", "roles"),
    ("PATCH", "/guilds/{guild}/members/{user}", "communication_disabled_until"),
    ("POST", "/guilds/{guild}/bulk-ban", "user_ids"),
    ("PATCH", "/channels/{channel}", "permission_overwrites"),
    ("PATCH", "/channels/{channel}", "rate_limit_per_user"),
    ("POST", "/channels/{channel}/messages", "embeds"),
    ("POST", "/channels/{channel}/messages", "message_reference"),
    ("POST", "/channels/{channel}/messages/bulk-delete", "messages"),
    ("POST", "/users/@me/channels", "recipient_id"),
    ("PUT", "/applications/{bot}/commands", None),
])  # fmt: skip
def test_a_field_of_the_wrong_shape_is_refused_and_not_a_crash(small_discord, method, path, field, wrong):
    place = {
        "guild": small_discord.guild.id,
        "user": small_discord.cast.plain[0],
        "channel": small_discord.channel("main-hall"),
        "bot": small_discord.world.bot_id,
    }
    body = [wrong] if field is None else {field: wrong}
    # Five seconds of slow mode are fine.
    fine = (field, wrong) == ("rate_limit_per_user", 5)
    if field == "message_reference":
        body["content"] = "x"

    answer = small_discord.rest(method, path.format(**place), json=body)

    assert answer.status_code == (200 if fine else 400)


RULE = {"name": "r", "event_type": 1, "trigger_type": 1, "actions": [{"type": 1}]}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/auto-moderation/rules", {**RULE, "event_type": 9}),
        ("POST", "/auto-moderation/rules", {**RULE, "trigger_type": 2}),
        ("POST", "/auto-moderation/rules", {**RULE, "actions": [{"type": 7}]}),
        ("POST", "/auto-moderation/rules", {**RULE, "actions": [{}]}),
        ("POST", "/roles", {"color": 0x1000000}),
        ("POST", "/roles", {"color": -1}),
        ("POST", "/channels", {"name": "x", "permission_overwrites": [{"id": "1", "type": 2}]}),
        ("PATCH", "", {"features": ["FREE_ACORNS"]}),
    ],
)
def test_values_that_discord_does_not_know_are_refused(small_discord, method, path, body):
    answer = small_discord.in_guild(method, path, json=body)

    assert (answer.status_code, answer.json()["code"]) == (400, 50035)
