"""A mass action is accepted at once: what runs, what does not, and why, in one transaction."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest

from kovra.actions.request import Action, Refusal, RefusalKind, State
from kovra.errors import Conflict, Unavailable
from kovra.ids import UserId, new_request_id
from kovra.store.jobs import Jobs
from tests.store.jobs import FIRST


def test_all_rows_are_kept_sealed_and_in_their_chunk(accept_job, a_job, row_of):
    job = a_job(450)

    receipt = accept_job(replace(job, action=Action.NOTE))

    rows = [row_of(one.request_id) for one in receipt.receipts]
    assert receipt.chunks == (0, 1, 2)
    assert [row.chunk for row in rows] == [0] * 200 + [1] * 200 + [2] * 50
    assert {row.batch_id for row in rows} == {job.batch_id}
    assert {row.state for row in rows} == {"accepted"}


def test_a_budget_that_is_too_small_is_used_up_and_the_rest_rejected(accept_job, a_job, count_rows):
    """200 asked with 170 left: 170 accepted, 30 rejected, each refusal in the audit log with the attempted action."""
    receipt = accept_job(a_job(200))

    assert len(receipt.accepted) == 170
    assert [one.refusal.kind for one in receipt.rejected] == [RefusalKind.BUDGET] * 30
    assert (
        count_rows("SELECT count(*) FROM audit_log WHERE kind = 'action.rejected' AND facts->>'action' = 'ban'") == 30
    )
    assert count_rows("SELECT count(*) FROM guild_events WHERE kind = 'action.rejected'") == 30


def test_twenty_mass_actions_at_once_share_one_budget(accept_job, a_job, count_rows):
    wishes = [a_job(10, first=FIRST + 100 * n) for n in range(20)]

    def ask(job):
        """As a door does: a database that is too busy to answer in time is asked the same again."""
        while True:
            with suppress(Unavailable):
                return accept_job(job)

    with ThreadPoolExecutor(20) as pool:
        receipts = list(pool.map(ask, wishes))

    assert sum(len(receipt.accepted) for receipt in receipts) == 170
    assert sum(len(receipt.rejected) for receipt in receipts) == 30
    assert count_rows("SELECT count(*) FROM audit_log WHERE kind = 'action.rejected'") == 30


def test_jobs_that_name_the_same_people_the_other_way_round_do_not_wait_for_each_other_for_ever(accept_job, a_job, say):
    one = a_job(60)
    other = replace(a_job(60), targets=one.targets[::-1], moderator_id=say.PELL)

    with ThreadPoolExecutor(2) as pool:
        receipts = list(pool.map(accept_job, [one, other]))

    assert sum(len(receipt.accepted) for receipt in receipts) == 60
    refusals = [refused.refusal.kind for receipt in receipts for refused in receipt.rejected]
    assert refusals == [RefusalKind.RUNNING] * 60


def test_a_target_that_is_being_banned_already_costs_no_budget(web, mirror, accept_job, a_job, say):
    jobs = Jobs(web, say.AUDIT_KEY, limits={Action.BAN: 4})
    accept_job(a_job(1), of=jobs)

    receipt = accept_job(a_job(5), of=jobs)

    assert [one.refusal and one.refusal.kind for one in receipt.receipts] == [
        RefusalKind.RUNNING, None, None, None, RefusalKind.BUDGET,
    ]  # fmt: skip
    assert "already queued, asked for by you" in receipt.receipts[0].refusal.sentence


def test_a_refused_target_is_refused_alone(accept_job, a_job, row_of):
    job = a_job(3)
    owner = Refusal(kind=RefusalKind.OWNER, sentence="Nobody can ban the owner.")

    receipt = accept_job(job, {job.targets[1]: owner})

    assert [one.state for one in receipt.receipts] == [State.ACCEPTED, State.REJECTED, State.ACCEPTED]
    assert row_of(receipt.receipts[1].request_id).refusal_kind == "owner"


def test_asking_twice_gives_the_first_answer(accept_job, a_job, count_rows):
    job = a_job(200)
    first = accept_job(job)

    second = accept_job(job)

    assert second.replay
    assert [(one.request_id, one.state, one.refusal) for one in second.receipts] == [
        (one.request_id, one.state, one.refusal) for one in first.receipts
    ]
    assert count_rows("SELECT count(*) FROM action_requests") == 200


def test_two_clicks_at_once_make_one_job(accept_job, a_job, count_rows):
    job = a_job(50)

    with ThreadPoolExecutor(4) as pool:
        receipts = list(pool.map(accept_job, [job] * 4))

    assert sorted(receipt.replay for receipt in receipts) == [False, True, True, True]
    assert count_rows("SELECT count(*) FROM action_requests") == 50


@pytest.mark.parametrize(
    "change",
    [{"reason": "other"}, {"targets": (UserId(FIRST),)}, {"action": Action.KICK}, {"params": {"delete_window_s": 5}}],
)
def test_the_id_of_another_wish_is_a_conflict(accept_job, a_job, change):
    job = a_job(3)
    accept_job(job)

    with pytest.raises(Conflict):
        accept_job(replace(job, **change))


def test_the_id_of_a_job_in_another_guild_is_a_conflict(accept_job, a_job, say):
    job = a_job(3)
    accept_job(job)

    with pytest.raises(Conflict):
        accept_job(replace(job, guild_id=say.MEADOW, targets=(UserId(FIRST + 900),)))


def test_nothing_is_kept_when_the_transaction_breaks(accept_job, a_job, count_rows, monkeypatch):
    job = a_job(5)
    with monkeypatch.context() as patch:
        patch.setattr(Jobs, "_announce", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            accept_job(job)

    assert count_rows("SELECT count(*) FROM action_requests") == 0
    assert count_rows("SELECT count(*) FROM jobs") == 0
    assert len(accept_job(job).accepted) == 5


def test_the_chain_of_the_audit_log_holds_over_a_job(accept_job, a_job, audit_log, say):
    accept_job(a_job(200))

    assert audit_log.verify(say.HARBOUR) is None


def test_standings_of_many_are_those_of_each(roster, say):
    targets = [say.QUILLON, say.PELL, say.STRANGER, say.OWNER]

    together = roster.standings(say.HARBOUR, say.ODALYS, targets)

    assert together == {target: roster.standing(say.HARBOUR, say.ODALYS, target) for target in targets}


class TestRelease:
    """What went over a budget is released by a second person, once, on their budget."""

    @pytest.fixture
    def rest(self, web, mirror, accept_job, a_job, say):
        """Two bans by Odalys that went over the budget."""
        job = a_job(3)
        receipt = accept_job(job, of=Jobs(web, say.AUDIT_KEY, limits={Action.BAN: 1}))
        return receipt.rejected

    @pytest.fixture
    def releasing(self, a_job, say):
        def make(rest, by=None, **changes):
            return a_job(
                targets=tuple(one.target_id for one in rest),
                releases=tuple(one.request_id for one in rest),
                moderator_id=by or say.PELL,
                **changes,
            )

        return make

    def test_a_release_is_a_new_request_linked_to_the_first(self, accept_job, rest, releasing, row_of, say):
        receipt = accept_job(releasing(rest))

        row = row_of(receipt.receipts[0].request_id)
        assert len(receipt.accepted) == 2
        assert (row.releases, row.moderator_id) == (rest[0].request_id, say.PELL)
        assert row_of(rest[0].request_id).state == "rejected"

    def test_it_is_on_the_budget_of_who_releases(self, web, accept_job, rest, releasing, say):
        receipt = accept_job(releasing(rest), of=Jobs(web, say.AUDIT_KEY, limits={Action.BAN: 1}))

        assert [one.refusal and one.refusal.kind for one in receipt.receipts] == [None, RefusalKind.BUDGET]

    def test_nobody_releases_their_own(self, accept_job, rest, releasing, say):
        receipt = accept_job(releasing(rest, by=say.ODALYS))

        assert {one.refusal.kind for one in receipt.receipts} == {RefusalKind.OWN_REQUEST}

    def test_what_was_released_is_not_released_again(self, accept_job, rest, releasing, say):
        accept_job(releasing(rest))

        receipt = accept_job(releasing(rest, by=say.OWNER))

        assert {one.refusal.kind for one in receipt.receipts} == {RefusalKind.RELEASED}

    def test_two_who_release_at_once_release_once(self, accept_job, rest, releasing, say):
        with ThreadPoolExecutor(2) as pool:
            receipts = list(pool.map(accept_job, [releasing(rest), releasing(rest, by=say.OWNER)]))

        assert sum(len(receipt.accepted) for receipt in receipts) == 2

    def test_a_refused_release_leaves_it_free(self, web, accept_job, rest, releasing, say):
        nothing_left = Jobs(web, say.AUDIT_KEY, limits={Action.BAN: 0})
        accept_job(releasing(rest), of=nothing_left)

        assert len(accept_job(releasing(rest, by=say.OWNER)).accepted) == 2

    @pytest.mark.parametrize("change", ["accepted", "other_target", "unknown", "a_release"])
    def test_only_what_went_over_a_budget_is_released(self, web, accept_job, a_job, rest, releasing, say, change):
        job = releasing(rest)
        if change == "accepted":
            other = accept_job(a_job(1, first=FIRST + 50)).accepted
            job = releasing(other)
        elif change == "other_target":
            job = replace(job, targets=(UserId(FIRST + 60), UserId(FIRST + 61)))
        elif change == "unknown":
            job = replace(job, releases=(new_request_id(), new_request_id()))
        else:
            refused = accept_job(job, of=Jobs(web, say.AUDIT_KEY, limits={Action.BAN: 0}))
            job = releasing(refused.rejected, by=say.OWNER)

        receipt = accept_job(job)

        assert {one.refusal.kind for one in receipt.receipts} == {RefusalKind.NOT_OVER_BUDGET}
