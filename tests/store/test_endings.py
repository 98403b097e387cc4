"""What a case does to the ends of its target, in the transaction that writes it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event, text

from kovra.actions.request import MAX_MUTE, Action, Source
from kovra.guard.endings import RENEW_AHEAD
from kovra.store.job_ledger import JobLedger


@pytest.fixture
def ends(owner, say):
    """``ends()`` gives the rows as they stand, oldest first."""

    def read(guild_id=say.HARBOUR):
        with owner.transaction(guild_id) as session:
            return session.execute(text("SELECT * FROM scheduled_ends ORDER BY case_no")).all()

    return read


@pytest.fixture
def do(accept, guard, clock):
    """``do(action, days=…)`` carries an action to its case."""

    def carry(action, *, ends_at=None, days=None, **more):
        end = ends_at or (clock.now() + timedelta(days=days) if days else None)
        params = {"duration_s": int(days * 86_400)} if days else {}
        if action is Action.MUTE and "params" not in more:
            params = params or {"duration_s": 600}
        kept, _ = accept(action=action, **({"params": params} | more))
        return guard.carry(kept, end)

    return carry


def test_a_ban_with_a_duration_leaves_its_end(do, ends, clock, say):
    case = do(Action.BAN, days=7)

    [end] = ends()
    assert (end.request_id, end.guild_id, end.target_id) == (case.request_id, say.HARBOUR, say.QUILLON)
    assert (end.punishment, end.case_no, end.state) == ("ban", case.case_no, "open")
    assert end.ends_at == end.due_at == end.next_at == clock.now() + timedelta(days=7)


@pytest.mark.parametrize("action", [Action.BAN, Action.WARN, Action.KICK, Action.NOTE])
def test_what_does_not_end_leaves_no_end(do, ends, action):
    do(action)

    assert ends() == []


def test_a_mute_is_due_at_its_end_and_a_long_one_before_discord_lets_go(do, ends, clock, say):
    do(Action.MUTE, days=3)
    do(Action.MUTE, days=60, target_id=say.PELL)

    short, long = ends()
    assert short.due_at == short.ends_at == clock.now() + timedelta(days=3)
    assert long.ends_at == clock.now() + timedelta(days=60)
    assert long.due_at == clock.now() + MAX_MUTE - RENEW_AHEAD


def test_case_and_end_are_kept_together_or_not_at_all(accept, guard, ends, clock, owner, say):
    kept, _ = accept(params={"duration_s": 60})
    claim = guard.take(kept)

    def dies(point):
        raise RuntimeError(point)

    guard.ledger._finalising.at = dies
    with pytest.raises(RuntimeError, match="before_finalise_commit"):
        guard.ledger.finalise(claim, standing=guard.standing(claim.request), ends_at=clock.now())

    with owner.transaction(say.HARBOUR) as session:
        assert session.scalars(text("SELECT count(*) FROM mod_cases")).one() == 0
    assert ends() == []


@pytest.mark.parametrize(("begun", "newer"), [(Action.BAN, Action.UNBAN), (Action.MUTE, Action.UNMUTE)])
def test_lifting_by_hand_cancels_the_end(do, ends, begun, newer, clock):
    do(begun, days=7)
    clock.forward(hours=1)

    case = do(newer)

    [end] = ends()
    assert (end.state, end.settled_by, end.settled_at) == ("cancelled", case.request_id, clock.now())


def test_a_permanent_ban_cancels_the_end_of_the_temporary_one(do, ends):
    do(Action.BAN, days=7)

    do(Action.BAN)

    assert [end.state for end in ends()] == ["cancelled"]


@pytest.mark.parametrize("action", [Action.BAN, Action.MUTE])
def test_a_newer_end_takes_the_place_of_the_older(do, ends, action, clock):
    do(action, days=7)
    do(action, days=1)

    older, newer = ends()
    assert (older.state, newer.state) == ("cancelled", "open")
    assert newer.ends_at == clock.now() + timedelta(days=1)


@pytest.mark.parametrize(
    ("begun", "other"),
    [
        (Action.BAN, Action.MUTE),
        (Action.BAN, Action.UNMUTE),
        (Action.BAN, Action.KICK),
        (Action.MUTE, Action.BAN),
        (Action.MUTE, Action.UNBAN),
        (Action.MUTE, Action.WARN),
    ],
)
def test_other_acts_leave_the_end_alone(do, ends, begun, other):
    first = do(begun, days=7)

    do(other)

    assert next(end.state for end in ends() if end.request_id == first.request_id) == "open"


def test_the_end_of_somebody_else_or_elsewhere_is_left_alone(do, ends, say):
    do(Action.BAN, days=7, target_id=say.STRANGER)
    do(Action.BAN, days=7, guild_id=say.MEADOW, moderator_id=say.PELL)

    do(Action.UNBAN)

    assert [end.state for end in (*ends(), *ends(say.MEADOW))] == ["open", "open"]


def test_guards_own_unban_ends_the_ban(do, ends, say):
    first = do(Action.BAN, days=7)

    do(
        Action.UNBAN,
        source=Source.SYSTEM,
        moderator_id=say.GUARD,
        params={"for_case": first.case_no},
    )

    assert [end.state for end in ends()] == ["ended"]


def test_a_renewal_moves_the_end_on_and_leaves_it_open(do, ends, clock, say):
    first = do(Action.MUTE, days=60)
    clock.forward(days=27)

    do(
        Action.MUTE,
        ends_at=first.ends_at,
        source=Source.SYSTEM,
        moderator_id=say.GUARD,
        params={"for_case": first.case_no, "notice": 0},
    )

    [end] = ends()
    assert (end.state, end.case_no, end.ends_at) == ("open", first.case_no, first.ends_at)
    assert end.due_at == end.next_at == clock.now() + MAX_MUTE - RENEW_AHEAD


@pytest.mark.parametrize("days", [None, 7])
def test_an_end_costs_no_trip_more(do, worker, days):
    asked = []
    event.listen(worker.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    do(Action.NOTE)  # what a connection prepares the first time
    do(Action.BAN, days=days)
    asked.clear()
    do(Action.WARN)
    plain = len(asked)
    asked.clear()

    do(Action.BAN, days=days)

    assert len(asked) == plain


def test_the_end_that_is_kept_is_told_with_what_was_so_before(do, accept, guard, clock, say):
    first = do(Action.BAN, days=7)
    kept, _ = accept(
        action=Action.UNBAN, source=Source.SYSTEM, moderator_id=say.GUARD, params={"for_case": first.case_no}
    )

    claim = guard.take(kept)
    end = guard.ledger.kept_end(claim)

    assert (end.request_id, end.ends_at, dict(end.before)) == (first.request_id, first.ends_at, {})


def test_an_end_that_was_replaced_is_kept_no_more(do, accept, guard, say):
    first = do(Action.BAN, days=7)
    do(Action.BAN)
    kept, _ = accept(
        action=Action.UNBAN, source=Source.SYSTEM, moderator_id=say.GUARD, params={"for_case": first.case_no}
    )

    assert guard.ledger.kept_end(guard.take(kept)) is None


def test_a_bulk_ban_cancels_the_ends_it_replaces(do, accept, guard, worker, ends, say):
    do(Action.BAN, days=7)
    do(Action.BAN, days=7, target_id=say.PELL)
    kept, _ = accept()
    claim = guard.take(kept)
    guard.ledger.intend_effect(claim, {})
    ledger = JobLedger(worker, say.AUDIT_KEY, f"worker-{guard.claim_key}", guard.claim_key)

    [case] = ledger.settle([claim], {say.QUILLON: guard.standing(claim.request)})

    replaced, other = ends()
    assert (replaced.state, replaced.settled_by) == ("cancelled", case.request_id)
    assert other.state == "open"
