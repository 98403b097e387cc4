"""Guard's hands: real Pycord, over the wire, to a sandbox."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from kovra.actions.request import Action
from kovra.bot.pointing import point_pycord_at
from kovra.bot.rest import GuardRest
from kovra.errors import DiscordRefused, DiscordUnknown, DiscordUnreached
from kovra.guard.ports import Message
from kovra.sandbox.faults import When

BAN = "/guilds/{guild_id}/bans/{user_id}"
MEMBER = "/guilds/{guild_id}/members/{user_id}"
MESSAGES = "/channels/{channel_id}/messages"


# Leaving


def test_a_call_that_the_loop_comes_to_too_late_never_leaves(make_rest, guild_id, plain, asked, monkeypatch):
    rest, goes_on = make_rest(timeout_s=0.05, longest_wait_s=0), threading.Event()
    rest.ban(guild_id, plain[0], delete_window_s=0, reason="")
    monkeypatch.setattr("kovra.bot.rest._SLACK_S", 0.05)

    rest._loop.call_soon_threadsafe(goes_on.wait)
    with pytest.raises(DiscordUnknown):
        rest.kick(guild_id, plain[1], reason="")
    goes_on.set()
    monkeypatch.undo()
    rest.unban(guild_id, plain[0], reason="")  # asked after it, so answered after it

    assert asked("/members/") == []


# Looking


def test_a_ban_is_seen_with_its_reason_and_no_ban_as_none(rest, guild_id, plain):
    assert rest.fetch_ban(guild_id, plain[0]) is None

    rest.ban(guild_id, plain[0], delete_window_s=0, reason="spam [kv:abcdefghijklmnop]")

    assert rest.fetch_ban(guild_id, plain[0]).reason == "spam [kv:abcdefghijklmnop]"


def test_a_member_is_seen_with_the_moments_that_fence_a_deed(rest, guild, guild_id, plain):
    until = datetime.now(UTC).replace(microsecond=123_000) + timedelta(hours=1)
    rest.mute(guild_id, plain[0], until=until, reason="x")

    seen = rest.fetch_member(guild_id, plain[0])

    assert seen.timed_out_until == until
    assert seen.joined_at == guild().members[plain[0]].joined_at


def test_the_audit_log_knows_a_deed_by_its_mark_and_kind(rest, guild_id, plain):
    for number in range(105):
        rest.mute(
            guild_id, plain[0], until=datetime.now(UTC) + timedelta(hours=1), reason=f"{number} [kv:{number:016}]"
        )
    rest.kick(guild_id, plain[1], reason="bye [kv:abcdefghijklmnop]")

    assert rest.noted(guild_id, Action.KICK, "[kv:abcdefghijklmnop]")
    assert not rest.noted(guild_id, Action.BAN, "[kv:abcdefghijklmnop]")
    assert not rest.noted(guild_id, Action.KICK, "[kv:ponmlkjihgfedcba]")
    # On the second page.
    assert rest.noted(guild_id, Action.MUTE, f"[kv:{2:016}]")


def test_a_message_is_found_again_by_its_words_or_its_footer_and_not_an_older_one(rest, plain):
    channel_id, since = rest.open_dm(plain[0]), datetime.now(UTC) - timedelta(seconds=60)
    post = Message(embeds=({"title": "Case #1", "footer": {"text": "[kv:abcdefghijklmnop]"}},))
    dm_id = rest.send(channel_id, Message(content="You have been warned"), nonce="one")
    post_id = rest.send(channel_id, post, nonce="two")

    assert rest.find_message(channel_id, Message(content="You have been warned"), nonce="x", since=since) == dm_id
    assert rest.find_message(channel_id, post, nonce="x", since=since) == post_id
    assert rest.find_message(channel_id, Message(content="Another"), nonce="x", since=since) is None
    later = datetime.now(UTC) + timedelta(seconds=5)
    assert rest.find_message(channel_id, post, nonce="two", since=later) is None


# What each act does


def test_a_ban_bans_with_its_reason_and_delete_window(rest, guild, guild_id, plain, asked):
    rest.ban(guild_id, plain[0], delete_window_s=3600, reason="spam é [kv:abcdefghijklmnop]")

    assert guild().bans[plain[0]] == "spam é [kv:abcdefghijklmnop]"
    assert plain[0] not in guild().members
    assert asked("/bans/") == [("PUT", f"/api/v10/guilds/{guild_id}/bans/{plain[0]}?delete_message_seconds=3600", 204)]


def test_a_bare_id_can_be_banned(rest, guild, guild_id, sandbox):
    outsider = sandbox.call(lambda s: s.world.cast.outsider)

    rest.ban(guild_id, outsider, delete_window_s=0, reason="known elsewhere")

    assert outsider in guild().bans


def test_many_are_banned_in_one_call_that_says_whom(rest, guild, guild_id, plain, asked):
    rest.ban(guild_id, plain[0], delete_window_s=0, reason="by hand")

    banned = rest.bulk_ban(guild_id, plain[:4], delete_window_s=60, reason="raid [kv:abcdefghijklmnop]")

    assert banned == set(plain[1:4])
    assert [guild().bans[user_id] for user_id in plain[:2]] == ["by hand", "raid [kv:abcdefghijklmnop]"]
    assert rest.noted_targets(guild_id, Action.BAN, "[kv:abcdefghijklmnop]") == set(plain[1:4])


def test_a_call_that_bans_nobody_is_a_refusal(rest, guild_id, plain):
    rest.bulk_ban(guild_id, plain[:2], delete_window_s=0, reason="raid")

    with pytest.raises(DiscordRefused) as refused:
        rest.bulk_ban(guild_id, plain[:2], delete_window_s=0, reason="raid")

    assert refused.value.code == 500000


@pytest.mark.parametrize("few", [3, 30], ids=["one by one", "from the list"])
def test_who_of_some_is_banned_is_told_with_the_reason(rest, guild_id, plain, few):
    rest.bulk_ban(guild_id, plain[:2], delete_window_s=0, reason="raid")
    others = [4_000_000_000_000_000_000 + place for place in range(few)]

    found = rest.bans_among(guild_id, [plain[1], *others])

    assert found == {plain[1]: "raid"}


def test_an_unban_lifts_the_ban(rest, guild, guild_id, plain):
    rest.ban(guild_id, plain[0], delete_window_s=0, reason="")

    rest.unban(guild_id, plain[0], reason="appeal")

    assert plain[0] not in guild().bans


def test_a_kick_removes_the_member(rest, guild, guild_id, plain):
    rest.kick(guild_id, plain[0], reason="bye")

    assert plain[0] not in guild().members
    assert plain[0] not in guild().bans


def test_a_mute_lasts_until_its_moment_and_an_unmute_ends_it(rest, guild, guild_id, plain):
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)

    rest.mute(guild_id, plain[0], until=until.astimezone(), reason="calm down")
    muted_until = guild().members[plain[0]].timed_out_until
    rest.unmute(guild_id, plain[0], reason="calm")

    assert muted_until == until
    assert guild().members[plain[0]].timed_out_until is None


def test_a_mute_refuses_a_moment_without_a_time_zone(rest, guild_id, plain, asked):
    with pytest.raises(ValueError):
        rest.mute(guild_id, plain[0], until=datetime(2030, 1, 1), reason="")  # noqa: DTZ001

    assert asked(f"/members/{plain[0]}") == []


def test_a_message_arrives_with_its_embed_and_pings_nobody(rest, sandbox, plain):
    channel_id = rest.open_dm(plain[0])

    message_id = rest.send(
        channel_id,
        Message(content="hello @everyone", embeds=({"title": "Case #1", "description": "why"},)),
        nonce="n-1",
    )

    kept = sandbox.call(lambda s: s.world.messages[channel_id][message_id])
    body = sandbox.call(lambda s: next(r.body for r in s.requests if r.path.endswith("/messages")))
    assert kept.content == "hello @everyone"
    assert kept.embeds[0]["title"] == "Case #1"
    assert body["allowed_mentions"] == {"parse": []}


def test_the_same_nonce_twice_gives_the_first_message_back(rest, sandbox, plain):
    channel_id = rest.open_dm(plain[0])

    first = rest.send(channel_id, Message(content="once"), nonce="same-nonce")
    second = rest.send(channel_id, Message(content="once"), nonce="same-nonce")

    assert second == first
    assert list(sandbox.call(lambda s: s.world.messages[channel_id])) == [first]


def test_a_dm_channel_is_the_same_each_time(rest, plain):
    assert rest.open_dm(plain[0]) == rest.open_dm(plain[0])


def test_a_member_and_the_roles_can_be_read_when_the_gateway_is_silent(rest, sandbox, guild, guild_id, plain):
    member, stranger = rest.fetch_member(guild_id, plain[0]), sandbox.call(lambda s: s.world.cast.outsider)

    assert member.username == sandbox.call(lambda s: s.world.users[plain[0]].username)
    assert set(member.role_ids) == set(guild().members[plain[0]].roles)
    assert rest.fetch_member(guild_id, stranger) is None
    assert {role.role_id: role.permissions for role in rest.fetch_roles(guild_id)} == {
        role.id: role.permissions for role in guild().roles.values()
    }


# What Discord's answers become


@pytest.mark.parametrize(
    ("act", "status", "code"),
    [
        (lambda r, g, s: r.unban(g, s.plain[0], reason=""), 404, 10026),
        (lambda r, g, s: r.kick(g, s.outsider, reason=""), 404, 10007),
        (lambda r, g, s: r.ban(g, s.above_guard, delete_window_s=0, reason=""), 403, 50013),
        (lambda r, g, s: r.ban(g, 4_000_000_000_000_000_000, delete_window_s=0, reason=""), 404, 10013),
        (lambda r, g, s: r.send(r.open_dm(s.plain[0]), Message(content="hi"), nonce="n" * 26), 400, 50035),
        (lambda r, g, s: r.send(r.open_dm(s.closed_dm[0]), Message(content="hi"), nonce="n"), 403, 50007),
    ],
    ids=["not banned", "no member", "above Guard", "nobody", "nonce too long", "closed DMs"],
)
def test_a_refusal_carries_discords_status_and_code(rest, sandbox, guild_id, act, status, code):
    cast = sandbox.call(lambda s: s.world.cast)

    with pytest.raises(DiscordRefused) as refusal:
        act(rest, guild_id, cast)

    assert (refusal.value.status, refusal.value.code) == (status, code)
    assert refusal.value.text


def test_a_wrong_token_is_refused(sandbox, guild_id, plain):
    rest = GuardRest("not.the.token", sandbox.base_url)
    rest.start()

    with pytest.raises(DiscordRefused) as refusal:
        rest.kick(guild_id, plain[0], reason="")
    rest.close()

    assert refusal.value.status == 401


@pytest.mark.parametrize("when", [When.BEFORE, When.AFTER])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_5xx_is_unknown_after_one_attempt(rest, sandbox, guild, guild_id, plain, asked, status, when):
    sandbox.call(lambda s: s.faults.arm(method="PUT", route=BAN, status=status, when=when, times=None))

    with pytest.raises(DiscordUnknown):
        rest.ban(guild_id, plain[0], delete_window_s=0, reason="")

    assert [line[2] for line in asked("/bans/")] == [status]
    assert (plain[0] in guild().bans) == (when is When.AFTER)


@pytest.mark.parametrize("when", [When.BEFORE, When.AFTER])
@pytest.mark.parametrize("again", [False, True], ids=["new connection", "kept connection"])
def test_a_broken_connection_is_unknown_after_one_attempt(rest, sandbox, guild, guild_id, plain, asked, when, again):
    if again:
        rest.ban(guild_id, plain[1], delete_window_s=0, reason="")
    sandbox.call(lambda s: s.faults.arm(method="PUT", route=BAN, drop=True, when=when, times=None))

    with pytest.raises(DiscordUnknown):
        rest.ban(guild_id, plain[0], delete_window_s=0, reason="")

    assert [line[2] for line in asked(f"/bans/{plain[0]}")] == [0]
    assert (plain[0] in guild().bans) == (when is When.AFTER)


def test_an_answer_that_does_not_come_in_time_is_unknown(make_rest, sandbox, guild, guild_id, plain, asked, eventually):
    rest = make_rest(timeout_s=0.3)
    sandbox.call(lambda s: s.faults.arm(method="PUT", route=BAN, when=When.AFTER, delay_ms=1500))

    with pytest.raises(DiscordUnknown):
        rest.ban(guild_id, plain[0], delete_window_s=0, reason="")

    # It was given up here, and happened there all the same: once. The sandbox notes a request when it is through.
    eventually(lambda: plain[0] in guild().bans and asked("/bans/"))
    assert len(asked("/bans/")) == 1


def test_a_discord_that_is_not_there_is_unreached(plain):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        point_pycord_at(base_url, base_url)
        rest = GuardRest("any.token", base_url)
        rest.start()

        with pytest.raises(DiscordUnreached):
            rest.kick(1, 2, reason="")
        rest.close()


def test_a_connection_that_never_opens_is_unreached(plain):
    with socket.socket() as full:
        # Nobody accepts, and the queue of one is taken: the next connection is never answered.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        base_url = f"http://127.0.0.1:{full.getsockname()[1]}"
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        point_pycord_at(base_url, base_url)
        rest = GuardRest("any.token", base_url, timeout_s=2)
        rest.start()

        with pytest.raises(DiscordUnreached):
            rest.kick(1, 2, reason="")
        rest.close()
        for filler in fillers:
            filler.close()


def test_a_server_that_hangs_up_without_a_word_is_unknown():
    with socket.create_server(("127.0.0.1", 0)) as mute:

        def hang_up() -> None:
            for _ in range(2):
                line, _ = mute.accept()
                line.recv(65536)
                line.close()

        threading.Thread(target=hang_up, daemon=True).start()
        base_url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        point_pycord_at(base_url, base_url)
        rest = GuardRest("any.token", base_url)
        rest.start()

        with pytest.raises(DiscordUnknown):
            rest.kick(1, 2, reason="")
        rest.close()


# Its life


def test_a_token_is_never_sent_to_another_discord(sandbox, asked):
    rest = GuardRest("the.real.token", "https://discord.com")

    with pytest.raises(RuntimeError):
        rest.start()

    assert asked() == []


def test_after_close_nothing_is_sent(rest, guild_id, plain, asked):
    rest.close()

    with pytest.raises(DiscordUnreached):
        rest.kick(guild_id, plain[0], reason="")

    assert asked() == []


def test_close_waits_for_the_call_on_its_way(rest, sandbox, guild, guild_id, plain, asked, eventually):
    sandbox.call(lambda s: setattr(s.faults, "latency_ms", 500.0))
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(rest.ban, guild_id, plain[0], delete_window_s=0, reason="")
        eventually(lambda: rest._calls)

        rest.close()

        assert call.result(5) is None
    assert plain[0] in guild().bans


def test_many_threads_share_the_hands(rest, guild, guild_id, plain):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda user: rest.ban(guild_id, user, delete_window_s=0, reason=""), plain[:20]))

    assert set(plain[:20]) <= set(guild().bans)
