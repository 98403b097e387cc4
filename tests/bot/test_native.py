"""Guard's ear for what is done in Discord itself: nothing that Discord still tells is missed, whatever broke."""

from __future__ import annotations

import pytest

from kovra.sandbox.deeds import members
from kovra.store.native_inbox import NativeInbox


@pytest.fixture
def guild(sandbox):
    return sandbox.call(lambda s: s.world.guilds[s.world.cast.guild_id])


@pytest.fixture
def heard(rows):
    """``heard()``: the numbers of the entries that were written down."""
    return lambda: [audit_id for (audit_id,) in rows("SELECT audit_id FROM native_entries ORDER BY audit_id")]


@pytest.fixture
def listen(start_bot, database, rows, eventually):
    """Start a bot with the ear, and wait until it has read the log to the present."""

    def start():
        before = rows("SELECT read_at FROM audit_cursors")
        bot = start_bot(native=NativeInbox(database))
        eventually(lambda: rows("SELECT read_at FROM audit_cursors") not in ([], before), "the log was never read")
        return bot

    return start


def entries(sandbox, guild):
    return sandbox.call(lambda s: [entry.id for entry in guild.audit if entry.action in (20, 22, 23)])


def ban_and_unban(sandbox, guild, times):
    user_id = sandbox.call(lambda s: s.world.cast.plain[0])

    def act(s):
        for _ in range(times):
            members.ban(s.stage, guild, user_id, by=guild.owner_id, reason=None)
            members.unban(s.stage, guild, user_id, by=guild.owner_id, reason=None)

    sandbox.call(act)


def test_what_was_before_guard_came_is_none_of_its_business(sandbox, guild, listen, heard, eventually, control):
    ban_and_unban(sandbox, guild, 2)
    listen()

    user_id = sandbox.call(lambda s: s.world.cast.plain[1])
    control("kicks", user_id=str(user_id))

    eventually(lambda: heard() == entries(sandbox, guild)[4:])


def test_a_long_time_away_is_read_page_by_page(sandbox, guild, listen, heard, eventually, asked):
    listen().stop()
    ban_and_unban(sandbox, guild, 130)

    listen()

    eventually(lambda: heard() == entries(sandbox, guild))
    assert len(entries(sandbox, guild)) == 260
    assert len(asked("/audit-logs")) >= 4


def test_a_session_that_is_lost_loses_no_entry_and_tells_none_twice(sandbox, guild, listen, heard, eventually, control):
    listen()
    ban_and_unban(sandbox, guild, 1)

    control("gateway", do="invalidate")
    ban_and_unban(sandbox, guild, 3)
    control("gateway", do="drop", code=4000)
    ban_and_unban(sandbox, guild, 2)
    eventually(lambda: heard() == entries(sandbox, guild))
    # Whoever comes back after this long may not resume, and the first way back fails.
    control("gateway", do="refuse", codes=[4000])
    control("gateway", do="cut")
    ban_and_unban(sandbox, guild, 2)

    eventually(lambda: heard() == entries(sandbox, guild))
    assert len(heard()) == 16


def test_a_log_that_guard_may_not_read_is_read_once_it_may(sandbox, guild, start_bot, database, heard, eventually):
    route = "/guilds/{guild_id}/audit-logs"
    sandbox.call(lambda s: s.faults.arm(method="GET", route=route, status=403, code=50013, times=1))
    bot = start_bot(native=NativeInbox(database))
    eventually(lambda: sandbox.call(lambda s: s.faults.armed) == [])

    ban_and_unban(sandbox, guild, 1)

    # Discord tells of entries to those alone who may read the log, so it is read from here on.
    eventually(lambda: heard() == entries(sandbox, guild))
    bot.stop()
