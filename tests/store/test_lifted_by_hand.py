"""What somebody lifts in Discord itself does not end by itself any more; who left and came back is known."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event, text

from kovra.actions.request import Action, Source
from kovra.store.mirror import BanRow


class BrokenOff(Exception):
    """What ends a transaction before its commit."""


@pytest.fixture
def punish(accept, guard, clock):
    def carry(action, days=1, **more):
        kept, _ = accept(action=action, params={"duration_s": days * 86_400}, **more)
        return guard.carry(kept, clock.now() + timedelta(days=days))

    return carry


@pytest.fixture
def states(owner, say):
    def read():
        with owner.transaction(say.HARBOUR) as session:
            return list(session.scalars(text("SELECT state FROM scheduled_ends ORDER BY case_no")))

    return read


@pytest.fixture
def quillon(mirror, say, clock):
    """``quillon(until=…, joined=…)``: what Discord says of Quillon now."""

    def seen(until=None, joined=say.NOON - timedelta(days=30)):
        row = say.member_row(say.QUILLON, "quillon", timed_out_until=until, joined_at=joined)
        mirror.member(say.HARBOUR, row)

    return seen


def a_ban(say):
    return BanRow(user_id=say.QUILLON, username="quillon", global_name=None, avatar=None, bot=False, reason=None)


def test_an_unban_by_hand_cancels_the_end(punish, mirror, states, say):
    punish(Action.BAN)
    mirror.ban(say.HARBOUR, a_ban(say))

    mirror.ban_gone(say.HARBOUR, say.QUILLON)

    assert states() == ["cancelled"]


def test_the_unban_that_guard_is_doing_is_not_taken_for_one_by_hand(punish, accept, guard, mirror, states, say):
    ban = punish(Action.BAN)
    kept, _ = accept(
        action=Action.UNBAN, source=Source.SYSTEM, moderator_id=say.GUARD, params={"for_case": ban.case_no}
    )
    claim = guard.take(kept)
    guard.ledger.intend_effect(claim, {})

    mirror.ban_gone(say.HARBOUR, say.QUILLON)

    assert states() == ["open"]
    guard.ledger.finalise(claim, standing=guard.standing(claim.request), ends_at=None)
    assert states() == ["ended"]


def test_a_time_out_lifted_by_hand_cancels_the_end(punish, quillon, states, clock):
    mute = punish(Action.MUTE)
    quillon(until=mute.ends_at)
    held = states()

    quillon(until=None)

    assert (held, states()) == (["open"], ["cancelled"])


def test_a_time_out_lifted_by_hand_is_not_known_before_its_end_is_cancelled(punish, quillon, states, bot):
    mute = punish(Action.MUTE)
    quillon(until=mute.ends_at)

    def break_off(*said):
        if said[2].startswith("UPDATE scheduled_ends"):
            raise BrokenOff

    event.listen(bot.engine, "before_cursor_execute", break_off)
    with pytest.raises(BrokenOff):
        quillon(until=None)
    event.remove(bot.engine, "before_cursor_execute", break_off)

    # Discord tells it again, or a member list does: it has not been forgotten that the time-out held.
    quillon(until=None)
    assert states() == ["cancelled"]


def test_a_word_about_them_from_before_the_mute_cancels_nothing(punish, quillon, states):
    punish(Action.MUTE)

    quillon(until=None)

    assert states() == ["open"]


def test_a_time_out_that_ran_out_is_nobodys_doing(punish, quillon, states, clock):
    mute = punish(Action.MUTE, days=1)
    quillon(until=mute.ends_at)
    clock.forward(days=1)

    quillon(until=None)

    assert states() == ["open"]


def test_who_left_and_came_back_is_to_be_muted_again(punish, quillon, states, mirror, clock, say):
    mute = punish(Action.MUTE)
    quillon(until=mute.ends_at)
    mirror.member_gone(say.HARBOUR, say.QUILLON)
    clock.forward(minutes=5)

    quillon(until=None, joined=clock.now())

    assert states() == ["open"]
    [back] = mirror.rejoined(say.HARBOUR, say.QUILLON)
    assert (back.case_no, back.joined_at, back.guard_id) == (mute.case_no, clock.now(), say.GUARD)
    assert [each.case_no for each in mirror.rejoined(say.HARBOUR, None)] == [back.case_no]


@pytest.mark.parametrize("what", ["never left", "still muted", "mute over", "unmuted"])
def test_nobody_else_is(punish, accept, guard, quillon, mirror, clock, say, what):
    mute = punish(Action.MUTE)
    clock.forward(minutes=5)
    joined = say.NOON - timedelta(days=30) if what == "never left" else clock.now()
    if what == "unmuted":
        kept, _ = accept(action=Action.UNMUTE)
        guard.carry(kept)
    if what == "mute over":
        clock.forward(days=1)

    quillon(until=mute.ends_at if what == "still muted" else None, joined=joined)

    assert mirror.rejoined(say.HARBOUR, say.QUILLON) == []
