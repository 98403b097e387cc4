"""Discord's limits, kept and obeyed: real Pycord, over the wire, to a sandbox."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kovra.bot import http
from kovra.bot.buckets import _Window
from kovra.bot.invalid import Tally
from kovra.errors import DiscordLimited, DiscordRefused, DiscordUnreached
from kovra.shared_state.pacing import Line, Turn

BAN = "/guilds/{guild_id}/bans/{user_id}"
MEMBER = "/guilds/{guild_id}/members/{user_id}"
DM = "/users/@me/channels"


class Pace:
    """A pacer that gives these turns, and keeps what it was asked and told."""

    def __init__(self, *turns: Turn) -> None:
        self.turns, self.lines, self.rests, self.invalid = list(turns), [], [], 0

    def take(self, longest_wait_s: float, line: Line | None = None) -> Turn:
        self.lines.append(line)
        return self.turns.pop(0) if self.turns else Turn(wait_s=0.0)

    def rest(self, seconds: float, line: Line | None = None) -> None:
        self.rests.append((seconds, line))

    def note_invalid(self) -> bool:
        self.invalid += 1
        return self.invalid >= 3


# Buckets


def test_a_429_is_limited_after_one_attempt_and_the_next_call_is_held_back(rest, sandbox, guild_id, plain, asked):
    sandbox.call(
        lambda s: s.faults.arm(method="DELETE", route=MEMBER, status=429, extra={"retry_after": 30.5, "global": False})
    )

    with pytest.raises(DiscordLimited) as told:
        rest.kick(guild_id, plain[0], reason="")
    with pytest.raises(DiscordLimited) as foreseen:
        rest.kick(guild_id, plain[0], reason="")
    rest.ban(guild_id, plain[0], delete_window_s=0, reason="")

    assert told.value.retry_after_s == 30.5
    assert 0 < foreseen.value.retry_after_s <= 30.5
    assert [line[2] for line in asked("/members/")] == [429]
    assert [line[2] for line in asked("/bans/")] == [204]


def test_a_global_429_holds_everything_back_everywhere(make_rest, sandbox, guild_id, plain, asked):
    pace = Pace()
    rest = make_rest(pacer=pace)
    sandbox.call(
        lambda s: s.faults.arm(method="PUT", route=BAN, status=429, extra={"retry_after": 20.0, "global": True})
    )

    with pytest.raises(DiscordLimited):
        rest.ban(guild_id, plain[0], delete_window_s=0, reason="")
    with pytest.raises(DiscordLimited):
        rest.open_dm(plain[1])

    assert len(asked()) == 1
    assert pace.rests == [(20.0, None)]


def test_a_full_bucket_is_waited_for_and_no_429_is_provoked(make_rest, sandbox, guild, guild_id, plain):
    rest = make_rest(longest_wait_s=10)
    sandbox.call(lambda s: setattr(s.limits, "on", True))

    # Five kicks a second: the sixth to eighth wait for the next second.
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda user_id: rest.kick(guild_id, user_id, reason=""), plain[:8]))

    assert not set(plain[:8]) & set(guild().members)
    assert sandbox.call(lambda s: dict(s.limits.refused)) == {"user": 0, "global": 0}


def test_a_bucket_that_is_full_for_long_is_limited_without_asking(rest, sandbox, guild_id, plain, asked):
    sandbox.call(lambda s: setattr(s.limits, "on", True))
    until = datetime.now(UTC) + timedelta(hours=1)

    # Ten time-outs in ten seconds is what Discord takes of a guild.
    for user_id in plain[:10]:
        rest.mute(guild_id, user_id, until=until, reason="")
    with pytest.raises(DiscordLimited) as limited:
        rest.mute(guild_id, plain[10], until=until, reason="")

    assert 1 < limited.value.retry_after_s <= 10
    assert [line[2] for line in asked("/members/")] == [200] * 10


def test_one_full_bucket_leaves_other_routes_and_guilds_free(rest, sandbox, guild_id, plain):
    sandbox.call(
        lambda s: s.faults.arm(method="DELETE", route=MEMBER, status=429, extra={"retry_after": 60.0, "global": False})
    )
    with pytest.raises(DiscordLimited):
        rest.kick(guild_id, plain[0], reason="")

    with pytest.raises(DiscordRefused):
        rest.kick(guild_id + 1, plain[0], reason="")
    rest.mute(guild_id, plain[0], until=datetime.now(UTC) + timedelta(hours=1), reason="")


# The pace and the lines


def test_the_shared_pace_is_kept_and_a_turn_too_late_is_limited(make_rest, guild_id, plain, asked):
    rest = make_rest(pacer=Pace(Turn(wait_s=0.0), Turn(wait_s=0.01), Turn(wait_s=5.0, taken=False)))

    rest.ban(guild_id, plain[0], delete_window_s=0, reason="")
    rest.ban(guild_id, plain[1], delete_window_s=0, reason="")
    with pytest.raises(DiscordLimited) as limited:
        rest.ban(guild_id, plain[2], delete_window_s=0, reason="")

    assert limited.value.retry_after_s == 5.0
    assert len(asked("/bans/")) == 2


def test_what_has_waited_until_nobody_may_ask_for_it_never_leaves(make_rest, guild_id, plain, asked, monkeypatch):
    """The last look at the clock comes after every wait, those of a process that stood still among them."""
    now = [0.0]
    monkeypatch.setattr(http, "running_s", lambda: now[0])

    class Standstill(Pace):
        def take(self, *args: Any) -> Turn:
            now[0] += 29.0
            return super().take(*args)

    rest = make_rest(pacer=Standstill())
    with rest.leaving_before(30.0):
        rest.kick(guild_id, plain[0], reason="")
        with pytest.raises(DiscordUnreached):
            rest.kick(guild_id, plain[1], reason="")
    rest.kick(guild_id, plain[2], reason="")

    assert [line[1].rsplit("/", 1)[1] for line in asked("/members/")] == [str(plain[0]), str(plain[2])]


def test_a_place_in_a_line_is_followed_by_a_turn_of_the_pace(make_rest, plain):
    pace = Pace(Turn(wait_s=0.01, again=True))
    rest = make_rest(pacer=pace)

    rest.open_dm(plain[0])

    assert pace.lines == [Line.DM, None]


def test_a_mass_action_stands_behind_and_what_is_clicked_does_not(make_rest, guild_id, plain):
    pace = Pace()
    rest = make_rest(pacer=pace)

    def chunk() -> None:
        rest.ban(guild_id, plain[0], delete_window_s=0, reason="")
        rest.open_dm(plain[0])
        rest.bulk_ban(guild_id, plain[1:3], delete_window_s=0, reason="")

    rest.behind(chunk)()
    rest.ban(guild_id, plain[3], delete_window_s=0, reason="")

    assert pace.lines == [Line.BEHIND, Line.DM, Line.BULK_BAN, None]


def test_a_mass_action_leaves_places_of_a_young_window_to_clicks():
    window = _Window(limit=10, remaining=2, resets_at=110.0)

    assert window.wait_s(100.0, behind=False) == 0
    assert window.wait_s(100.0, behind=True) == 9
    # In the last second of the window nobody would get more out of them.
    assert window.wait_s(109.5, behind=True) == 0


# Invalid requests and blocks


@pytest.mark.parametrize("status", [403, 429])
def test_a_page_of_cloudflare_stops_everything_everywhere(make_rest, sandbox, guild_id, plain, asked, status):
    pace = Pace()
    rest = make_rest(pacer=pace)
    sandbox.call(
        lambda s: s.faults.arm(method="PUT", route=BAN, status=status, html=True, headers={"Retry-After": "900"})
    )

    with pytest.raises(DiscordLimited) as blocked:
        rest.ban(guild_id, plain[0], delete_window_s=0, reason="")
    with pytest.raises(DiscordLimited):
        rest.open_dm(plain[1])

    assert blocked.value.retry_after_s == 900
    assert pace.rests == [(900, None)]
    assert len(asked()) == 1


def test_a_refusal_of_discords_own_stops_nothing(rest, sandbox, guild_id, plain):
    sandbox.call(lambda s: s.faults.arm(method="PUT", route=BAN, status=403, code=50013, via=False))

    with pytest.raises(DiscordRefused):
        rest.ban(guild_id, plain[0], delete_window_s=0, reason="")

    rest.ban(guild_id, plain[0], delete_window_s=0, reason="")


def test_invalid_requests_are_counted_but_for_a_shared_limit(make_rest, sandbox, guild_id, plain):
    pace = Pace()
    rest = make_rest(pacer=pace)
    shared = {"X-RateLimit-Scope": "shared"}
    sandbox.call(
        lambda s: s.faults.arm(method="PUT", route=BAN, status=429, headers=shared, extra={"retry_after": 0.01})
    )
    sandbox.call(lambda s: s.faults.arm(method="DELETE", route=MEMBER, status=403, code=50013))

    with pytest.raises(DiscordLimited):
        rest.ban(guild_id, plain[0], delete_window_s=0, reason="")
    counted = pace.invalid
    with pytest.raises(DiscordRefused):
        rest.kick(guild_id, plain[0], reason="")

    assert (counted, pace.invalid) == (0, 1)
    assert sandbox.call(lambda s: s.limits.invalid_requests()) == 1


def test_too_many_invalid_requests_stop_everything(make_rest, sandbox, guild_id, plain, asked):
    rest = make_rest(pacer=Pace())  # three are too many for it
    sandbox.call(lambda s: s.faults.arm(method="DELETE", route=MEMBER, status=403, code=50013, times=None))

    for user_id in plain[:3]:
        with pytest.raises(DiscordRefused):
            rest.kick(guild_id, user_id, reason="")
    with pytest.raises(DiscordLimited):
        rest.ban(guild_id, plain[3], delete_window_s=0, reason="")

    assert len(asked()) == 3


def test_a_process_alone_counts_its_own_invalid_requests():
    now = [0.0]
    tally = Tally(most=3, clock=lambda: now[0])

    first = [tally.note(), tally.note()]
    now[0] = 600.0
    later = [tally.note(), tally.note(), tally.note()]

    assert first == [False, False]
    assert later == [False, False, True]


@pytest.mark.parametrize(("code", "lines"), [(40003, {Line.DM}), (20026, {Line.DM, Line.BULK_BAN, Line.BEHIND})])
def test_what_discord_takes_for_spam_rests_and_moderation_goes_on(make_rest, sandbox, guild_id, plain, code, lines):
    pace = Pace()
    rest = make_rest(pacer=pace)
    sandbox.call(lambda s: s.faults.arm(method="POST", route=DM, status=403, code=code))

    with pytest.raises(DiscordRefused):
        rest.open_dm(plain[0])
    rest.ban(guild_id, plain[0], delete_window_s=0, reason="")

    assert {line for _, line in pace.rests} == lines
    assert all(seconds >= 600 for seconds, _ in pace.rests)
