"""What operators watch, over all guilds."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.exc import ProgrammingError

from kovra.guard.outcome import Failure, FailureKind
from kovra.ids import UserId
from kovra.store.operations import Operations

LATELY = timedelta(minutes=5)


def test_waiting_requests_are_counted_by_state_with_the_age_of_the_oldest(accept, worker, guard, clock):
    accept(target_id=UserId(1_001))
    clock.forward(seconds=30)
    accept(target_id=UserId(1_002))
    guard.take(accept(target_id=UserId(1_003))[0])
    clock.forward(seconds=10)

    waiting = {found.state: found for found in Operations(worker).waiting()}

    assert (waiting["accepted"].requests, waiting["accepted"].oldest_s) == (2, 40.0)
    assert (waiting["executing"].requests, waiting["executing"].oldest_s) == (1, 10.0)
    assert (waiting["applied"].requests, waiting["applied"].oldest_s) == (0, 0.0)


def test_a_deferred_request_is_not_old_before_it_is_due(accept, worker, guard, clock):
    kept, _ = accept()
    guard.ledger.give_back(guard.take(kept), delay_s=60)
    clock.forward(seconds=50)

    [accepted] = [found for found in Operations(worker).waiting() if found.state == "accepted"]

    assert accepted.oldest_s == 0.0


def test_each_step_tells_how_long_it_took_lately(accept, worker, guard, clock):
    guard.carry(accept(target_id=UserId(1_001))[0])
    clock.forward(minutes=6)
    for seconds in (1, 3):
        kept, _ = accept(target_id=UserId(1_001 + seconds))
        clock.forward(seconds=seconds)
        guard.carry(kept)

    steps = {found.step: found for found in Operations(worker).steps(LATELY)}

    assert steps["queue"].requests == 2
    assert steps["queue"].p50_s == pytest.approx(2.0)
    assert steps["queue"].p95_s == pytest.approx(2.9)
    assert set(steps) == {"queue", "check", "notice", "effect", "case", "post", "whole"}


def test_outcomes_lately_say_what_nobody_knows(accept, worker, guard):
    guard.carry(accept(target_id=UserId(1_001))[0])
    claim = guard.take(accept(target_id=UserId(1_002))[0])
    guard.ledger.fail(claim, Failure(kind=FailureKind.UNCONFIRMED, sentence="Discord did not answer."))

    outcomes = Operations(worker).outcomes(LATELY)

    assert (outcomes["done"], outcomes["failed"], outcomes["unconfirmed"]) == (1, 1, 1)
    assert (outcomes["taken_again"], outcomes["replays"]) == (0, 0)


@pytest.mark.parametrize("role", ["web", "bot"])
def test_only_the_worker_may_ask_over_all_guilds(role, request):
    operations = Operations(request.getfixturevalue(role))

    with pytest.raises(ProgrammingError, match="permission denied"):
        operations.steps(LATELY)
