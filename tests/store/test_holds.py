"""What is kept of the time before: one row while it holds, written and let go with the case."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from kovra.actions.request import Action, Source
from kovra.guard.endings import Rejoined

WAS = {"roles": [7, 8], "meanwhile": [9]}


@pytest.fixture
def holds(owner, say):
    """``holds()`` gives the rows as they stand."""

    def read():
        with owner.transaction(say.HARBOUR) as session:
            return session.execute(text("SELECT * FROM holds")).all()

    return read


@pytest.fixture
def do(accept, guard):
    """``do(action, was=…)`` carries an act to its case."""

    def carry(action, *, was=WAS, ends_at=None, **more):
        kept, _ = accept(action=action, **more)
        claim = guard.take(kept)
        guard.ledger.intend_effect(claim, {"was": was, "want": {"roles": []}, "tries": 1})
        return claim, guard.ledger.finalise(claim, standing=guard.standing(claim.request), ends_at=ends_at)

    return carry


def test_a_quarantine_keeps_what_was_before_it(do, holds, clock, say):
    _, case = do(Action.QUARANTINE)

    [hold] = holds()
    assert (hold.kind, hold.target_id, hold.case_no, hold.was) == ("quarantine", say.QUILLON, case.case_no, WAS)
    assert hold.set_at == clock.now()


def test_a_second_one_holds_by_its_own_case_and_keeps_the_first_state(do, holds):
    do(Action.QUARANTINE)
    _, second = do(Action.QUARANTINE, was={"roles": []})

    [hold] = holds()
    assert (hold.case_no, hold.was) == (second.case_no, WAS)


def test_lifting_lets_go(do, holds, guard):
    claim, _ = do(Action.QUARANTINE)
    assert guard.ledger.hold(claim).was == WAS

    lifting, _ = do(Action.UNQUARANTINE)

    assert holds() == []
    assert guard.ledger.hold(lifting) is None


@pytest.mark.parametrize("action", [Action.BAN, Action.ROLE_ADD, Action.SOFTBAN])
def test_what_cannot_be_taken_back_keeps_nothing(do, holds, action):
    do(action, params={"role_id": 7} if action is Action.ROLE_ADD else {})

    assert holds() == []


def test_who_came_back_since_is_to_be_put_in_again_once(do, mirror, clock, say, accept):
    _, case = do(Action.QUARANTINE)
    mirror.member_gone(say.HARBOUR, say.QUILLON)
    clock.forward(minutes=5)
    joined = say.member_row(say.QUILLON, "quillon", joined_at=clock.now())

    mirror.member(say.HARBOUR, joined)

    [back] = mirror.rejoined(say.HARBOUR, say.QUILLON)
    assert back == Rejoined(
        guild_id=say.HARBOUR,
        target_id=say.QUILLON,
        kind=Action.QUARANTINE,
        request_id=case.request_id,
        case_no=case.case_no,
        now=clock.now(),
        guard_id=say.GUARD,
        joined_at=clock.now(),
        role_id=9,
    )
    clock.forward(seconds=1)
    do(Action.QUARANTINE, source=Source.SYSTEM, moderator_id=say.GUARD, params={"for_case": case.case_no})
    assert mirror.rejoined(say.HARBOUR, None) == []


def test_put_on_again_it_still_ends_with_its_first_case(do, guard, accept, say, clock, holds):
    _, case = do(Action.QUARANTINE, ends_at=clock.now() + timedelta(days=1), params={"duration_s": 86_400})
    again, _ = accept(
        action=Action.QUARANTINE, source=Source.SYSTEM, moderator_id=say.GUARD, params={"for_case": case.case_no}
    )
    claim = guard.take(again)

    kept = guard.ledger.kept_end(claim)
    guard.ledger.intend_effect(claim, {"was": WAS, "tries": 1})
    guard.ledger.finalise(claim, standing=guard.standing(claim.request), ends_at=kept.ends_at)

    assert kept.ends_at == clock.now() + timedelta(days=1)
    [hold] = holds()
    assert (hold.case_no, hold.request_id) == (case.case_no, case.request_id)


def test_one_without_an_end_stands_as_long_as_its_hold(do, guard, accept, say):
    _, case = do(Action.QUARANTINE)
    asked = {"source": Source.SYSTEM, "moderator_id": say.GUARD}
    again, _ = accept(action=Action.QUARANTINE, params={"for_case": case.case_no}, **asked)

    assert guard.ledger.kept_end(guard.take(again)).ends_at is None


def test_what_was_lifted_since_does_not_stand(do, guard, accept, say):
    _, case = do(Action.QUARANTINE)
    do(Action.UNQUARANTINE)
    asked = {"source": Source.SYSTEM, "moderator_id": say.GUARD}
    again, _ = accept(action=Action.QUARANTINE, params={"for_case": case.case_no}, **asked)

    assert guard.ledger.kept_end(guard.take(again)) is None
