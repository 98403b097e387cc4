"""A person ends what still waits, and nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import text

from kovra.actions.request import Action, State
from kovra.guard.claim import NotClaimed
from kovra.store.cancelling import Cancelling, cancel_waiting
from kovra.store.events import Events


@pytest.fixture
def cancelling(web, say):
    return Cancelling(web, say.AUDIT_KEY)


@pytest.fixture
def scope_of(guilds, say):
    return lambda user_id: guilds.scope(user_id, say.HARBOUR)


def test_a_waiting_request_ends_with_event_audit_entry_and_name(
    cancelling, accept, odalys, requests, web, audit_log, row_of, say
):
    kept, receipt = accept()

    ended = cancelling.cancel(odalys, receipt.request_id)

    row = row_of(receipt.request_id)
    event = Events(web).after(say.HARBOUR, 0)[-1]
    entry = audit_log.entries(odalys)[0]
    assert (ended.state, ended.sentence) == (State.CANCELLED, None)
    assert (row.state, row.done_at, row.cancelled_by) == ("cancelled", say.NOON, say.ODALYS)
    assert (event.kind, event.request_id, event.facts["state"]) == ("action.cancelled", receipt.request_id, "cancelled")
    assert (entry.kind, entry.actor_id, entry.facts["moderator_id"]) == (
        "action.cancelled",
        say.ODALYS,
        str(say.ODALYS),
    )
    assert requests.status(odalys, receipt.request_id).cancelled_by == "Odalys"


def test_its_entry_on_the_lane_does_nothing(cancelling, accept, odalys, guard, say):
    kept, receipt = accept()
    cancelling.cancel(odalys, receipt.request_id)

    assert guard.ledger.claim(say.verified(kept)) is NotClaimed.FINISHED


def test_the_relay_does_not_bring_it_back(cancelling, accept, odalys, worker, clock):
    from kovra.store.backlog import Backlog

    _, receipt = accept()
    cancelling.cancel(odalys, receipt.request_id)
    clock.forward(seconds=60)

    assert Backlog(worker).overdue() == []


def test_cancelling_twice_is_cancelling_once(cancelling, accept, odalys, kinds):
    _, receipt = accept()
    cancelling.cancel(odalys, receipt.request_id)

    again = cancelling.cancel(odalys, receipt.request_id)

    assert (again.state, again.sentence) == (State.CANCELLED, None)
    assert kinds() == ["action.queued", "action.cancelled"]


def test_a_deferred_one_may_be_cancelled_and_is_not_deferred_any_more(cancelling, accept, odalys, guard, row_of):
    kept, receipt = accept()
    guard.ledger.give_back(guard.take(kept), delay_s=60)

    ended = cancelling.cancel(odalys, receipt.request_id)

    assert ended.state is State.CANCELLED
    assert row_of(receipt.request_id).due_at is None


def test_one_that_may_have_been_done_is_not_cancelled(cancelling, accept, odalys, guard, row_of):
    kept, receipt = accept()
    claim = guard.take(kept)
    guard.ledger.intend_effect(claim, {})
    guard.ledger.give_back(claim, delay_s=60, intent_stays=True)

    ended = cancelling.cancel(odalys, receipt.request_id)

    assert "it may have been done" in ended.sentence
    assert not cancelling.may(odalys, receipt.request_id)
    assert row_of(receipt.request_id).state == "accepted"


def test_a_running_one_is_not_cancelled(cancelling, accept, odalys, guard, row_of):
    kept, receipt = accept()
    guard.take(kept)

    ended = cancelling.cancel(odalys, receipt.request_id)

    assert ended.sentence == "Not cancelled: the ban of Brass Key is already running. Wait for its result."
    assert row_of(receipt.request_id).state == "executing"


def test_a_finished_one_is_not_cancelled(cancelling, accept, odalys, guard, row_of):
    kept, receipt = accept()
    guard.carry(kept)

    ended = cancelling.cancel(odalys, receipt.request_id)

    assert "already ended" in ended.sentence
    assert row_of(receipt.request_id).state == "done"


def test_a_colleague_of_the_same_rank_is_refused_and_the_owner_is_not(cancelling, accept, scope_of, row_of, say):
    _, receipt = accept()

    refused = cancelling.cancel(scope_of(say.PELL), receipt.request_id)
    offered = [cancelling.may(scope_of(who), receipt.request_id) for who in (say.PELL, say.ODALYS, say.OWNER)]
    done = cancelling.cancel(scope_of(say.OWNER), receipt.request_id)

    assert "only Odalys, who asked for it" in refused.sentence
    assert offered == [False, True, True]
    assert done.state is State.CANCELLED
    assert row_of(receipt.request_id).cancelled_by == say.OWNER


def test_the_request_of_another_guild_is_not_found(cancelling, accept, odalys, row_of, say):
    _, receipt = accept(guild_id=say.MEADOW, moderator_id=say.PELL)

    assert cancelling.cancel(odalys, receipt.request_id) is None
    assert cancelling.cancel(odalys, uuid4()) is None
    assert not cancelling.may(odalys, receipt.request_id)
    assert row_of(receipt.request_id, say.MEADOW).state == "accepted"


def test_many_at_once_end_those_that_wait(web, audit_log, accept, guard, row_of, say):
    (_, waits), (kept, runs) = accept(), accept(action=Action.WARN, target_id=say.PELL)
    guard.take(kept)

    with web.transaction(say.HARBOUR) as session:
        ids = [waits.request_id, runs.request_id, uuid4()]
        cancelled = cancel_waiting(session, web, audit_log, say.HARBOUR, ids, say.OWNER)

    assert cancelled == [waits.request_id]
    assert [row_of(one.request_id).state for one in (waits, runs)] == ["cancelled", "executing"]


def test_a_cancelled_request_frees_the_live_place_and_the_budget(cancelling, accept, odalys, requests):
    _, first = accept()
    cancelling.cancel(odalys, first.request_id)

    _, second = accept()

    assert second.accepted
    assert requests.budget(odalys, Action.BAN).used == 1


def test_cancel_and_claim_at_once_leave_one_of_both(cancelling, accept, odalys, guard, row_of, say):
    """Whoever comes second sees what the first has done, however they meet."""
    with ThreadPoolExecutor(2) as hands:
        for _ in range(20):
            kept, receipt = accept(action=Action.NOTE)

            cancel = hands.submit(cancelling.cancel, odalys, receipt.request_id)
            claim = hands.submit(guard.ledger.claim, say.verified(kept)).result(30)

            cancel.result(30)
            state = row_of(receipt.request_id).state
            assert (claim is NotClaimed.FINISHED) == (state == "cancelled")
            assert (cancel.result().sentence is None) == (state == "cancelled")
            if state == "executing":
                guard.ledger.expire(claim)


@pytest.mark.parametrize("role", ["kovra_web", "kovra_bot"])
def test_a_door_changes_no_state_but_through_its_function(connect, say, role):
    from sqlalchemy.exc import ProgrammingError

    with pytest.raises(ProgrammingError, match="permission denied"):
        with connect(role).transaction(say.HARBOUR) as session:
            session.execute(text("UPDATE action_requests SET state = 'cancelled'"))
