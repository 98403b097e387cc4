"""Pycord's defects: each as stock Pycord has it, and cured."""

from __future__ import annotations

import asyncio

import discord
import pytest
from discord.shard import Shard

from kovra.bot import hardening
from kovra.bot.http import GuardHTTP
from kovra.sandbox import DEFAULT_TOKEN

BAN = "/guilds/{guild_id}/bans/{user_id}"

#: Discord documents the action's metadata as optional, and Pycord demands it.
NO_METADATA = {"rule_id": "1", "rule_trigger_type": 1, "user_id": "2", "guild_id": "3", "action": {"type": 1}}


def is_mirrored(rows, user_id):
    return rows("SELECT gone_at IS NULL FROM members WHERE user_id = %s", user_id) == [(True,)]


def stock_parsers():
    """What an unpatched bot reads events with."""

    async def make():
        return discord.AutoShardedBot(loop=asyncio.get_running_loop())._connection.parsers

    return asyncio.run(make())


# 1. One event that cannot be read ends the client, and with it all shards.


def test_stock_pycord_fails_over_an_event_and_the_guarded_parser_does_not():
    stock, seen = stock_parsers(), []
    guarded = dict(stock)
    hardening.guard_parsers(guarded, lambda name, data: seen.append(name))

    with pytest.raises(KeyError):
        stock["AUTO_MODERATION_ACTION_EXECUTION"](NO_METADATA)
    guarded["AUTO_MODERATION_ACTION_EXECUTION"](NO_METADATA)

    assert seen == ["AUTO_MODERATION_ACTION_EXECUTION"]


def test_an_event_that_pycord_cannot_read_ends_nothing(sandbox, control, start_bot, rows, eventually):
    start_bot()

    for name, payload in (("AUTO_MODERATION_ACTION_EXECUTION", NO_METADATA), ("GUILD_ROLE_UPDATE", {})):
        guild_id = sandbox.call(lambda s: s.world.cast.guild_id)
        facts = {**payload, "guild_id": str(guild_id)}
        sandbox.call(lambda s, n=name, f=facts, g=guild_id: s.stage.tell(n, s.world.guilds[g], lambda: f))
    joined = int(control("join", username="afterwards")["user"]["id"])

    eventually(lambda: is_mirrored(rows, joined))
    assert control("gateway")["identified"] == 1


# 2. A shard that connects anew after an outage asks for no compression, and then cannot read large events.


@pytest.mark.parametrize("stock", [True, False], ids=["stock", "cured"])
def test_a_connection_after_an_outage_asks_for_compression_again(
    sandbox, control, start_bot, rows, eventually, monkeypatch, stock
):
    if stock:
        monkeypatch.setattr(hardening, "keep_query_on_reconnect", lambda http: None)
    start_bot()

    # The way back fails once, so that Pycord connects by the bare address it was given for resuming.
    sandbox.call(lambda s: s.faults.arm(method="GET", route="/gateway", status=500))
    control("gateway", do="drop", code=4000)
    eventually(lambda: control("gateway")["connected"] == 2)
    joined = int(control("join", username="afterwards")["user"]["id"])
    eventually(lambda: is_mirrored(rows, joined))

    assert sandbox.call(lambda s: s.faults.armed) == []
    compressed = sandbox.call(lambda s: [line._compressor is not None for line in s.gateway._sockets])
    assert compressed == [not stock]


# 3. RATE_LIMITED is not read: whoever waits for a member list waits for ever.


def test_a_member_list_refused_for_now_is_asked_for_again(sandbox, control, start_bot, rows, monkeypatch):
    monkeypatch.setattr("kovra.sandbox.chunks.FULL_CHUNK_EVERY_S", 3)
    control("limits", on=True)
    start_bot().stop()
    joined = int(control("join", username="meanwhile")["user"]["id"])

    start_bot()

    assert "RATE_LIMITED" not in stock_parsers()
    assert is_mirrored(rows, joined)


# 4. A request is sent again after a limit or an error, whatever it does, and without a time limit.


@pytest.mark.parametrize(("client", "sent"), [(discord.http.HTTPClient, 2), (GuardHTTP, 1)], ids=["stock", "cured"])
def test_stock_pycord_sends_a_ban_again_and_ours_sends_it_once(sandbox, asked, client, sent):
    guild_id, user_id = sandbox.call(lambda s: (s.world.cast.guild_id, s.world.cast.plain[0]))
    limited = {"retry_after": 0.01, "global": False}
    sandbox.call(lambda s: s.faults.arm(method="PUT", route=BAN, status=429, when="after", extra=limited))

    async def ban():
        http = client(loop=asyncio.get_running_loop())
        await http.static_login(DEFAULT_TOKEN)
        try:
            await http.ban(user_id, guild_id)
        except discord.HTTPException:
            pass  # how it ends is not asked here, how often it was tried is
        finally:
            await http.close()

    asyncio.run(ban())

    assert len(asked("/bans/")) == sent


# 5. After a long outage a shard waits up to a quarter of an hour before it connects again.


def test_a_shard_waits_at_most_half_a_minute():
    stock = discord.backoff.ExponentialBackoff()._max

    hardening.bound_backoff()

    async def make():
        bot = discord.AutoShardedBot(loop=asyncio.get_running_loop())
        bot._reconnect = True  # as connecting sets it
        return Shard(None, bot, lambda item: None)._backoff._max

    assert 2**stock > 900
    assert 2 ** asyncio.run(make()) <= 32
