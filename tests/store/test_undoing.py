"""What there is to take back, and that it is taken back once."""

from __future__ import annotations

import threading

import pytest

from kovra.actions.request import Action, RefusalKind
from kovra.store.undoing import Undoing


@pytest.fixture
def undoing(web, say):
    return Undoing(web, say.AUDIT_KEY)


@pytest.fixture
def a_case(accept, guard):
    def make(action=Action.BAN, **more):
        kept, _ = accept(action=action, **more)
        return guard.carry(kept)

    return make


def test_a_moderators_acts_are_found_newest_first_and_what_waits_with_them(undoing, a_case, accept, say, clock):
    a_case(target_id=say.PELL)
    clock.forward(minutes=20)
    ban = a_case()
    kick = a_case(Action.KICK, target_id=say.PELL)
    waiting, _ = accept(action=Action.WARN)
    accept(action=Action.WARN, moderator_id=say.PELL)

    found = undoing.by_moderator(say.HARBOUR, say.ODALYS, 10, 50)

    assert [(one.case_no, one.action, one.holds) for one in found.cases] == [
        (kick.case_no, Action.KICK, None),
        (ban.case_no, Action.BAN, True),
    ]
    assert found.waiting == [waiting.request.request_id]
    assert not found.more
    assert undoing.by_moderator(say.HARBOUR, say.ODALYS, 10, 1).more


def test_what_was_taken_back_says_by_which_case_and_is_not_taken_back_itself(undoing, a_case, say):
    ban = a_case()

    back = a_case(Action.UNBAN, params={"reverses": ban.case_no})

    found = undoing.by_moderator(say.HARBOUR, say.ODALYS, 10, 50).cases
    assert [(one.case_no, one.reversed_by, one.holds) for one in found] == [(ban.case_no, back.case_no, False)]
    assert back.reverses == ban.case_no


def test_taking_back_twice_is_refused_whoever_asks_at_once(requests, a_case, say):
    ban = a_case()
    receipts, start = [], threading.Barrier(4)

    def ask(reason):
        request = say.a_request(action=Action.UNBAN, params={"reverses": ban.case_no}, reason=reason)
        start.wait()
        receipts.append(requests.accept(say.sealed(request), None))

    threads = [threading.Thread(target=ask, args=(f"reason {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(receipt.accepted for receipt in receipts) == 1
    kinds = {receipt.refusal.kind for receipt in receipts if receipt.refusal}
    assert kinds <= {RefusalKind.REVERSED, RefusalKind.RUNNING}


def test_done_once_it_is_not_asked_for_again(requests, a_case, say):
    ban = a_case()
    a_case(Action.UNBAN, params={"reverses": ban.case_no})

    again = requests.accept(say.sealed(say.a_request(action=Action.UNBAN, params={"reverses": ban.case_no})), None)

    assert again.refusal.kind is RefusalKind.REVERSED


def test_what_came_to_nothing_may_be_asked_for_again(undoing, accept, a_case, say, requests):
    ban = a_case()
    first, _ = accept(action=Action.UNBAN, params={"reverses": ban.case_no})
    undoing.cancel(say.HARBOUR, [first.request.request_id], say.ODALYS)

    again = requests.accept(say.sealed(say.a_request(action=Action.UNBAN, params={"reverses": ban.case_no})), None)

    assert again.accepted
