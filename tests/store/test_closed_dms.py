"""Whose DMs Discord refuses: remembered for a week, forgotten at a sign that they are open."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kovra.store.forgetting import Forgetting
from kovra.store.people import CLOSED_FOR


@pytest.fixture
def closed(guard, accept, roster, say):
    """``closed()`` tells whether Quillon's DMs are known to be closed; ``closed(True)`` remembers it first."""
    kept, _ = accept()
    claim = guard.take(kept)

    def look(remember=None):
        if remember is not None:
            guard.ledger.dms_are_closed(claim, remember)
        return roster.standing(say.HARBOUR, say.ODALYS, say.QUILLON).target.dms_closed

    return look


def test_closed_dms_are_remembered_until_one_gets_through(closed, roster, say):
    assert [closed(), closed(True), closed(True), closed(), closed(False)] == [False, True, True, True, False]
    closed(True)

    assert not roster.standing(say.HARBOUR, say.ODALYS, say.PELL).target.dms_closed


def test_closed_dms_are_asked_again_after_a_week_and_of_who_came_back(closed, worker, mirror, clock, say):
    closed(True)
    clock.forward(seconds=(CLOSED_FOR - timedelta(minutes=1)).total_seconds())
    forgetting = Forgetting(worker, say.AUDIT_KEY)
    assert (closed(), forgetting.open_dms_everywhere()) == (True, 0)
    clock.forward(seconds=120)
    assert (closed(), forgetting.open_dms_everywhere()) == (False, 1)

    closed(True)
    clock.forward(seconds=60)
    mirror.member(say.HARBOUR, say.member_row(say.QUILLON, "quillon", joined_at=clock.now()))
    assert not closed()
