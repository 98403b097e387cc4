"""Many requests of one moderator, each for itself, kept in one transaction."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import event, text

from kovra.actions.request import Action, Refusal, RefusalKind, State
from kovra.errors import Conflict
from kovra.ids import UserId
from kovra.store.together import Together
from tests.store.jobs import FIRST


@pytest.fixture
def together(web, mirror, say):
    return Together(web, say.AUDIT_KEY)


@pytest.fixture
def some(say):
    """``some(3, Action.UNBAN, …)``: so many requests by Odalys, each about somebody else."""

    def make(count, action=Action.UNBAN, **more):
        return [say.a_request(action=action, target_id=UserId(FIRST + no), **more) for no in range(count)]

    return make


@pytest.fixture
def accept_all(together, say):
    def ask(requests, refusals=None, of=None):
        return (of or together).accept([(say.sealed(one), (refusals or {}).get(one.request_id)) for one in requests])

    return ask


def kinds(receipts):
    return [receipt.refusal and receipt.refusal.kind for receipt in receipts]


def test_each_has_its_row_its_event_and_its_entry_in_the_order_asked(accept_all, some, audit_log, owner, say):
    asked = some(5)
    no = Refusal(kind=RefusalKind.OWNER, sentence="No.")

    receipts = accept_all(asked, {asked[2].request_id: no})

    assert kinds(receipts) == [None, None, RefusalKind.OWNER, None, None]
    with owner.transaction(say.HARBOUR) as session:
        told = session.execute(text("SELECT request_id, kind FROM guild_events ORDER BY seq")).all()
        entries = session.execute(text("SELECT facts->>'request_id', kind FROM audit_log ORDER BY number")).all()
    states = ["queued", "queued", "rejected", "queued", "queued"]
    assert told == [(one.request_id, f"action.{state}") for one, state in zip(asked, states, strict=True)]
    assert [kind for _, kind in entries] == [f"action.{state.replace('queued', 'accepted')}" for state in states]
    assert [found for found, _ in entries] == [str(one.request_id) for one in asked]
    assert audit_log.verify(say.HARBOUR) is None


def test_a_budget_that_is_too_small_is_used_up_in_their_order(web, accept_all, some, say):
    small = Together(web, say.AUDIT_KEY, limits={Action.UNBAN: 3})
    warns = [replace(one, action=Action.WARN) for one in some(2)]

    receipts = accept_all([*some(5), *warns], of=small)

    assert kinds(receipts) == [None, None, None, RefusalKind.BUDGET, RefusalKind.BUDGET, None, None]
    assert "3 of 3 this hour" in receipts[3].refusal.sentence
    assert kinds(accept_all(some(1), of=small)) == [RefusalKind.BUDGET]


def test_who_is_acted_on_already_costs_no_budget_and_says_by_whom(web, requests, accept_all, some, say):
    small = Together(web, say.AUDIT_KEY, limits={Action.UNBAN: 3})
    asked = some(5)
    requests.accept(say.sealed(replace(some(1)[0], moderator_id=say.PELL)), None)

    receipts = accept_all([asked[1], some(2)[1], asked[0], *asked[2:]], of=small)

    assert kinds(receipts) == [None, RefusalKind.RUNNING, RefusalKind.RUNNING, None, None, RefusalKind.BUDGET]
    assert "An unban of" in receipts[1].refusal.sentence
    assert "already queued, asked for by you" in receipts[1].refusal.sentence
    assert "already queued, asked for by pell" in receipts[2].refusal.sentence


def test_a_case_is_taken_back_once_among_many(accept_all, some):
    first, second, other = some(3, params={"reverses": 4})

    receipts = accept_all([first, second, replace(other, params={"reverses": 5})])

    assert kinds(receipts) == [None, RefusalKind.REVERSED, None]


def test_pressed_twice_at_once_each_is_asked_for_once(accept_all, some, count_rows):
    asked = some(60, Action.WARN)

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(accept_all, [asked] * 3))

    assert sorted(all(receipt.replay for receipt in receipts) for receipts in answers) == [False, True, True]
    assert count_rows("SELECT count(*) FROM action_requests") == 60
    assert count_rows("SELECT count(*) FROM audit_log") == 60


def test_what_was_kept_before_is_given_back_and_the_rest_goes_on(accept_all, some, count_rows):
    asked = some(4)
    first = accept_all(asked[:2])

    receipts = accept_all(asked)

    assert [receipt.replay for receipt in receipts] == [True, True, False, False]
    assert [receipt.state for receipt in receipts[:2]] == [receipt.state for receipt in first]
    assert count_rows("SELECT count(*) FROM guild_events") == 4


@pytest.mark.parametrize("refused", [False, True])
def test_an_id_of_another_wish_is_a_conflict_and_nothing_is_kept(requests, accept_all, some, say, count_rows, refused):
    first, second = some(2)
    requests.accept(say.sealed(replace(first, guild_id=say.MEADOW)), None)
    no = Refusal(kind=RefusalKind.OWNER, sentence="No.")

    with pytest.raises(Conflict):
        accept_all([second, first], {first.request_id: no} if refused else None)
    accept_all([second])
    with pytest.raises(Conflict):
        accept_all([replace(second, reason="something else")])

    assert count_rows("SELECT count(*) FROM action_requests WHERE guild_id = :here", here=say.HARBOUR) == 1


def test_many_and_a_mass_action_that_name_the_same_people_do_not_wait_for_ever(
    accept_all, accept_job, a_job, some, say
):
    asked = some(150, moderator_id=say.PELL)
    job = a_job(150, action=Action.UNBAN, targets=tuple(one.target_id for one in reversed(asked)))

    with ThreadPoolExecutor(2) as pool:
        many, mass = pool.submit(accept_all, asked), pool.submit(accept_job, job)
        receipts = [*many.result(), *mass.result().receipts]

    assert sum(receipt.state is State.ACCEPTED for receipt in receipts) == 150
    assert kinds(receipts).count(RefusalKind.RUNNING) == 150


def test_they_are_noted_as_put_on_their_lane(together, accept_all, some, say, count_rows):
    asked = some(3)
    accept_all(asked)

    together.mark_enqueued(say.HARBOUR, [one.request_id for one in asked[:2]])

    assert count_rows("SELECT count(*) FROM action_requests WHERE enqueued_at IS NOT NULL") == 2


def test_sixty_take_as_many_trips_as_two(web, accept_all, some):
    asked = []
    event.listen(web.engine, "before_cursor_execute", lambda *about: asked.append(about[2]))
    accept_all(some(1, Action.WARN))

    trips = []
    for count in (2, 60):
        asked.clear()
        accept_all(some(count, Action.WARN))
        trips.append(len(asked))

    assert trips[0] == trips[1] < 12


def test_what_is_around_many_is_what_is_around_each(roster, accept, guard, say):
    ban, _ = accept()
    case = guard.carry(ban)
    requests = [
        say.a_request(action=Action.UNBAN, params={"reverses": case.case_no}),
        say.a_request(action=Action.VOID, params={"case_no": 99}),
        say.a_request(action=Action.ROLE_ADD, params={"role_id": say.MODERATOR_ROLE}),
        say.a_request(action=Action.LOCK, target_id=say.MOD_LOG),
    ]
    standings = roster.standings(say.HARBOUR, say.ODALYS, [one.target_id for one in requests])

    seen = roster.around_each(requests, standings)

    assert seen == {one.request_id: roster.around(one, standings[one.target_id]) for one in requests}
    assert seen[requests[0].request_id].case.case_no == case.case_no
    assert seen[requests[2].request_id].role is not None
