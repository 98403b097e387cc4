"""When punishments end, and what Guard does about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kovra.actions.request import MAX_MUTE, Action, RefusalKind, Source, State
from kovra.guard.endings import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    LOOK_AGAIN,
    RENEW_AHEAD,
    Ask,
    End,
    EndState,
    KeptEnd,
    LastTry,
    Rejoined,
    Settle,
    Wait,
    after_refusal,
    due_at,
    next_step,
    rejoin_request,
    request_for,
    same_ban,
    told_until,
)
from kovra.guard.outcome import FailureKind
from kovra.ids import GuildId, UserId, audit_ref, new_request_id

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
GUARD = UserId(2)
A_BAN = End(
    request_id=new_request_id(),
    guild_id=GuildId(110_000_000_000_000_001),
    target_id=UserId(130_000_000_000_000_003),
    punishment=Action.BAN,
    case_no=42,
    ends_at=NOON,
    due_at=NOON,
    asked=0,
    failures=0,
    now=NOON,
)
A_MUTE = replace(A_BAN, punishment=Action.MUTE, ends_at=NOON + timedelta(days=40))


def test_a_ban_is_due_at_its_end_however_long_it_lasts():
    end = NOON + timedelta(days=400)

    assert due_at(Action.BAN, end, NOON) == end


def test_a_mute_that_discord_holds_to_its_end_is_due_there():
    end = NOON + MAX_MUTE

    assert due_at(Action.MUTE, end, NOON) == end
    assert told_until(end, NOON) == end


def test_a_longer_mute_is_renewed_before_discord_lets_go():
    end = NOON + timedelta(days=60)

    told, due = told_until(end, NOON), due_at(Action.MUTE, end, NOON)

    assert told == NOON + MAX_MUTE
    assert due == told - RENEW_AHEAD


def test_renewals_reach_the_end_and_never_go_beyond():
    end, now, renewals = NOON + timedelta(days=100), NOON, 0
    while (due := due_at(Action.MUTE, end, now)) < end:
        assert due < told_until(end, now) <= end
        now, renewals = due, renewals + 1

    assert told_until(end, now) == end
    assert renewals == 3


def test_what_is_due_is_asked():
    assert next_step(A_BAN, member=False) == Ask()
    assert next_step(A_MUTE, member=True) == Ask()


def test_a_mute_that_is_over_needs_no_act():
    over = replace(A_MUTE, now=A_MUTE.ends_at)

    assert next_step(over, member=True) == Settle(state=EndState.ENDED)


def test_a_mute_of_somebody_who_left_waits_for_them_without_a_request():
    step = next_step(A_MUTE, member=False)

    assert isinstance(step, Wait)
    assert step.failures == 0
    assert step.until <= A_MUTE.ends_at


@pytest.mark.parametrize("state", [State.ACCEPTED, State.EXECUTING, State.APPLIED])
def test_a_request_under_way_is_only_looked_at(state):
    step = next_step(replace(A_BAN, last=LastTry(state=state)), member=False)

    assert step == Wait(until=NOON + LOOK_AGAIN, failures=0)


@pytest.mark.parametrize(
    "last",
    [
        LastTry(state=State.FAILED, why="forbidden"),
        LastTry(state=State.REJECTED, why="guard_permission"),
        LastTry(state=State.EXPIRED),
        LastTry(state=State.DEAD, why="attempts"),
    ],
)
def test_what_did_not_succeed_is_tried_again_after_a_pause_that_grows(last):
    first = next_step(replace(A_BAN, last=last), member=False)
    later = next_step(replace(A_BAN, last=last, failures=3), member=False)
    much_later = next_step(replace(A_BAN, last=last, failures=500), member=False)

    assert first == Wait(until=NOON + FIRST_PAUSE, failures=1, forget_last=True)
    assert later == Wait(until=NOON + 8 * FIRST_PAUSE, failures=4, forget_last=True)
    assert much_later.until == NOON + LONGEST_PAUSE


@pytest.mark.parametrize(
    ("last", "state"),
    [
        (LastTry(state=State.CANCELLED), EndState.CANCELLED),
        (LastTry(state=State.REJECTED, why=RefusalKind.SUPERSEDED.value), EndState.CANCELLED),
        (LastTry(state=State.FAILED, why=FailureKind.NOT_BANNED.value), EndState.ENDED),
        (LastTry(state=State.DONE), EndState.ENDED),
    ],
)
def test_what_somebody_decided_is_not_asked_again(last, state):
    assert next_step(replace(A_BAN, last=last), member=False) == Settle(state=state)


def test_a_refusal_at_the_door_pauses_too():
    assert after_refusal(replace(A_BAN, failures=1)) == Wait(until=NOON + 2 * FIRST_PAUSE, failures=2, forget_last=True)


def test_each_try_has_its_own_id_and_always_the_same():
    first, again = request_for(A_BAN, GUARD), request_for(replace(A_BAN, now=NOON + timedelta(days=1)), GUARD)
    second = request_for(replace(A_BAN, asked=1), GUARD)

    assert first.request_id == again.request_id
    assert second.request_id != first.request_id
    assert request_for(replace(A_BAN, request_id=new_request_id()), GUARD).request_id != first.request_id


def test_guard_asks_as_itself_with_the_case_in_its_params():
    lifts, renews = request_for(A_BAN, GUARD), request_for(A_MUTE, GUARD)

    assert (lifts.action, lifts.source, lifts.moderator_id) == (Action.UNBAN, Source.SYSTEM, GUARD)
    assert (lifts.for_case, dict(lifts.params)) == (42, {"for_case": 42})
    assert (renews.action, renews.for_case, renews.tells) == (Action.MUTE, 42, False)


def test_a_rejoining_has_one_request_and_the_next_another():
    back = Rejoined(
        guild_id=A_MUTE.guild_id,
        target_id=A_MUTE.target_id,
        kind=Action.MUTE,
        request_id=A_MUTE.request_id,
        case_no=42,
        now=NOON,
        guard_id=GUARD,
        joined_at=NOON,
    )
    first, replayed = rejoin_request(back), rejoin_request(back)
    later = rejoin_request(replace(back, joined_at=NOON + timedelta(hours=1)))

    assert first == replayed
    assert later.request_id != first.request_id


def kept(**before):
    return KeptEnd(request_id=A_BAN.request_id, ends_at=NOON, before=before)


@pytest.mark.parametrize(
    ("ban", "before", "same"),
    [
        ({"reason": f"odalys: spam {audit_ref(A_BAN.request_id)}"}, {}, True),
        ({"reason": f"odalys: raid {audit_ref(new_request_id())}"}, {}, False),
        ({"reason": None}, {}, False),
        ({"reason": "by hand, years ago"}, {"ban": {"reason": "by hand, years ago"}}, True),
        ({"reason": None}, {"ban": {"reason": None}}, True),
        ({"reason": "by hand, just now"}, {"ban": {"reason": "by hand, years ago"}}, False),
        ({"reason": "by hand, just now"}, {"ban": None}, False),
        (None, {}, True),
    ],
)
def test_a_ban_that_somebody_made_since_is_known_by_its_reason(ban, before, same):
    assert same_ban(ban, kept(**before)) is same
