"""Whose turn a request is: claims, their fences, and what happens when a worker dies."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from kovra.actions import envelope
from kovra.actions.envelope import Key
from kovra.actions.request import Action, State
from kovra.errors import ClaimLost, EnvelopeRefused, Unavailable
from kovra.guard.case import NoticeResult, NoticeStatus, PostResult, PostStatus
from kovra.guard.claim import Claim, NotClaimed
from kovra.guard.outcome import Failure, FailureKind
from kovra.store.events import Events
from kovra.store.liveness import COME_BACK_S, Liveness, new_claim_key

A_FAILURE = Failure(kind=FailureKind.FORBIDDEN, sentence="Discord refused the ban.", code=50013)


def kinds(web, say):
    return [event.kind for event in Events(web).after(say.HARBOUR, 0)]


def test_a_claim_is_the_right_to_execute(accept, guard, row_of, web, say, clock):
    kept, receipt = accept()

    claim = guard.take(kept)

    row = row_of(receipt.request_id)
    assert (claim.request, claim.epoch, claim.attempt, claim.state) == (kept.request, 1, 1, State.EXECUTING)
    assert (claim.now, claim.accepted_at, claim.expires_at) == (clock.now(), clock.now(), kept.expires_at)
    assert (claim.effect_intended, claim.notice, claim.post, claim.case) == (False, None, None, None)
    assert (row.state, row.attempts, row.claim_key) == ("executing", 1, guard.claim_key)
    assert row.claim_until == clock.now() + timedelta(seconds=30)
    assert kinds(web, say) == ["action.queued", "action.running"]


def test_a_request_that_was_never_accepted_is_refused(guard, say, mirror):
    with pytest.raises(EnvelopeRefused) as refused:
        guard.ledger.claim(say.verified(say.sealed(say.a_request())))

    assert refused.value.cause == "unknown_request"


def test_a_signed_request_whose_bytes_differ_from_the_row_is_refused(accept, guard, say, row_of):
    kept, receipt = accept()
    other = say.sealed(say.a_request(request_id=receipt.request_id, reason="something else"))

    with pytest.raises(EnvelopeRefused) as refused:
        guard.ledger.claim(say.verified(other))

    assert refused.value.cause == "row_differs"
    assert row_of(receipt.request_id).state == "accepted"


def test_a_request_of_another_guild_is_unknown_on_this_lane(accept, guard, say):
    _, receipt = accept(guild_id=say.MEADOW, moderator_id=say.PELL)
    here = say.sealed(say.a_request(request_id=receipt.request_id, moderator_id=say.PELL))

    with pytest.raises(EnvelopeRefused) as refused:
        guard.ledger.claim(say.verified(here))

    assert refused.value.cause == "unknown_request"


def test_what_a_living_worker_has_nobody_else_gets(accept, guard, new_worker, say):
    kept, _ = accept()
    guard.take(kept)

    assert new_worker().ledger.claim(say.verified(kept)) is NotClaimed.RUNNING
    assert guard.ledger.claim(say.verified(kept)) is NotClaimed.RUNNING


def test_of_many_workers_one_gets_the_claim(accept, new_worker, say):
    kept, _ = accept()
    workers = [new_worker() for _ in range(8)]
    start = threading.Barrier(8)

    def claim(worker):
        start.wait()
        return worker.ledger.claim(say.verified(kept))

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(claim, workers))

    assert sum(isinstance(result, Claim) for result in results) == 1
    assert {result for result in results if not isinstance(result, Claim)} == {NotClaimed.RUNNING}


@pytest.mark.parametrize("end", ["finish", "fail", "reject", "expire"])
def test_what_has_reached_its_end_is_never_claimed_again(accept, guard, new_worker, say, end):
    kept, _ = accept()
    claim = guard.take(kept)
    if end == "finish":
        guard.apply(claim)
        guard.ledger.finish(claim, PostResult(status=PostStatus.NOT_NEEDED))
    elif end == "fail":
        guard.ledger.fail(claim, A_FAILURE)
    elif end == "reject":
        guard.ledger.reject(claim, say.refusal)
    else:
        guard.ledger.expire(claim)

    assert new_worker().ledger.claim(say.verified(kept)) is NotClaimed.FINISHED


def test_a_request_rejected_on_arrival_is_never_claimed(requests, guard, say):
    kept = say.sealed(say.a_request())
    requests.accept(kept, say.refusal)

    assert guard.ledger.claim(say.verified(kept)) is NotClaimed.FINISHED


def test_one_request_at_a_time_is_executed_on_a_person(accept, guard, new_worker, say, row_of):
    ban, _ = accept(action=Action.BAN)
    unban, second = accept(action=Action.UNBAN)
    claim = guard.take(ban)

    busy = new_worker().ledger.claim(say.verified(unban))
    guard.apply(claim)

    assert busy is NotClaimed.TARGET_BUSY
    assert row_of(second.request_id).state == "accepted"
    assert isinstance(new_worker().ledger.claim(say.verified(unban)), Claim)


def test_of_two_requests_on_a_person_claimed_at_once_one_waits(accept, new_worker, say):
    entries = [accept(action=action)[0] for action in (Action.BAN, Action.UNBAN, Action.KICK, Action.WARN)]
    workers = [new_worker() for _ in entries]
    start = threading.Barrier(len(entries))

    def claim(worker, entry):
        start.wait()
        return worker.ledger.claim(say.verified(entry))

    with ThreadPoolExecutor(len(entries)) as pool:
        results = list(pool.map(claim, workers, entries))

    assert sum(isinstance(result, Claim) for result in results) == 1
    assert {result for result in results if not isinstance(result, Claim)} == {NotClaimed.TARGET_BUSY}


# Fences.


def writes(worker, claim, say):
    ledger = worker.ledger
    return {
        "intend_notice": lambda: ledger.intend_notice(claim),
        "record_notice": lambda: ledger.record_notice(claim, NoticeResult(status=NoticeStatus.SENT)),
        "intend_effect": lambda: ledger.intend_effect(claim, {}),
        "finalise": lambda: ledger.finalise(claim, standing=worker.standing(claim.request), ends_at=None),
        "intend_post": lambda: ledger.intend_post(claim, say.MOD_LOG),
        "finish": lambda: ledger.finish(claim, PostResult(status=PostStatus.SENT)),
        "fail": lambda: ledger.fail(claim, A_FAILURE),
        "reject": lambda: ledger.reject(claim, say.refusal),
        "expire": lambda: ledger.expire(claim),
        "give_back": lambda: ledger.give_back(claim, delay_s=1),
        "put_off": lambda: ledger.put_off(claim, delay_s=1),
    }


WRITES = [
    *("intend_notice", "record_notice", "intend_effect", "finalise", "intend_post", "finish"),
    *("fail", "reject", "expire", "give_back", "put_off"),
]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("applied", [False, True])
def test_whoever_was_overtaken_writes_nothing_more(accept, guard, new_worker, say, clock, row_of, write, applied, web):
    kept, receipt = accept()
    old = guard.take(kept)
    if applied:
        guard.apply(old)
    clock.forward(seconds=31)
    new_worker().take(kept)
    before, told = row_of(receipt.request_id), kinds(web, say)

    with pytest.raises(ClaimLost):
        writes(guard, old, say)[write]()

    assert row_of(receipt.request_id) == before
    assert kinds(web, say) == told


def test_every_write_is_in_the_list_above(guard, say):
    own = {name for name in vars(type(guard.ledger)) if not name.startswith("_")}
    own -= {"claim", "await_key", "kept_end", "hold", "intended", "leave", "free_left", "warm"}

    assert own == set(WRITES) == set(writes(guard, None, say))


def test_a_case_is_written_once_even_when_asked_twice(accept, guard, owner, say):
    kept, _ = accept()
    claim = guard.take(kept)
    guard.apply(claim)

    with pytest.raises(ClaimLost):
        guard.ledger.finalise(claim, standing=guard.standing(claim.request), ends_at=None)

    with owner.transaction(say.HARBOUR) as session:
        assert session.scalars(text("SELECT count(*) FROM mod_cases")).one() == 1


def test_a_claim_whose_time_is_over_may_be_taken_over(accept, guard, new_worker, say, clock):
    kept, _ = accept()
    guard.take(kept)
    clock.forward(seconds=29)
    early = new_worker().ledger.claim(say.verified(kept))
    clock.forward(seconds=2)

    claim = new_worker().take(kept)

    assert early is NotClaimed.RUNNING
    assert (claim.epoch, claim.attempt) == (2, 2)


# Death.


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


def test_after_finalise_only_messages_are_left(accept, guard, new_worker, web, say):
    kept, _ = accept(action=Action.WARN)
    claim = guard.take(kept)
    case = guard.ledger.finalise(claim, standing=guard.standing(claim.request), ends_at=None)
    guard.ledger.intend_post(claim, say.MOD_LOG)

    again = new_worker_takes(guard, new_worker, kept)

    assert (again.state, again.case, again.post) == (State.APPLIED, case, PostStatus.SENDING)
    assert kinds(web, say).count("action.running") == 1


def test_a_request_that_kills_its_workers_is_dead_after_10_attempts(
    accept, new_worker, say, row_of, web, audit_log, odalys
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
    assert kinds(web, say)[-1] == "action.failed"
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
