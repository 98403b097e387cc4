"""What the relay brings back to the lanes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from kovra.ids import UserId
from kovra.store.backlog import MOST, Backlog
from kovra.store.job_backlog import JobBacklog


def overdue_ids(backlog):
    return [found.request_id for found in backlog.overdue(10)]


def test_what_is_not_claimed_within_2_seconds_is_overdue_with_its_sealed_bytes(accept, requests, worker, clock):
    kept, receipt = accept()
    requests.mark_enqueued(receipt)
    clock.forward(seconds=1.9)
    fresh = Backlog(worker).overdue(10)
    clock.forward(seconds=0.2)

    [late] = Backlog(worker).overdue(10)

    assert fresh == []
    assert (late.request_id, late.guild_id, late.target_id) == (
        receipt.request_id,
        kept.request.guild_id,
        kept.request.target_id,
    )
    assert (bytes(late.body), late.kid, late.sig) == (kept.body, kept.kid, kept.sig)


def test_what_nobody_noted_on_its_lane_is_overdue_after_half_a_second(accept, worker, clock):
    _, receipt = accept()
    clock.forward(seconds=0.4)
    fresh = overdue_ids(Backlog(worker))
    clock.forward(seconds=0.2)

    assert (fresh, overdue_ids(Backlog(worker))) == ([], [receipt.request_id])


def test_what_the_relay_was_given_is_not_given_again_for_2_seconds(accept, worker, clock):
    _, receipt = accept()
    clock.forward(seconds=3)
    first, second = overdue_ids(Backlog(worker)), overdue_ids(Backlog(worker))
    clock.forward(seconds=2.1)

    assert (first, second, overdue_ids(Backlog(worker))) == ([receipt.request_id], [], [receipt.request_id])


def test_a_long_lane_does_not_hide_what_no_lane_has(accept, worker, clock):
    """As many as wait for their turn, and are looked at again and again, nobody stands behind them."""
    for number in range(30):
        accept(target_id=UserId(1_000 + number))
    backlog = Backlog(worker)
    clock.forward(seconds=3)
    while overdue_ids(backlog):
        clock.forward(seconds=0.1)
    _, lost = accept(target_id=UserId(9))
    clock.forward(seconds=3)

    assert overdue_ids(backlog)[0] == lost.request_id


def test_a_guild_whose_lane_is_full_is_left_out(accept, worker, clock, say):
    accept()
    _, other = accept(guild_id=say.MEADOW, moderator_id=say.PELL)
    clock.forward(seconds=3)

    assert [row.request_id for row in Backlog(worker).overdue(10, but=[say.HARBOUR])] == [other.request_id]


def test_two_relays_share_the_overdue_rows(accept, worker, clock, say):
    expected = {accept(target_id=UserId(1_000 + number))[1].request_id for number in range(20)}
    clock.forward(seconds=3)
    start = threading.Barrier(4)

    def tick(_):
        start.wait()
        return overdue_ids(Backlog(worker)) + overdue_ids(Backlog(worker))

    with ThreadPoolExecutor(4) as pool:
        given = [request_id for ids in pool.map(tick, range(4)) for request_id in ids]

    assert len(given) == len(set(given))
    assert set(given) <= expected


def test_a_deferred_request_is_overdue_when_it_is_due(accept, worker, guard, clock):
    kept, receipt = accept()
    guard.ledger.give_back(guard.take(kept), delay_s=10)
    clock.forward(seconds=9)
    early = overdue_ids(Backlog(worker))
    clock.forward(seconds=1)

    assert (early, overdue_ids(Backlog(worker))) == ([], [receipt.request_id])


@pytest.mark.parametrize("applied", [False, True])
def test_what_a_dead_worker_began_is_overdue_once_it_is_freed(accept, worker, guard, new_worker, clock, applied):
    kept, receipt = accept()
    dying = new_worker()
    claim = dying.take(kept)
    if applied:
        dying.apply(claim)
    dying.liveness.release()
    before = overdue_ids(Backlog(worker))

    guard.liveness.free_dead_claims()

    assert (before, overdue_ids(Backlog(worker))) == ([], [receipt.request_id])


def test_what_somebody_is_executing_is_not_overdue_until_the_claim_is_over(accept, worker, guard, clock):
    kept, receipt = accept()
    guard.take(kept)
    clock.forward(seconds=29)
    running = overdue_ids(Backlog(worker))
    clock.forward(seconds=2)

    assert (running, overdue_ids(Backlog(worker))) == ([], [receipt.request_id])


def test_overdue_rows_come_from_every_guild_oldest_first(accept, worker, clock, say):
    _, one = accept()
    clock.forward(seconds=1)
    _, two = accept(guild_id=say.MEADOW, moderator_id=say.PELL)
    clock.forward(seconds=3)

    assert overdue_ids(Backlog(worker)) == [one.request_id, two.request_id]


def test_what_has_ended_is_not_overdue(accept, worker, guard, requests, clock, say):
    guard.carry(accept()[0])
    requests.accept(say.sealed(say.a_request(target_id=UserId(5))), say.refusal)
    clock.forward(hours=2)

    assert overdue_ids(Backlog(worker)) == []


CROWD = text(
    "INSERT INTO action_requests (request_id, guild_id, action, target_id, moderator_id, source, body, kid, sig,"
    " fingerprint, state, issued_at, created_at, accepted_at, expires_at, relayed_at)"
    " SELECT gen_random_uuid(), :guild, 'warn', n, 1, 'dashboard', repeat('x', 600)::bytea, '', '', '', 'accepted',"
    " at, at, at, at + interval '1 hour', CASE WHEN :relayed THEN at END"
    " FROM generate_series(1, 3000) AS n, (SELECT cast(:at AS timestamptz) AS at) AS noon"
)
READ = text("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'action_requests'")


@pytest.mark.parametrize(("relayed", "late_s", "most"), [(False, 3, MOST), (True, 3, MOST), (True, 1, 0)])
def test_a_look_reads_no_more_than_it_gives_however_much_waits(connect, owner, clock, say, relayed, late_s, most):
    with owner.transaction(say.HARBOUR) as session:
        session.execute(CROWD, {"guild": say.HARBOUR, "relayed": relayed, "at": clock.now()})
    with owner.connect_alone() as line:
        line.exec_driver_sql("ANALYZE action_requests")  # as PostgreSQL does by itself soon
    clock.forward(seconds=late_s)
    worker = connect("kovra_worker", pool_size=1, max_overflow=0, clock=clock)

    def read():
        worker.once(None, text("SELECT pg_stat_force_next_flush()"))
        return owner.once(None, READ)[0][0]

    before = read()
    given = Backlog(worker).overdue()
    JobBacklog(worker).overdue()

    assert len(given) == most
    # What is given was found, locked and marked.
    assert read() - before <= 4 * max(1, most)
