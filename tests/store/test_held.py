"""What somebody is under now, by the mirror; and not known where the mirror may be behind."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from kovra.actions.already import Held
from kovra.actions.request import Action
from kovra.store.mirror import BanRow


@pytest.fixture
def banned(mirror, say):
    mirror.ban(
        say.HARBOUR,
        BanRow(user_id=say.STRANGER, username="gone", global_name=None, avatar=None, bot=False, reason="raid"),
    )


@pytest.fixture
def bans_read(mirror, owner, say):
    with owner.transaction(say.HARBOUR) as session:
        session.execute(text("UPDATE guilds SET bans_complete_at = now()"))


def test_a_ban_of_the_mirror_is_a_ban(roster, banned, say):
    assert roster.held(say.HARBOUR, say.STRANGER) == Held(banned=True, muted=False, holds=frozenset())


def test_no_ban_is_known_only_once_the_bans_were_read(roster, owner, say, mirror, bans_read):
    whole = roster.held(say.HARBOUR, say.STRANGER)
    with owner.transaction(say.HARBOUR) as session:
        session.execute(text("UPDATE guilds SET bans_complete_at = NULL"))

    assert (whole.banned, roster.held(say.HARBOUR, say.STRANGER).banned) == (False, None)


def test_a_silent_gateway_knows_nothing(roster, banned, clock, say):
    clock.forward(seconds=61)

    assert roster.held(say.HARBOUR, say.STRANGER) == Held(banned=None, muted=None, holds=frozenset())


def test_while_something_is_on_its_way_nothing_is_known(roster, banned, accept, say):
    accept(action=Action.UNBAN, target_id=say.STRANGER)

    assert roster.held(say.HARBOUR, say.STRANGER).banned is None


def test_what_was_done_a_moment_ago_may_not_be_mirrored_yet(roster, accept, guard, mirror, clock, bans_read, say):
    kept, _ = accept(target_id=say.STRANGER)
    guard.carry(kept)

    at_once = roster.held(say.HARBOUR, say.STRANGER).banned
    clock.forward(seconds=11)
    mirror.heard(0, 1)

    assert at_once is None
    assert roster.held(say.HARBOUR, say.STRANGER).banned is False


def test_an_end_that_is_to_come_is_seen(roster, banned, accept, guard, clock, mirror, say):
    kept, _ = accept(target_id=say.STRANGER, params={"duration_s": 3600})
    guard.carry(kept, ends_at=say.NOON.replace(hour=13))
    clock.forward(seconds=11)
    mirror.heard(0, 1)

    assert roster.held(say.HARBOUR, say.STRANGER).ban_ends_at == say.NOON.replace(hour=13)


def test_of_many_each_is_told_apart(roster, banned, accept, bans_read, say):
    accept(target_id=say.PELL)

    held = roster.held_among(say.HARBOUR, [say.STRANGER, say.PELL, say.ODALYS])

    assert [held[who].banned for who in (say.STRANGER, say.PELL, say.ODALYS)] == [True, None, False]
