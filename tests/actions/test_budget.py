"""A sliding hour, counted exactly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kovra.actions.budget import DEFAULT_LIMITS, WINDOW, Grant, grant, refusal
from kovra.actions.request import Action, RefusalKind
from tests.wishes import MAKING

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def ago(*minutes: float) -> list[datetime]:
    return sorted(NOW - timedelta(minutes=each) for each in minutes)


def test_two_hundred_asked_with_a_hundred_and_seventy_left_grants_those():
    given_ = grant(170, [], 200, NOW)

    assert given_ == Grant(granted=170, limit=170, used=0, frees_at=NOW + WINDOW)


def test_what_fits_is_granted_and_nothing_frees_up():
    assert grant(170, ago(1, 2, 3), 167, NOW) == Grant(granted=167, limit=170, used=3, frees_at=None)


def test_a_used_up_budget_frees_up_when_its_oldest_leaves_the_window():
    assert grant(3, ago(50, 20, 10), 1, NOW) == Grant(granted=0, limit=3, used=3, frees_at=NOW + timedelta(minutes=10))


def test_exactly_an_hour_ago_is_outside():
    assert grant(1, ago(60), 1, NOW).granted == 1
    assert grant(1, [NOW - WINDOW + timedelta(microseconds=1)], 1, NOW).granted == 0


def test_under_a_lowered_limit_several_must_leave_first():
    found = grant(2, ago(50, 40, 30, 20), 1, NOW)

    assert found.granted == 0
    assert found.frees_at == NOW - timedelta(minutes=30) + WINDOW


def test_a_limit_of_zero_never_frees_up():
    found = grant(0, [], 5, NOW)

    assert found == Grant(granted=0, limit=0, used=0, frees_at=None)
    assert "frees up" not in refusal(Action.BAN, found).sentence


def test_nothing_asked_is_nothing_granted():
    assert grant(1, ago(1), 0, NOW) == Grant(granted=0, limit=1, used=1, frees_at=None)


def test_the_refusal_says_how_much_and_until_when():
    said = refusal(Action.BAN, grant(3, ago(50, 20, 10), 1, NOW))

    assert said.kind is RefusalKind.BUDGET
    assert "3 of 3" in said.sentence
    assert "12:10 UTC" in said.sentence
    assert said.until == NOW + timedelta(minutes=10)


def test_bans_are_a_hundred_and_seventy_an_hour_and_notes_cost_nothing():
    assert DEFAULT_LIMITS[Action.BAN] == 170
    assert set(DEFAULT_LIMITS) == set(MAKING) - {Action.NOTE}


moments = st.lists(st.integers(0, 7200), max_size=30).map(
    lambda seconds: sorted(NOW - timedelta(seconds=each) for each in seconds)
)


@given(limit=st.integers(0, 25), spent=moments, asked=st.integers(0, 40))
def test_no_hour_ever_holds_more_than_the_limit(limit, spent, asked):
    found = grant(limit, spent, asked, NOW)
    inside = sum(moment > NOW - WINDOW for moment in spent)

    assert 0 <= found.granted <= asked
    assert found.used == inside
    assert found.granted == 0 or inside + found.granted <= limit
    assert found.granted == asked or inside + found.granted >= limit


@given(limit=st.integers(1, 25), spent=moments, asked=st.integers(1, 40))
def test_it_frees_up_at_the_moment_it_says_and_not_before(limit, spent, asked):
    found = grant(limit, spent, asked, NOW)
    then = [*spent, *[NOW] * found.granted]

    if found.granted == asked:
        assert found.frees_at is None
    else:
        assert grant(limit, then, 1, found.frees_at).granted == 1
        assert grant(limit, then, 1, found.frees_at - timedelta(microseconds=1)).granted == 0
