"""What a profile shows of the time before."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kovra.store.bygone import Bygone, BygoneKeeper


@pytest.fixture
def past(web, odalys, clock):
    """What a profile reads of somebody, with the messages of the last 30 days."""
    return lambda user_id: Bygone(web).of(odalys, user_id, clock.now().date() - timedelta(days=29))


@pytest.fixture
def keeper(bot, mirror):
    return BygoneKeeper(bot)


def test_former_names_are_listed_the_latest_first(mirror, past, say, clock):
    for nick, username in (("Brass", "quillon"), (None, "quillon"), (None, "quill")):
        clock.forward(minutes=1)
        mirror.member(say.HARBOUR, say.member_row(say.QUILLON, username, nick=nick, global_name="Quillon"))

    assert [(one.kind, one.name) for one in past(say.QUILLON).names] == [
        ("username", "quillon"),
        ("nick", "Brass"),
        ("nick", "Brass Key"),
    ]
    assert past(say.PELL).names == []


def test_signals_count_who_came_by_the_same_invite(keeper, past, say, clock, mirror):
    came = clock.now()
    keeper.joined(say.HARBOUR, [(say.STRANGER, came - timedelta(days=2))])
    keeper.left(say.HARBOUR, [say.STRANGER])
    keeper.joined(say.HARBOUR, [(say.STRANGER, came)])
    keeper.joined(say.HARBOUR, [(say.STRANGER, came), (say.QUILLON, came)], "raidcode", say.PELL)
    keeper.joined(say.HARBOUR, [(say.ODALYS, came - timedelta(minutes=5))])

    theirs = past(say.STRANGER)

    signals = theirs.signals
    assert (signals.joined_times, signals.same_invite, signals.same_invite_banned) == (2, 1, 0)
    assert signals.age_at_join == came - signals.account_made_at
    first, second = theirs.joinings
    assert (first.invite_code, first.inviter_name, first.left_at) == ("raidcode", "pell", None)
    assert (second.invite_code, second.left_at) == (None, clock.now())


def test_messages_are_added_up_by_day(keeper, past, say, clock):
    today = clock.now().date()
    keeper.wrote(say.HARBOUR, {(say.QUILLON, today): 3, (say.QUILLON, today - timedelta(days=40)): 9})
    keeper.wrote(say.HARBOUR, {(say.QUILLON, today): 2})

    assert [(one.day, one.messages) for one in past(say.QUILLON).messages] == [(today, 5)]
