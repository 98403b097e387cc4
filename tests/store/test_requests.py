"""Asking: accept, replay, conflict, budget, twins."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from kovra.actions import budget
from kovra.actions.request import Action, Refusal, RefusalKind, Source, State
from kovra.errors import Conflict, Unavailable
from kovra.ids import UserId, new_request_id
from kovra.store.budgets import lock_moderator
from kovra.store.database import Database, enter_guild
from kovra.store.events import Events
from kovra.store.requests import Requests


def at_once(count, work):
    """Run ``work(0) … work(count - 1)`` in as many threads, started together."""
    start = threading.Barrier(count)

    def run(number):
        start.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_an_accepted_request_is_kept_with_the_bytes_that_travel(accept, row_of, say, clock):
    kept, receipt = accept()

    row = row_of(receipt.request_id)

    assert (receipt.state, receipt.refusal, receipt.replay) == (State.ACCEPTED, None, False)
    assert (bytes(row.body), row.kid, row.sig) == (kept.body, kept.kid, kept.sig)
    assert (row.state, row.accepted_at, row.created_at, row.expires_at) == (
        "accepted",
        clock.now(),
        clock.now(),
        kept.expires_at,
    )


def test_an_accepted_request_has_its_event_and_its_audit_entry(accept, web, audit_log, odalys, say):
    _, receipt = accept()

    [event] = Events(web).after(say.HARBOUR, 0)
    [entry] = audit_log.entries(odalys)

    assert (event.seq, event.kind, event.request_id) == (1, "action.queued", receipt.request_id)
    assert event.facts == {
        "request_id": str(receipt.request_id),
        "action": "ban",
        "target_id": str(say.QUILLON),
        "moderator_id": str(say.ODALYS),
        "state": "accepted",
        "source": "dashboard",
    }
    assert (entry.number, entry.kind, entry.actor_id) == (1, "action.accepted", say.ODALYS)
    assert entry.facts["request_id"] == str(receipt.request_id)


def test_a_refused_request_is_kept_with_its_refusal_its_event_and_its_audit_entry(
    requests, web, audit_log, odalys, row_of, say
):
    kept = say.sealed(say.a_request())

    receipt = requests.accept(kept, say.refusal)

    row = row_of(receipt.request_id)
    assert (receipt.state, receipt.refusal, receipt.accepted) == (State.REJECTED, say.refusal, False)
    assert (row.state, row.accepted_at, row.refusal_kind) == ("rejected", None, "outranked")
    assert [event.kind for event in Events(web).after(say.HARBOUR, 0)] == ["action.rejected"]
    [entry] = audit_log.entries(odalys)
    assert (entry.kind, entry.facts["action"], entry.facts["refusal"]) == ("action.rejected", "ban", "outranked")


def test_the_same_request_again_gives_the_first_receipt_and_adds_nothing(accept, requests, web, audit_log, odalys, say):
    kept, first = accept()

    again = requests.accept(kept, None)

    assert again.replay
    assert (again.request_id, again.state) == (first.request_id, State.ACCEPTED)
    assert len(Events(web).after(say.HARBOUR, 0)) == len(audit_log.entries(odalys)) == 1


def test_a_replay_shows_where_the_request_stands_now(accept, requests, guard):
    kept, _ = accept()
    guard.carry(kept)

    receipt = requests.accept(kept, None)

    assert (receipt.state, receipt.case_no, receipt.replay) == (State.DONE, 1, True)


def test_a_refused_request_asked_again_gets_the_same_refusal(requests, say, clock):
    kept = say.sealed(say.a_request())
    refusal = Refusal(kind=RefusalKind.BUDGET, sentence="Used up.", until=clock.now() + timedelta(minutes=5))
    requests.accept(kept, refusal)

    again = requests.accept(kept, None)

    assert (again.state, again.refusal, again.replay) == (State.REJECTED, refusal, True)


@pytest.mark.parametrize(
    "change",
    [
        {"target_id": UserId(1)},
        {"action": Action.KICK},
        {"reason": "other"},
        {"moderator_id": UserId(2)},
        {"params": {"delete_window_s": 60}},
        {"source": Source.DISCORD},
    ],
)
def test_one_id_for_two_wishes_is_a_conflict(accept, requests, say, change):
    kept, _ = accept()
    other = say.a_request(request_id=kept.request.request_id, **change)

    with pytest.raises(Conflict):
        requests.accept(say.sealed(other), None)


def test_an_id_of_another_guild_is_a_conflict_without_a_word_about_it(accept, requests, say):
    kept, _ = accept(guild_id=say.MEADOW, moderator_id=say.PELL)
    other = say.a_request(request_id=kept.request.request_id)

    with pytest.raises(Conflict) as conflict:
        requests.accept(say.sealed(other), None)

    assert str(conflict.value) == "this request id was used before for something else"


def test_the_moment_it_was_asked_does_not_make_another_wish(accept, requests, say):
    kept, _ = accept()
    later = say.a_request(request_id=kept.request.request_id, issued_at=say.NOON + timedelta(seconds=9))

    assert requests.accept(say.sealed(later), None).replay


def test_a_double_click_is_accepted_once(requests, web, say):
    kept = say.sealed(say.a_request())

    receipts = at_once(8, lambda _: requests.accept(kept, None))

    assert sorted(receipt.replay for receipt in receipts) == [False] + [True] * 7
    assert {receipt.state for receipt in receipts} == {State.ACCEPTED}
    assert len(Events(web).after(say.HARBOUR, 0)) == 1


def test_a_second_moderator_is_told_that_it_is_already_queued(accept, requests, say):
    _, first = accept()

    second = requests.accept(say.sealed(say.a_request(moderator_id=say.PELL)), None)

    assert (second.state, second.refusal.kind) == (State.REJECTED, RefusalKind.RUNNING)
    assert second.refusal.sentence == (
        f"A ban of Brass Key is already queued, asked for by Odalys (request {first.request_id}). "
        "Nothing was added; wait for its result."
    )


def test_a_second_tab_is_told_that_it_is_running_for_you(accept, requests, guard, say):
    kept, first = accept()
    guard.take(kept)

    _, second = accept()

    assert f"is already running, asked for by you (request {first.request_id})" in second.refusal.sentence


def test_of_twins_at_once_one_is_accepted(requests, say, mirror):
    moderators = [UserId(say.PELL + number) for number in range(8)]

    receipts = at_once(
        8, lambda n: requests.accept(say.sealed(say.a_request(moderator_id=moderators[n], reason=str(n))), None)
    )

    assert sorted(receipt.state for receipt in receipts) == ["accepted"] + ["rejected"] * 7
    assert {receipt.refusal.kind for receipt in receipts if receipt.refusal} == {RefusalKind.RUNNING}


@pytest.mark.parametrize("action", [Action.WARN, Action.NOTE])
def test_warnings_and_notes_of_one_person_may_wait_beside_each_other(accept, action):
    assert accept(action=action)[1].accepted
    assert accept(action=action)[1].accepted


def test_another_action_on_the_same_person_may_wait_beside_it(accept):
    assert accept(action=Action.BAN)[1].accepted
    assert accept(action=Action.UNBAN)[1].accepted


def test_once_its_twin_is_applied_the_same_may_be_asked_again(accept, guard):
    kept, _ = accept()
    guard.apply(guard.take(kept))

    assert accept()[1].accepted


def spend(requests, say, count, **changes):
    """Ask for bans of ``count`` different people; gives the receipts."""
    return [
        requests.accept(say.sealed(say.a_request(target_id=UserId(1_000 + number), **changes)), None)
        for number in range(count)
    ]


def test_the_one_above_the_budget_is_refused_with_the_time_it_frees_up(web, mirror, say, clock):
    requests = Requests(web, say.AUDIT_KEY, {Action.BAN: 3})
    spend(requests, say, 1)
    clock.forward(minutes=10)
    spend(requests, say, 3, moderator_id=say.ODALYS, reason="more")
    refused = requests.accept(say.sealed(say.a_request()), None)

    assert (refused.state, refused.refusal.kind) == (State.REJECTED, RefusalKind.BUDGET)
    assert refused.refusal.until == say.NOON + timedelta(hours=1)
    assert refused.refusal.sentence == (
        "Not queued: your ban budget is used up, 3 of 3 this hour. It frees up at 13:00 UTC."
    )


def test_the_171st_ban_of_an_hour_is_refused(requests, say, clock):
    receipts = spend(requests, say, 171)

    assert [receipt.accepted for receipt in receipts] == [True] * 170 + [False]
    assert receipts[-1].refusal.until == clock.now() + budget.WINDOW


def test_a_place_is_free_again_after_an_hour(web, mirror, say, clock):
    requests = Requests(web, say.AUDIT_KEY, {Action.BAN: 1})
    first, second = spend(requests, say, 2)
    clock.forward(hours=1)

    third = requests.accept(say.sealed(say.a_request()), None)

    assert [receipt.accepted for receipt in (first, second, third)] == [True, False, True]


def test_a_refused_request_costs_no_budget(web, mirror, say):
    requests = Requests(web, say.AUDIT_KEY, {Action.BAN: 1})
    requests.accept(say.sealed(say.a_request()), say.refusal)

    assert requests.accept(say.sealed(say.a_request()), None).accepted


def test_each_moderator_action_and_guild_has_a_budget_of_its_own(web, mirror, say):
    requests = Requests(web, say.AUDIT_KEY, {Action.BAN: 1, Action.KICK: 1})
    requests.accept(say.sealed(say.a_request(target_id=UserId(1))), None)

    others = [
        say.a_request(moderator_id=say.PELL),
        say.a_request(action=Action.KICK),
        say.a_request(guild_id=say.MEADOW),
    ]

    assert all(requests.accept(say.sealed(request), None).accepted for request in others)


def test_notes_cost_nothing_and_guard_has_no_moderators_budget(web, mirror, say):
    requests = Requests(web, say.AUDIT_KEY, {Action.BAN: 0})

    note = requests.accept(say.sealed(say.a_request(action=Action.NOTE)), None)
    automod = requests.accept(say.sealed(say.a_request(source=Source.AUTOMOD, moderator_id=say.GUARD)), None)

    assert note.accepted
    assert automod.accepted


def test_a_guild_may_change_its_budgets(requests, owner, say):
    with owner.transaction(say.HARBOUR) as session:
        session.execute(
            text("INSERT INTO guild_settings (guild_id, budgets, changed_at) VALUES (:g, '{\"ban\": 2}', now())"),
            {"g": say.HARBOUR},
        )

    assert [receipt.accepted for receipt in spend(requests, say, 3)] == [True, True, False]


def test_twenty_tabs_at_once_are_granted_exactly_the_budget(requests, owner, say):
    """Twenty times ten bans with 170 left: exactly 170 are accepted, 30 refused, and each is in the audit log."""

    def ten(tab):
        return [
            requests.accept(say.sealed(say.a_request(target_id=UserId(1_000 + tab * 10 + number))), None)
            for number in range(10)
        ]

    receipts = [receipt for tab in at_once(20, ten) for receipt in tab]

    assert sum(receipt.accepted for receipt in receipts) == 170
    assert {receipt.refusal.kind for receipt in receipts if receipt.refusal} == {RefusalKind.BUDGET}
    with owner.transaction(say.HARBOUR) as session:
        kinds = session.execute(text("SELECT kind, count(*) FROM audit_log GROUP BY kind ORDER BY kind")).all()
    assert kinds == [("action.accepted", 170), ("action.rejected", 30)]


def count_after_waiting(database, isolation, say):
    """Count the spent budget after waiting for the moderator's lock, while another accept holds it and commits."""
    seen: list[int] = []

    def second():
        with Session(database.engine.execution_options(isolation_level=isolation)) as session:
            enter_guild(session, say.HARBOUR)
            lock_moderator(session, say.HARBOUR, say.ODALYS)
            seen.append(session.scalars(text("SELECT count(*) FROM action_requests")).one())

    thread = threading.Thread(target=second)
    with database.transaction(say.HARBOUR) as session:
        lock_moderator(session, say.HARBOUR, say.ODALYS)
        session.execute(
            text(
                "INSERT INTO action_requests (request_id, guild_id, action, target_id, moderator_id, source, body, kid,"
                " sig, fingerprint, state, issued_at, created_at, expires_at)"
                " VALUES (:id, :g, 'ban', 1, 1, 'dashboard', '', '', '', '', 'accepted', now(), now(), now())"
            ),
            {"id": new_request_id(), "g": say.HARBOUR},
        )
        thread.start()
        deadline = time.monotonic() + 30
        waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        while session.scalars(waiting).one() == 0:
            assert time.monotonic() < deadline, "the second accept never waited for the lock"
    thread.join()
    return seen[0]


def test_a_budget_counted_under_repeatable_read_would_miss_what_was_just_spent(web, say):
    """The snapshot is older than the lock, so the last free place would be given twice."""
    assert count_after_waiting(web, "REPEATABLE READ", say) == 0


def test_a_budget_counted_under_read_committed_sees_what_was_just_spent(web, say):
    assert count_after_waiting(web, "READ COMMITTED", say) == 1


def test_what_the_lane_took_is_noted_once(accept, requests, row_of, clock):
    _, receipt = accept()
    requests.mark_enqueued(receipt)
    clock.forward(seconds=5)
    requests.mark_enqueued(receipt)

    assert row_of(receipt.request_id).enqueued_at == clock.now() - timedelta(seconds=5)


def test_accept_is_all_or_nothing(requests, owner, row_of, web, say):
    """When the audit entry cannot be written, there is no request either."""
    with owner.transaction(None) as session:
        session.execute(text("REVOKE INSERT ON audit_log FROM kovra_web"))
    kept = say.sealed(say.a_request())
    try:
        with pytest.raises(Exception, match="permission denied for table audit_log"):
            requests.accept(kept, None)
    finally:
        with owner.transaction(None) as session:
            session.execute(text("GRANT INSERT ON audit_log TO kovra_web"))

    assert requests.progress(say.HARBOUR, kept.request.request_id) is None
    assert Events(web).after(say.HARBOUR, 0) == []


def test_a_database_that_is_away_is_unavailable(say):
    nowhere = Database("postgresql://kovra_owner@/kovra?host=/nowhere", role="kovra_web")

    with pytest.raises(Unavailable):
        Requests(nowhere, say.AUDIT_KEY).accept(say.sealed(say.a_request()), None)


def test_the_status_of_a_request_says_what_a_moderator_needs(accept, requests, guard, odalys, say):
    kept, receipt = accept()
    queued = requests.status(odalys, receipt.request_id)
    guard.carry(kept)
    done = requests.status(odalys, receipt.request_id)

    assert (queued.state, queued.case_no, queued.target_name, queued.sentence) == ("accepted", None, "Brass Key", None)
    assert (done.state, done.case_no, done.notice, done.post) == ("done", 1, "sent", "sent")


def test_the_status_of_a_refused_request_carries_its_sentence(requests, odalys, say):
    receipt = requests.accept(say.sealed(say.a_request()), say.refusal)

    status = requests.status(odalys, receipt.request_id)

    assert (status.state, status.sentence, status.refusal) == ("rejected", say.refusal.sentence, say.refusal)


def test_the_status_of_a_request_of_another_guild_is_not_told(accept, requests, odalys, say):
    _, receipt = accept(guild_id=say.MEADOW, moderator_id=say.PELL)

    assert requests.status(odalys, receipt.request_id) is None
    assert requests.status(odalys, new_request_id()) is None
