"""What failed or gave up: why, and what a person decides about it."""

from __future__ import annotations

import pytest

from kovra.actions.request import Action, State
from kovra.guard.claim import NotClaimed
from kovra.guard.outcome import Failure, FailureKind
from kovra.store.backlog import Backlog
from kovra.store.broken import BrokenRequests
from kovra.store.events import Events

FORBIDDEN = Failure(kind=FailureKind.FORBIDDEN, sentence="Discord refused the ban.", code=50013)


@pytest.fixture
def broken(web, say):
    return BrokenRequests(web, say.AUDIT_KEY)


@pytest.fixture
def boss(guilds, say, mirror):
    """The owner's scope: queue_ops among the rest."""
    return guilds.scope(say.OWNER, say.HARBOUR)


@pytest.fixture
def die(accept, new_worker, say):
    """``die()``: a request that killed its worker more often than it may."""

    def make(**changes):
        kept, receipt = accept(**changes)
        killed = new_worker(max_attempts=2, claim_s=-1)
        for _ in range(3):
            last = killed.ledger.claim(say.verified(kept))
        assert last is NotClaimed.FINISHED
        return kept, receipt

    return make


def test_it_is_listed_with_its_reason_newest_first(broken, die, accept, guard, boss, clock, say):
    _, dead = die()
    clock.forward(seconds=1)
    kept, failed = accept(action=Action.KICK)
    guard.ledger.fail(guard.take(kept), FORBIDDEN)

    listed = broken.newest(boss)

    assert [(one.request_id, one.state, one.kind) for one in listed] == [
        (failed.request_id, State.FAILED, "forbidden"),
        (dead.request_id, State.DEAD, "attempts"),
    ]
    assert (listed[0].sentence, listed[0].code) == ("Discord refused the ban.", 50013)
    assert (listed[1].target_name, listed[1].moderator_name, listed[1].attempts) == ("Brass Key", "Odalys", 2)
    assert [one.state for one in broken.newest(boss, before=listed[0].done_at)] == [State.DEAD]
    assert [one.state for one in broken.newest(boss, states={State.FAILED})] == [State.FAILED]


def test_a_dead_one_is_wanted_again_and_runs(broken, die, boss, guard, worker, web, audit_log, clock, row_of, say):
    kept, receipt = die()
    clock.forward(hours=3)

    refused = broken.retry(boss, receipt.request_id)
    brought = [row.request_id for row in Backlog(worker).overdue()]
    case = guard.carry(kept)

    assert refused is None
    assert brought == [receipt.request_id]
    assert (row_of(receipt.request_id).state, case.case_no) == ("done", 1)
    assert [event.kind for event in Events(web).after(say.HARBOUR, 0)].count("action.queued") == 2
    assert [(one.kind, one.actor_id) for one in audit_log.entries(boss)][0] == ("action.retried", say.OWNER)


def test_a_dead_one_with_a_case_gets_its_messages(broken, accept, new_worker, guard, boss, row_of, say):
    kept, receipt = accept()
    killed = new_worker(max_attempts=2, claim_s=-1)
    killed.apply(killed.take(kept))
    for _ in range(2):
        killed.ledger.claim(say.verified(kept))
    assert row_of(receipt.request_id).state == "dead"

    assert broken.retry(boss, receipt.request_id) is None

    assert row_of(receipt.request_id).state == "applied"
    assert guard.take(kept).case.case_no == 1


def test_what_runs_already_for_the_same_person_comes_first(broken, die, accept, boss, row_of):
    _, receipt = die()
    accept()

    assert "under way for this person already" in broken.retry(boss, receipt.request_id)
    assert row_of(receipt.request_id).state == "dead"


def test_a_discarded_one_leaves_the_list_and_stays_dead(broken, die, boss, web, audit_log, row_of, say):
    _, receipt = die()

    answers = [broken.discard(boss, receipt.request_id) for _ in range(2)]

    assert answers[0] is None
    assert "nobody has discarded" in answers[1]
    assert broken.newest(boss) == []
    assert broken.newest(boss, discarded=True)[0].discarded_by == "rosalind"
    assert row_of(receipt.request_id).state == "dead"
    assert Events(web).after(say.HARBOUR, 0)[-1].kind == "action.discarded"
    assert audit_log.entries(boss)[0].kind == "action.discarded"
    assert "nobody has discarded" in broken.retry(boss, receipt.request_id)


def test_without_queue_ops_nobody_decides(broken, die, odalys, row_of):
    _, receipt = die()

    assert "“queue_ops”" in broken.retry(odalys, receipt.request_id)
    assert "“queue_ops”" in broken.discard(odalys, receipt.request_id)
    assert (row_of(receipt.request_id).state, row_of(receipt.request_id).discarded_at) == ("dead", None)


def test_what_failed_or_runs_is_not_tried_again(broken, accept, guard, boss):
    kept, failed = accept()
    guard.ledger.fail(guard.take(kept), FORBIDDEN)
    _, waits = accept(action=Action.NOTE)

    for one in (failed, waits):
        assert "only a request that gave up" in broken.retry(boss, one.request_id)
        assert "only a request that gave up" in broken.discard(boss, one.request_id)


def test_the_request_of_another_guild_is_not_reached(broken, die, boss, row_of, say):
    _, receipt = die(guild_id=say.MEADOW, moderator_id=say.PELL)

    assert broken.retry(boss, receipt.request_id) is not None
    assert broken.discard(boss, receipt.request_id) is not None
    assert row_of(receipt.request_id, say.MEADOW).discarded_at is None
