"""The scheduler at work on real rows: what is due is asked for once, whoever asks and whoever dies."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from kovra.actions.envelope import open_envelope
from kovra.actions.request import MAX_MUTE, Action, RefusalKind, Source, State
from kovra.guard.endings import FIRST_PAUSE, LOOK_AGAIN, OVERDUE_AFTER, RENEW_AHEAD
from kovra.guard.outcome import Failure, FailureKind
from kovra.ids import UserId
from kovra.queue.scheduler import Scheduler
from kovra.store.events import Events
from kovra.store.schedule import LEASE, Schedule


class Died(BaseException):
    pass


class Lanes:
    """What was put on the lanes, and whom the bulletin told."""

    def __init__(self):
        self.messages, self.rings, self.away = [], [], False

    def offer(self, message):
        if self.away:
            return False
        self.messages.append(message)
        return True

    def ring(self, guild_id):
        self.rings.append(guild_id)


@pytest.fixture
def lanes():
    return Lanes()


@pytest.fixture
def scheduler(worker, roster, lanes, say):
    """``scheduler(at=…)`` is one more scheduler on the same rows."""

    def build(at=lambda _: None):
        return Scheduler(
            schedule=Schedule(worker, say.AUDIT_KEY, at=at),
            roster=roster,
            outbox=lanes,
            bulletin=lanes,
            signing_key=say.KEYS["guard"],
            at=at,
        )

    return build


@pytest.fixture
def punish(accept, guard, clock):
    """``punish(action, days)``: done now, to end by itself."""

    def carry(action=Action.BAN, days=1.0, **more):
        kept, _ = accept(action=action, params={"duration_s": int(days * 86_400)}, **more)
        return guard.carry(kept, clock.now() + timedelta(days=days))

    return carry


@pytest.fixture
def rows(owner, say):
    def read(table, guild_id=say.HARBOUR):
        with owner.transaction(guild_id) as session:
            return session.execute(text(f"SELECT * FROM {table}")).all()

    return read


@pytest.fixture
def asked(rows, say):
    """``asked()``: the requests that Guard made itself, as they stand."""
    return lambda: [row for row in rows("action_requests") if row.source == "system"]


@pytest.fixture
def carry_out(guard, say):
    """``carry_out(row)`` executes one of them."""

    def run(row, ends_at=None):
        return guard.apply(guard.ledger.claim(opened(row, say)), ends_at)

    return run


@pytest.fixture
def after_a_failure(punish, scheduler, asked, guard, clock, say):
    """``after_a_failure(kind)``: a ban has run out, and the first try to lift it failed so."""

    def run(kind):
        punish(days=1)
        clock.forward(days=1)
        scheduler().tick()
        [row] = asked()
        guard.ledger.fail(guard.ledger.claim(opened(row, say)), Failure(kind=kind, sentence="It did not work."))
        clock.forward(seconds=LOOK_AGAIN.total_seconds())
        scheduler().tick()

    return run


def opened(row, say):
    keys = {key.kid: key for key in say.KEYS.values()}
    return open_envelope(bytes(row.body), row.kid, row.sig, keys=keys, lane=row.guild_id)


def test_nothing_is_asked_before_its_time(punish, scheduler, asked, clock):
    punish(days=1)
    clock.forward(hours=23, minutes=59)

    assert scheduler().tick() == 0
    assert asked() == []


def test_what_is_due_is_asked_for_in_guards_name(punish, scheduler, asked, lanes, clock, say, web, audit_log, odalys):
    case = punish(days=1)
    clock.forward(days=1)

    assert scheduler().tick() == 1

    [row] = asked()
    assert (row.action, row.state, row.moderator_id, row.target_id) == ("unban", "accepted", say.GUARD, say.QUILLON)
    request = opened(row, say).request
    assert (request.source, request.for_case) == (Source.SYSTEM, case.case_no)
    assert [message.message_id for message in lanes.messages] == [str(row.request_id)]
    assert lanes.rings == [say.HARBOUR]
    assert Events(web).after(say.HARBOUR, 0)[-1].kind == "action.queued"
    assert audit_log.entries(odalys)[0].facts["source"] == "system"


def test_an_end_asks_once_and_its_case_closes_it(punish, scheduler, asked, carry_out, clock, rows):
    punish(days=1)
    clock.forward(days=1)
    scheduler().tick()

    carry_out(asked()[0])

    clock.forward(days=3)
    assert scheduler().tick() == 0
    assert len(asked()) == 1
    assert [end.state for end in rows("scheduled_ends")] == ["ended"]


def test_two_schedulers_never_ask_twice(punish, scheduler, asked, clock):
    for number in range(20):
        punish(days=1, target_id=UserId(310_000_000_000_000_000 + number))
    clock.forward(days=1)
    start = threading.Barrier(4)

    def tick(_):
        mine = scheduler()
        start.wait()
        return mine.tick() + mine.tick()

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(tick, range(4)))

    clock.forward(seconds=LEASE.total_seconds())
    left = scheduler().tick()
    assert sum(counts) + left == 20
    assert len({row.target_id for row in asked()}) == len(asked()) == 20


@pytest.mark.parametrize("point", ["end_selected", "before_end_commit", "after_end_commit"])
def test_a_scheduler_that_dies_leaves_it_to_the_next(punish, scheduler, asked, clock, point):
    punish(days=1)
    clock.forward(days=1)

    def dies(name):
        if name == point:
            raise Died

    with pytest.raises(Died):
        scheduler(dies).tick()
    before = len(asked())
    clock.forward(seconds=LEASE.total_seconds())
    scheduler().tick()

    assert before == (1 if point == "after_end_commit" else 0)
    assert len(asked()) == 1


def test_an_end_that_was_settled_meanwhile_is_not_asked_for(punish, scheduler, asked, accept, guard, clock):
    punish(days=1)
    clock.forward(days=1)

    def lifted(name):
        if name == "end_selected":
            kept, _ = accept(action=Action.UNBAN)
            guard.carry(kept)

    assert scheduler(lifted).tick() == 0
    assert asked() == []


def test_a_lane_that_is_away_loses_nothing(punish, scheduler, asked, lanes, clock):
    punish(days=1)
    clock.forward(days=1)
    lanes.away = True

    assert scheduler().tick() == 1
    assert [row.state for row in asked()] == ["accepted"]


def test_an_unban_that_already_waits_is_not_doubled(punish, scheduler, asked, accept, clock):
    punish(days=1)
    clock.forward(days=1)
    accept(action=Action.UNBAN)

    assert scheduler().tick() == 0
    assert asked() == []


def test_a_refused_attempt_is_on_record_and_tried_again_later(punish, scheduler, asked, mirror, clock, say):
    punish(days=1)
    clock.forward(days=1)
    mirror.member_gone(say.HARBOUR, say.GUARD)

    scheduler().tick()
    first = [(row.state, row.refusal_kind) for row in asked()]
    clock.forward(seconds=FIRST_PAUSE.total_seconds() - 1)
    scheduler().tick()
    early = len(asked())
    mirror.member(say.HARBOUR, say.member_row(say.GUARD, "guard", 400_000_000_000_000_002, bot=True))
    clock.forward(seconds=2)
    scheduler().tick()

    assert first == [("rejected", RefusalKind.GUARD_ABSENT.value)]
    assert early == 1
    assert sorted(row.state for row in asked()) == ["accepted", "rejected"]


def test_a_failed_attempt_is_made_again_after_a_pause(after_a_failure, scheduler, asked, clock):
    after_a_failure(FailureKind.FORBIDDEN)
    paused = len(asked())

    clock.forward(seconds=FIRST_PAUSE.total_seconds())
    scheduler().tick()

    assert paused == 1
    assert sorted(row.state for row in asked()) == ["accepted", "failed"]


def test_a_ban_that_was_lifted_elsewhere_is_over(after_a_failure, scheduler, asked, clock, rows):
    after_a_failure(FailureKind.NOT_BANNED)

    clock.forward(days=1)
    scheduler().tick()

    assert [end.state for end in rows("scheduled_ends")] == ["ended"]
    assert len(asked()) == 1


def test_a_long_mute_is_renewed_until_its_end(punish, scheduler, asked, carry_out, clock, rows):
    first = punish(Action.MUTE, days=60)
    renewed = []
    while clock.now() < first.ends_at:
        clock.forward(days=1)
        if scheduler().tick():
            row = next(row for row in asked() if row.state == State.ACCEPTED.value)
            carry_out(row, first.ends_at)
            renewed.append(clock.now())

    [end] = rows("scheduled_ends")
    assert end.state == "ended"
    # Discord never lets go before Guard has renewed, and after the last renewal it holds to the end by itself.
    reaches = [first.created_at, *renewed]
    assert all(later - earlier < MAX_MUTE for earlier, later in zip(reaches, reaches[1:], strict=False))
    assert first.ends_at - renewed[-1] <= MAX_MUTE
    assert len(renewed) == 2


def test_a_mute_that_discord_ends_is_settled_without_an_act(punish, scheduler, asked, clock, rows, web, say):
    case = punish(Action.MUTE, days=1)
    clock.forward(days=1)

    scheduler().tick()

    assert asked() == []
    assert [end.state for end in rows("scheduled_ends")] == ["ended"]
    told = Events(web).after(say.HARBOUR, 0)[-1]
    assert (told.kind, told.facts["case_no"]) == ("case.updated", case.case_no)


def test_somebody_who_left_is_not_muted_and_not_overdue(punish, scheduler, asked, mirror, clock, worker, odalys, say):
    punish(Action.MUTE, days=60)
    mirror.member_gone(say.HARBOUR, say.QUILLON)
    clock.at += MAX_MUTE - RENEW_AHEAD + timedelta(hours=2)

    assert scheduler().tick() == 0
    assert asked() == []
    assert Schedule(worker, say.AUDIT_KEY).overdue(odalys) == []


def test_a_guild_nobody_knows_does_not_hold_up_the_others(punish, scheduler, asked, clock, owner, say):
    punish(days=1, guild_id=say.MEADOW, moderator_id=say.PELL)
    punish(days=1)
    clock.forward(days=1)
    with owner.transaction(say.MEADOW) as session:
        session.execute(text("DELETE FROM guilds"))

    assert scheduler().tick() == 1
    assert len(asked()) == 1


def test_what_is_late_is_overdue_oldest_first_and_of_this_guild_only(punish, clock, worker, odalys, say):
    punish(days=2)
    punish(days=1, target_id=say.STRANGER)
    punish(days=1, guild_id=say.MEADOW, moderator_id=say.PELL)
    schedule = Schedule(worker, say.AUDIT_KEY)
    clock.forward(days=2)
    punctual = [late.target_id for late in schedule.overdue(odalys)]
    clock.at += OVERDUE_AFTER + timedelta(seconds=1)

    late = schedule.overdue(odalys)

    assert punctual == [say.STRANGER]
    assert [(end.target_id, end.punishment) for end in late] == [(say.STRANGER, "ban"), (say.QUILLON, "ban")]
    assert late[1].target_name == "Brass Key"
