"""Claims whose worker is dead, gone or was overtaken: who goes on, with what, and how often."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import text

from kovra.actions import envelope
from kovra.actions.envelope import Key
from kovra.actions.request import Action, State
from kovra.errors import ClaimLost, EnvelopeRefused, Unavailable
from kovra.guard.case import NoticeStatus, PostStatus
from kovra.guard.claim import NotClaimed
from kovra.store.liveness import COME_BACK_S, Liveness, new_claim_key


def test_the_claim_of_a_dead_worker_is_taken_at_once(accept, guard, new_worker):
    kept, _ = accept()
    guard.take(kept)
    guard.liveness.release()

    claim = new_worker().take(kept)

    assert (claim.epoch, claim.attempt) == (2, 2)


def test_a_worker_that_lost_its_connection_counts_as_dead_and_is_fenced(accept, guard, new_worker, owner, worker):
    kept, _ = accept()
    old = guard.take(kept)
    with owner.transaction(None) as session:
        holder = text(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND"
            " (classid::bigint << 32) + objid::bigint = :key"
        )
        assert session.scalars(holder, {"key": guard.claim_key}).one()

    new_worker().take(kept)

    with pytest.raises(ClaimLost):
        guard.ledger.intend_effect(old, {})
    guard.liveness.hold()
    with pytest.raises(Unavailable):
        Liveness(worker, guard.claim_key).hold()


def test_what_dead_workers_held_is_freed_in_every_guild(accept, guard, new_worker, row_of, say):
    here, one = accept()
    there, two = accept(guild_id=say.MEADOW, moderator_id=say.PELL)
    applied, three = accept(action=Action.WARN)
    dead, alive = new_worker(), new_worker()
    for kept in (here, there):
        dead.take(kept)
    _, four = accept(target_id=say.STRANGER)
    alive.take(_)
    dead.liveness.release()

    freed = guard.liveness.free_dead_claims()

    assert freed == 2
    assert row_of(one.request_id).claim_owner is None
    assert row_of(two.request_id, say.MEADOW).claim_owner is None
    assert row_of(four.request_id).claim_owner is not None
    assert row_of(three.request_id).claim_owner is None
    assert guard.liveness.free_dead_claims() == 0


def test_whose_lock_is_free_is_dead(guard, new_worker):
    dead, alive = new_worker(), new_worker()
    dead.liveness.release()

    assert guard.liveness.dead({dead.claim_key, alive.claim_key, guard.claim_key}) == {dead.claim_key}


def test_who_lost_its_own_lock_gives_others_the_time_to_take_theirs_again(accept, guard, worker, owner):
    now = [0.0]
    looking = Liveness(worker, new_claim_key(), lambda: now[0])
    looking.hold()
    guard.take(accept()[0])
    with owner.transaction(None) as session:  # as a restart of PostgreSQL does
        session.execute(text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"))

    at_once = looking.free_dead_claims(), looking.dead({guard.claim_key})
    now[0] += COME_BACK_S
    later = looking.dead({guard.claim_key}), looking.free_dead_claims()

    assert at_once == (0, set())
    assert later == ({guard.claim_key}, 1)
    looking.release()


def test_a_claim_that_was_left_is_free_at_once(accept, guard, new_worker):
    kept, _ = accept()
    guard.ledger.leave(guard.take(kept))

    freed = guard.ledger.free_left(), guard.ledger.free_left()

    assert freed == (1, 0)
    assert new_worker().take(kept).epoch == 2


def test_a_claim_that_was_left_and_taken_again_stays_taken(accept, guard, row_of):
    kept, receipt = accept()
    left = guard.take(kept)
    guard.ledger.leave(left)
    guard.ledger.free_left()
    guard.take(kept)
    guard.ledger.leave(left)

    assert guard.ledger.free_left() == 0
    assert row_of(receipt.request_id).claim_owner is not None


def test_a_claim_whose_answer_was_lost_is_freed(accept, guard, new_worker, worker, monkeypatch):
    kept, _ = accept()
    answered = worker.once

    def lost(*args, **how):
        answered(*args, **how)
        raise Unavailable("the connection broke after the commit")

    monkeypatch.setattr(worker, "once", lost)
    with pytest.raises(Unavailable):
        guard.take(kept)
    monkeypatch.undo()

    assert guard.ledger.free_left() == 1
    assert new_worker().take(kept).epoch == 2


def test_what_cannot_be_freed_yet_is_freed_later(accept, guard, new_worker, worker, monkeypatch):
    kept, _ = accept()
    guard.ledger.leave(guard.take(kept))

    def away(*args, **how):
        raise Unavailable("the database does not answer")

    monkeypatch.setattr(worker, "transaction", away)
    with pytest.raises(Unavailable):
        guard.ledger.free_left()
    monkeypatch.undo()

    assert guard.ledger.free_left() == 1


def test_the_loop_that_keeps_the_lock_frees_what_was_left(worker):
    stop, looked = threading.Event(), threading.Event()

    def free_left():
        looked.set()
        stop.set()
        return 0

    with Liveness(worker, new_claim_key(), free_left=free_left) as liveness:
        liveness.run(stop)

    assert looked.is_set()


def test_no_two_processes_hold_one_key(worker):
    key = new_claim_key()
    with Liveness(worker, key), pytest.raises(Unavailable):
        Liveness(worker, key).hold()


def test_the_next_worker_learns_what_was_begun(accept, guard, new_worker, clock, say):
    kept, _ = accept()
    first = guard.take(kept)
    guard.ledger.intend_notice(first)

    intended = new_worker_takes(guard, new_worker, kept)

    assert (intended.notice, intended.notice_at) == (NoticeStatus.SENDING, clock.now())
    assert not intended.effect_intended


def new_worker_takes(dead, new_worker, kept):
    dead.liveness.release()
    return new_worker().take(kept)


def test_the_moment_of_the_first_try_of_a_notice_stays(accept, guard, new_worker, clock):
    kept, _ = accept()
    first_try = clock.now()
    guard.ledger.intend_notice(guard.take(kept))
    clock.forward(seconds=20)
    guard.liveness.release()
    second = new_worker()
    second.ledger.intend_notice(second.take(kept))

    assert new_worker_takes(second, new_worker, kept).notice_at == first_try


def test_an_intent_to_act_is_seen_by_the_next_worker(accept, guard, new_worker):
    kept, _ = accept()
    guard.ledger.intend_effect(guard.take(kept), {"until": None})

    assert new_worker_takes(guard, new_worker, kept).effect_intended


def test_after_finalise_only_messages_are_left(accept, guard, new_worker, say, kinds):
    kept, _ = accept(action=Action.WARN)
    claim = guard.take(kept)
    case = guard.ledger.finalise(claim, standing=guard.standing(claim.request), ends_at=None)
    guard.ledger.intend_post(claim, say.MOD_LOG)

    again = new_worker_takes(guard, new_worker, kept)

    assert (again.state, again.case, again.post) == (State.APPLIED, case, PostStatus.SENDING)
    assert kinds().count("action.running") == 1


def test_a_request_that_kills_its_workers_is_dead_after_10_attempts(
    accept, new_worker, say, row_of, audit_log, odalys, kinds
):
    kept, receipt = accept()
    for _ in range(10):
        worker = new_worker()
        worker.take(kept)
        worker.liveness.release()

    last = new_worker().ledger.claim(say.verified(kept))

    row = row_of(receipt.request_id)
    assert last is NotClaimed.FINISHED
    assert (row.state, row.attempts, row.failure_kind) == ("dead", 10, "attempts")
    assert row.failure_sentence == (
        "Guard began this ban 10 times and was stopped every time, so it gave up. "
        f"Look at {say.QUILLON} in Discord before asking again."
    )
    assert kinds()[-1] == "action.failed"
    assert audit_log.entries(odalys)[0].kind == "action.failed"


def test_a_row_signed_again_with_another_key_is_refused(accept, guard, row_of, say):
    """Whoever holds another key of the ring has the right bytes, but not what was accepted."""
    kept, receipt = accept()
    other = Key(kid="web-2", ring="web", secret=b"2" * 32)
    again = envelope.seal(kept.request, other, kept.expires_at)
    opened = envelope.open_envelope(again.body, again.kid, again.sig, keys={"web-2": other}, lane=say.HARBOUR)

    with pytest.raises(EnvelopeRefused, match="row_differs"):
        guard.ledger.claim(opened)

    assert again.body == kept.body
    assert (row_of(receipt.request_id).state, row_of(receipt.request_id).attempts) == ("accepted", 0)


def test_a_request_whose_key_nobody_here_knows_waits_for_somebody_who_does(accept, guard, clock, row_of, say):
    kept, receipt = accept()

    waits = guard.ledger.await_key(say.HARBOUR, body=kept.body, kid=kept.kid, sig=kept.sig)
    now_not = guard.ledger.claim(say.verified(kept))
    clock.forward(seconds=5)
    later = guard.ledger.claim(say.verified(kept))

    assert waits
    assert now_not is NotClaimed.DEFERRED
    assert later.state is State.EXECUTING


@pytest.mark.parametrize("part", ["body", "kid", "sig", "lane"])
def test_only_a_true_copy_waits_for_its_key(accept, guard, row_of, say, part):
    kept, receipt = accept()
    copy = {"body": kept.body, "kid": kept.kid, "sig": kept.sig} | (
        {part: b"x" if part == "body" else "x"} if part != "lane" else {}
    )

    assert not guard.ledger.await_key(say.MEADOW if part == "lane" else say.HARBOUR, **copy)
    assert row_of(receipt.request_id).due_at is None
