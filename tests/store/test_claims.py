"""Whose turn a request is: claims, their fences, and what happens when a worker dies."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from kovra.actions.request import Action, State
from kovra.errors import ClaimLost, EnvelopeRefused
from kovra.guard.case import NoticeResult, NoticeStatus, PostResult, PostStatus
from kovra.guard.claim import Claim, NotClaimed
from kovra.guard.outcome import Failure, FailureKind

A_FAILURE = Failure(kind=FailureKind.FORBIDDEN, sentence="Discord refused the ban.", code=50013)


def test_a_claim_is_the_right_to_execute(accept, guard, row_of, clock, kinds):
    kept, receipt = accept()

    claim = guard.take(kept)

    row = row_of(receipt.request_id)
    assert (claim.request, claim.epoch, claim.attempt, claim.state) == (kept.request, 1, 1, State.EXECUTING)
    assert (claim.now, claim.accepted_at, claim.expires_at) == (clock.now(), clock.now(), kept.expires_at)
    assert (claim.effect_intended, claim.notice, claim.post, claim.case) == (False, None, None, None)
    assert (row.state, row.attempts, row.claim_key) == ("executing", 1, guard.claim_key)
    assert row.claim_until == clock.now() + timedelta(seconds=30)
    assert kinds() == ["action.queued", "action.running"]


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
def test_whoever_was_overtaken_writes_nothing_more(
    accept, guard, new_worker, say, clock, row_of, write, applied, kinds
):
    kept, receipt = accept()
    old = guard.take(kept)
    if applied:
        guard.apply(old)
    clock.forward(seconds=31)
    new_worker().take(kept)
    before, told = row_of(receipt.request_id), kinds()

    with pytest.raises(ClaimLost):
        writes(guard, old, say)[write]()

    assert row_of(receipt.request_id) == before
    assert kinds() == told


def test_every_write_is_in_the_list_above(guard, say):
    own = {name for name in vars(type(guard.ledger)) if not name.startswith("_")}
    own -= {"claim", "await_key", "kept_end", "hold", "intended", "leave", "free_left", "warm"}
    # What Discord said of a member is true whoever heard it; nothing of the request is written.
    own -= {"dms_are_closed"}

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
