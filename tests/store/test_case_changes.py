"""Changes of cases: the case, its end, its thread and the chain, in one transaction."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from kovra.actions.request import Action
from kovra.errors import ClaimLost
from kovra.guard.case_acts import change_of
from kovra.store.case_thread import Threads
from kovra.store.casebook import Casebook


@pytest.fixture
def a_case(accept, guard, clock):
    def make(action=Action.BAN, *, ends_at=None, **more):
        kept, _ = accept(action=action, **more)
        return guard.carry(kept, ends_at)

    return make


@pytest.fixture
def change(accept, guard, roster):
    """``change(action, case, …)`` carries an act on a case to its end."""

    def carry(action, case, *, reason="", close=True, **params):
        kept, _ = accept(action=action, reason=reason, params={"case_no": case.case_no, **params})
        claim = guard.take(kept)
        standing = roster.around(claim.request, guard.standing(claim.request))
        found = guard.ledger.amend(claim, standing=standing, change=change_of(claim, guard.ledger.case(claim)))
        if close:
            guard.ledger.close(claim)
        return claim, found

    return carry


@pytest.fixture
def threads(web):
    return Threads(web)


@pytest.fixture
def ends(owner, say):
    def read():
        with owner.transaction(say.HARBOUR) as session:
            return session.execute(text("SELECT * FROM scheduled_ends ORDER BY case_no")).all()

    return read


@pytest.fixture
def whole(owner, say):
    """Whether both chains are as they were written."""

    def verify():
        cases = Casebook(owner, say.AUDIT_KEY).verify(say.HARBOUR)
        return cases, Threads(owner).verify(say.HARBOUR, say.AUDIT_KEY)

    return verify


def test_an_amended_reason_stands_on_the_case_and_the_thread_says_what_it_was(a_case, change, threads, odalys, whole):
    case = a_case()

    _, found = change(Action.AMEND, case, reason="Scam, not spam")

    [entry] = threads.of(odalys, case.case_no)
    assert found.reason == "Scam, not spam"
    assert (entry.before, entry.after) == ({"reason": case.reason}, {"reason": "Scam, not spam"})
    assert (entry.kind, entry.author_id, entry.number) == (Action.AMEND, case.moderator_id, 1)
    assert whole() == (None, None)


def test_a_new_length_counts_from_the_beginning_and_moves_the_end(a_case, change, ends, clock, whole):
    first = clock.now() + timedelta(hours=1)
    case = a_case(ends_at=first, params={"duration_s": 3600})
    clock.forward(minutes=10)

    _, found = change(Action.AMEND, case, duration_s=7200)

    [end] = ends()
    assert found.ends_at == end.ends_at == end.next_at == case.created_at + timedelta(hours=2)
    assert whole() == (None, None)


def test_a_ban_for_good_gets_an_end_and_loses_it_again(a_case, change, ends):
    case = a_case()

    change(Action.AMEND, case, duration_s=7200)
    assert [(end.state, end.case_no) for end in ends()] == [("open", case.case_no)]

    _, found = change(Action.AMEND, case, duration_s=0)
    assert (found.ends_at, [end.state for end in ends()]) == (None, ["cancelled"])

    change(Action.AMEND, case, duration_s=9000)
    assert [end.state for end in ends()] == ["open"]


def test_a_case_is_voided_and_stays(a_case, change, threads, odalys, owner, say, whole):
    case = a_case()

    _, found = change(Action.VOID, case, reason="Wrong person")

    assert found.voided
    assert [(entry.kind, entry.text) for entry in threads.of(odalys, case.case_no)] == [(Action.VOID, "Wrong person")]
    assert whole() == (None, None)


def test_a_dm_that_was_sent_again_is_what_the_case_says(a_case, accept, guard, roster, owner, say):
    from kovra.guard.case import NoticeResult, NoticeStatus

    case = a_case()
    kept, _ = accept(action=Action.RESEND, reason="", params={"case_no": case.case_no})
    claim = guard.take(kept)
    guard.ledger.intend_notice(claim)
    guard.ledger.record_notice(claim, NoticeResult(status=NoticeStatus.REFUSED, text="again", code=50007))

    guard.ledger.amend(claim, standing=guard.standing(claim.request), change=change_of(claim, case))

    with owner.transaction(say.HARBOUR) as session:
        row = session.execute(text("SELECT notice_status, notice_code, notice_text FROM mod_cases")).one()
    assert tuple(row) == ("refused", 50007, "again")


def test_entries_of_two_cases_are_one_chain(a_case, change, whole, say):
    one, other = a_case(), a_case(target_id=say.PELL)
    change(Action.COMMENT, one, reason="first")
    kept = change  # the second is about somebody else

    kept(Action.COMMENT, one, reason="second")

    assert other.case_no == 2
    assert whole() == (None, None)


@pytest.mark.parametrize(
    ("tampered", "found"),
    [
        ("UPDATE mod_cases SET reason = 'nothing at all' WHERE case_no = 1", (1, None)),
        ("UPDATE mod_cases SET reason = 'nothing at all' WHERE case_no = 2", (2, None)),
        ("UPDATE case_thread SET text = 'nice' WHERE number = 2", (None, 2)),
        ("""UPDATE case_thread SET before = '{"reason": "x"}' WHERE number = 1""", (1, 1)),
        ("DELETE FROM case_thread WHERE number = 2", (None, 2)),
    ],
)
def test_whoever_writes_in_the_tables_is_found(a_case, change, whole, owner, say, tampered, found):
    case = a_case()
    change(Action.AMEND, case, reason="Scam")
    change(Action.COMMENT, case, reason="seen before")
    a_case(Action.WARN)
    assert whole() == (None, None)

    with owner.transaction(say.HARBOUR) as session:
        session.execute(text(tampered))

    assert whole() == found


def test_an_act_makes_no_case_and_two_events(a_case, change, owner, say):
    case = a_case()

    claim, _ = change(Action.COMMENT, case, reason="seen before")

    with owner.transaction(say.HARBOUR) as session:
        kinds = session.scalars(
            text("SELECT kind FROM guild_events WHERE request_id = :id ORDER BY seq"), {"id": claim.request_id}
        ).all()
        cases = session.scalars(text("SELECT count(*) FROM mod_cases")).one()
    assert kinds == ["action.queued", "action.running", "case.updated", "action.done"]
    assert cases == 1


def test_who_was_overtaken_changes_nothing(a_case, accept, guard, new_worker, threads, odalys, clock):
    case = a_case()
    kept, _ = accept(action=Action.COMMENT, reason="seen before", params={"case_no": case.case_no})
    claim = guard.take(kept)
    clock.forward(seconds=60)
    new_worker().take(kept)

    with pytest.raises(ClaimLost):
        guard.ledger.amend(claim, standing=guard.standing(claim.request), change=change_of(claim, case))

    assert threads.of(odalys, case.case_no) == []


def test_what_the_doors_see_of_a_case(a_case, change, roster, guard, accept, clock, say):
    def seen(case):
        kept, _ = accept(action=Action.COMMENT, reason="?", params={"case_no": case.case_no})
        return roster.around(kept.request, guard.standing(kept.request)).case

    ban = a_case(ends_at=clock.now() + timedelta(hours=1), params={"duration_s": 3600})
    clock.forward(seconds=90)
    assert (seen(ban).holds, seen(ban).age_s, seen(ban).voided) == (True, 90, False)
    warn = a_case(Action.WARN, target_id=say.PELL)
    assert not seen(warn).holds
    unban = a_case(Action.UNBAN)
    assert (seen(ban).holds, seen(unban).holds) == (False, False)
