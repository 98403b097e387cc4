"""What nobody could begin ends by the clock, once, with its event and its entry."""

from __future__ import annotations

import pytest

from kovra.actions.request import Action
from kovra.store.events import Events
from kovra.store.expiry import Expiry


@pytest.fixture
def expiry(worker, say):
    return Expiry(worker, say.AUDIT_KEY)


def test_what_waited_past_its_time_ends_with_event_and_entry(
    expiry, accept, clock, row_of, worker, audit_log, odalys, say
):
    _, receipt = accept()
    clock.forward(minutes=61, seconds=1)

    ended = [expiry.expire(), expiry.expire()]

    row = row_of(receipt.request_id)
    assert ended == [1, 0]
    assert (row.state, row.done_at) == ("expired", clock.now())
    assert [event.kind for event in Events(worker).after(say.HARBOUR, 0)] == ["action.queued", "action.expired"]
    assert audit_log.entries(odalys)[0].kind == "action.expired"


def test_every_guild_is_looked_at(expiry, accept, clock, row_of, say):
    receipts = [accept()[1], accept(guild_id=say.MEADOW, moderator_id=say.PELL)[1]]
    clock.forward(hours=2)

    assert expiry.expire() == 2
    assert {row_of(one.request_id, one.guild_id).state for one in receipts} == {"expired"}


def test_the_executor_has_its_minute(expiry, accept, clock):
    accept()
    clock.forward(minutes=60, seconds=59)

    assert expiry.expire() == 0


def test_what_runs_or_may_have_been_done_is_left(expiry, accept, clock, guard):
    runs, may_be = accept(action=Action.NOTE)[0], accept(target_id=77)[0]
    guard.take(runs)
    claim = guard.take(may_be)
    guard.ledger.intend_effect(claim, {})
    guard.ledger.give_back(claim, delay_s=1, intent_stays=True)
    clock.forward(hours=2)

    assert expiry.expire() == 0
