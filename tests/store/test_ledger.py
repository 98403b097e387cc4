"""What executing leaves: results, gapless numbers, and the chain of cases."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from sqlalchemy import text

from kovra.actions.request import Action, Refusal, RefusalKind, State
from kovra.guard.case import NoticeResult, NoticeStatus
from kovra.guard.claim import NotClaimed
from kovra.guard.outcome import Failure, FailureKind
from kovra.ids import UserId
from kovra.store.casebook import Casebook, numbers_turn
from kovra.store.events import Events
from kovra.store.steps import steps_of

A_FAILURE = Failure(kind=FailureKind.FORBIDDEN, sentence="Discord refused the ban.", code=50013)


def kinds(web, say):
    return [event.kind for event in Events(web).after(say.HARBOUR, 0)]


def test_a_finished_action_is_on_the_case_with_its_messages(accept, guard, owner, say):
    kept, _ = accept()

    guard.carry(kept)

    with owner.transaction(say.HARBOUR) as session:
        case = session.execute(text("SELECT * FROM mod_cases")).one()
    assert (case.state, case.notice_status, case.post_status) == ("done", "sent", "sent")
    assert (case.post_channel_id, case.post_message_id) == (say.MOD_LOG, 9)


def test_a_notice_after_the_case_is_on_the_case_too(accept, guard, owner, say):
    kept, _ = accept(action=Action.WARN)
    claim = guard.take(kept)
    guard.ledger.finalise(claim, standing=guard.standing(claim.request), ends_at=None)

    guard.ledger.record_notice(claim, NoticeResult(status=NoticeStatus.REFUSED, text="You …", code=50007))

    with owner.transaction(say.HARBOUR) as session:
        case = session.execute(text("SELECT notice_status, notice_text, notice_code FROM mod_cases")).one()
    assert case == ("refused", "You …", 50007)


@pytest.mark.parametrize("action", [Action.BAN, Action.WARN])
def test_a_notice_that_was_not_tried_has_no_moment_and_is_no_step(accept, guard, owner, say, action):
    kept, _ = accept(action=action)
    claim = guard.take(kept)
    told = NoticeResult(status=NoticeStatus.NOT_TRIED, code=50007)

    if action is Action.BAN:
        guard.ledger.record_notice(claim, told)
    guard.ledger.finalise(claim, standing=guard.standing(claim.request), ends_at=None)
    if action is Action.WARN:
        guard.ledger.record_notice(claim, told)

    with owner.transaction(say.HARBOUR) as session:
        case = session.execute(text("SELECT notice_status, notice_code, notice_at FROM mod_cases")).one()
        request = session.execute(text("SELECT * FROM action_requests")).one()
    assert case == ("not_tried", 50007, None)
    assert "notice" not in [step.name for step in steps_of(request)]


def test_done_tells_the_case_and_the_notice(accept, guard, web, say):
    kept, receipt = accept()

    guard.carry(kept)

    facts = {event.kind: event.facts for event in Events(web).after(say.HARBOUR, 0)}
    assert facts["case.created"]["case_no"] == 1
    assert (facts["action.done"]["case_no"], facts["action.done"]["notice"]) == (1, "sent")
    assert facts["action.done"]["state"] == "done"


def test_a_failure_is_kept_told_and_audited(accept, guard, row_of, web, audit_log, odalys, say):
    kept, receipt = accept()
    claim = guard.take(kept)

    guard.ledger.fail(claim, A_FAILURE)

    row = row_of(receipt.request_id)
    event = Events(web).after(say.HARBOUR, 0)[-1]
    entry = audit_log.entries(odalys)[0]
    assert (row.state, row.failure_kind, row.failure_sentence, row.failure_code) == (
        "failed",
        "forbidden",
        "Discord refused the ban.",
        50013,
    )
    assert (row.claim_owner, row.case_no) == (None, None)
    assert (event.kind, event.facts["kind"]) == ("action.failed", "forbidden")
    assert (entry.kind, entry.facts["failure"]) == ("action.failed", "forbidden")


def test_a_failure_by_attempts_is_dead(accept, guard, row_of):
    kept, receipt = accept()

    guard.ledger.fail(guard.take(kept), Failure(kind=FailureKind.ATTEMPTS, sentence="Gave up."))

    assert row_of(receipt.request_id).state == "dead"


def test_a_refusal_at_its_turn_is_kept_told_and_audited(accept, guard, requests, web, audit_log, odalys, say):
    kept, receipt = accept()
    refusal = Refusal(kind=RefusalKind.NO_LONGER_MEMBER, sentence="You are no longer a member of this server.")

    guard.ledger.reject(guard.take(kept), refusal)

    again = requests.accept(kept, None)
    assert (again.state, again.refusal) == (State.REJECTED, refusal)
    assert kinds(web, say)[-1] == "action.rejected"
    assert audit_log.entries(odalys)[0].facts["refusal"] == "no_longer_member"


def test_an_expired_request_is_kept_told_and_audited(accept, guard, row_of, web, audit_log, odalys, say):
    kept, receipt = accept()

    guard.ledger.expire(guard.take(kept))

    assert row_of(receipt.request_id).state == "expired"
    assert kinds(web, say)[-1] == "action.expired"
    assert audit_log.entries(odalys)[0].kind == "action.expired"


def test_what_is_given_back_waits_and_forgets_its_intent(accept, guard, row_of, web, say, clock):
    kept, receipt = accept()
    claim = guard.take(kept)
    guard.ledger.intend_effect(claim, {})

    guard.ledger.give_back(claim, delay_s=5)

    row = row_of(receipt.request_id)
    early = guard.ledger.claim(say.verified(kept))
    clock.forward(seconds=5)
    again = guard.take(kept)
    assert (row.state, row.due_at, row.claim_owner) == ("accepted", clock.now(), None)
    assert early is NotClaimed.DEFERRED
    assert (again.effect_intended, again.epoch, again.attempt) == (False, 2, 1)
    assert kinds(web, say)[-2:] == ["action.queued", "action.running"]


def test_an_orderly_return_costs_no_attempt(accept, guard, clock):
    kept, _ = accept()
    for _ in range(20):
        guard.ledger.give_back(guard.take(kept), delay_s=1)
        clock.forward(seconds=1)

    assert guard.take(kept).attempt == 1


# Numbers.


class _Died(Exception):
    pass


def test_numbers_have_no_gaps_whatever_is_rolled_back(accept, guard, owner, web, say):
    """16 threads, every fourth finalise rolled back: cases and events are 1..n, in the order of their commits."""
    entries = [accept(action=Action.WARN, target_id=UserId(1_000 + number))[0] for number in range(96)]
    claims = [guard.take(entry) for entry in entries]
    standing = guard.standing(claims[0].request)
    chance = random.Random(7)
    fails = {claim.request_id for claim in claims if chance.random() < 0.25}

    class Dying:
        """A standing that breaks when it is read, which is after the number was taken."""

        @property
        def target(self):
            raise _Died

    def finalise(claim):
        with suppress(_Died):
            guard.ledger.finalise(claim, standing=Dying() if claim.request_id in fails else standing, ends_at=None)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(finalise, claims))

    with owner.transaction(say.HARBOUR) as session:
        cases = session.scalars(text("SELECT case_no FROM mod_cases ORDER BY case_no")).all()
        by_time = session.scalars(text("SELECT case_no FROM mod_cases ORDER BY created_at, case_no")).all()
    events = Events(web).after(say.HARBOUR, 0)
    created = [event.facts["case_no"] for event in events if event.kind == "case.created"]
    kept = len(claims) - len(fails)
    assert 0 < len(fails) < len(claims)
    assert cases == list(range(1, kept + 1)) == by_time == created
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_who_finishes_in_a_guild_waits_in_line_and_in_another_guild_does_not(accept, guard, owner, say):
    here = guard.take(accept()[0])
    there = guard.take(accept(guild_id=say.MEADOW, moderator_id=say.PELL)[0])
    in_line = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")

    with ThreadPoolExecutor(1) as pool, owner.transaction(say.HARBOUR, first=numbers_turn(say.HARBOUR)) as session:
        session.execute(text("SELECT 1"))
        of_another = guard.apply(there)
        waiting = pool.submit(guard.apply, here)
        while not session.scalars(in_line).one():
            assert not waiting.done()
        session.commit()

        assert (of_another.case_no, waiting.result(10).case_no) == (1, 1)


def test_each_guild_counts_for_itself(accept, guard, say):
    first = guard.carry(accept()[0])
    second = guard.carry(accept(guild_id=say.MEADOW, moderator_id=say.PELL)[0])
    third = guard.carry(accept(action=Action.UNBAN)[0])

    assert [case.case_no for case in (first, second, third)] == [1, 1, 2]


def test_a_failed_action_takes_no_number(accept, guard):
    guard.ledger.fail(guard.take(accept()[0]), A_FAILURE)

    assert guard.carry(accept()[0]).case_no == 1


# The chain of cases.


@pytest.fixture
def three_cases(accept, guard):
    for action in (Action.BAN, Action.UNBAN, Action.WARN):
        guard.carry(accept(action=action)[0])


def test_cases_as_they_were_written_verify(three_cases, worker, say):
    assert Casebook(worker, say.AUDIT_KEY).verify(say.HARBOUR) is None
    assert Casebook(worker, say.AUDIT_KEY).verify(say.MEADOW) is None


@pytest.mark.parametrize(
    ("tampering", "first_broken"),
    [
        ("UPDATE mod_cases SET reason = 'nothing' WHERE case_no = 2", 2),
        ("UPDATE mod_cases SET moderator_id = 5 WHERE case_no = 1", 1),
        ("UPDATE mod_cases SET ends_at = now() WHERE case_no = 3", 3),
        ("DELETE FROM mod_cases WHERE case_no = 2", 2),
        ("DELETE FROM mod_cases WHERE case_no = 3", 3),
        ("UPDATE guild_counters SET last_case = 2", 3),
    ],
)
def test_a_case_that_was_altered_or_removed_is_named(three_cases, owner, worker, say, tampering, first_broken):
    with owner.transaction(say.HARBOUR) as session:
        session.execute(text(tampering))

    assert Casebook(worker, say.AUDIT_KEY).verify(say.HARBOUR) == first_broken
