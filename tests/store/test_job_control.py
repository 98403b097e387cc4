"""Pause, go on, cancel: what people decide of a job is a row, and the executor reads it."""

from __future__ import annotations

import pytest

from kovra.actions import envelope
from kovra.actions.job import Chunk, JobState, seal_chunk
from kovra.actions.request import Action, State
from kovra.errors import EnvelopeRefused
from kovra.store.job_backlog import JobBacklog
from kovra.store.job_control import JobControl
from kovra.store.job_ledger import JobLedger
from kovra.store.jobs import Jobs


@pytest.fixture
def control(web, mirror, say):
    return JobControl(web, say.AUDIT_KEY)


@pytest.fixture
def pen(guard, worker, say):
    """The executor's pen of a living worker."""
    return JobLedger(worker, say.AUDIT_KEY, owner="worker", claim_key=guard.claim_key)


@pytest.fixture
def part(say):
    def of(job, number=0):
        return seal_chunk(Chunk(guild_id=job.guild_id, batch_id=job.batch_id, number=number), say.KEYS["web"])

    return of


@pytest.fixture
def open_all(pen, part, say):
    """``open_all(job)`` gives the requests of a chunk that may be claimed now, their seals checked."""

    def ask(job, number=0):
        sealed = part(job, number)
        keys = {key.kid: key for key in say.KEYS.values()}
        work = pen.open(sealed.chunk, sealed.body)
        return [envelope.open_envelope(e.body, e.kid, e.sig, keys=keys, lane=job.guild_id) for e in work.entries]

    return ask


def standings(roster, claims):
    first = claims[0].request
    return roster.standings(first.guild_id, first.moderator_id, [claim.request.target_id for claim in claims])


def test_a_paused_job_hands_out_nothing_and_goes_on_where_it_was(accept_job, a_job, control, odalys, open_all):
    job = a_job(3)
    accept_job(job)

    assert control.change(odalys, job.batch_id, JobState.PAUSED) is JobState.PAUSED
    assert open_all(job) == []
    assert control.change(odalys, job.batch_id, JobState.RUNNING) is JobState.RUNNING
    assert len(open_all(job)) == 3


def test_a_cancelled_job_cancels_what_waits_and_stays_cancelled(
    accept_job, a_job, control, odalys, pen, open_all, count_rows
):
    job = a_job(5)
    accept_job(job)
    pen.claim_all(open_all(job)[:2])

    control.change(odalys, job.batch_id, JobState.CANCELLED)

    assert control.change(odalys, job.batch_id, JobState.RUNNING) is JobState.CANCELLED
    assert control.card(odalys, job.batch_id).counts == {State.CANCELLED: 3, State.EXECUTING: 2}
    assert count_rows("SELECT count(*) FROM guild_events WHERE kind = 'action.cancelled'") == 3
    assert count_rows("SELECT count(*) FROM audit_log WHERE kind = 'action.cancelled'") == 3
    assert count_rows("SELECT count(*) FROM audit_log WHERE kind = 'job.cancelled'") == 1


def test_what_is_given_back_after_the_cancelling_is_cancelled_too(accept_job, a_job, control, odalys, pen, open_all):
    job = a_job(5)
    accept_job(job)
    claims = pen.claim_all(open_all(job))
    control.change(odalys, job.batch_id, JobState.CANCELLED)
    pen.give_back_all(claims, delay_s=0)

    assert open_all(job) == []
    assert control.card(odalys, job.batch_id).counts == {State.CANCELLED: 5}


def test_what_may_have_been_done_is_carried_to_its_end(accept_job, a_job, control, odalys, pen, open_all):
    job = a_job(5)
    accept_job(job)
    claims, _ = pen.intend_all(pen.claim_all(open_all(job)), 1)
    control.change(odalys, job.batch_id, JobState.CANCELLED)
    pen.give_back_all(claims, delay_s=-1, intent_stays=True)

    assert len(open_all(job)) == 5


def test_every_decision_is_audited_once(accept_job, a_job, control, odalys, count_rows):
    job = a_job(2)
    accept_job(job)

    for wanted in (JobState.PAUSED, JobState.PAUSED, JobState.RUNNING):
        control.change(odalys, job.batch_id, wanted)

    assert count_rows("SELECT count(*) FROM audit_log WHERE kind IN ('job.paused', 'job.resumed')") == 2


def test_a_job_of_another_server_is_not_there(accept_job, a_job, control, guilds, say):
    job = a_job(2)
    accept_job(job)
    next_door = guilds.scope(say.PELL, say.MEADOW)

    assert control.change(next_door, job.batch_id, JobState.CANCELLED) is None
    assert control.card(next_door, job.batch_id) is None
    assert control.targets(next_door, job.batch_id) == []


def test_one_chunk_is_settled_with_gapless_numbers_and_a_chain_that_holds(
    accept_job, a_job, pen, open_all, roster, owner, control, odalys, say
):
    from kovra.store.casebook import Casebook

    job = a_job(30)
    accept_job(job)
    claims, _ = pen.intend_all(pen.claim_all(open_all(job)), 1)

    cases = pen.settle(claims, standings(roster, claims))

    assert [case.case_no for case in cases] == list(range(1, 31))
    assert Casebook(owner, say.AUDIT_KEY).verify(say.HARBOUR) is None
    assert {case.batch_id for case in cases} == {job.batch_id}
    assert control.card(odalys, job.batch_id).counts == {State.DONE: 30}


def test_who_lost_a_claim_settles_nothing(accept_job, a_job, pen, open_all, roster, count_rows, guard):
    """Each request of a chunk has its own fence: what somebody else took over is left to them."""
    job = a_job(4)
    accept_job(job)
    claims = pen.claim_all(open_all(job))
    pen.give_back_all(claims[:1], delay_s=-1)
    again = pen.claim_all(open_all(job))

    cases = pen.settle(claims, standings(roster, claims))

    assert [claim.request_id for claim in again] == [claims[0].request_id]
    assert len(cases) == 3
    assert count_rows("SELECT count(*) FROM mod_cases") == 3
    assert len(pen.settle(again, standings(roster, again))) == 1


def test_a_claim_is_had_by_one(accept_job, a_job, pen, open_all):
    job = a_job(4)
    accept_job(job)
    wanted = open_all(job)

    assert len(pen.claim_all(wanted)) == 4
    assert pen.claim_all(wanted) == []


def test_a_target_that_somebody_acts_on_is_left_for_later(accept_job, a_job, pen, open_all, guard, requests, say):
    job = a_job(3)
    accept_job(job)
    other = say.sealed(say.a_request(action=Action.UNBAN, target_id=job.targets[1]))
    requests.accept(other, None)
    guard.take(other)

    claims = pen.claim_all(open_all(job))

    assert [claim.request.target_id for claim in claims] == [job.targets[0], job.targets[2]]


def test_a_chunk_without_a_record_is_refused(accept_job, a_job, pen, part):
    job = a_job(3)
    with pytest.raises(EnvelopeRefused, match="unknown_request"):
        pen.open(part(job).chunk, part(job).body)
    accept_job(job)
    with pytest.raises(EnvelopeRefused, match="row_differs"):
        pen.open(part(job).chunk, part(job, 1).body)


class TestRelay:
    """A chunk that nobody carries is brought back; one that somebody does, or that rests on purpose, is not."""

    @pytest.fixture
    def overdue(self, worker):
        backlog = JobBacklog(worker)
        return lambda: [(one.batch_id, one.number) for one in backlog.overdue()]

    def test_a_chunk_that_never_came_is_brought_and_not_twice_at_once(self, accept_job, a_job, overdue, clock):
        job = a_job(3)
        accept_job(job)
        assert overdue() == []
        clock.forward(seconds=3)

        assert [overdue(), overdue()] == [[(job.batch_id, 0)], []]
        clock.forward(seconds=3)
        assert overdue() == [(job.batch_id, 0)]

    def test_a_paused_job_rests(self, accept_job, a_job, overdue, clock, control, odalys):
        job = a_job(3)
        accept_job(job)
        control.change(odalys, job.batch_id, JobState.PAUSED)
        clock.forward(hours=2)

        assert overdue() == []
        control.change(odalys, job.batch_id, JobState.RUNNING)
        assert overdue() == [(job.batch_id, 0)]

    def test_a_paused_job_runs_out_of_time_all_the_same(self, accept_job, a_job, overdue, clock, control, odalys):
        job = a_job(3)
        accept_job(job)
        control.change(odalys, job.batch_id, JobState.PAUSED)
        clock.forward(hours=25)

        assert overdue() == [(job.batch_id, 0)]

    def test_what_somebody_carries_is_left_alone_until_they_are_gone(
        self, accept_job, a_job, overdue, clock, pen, open_all
    ):
        job = a_job(3)
        accept_job(job)
        pen.claim_all(open_all(job))
        clock.forward(seconds=20)
        assert overdue() == []
        clock.forward(seconds=20)

        assert overdue() == [(job.batch_id, 0)]


def test_a_rest_is_what_nobody_has_stood_in_for(web, accept_job, a_job, control, odalys, say):
    job = a_job(3)
    accept_job(job, of=Jobs(web, say.AUDIT_KEY, limits={Action.BAN: 1}))
    rest = control.releasable(control.targets(odalys, job.batch_id))
    assert [one.target_id for one in rest] == list(job.targets[1:])

    accept_job(a_job(targets=(rest[0].target_id,), releases=(rest[0].request_id,), moderator_id=say.PELL))

    assert control.releasable(control.targets(odalys, job.batch_id)) == rest[1:]


def test_a_chunk_is_known_by_its_very_bytes(accept_job, a_job, pen, part):
    """A worker that does not know its key leaves it to one that does, and nothing else."""
    job = a_job(2)
    accept_job(job)
    sealed = part(job)
    entry = {"body": sealed.body, "kid": sealed.kid, "sig": sealed.sig}

    assert pen.keeps(job.guild_id, **entry)
    assert not pen.keeps(job.guild_id, **(entry | {"sig": "0" * 64}))
    assert not pen.keeps(job.guild_id, **(entry | {"body": part(job, 1).body}))
