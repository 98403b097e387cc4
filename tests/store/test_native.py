"""What was done in Discord becomes cases, each once, in order, and Guard's own deeds do not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

from kovra.actions import envelope
from kovra.actions.request import Action, State
from kovra.guard import native as deeds
from kovra.guard.native import NativeEntry
from kovra.guard.outcome import Failure, FailureKind
from kovra.ids import DISCORD_EPOCH_MS, audit_ref
from kovra.store.casebook import Casebook
from kovra.store.cases import Cases
from kovra.store.native import Native
from kovra.store.native_inbox import NativeInbox


@pytest.fixture
def inbox(bot, mirror):
    return NativeInbox(bot)


@pytest.fixture
def hear(inbox, say, clock):
    """``hear(kind, …)``: the bot hears an entry that was made now."""
    heard = []

    def keep(kind=deeds.BAN, ago_s=0, **facts):
        made_ms = round((clock.now() - timedelta(seconds=ago_s)).timestamp() * 1000)
        known = {"guild_id": say.HARBOUR, "actor_id": say.PELL, "target_id": say.QUILLON} | facts
        entry = NativeEntry(audit_id=(made_ms - DISCORD_EPOCH_MS << 22) + len(heard), kind=kind, **known)
        heard.append(entry)
        inbox.keep(entry.guild_id, [entry], entry.audit_id)
        return entry

    return keep


@pytest.fixture
def native(worker, say):
    return Native(worker, say.AUDIT_KEY, {key.kid: key for key in say.KEYS.values()})


@pytest.fixture
def capture(native, say):
    """A worker looks at what was heard, as often as there is something to look at."""

    def seal(request, now):
        return envelope.seal(request, say.KEYS["guard"], now + timedelta(hours=1))

    def look():
        return [sealed for guild_id in native.waiting() for sealed in native.capture(guild_id, seal)]

    return look


@pytest.fixture
def read(owner, say):
    def ask(statement, **values):
        with owner.transaction(say.HARBOUR) as session:
            return session.execute(text(statement), values).all()

    return ask


def test_an_entry_heard_twice_is_one_case(hear, inbox, capture, read, say, clock):
    entry = hear(reason="raid")
    capture()
    inbox.keep(say.HARBOUR, [entry], None)  # read again after a restart
    clock.forward(seconds=5)

    assert capture() == []

    [case] = read("SELECT * FROM mod_cases")
    assert (case.case_no, case.action, case.moderator_id, case.source) == (1, "ban", say.PELL, "native")
    assert (case.target_name, case.moderator_name) == ("Brass Key", "pell")
    assert read("SELECT * FROM native_entries") == []


def test_the_database_itself_refuses_a_second_case_of_one_entry(hear, capture, owner, say):
    hear()
    capture()

    kept = (
        "batch_id, action, target_id, target_name, moderator_id, moderator_name, source, reason, params, created_at, "
        "ends_at, digest, seal, state"
    )
    twice = (
        f"INSERT INTO mod_cases (guild_id, case_no, request_id, {kept}) "
        f"SELECT guild_id, case_no + 1, gen_random_uuid(), {kept} FROM mod_cases"
    )
    with pytest.raises(IntegrityError, match="uq_mod_cases_audit_id"), owner.transaction(say.HARBOUR) as session:
        session.execute(text(twice))


def test_cases_are_numbered_in_the_order_of_the_acts_and_the_chain_holds(hear, capture, accept, guard, read, web, say):
    guard.carry(accept(action=Action.WARN, target_id=say.PELL)[0])
    hear(deeds.UNBAN, ago_s=1)
    hear(deeds.BAN, ago_s=3)

    assert len(capture()) == 2

    assert [row.action for row in read("SELECT action FROM mod_cases ORDER BY case_no")] == ["warn", "ban", "unban"]
    assert Casebook(web, say.AUDIT_KEY).verify(say.HARBOUR) is None
    assert [row.kind for row in read("SELECT kind FROM audit_log ORDER BY number")][-2:] == ["action.captured"] * 2


def test_guards_own_deed_makes_no_second_case_and_no_second_look(hear, capture, accept, guard, read, say, worker):
    kept, _ = accept()
    guard.carry(kept)

    hear(actor_id=say.GUARD, reason=f"odalys: spam {audit_ref(kept.request.request_id)}")
    asked = []
    event.listen(worker.engine, "before_cursor_execute", lambda *said: asked.append(said[2]))

    assert capture() == []
    assert not any("members" in statement for statement in asked)
    assert read("SELECT count(*) FROM mod_cases") == [(1,)]
    assert read("SELECT * FROM native_entries") == []


def test_an_entry_of_a_deed_under_way_waits_for_its_case(hear, capture, accept, guard, read, say, clock):
    kept, _ = accept()
    claim = guard.take(kept)
    guard.ledger.intend_effect(claim, {})
    hear(actor_id=say.GUARD, reason=audit_ref(kept.request.request_id))

    assert capture() == []
    assert len(read("SELECT * FROM native_entries")) == 1
    guard.ledger.finalise(claim, standing=guard.standing(kept.request), ends_at=None)
    clock.forward(seconds=2)
    capture()

    assert read("SELECT * FROM native_entries") == []
    assert read("SELECT count(*) FROM mod_cases") == [(1,)]


def test_a_deed_that_nobody_could_see_has_its_case_when_its_entry_comes(
    hear, capture, accept, guard, read, row_of, say, web
):
    kept, _ = accept()
    claim = guard.take(kept)
    guard.ledger.intend_effect(claim, {})
    guard.ledger.fail(claim, Failure(kind=FailureKind.UNCONFIRMED, sentence="Nobody knows."))

    hear(actor_id=say.GUARD, reason=f"odalys: spam {audit_ref(kept.request.request_id)}")
    capture()

    row = row_of(kept.request.request_id)
    assert (row.state, row.case_no, row.failure_kind) == (State.APPLIED, 1, None)
    [case] = read("SELECT * FROM mod_cases")
    assert (case.request_id, case.source, case.moderator_id) == (kept.request.request_id, "dashboard", say.ODALYS)
    assert Casebook(web, say.AUDIT_KEY).verify(say.HARBOUR) is None
    # Only its messages are left to send.
    assert guard.take(kept).case.case_no == 1


def test_an_act_by_hand_takes_over_the_end(hear, capture, accept, guard, read, say, clock):
    kept, _ = accept(action=Action.MUTE, params={"duration_s": 86_400})
    guard.carry(kept, clock.now() + timedelta(days=1))
    clock.forward(minutes=5)

    hear(deeds.MEMBER_UPDATE, until=clock.now() + timedelta(hours=1), until_before=clock.now() + timedelta(days=1))
    capture()

    ends = read("SELECT state, case_no, ends_at FROM scheduled_ends ORDER BY case_no")
    assert [(end.state, end.case_no) for end in ends] == [("cancelled", 1), ("open", 2)]
    assert ends[1].ends_at == clock.now() + timedelta(hours=1)


def test_an_old_act_that_is_heard_of_late_changes_no_newer_end(hear, capture, accept, guard, read, clock, web, odalys):
    kept, _ = accept(params={"duration_s": 86_400})
    guard.carry(kept, clock.now() + timedelta(days=1))

    hear(deeds.UNBAN, ago_s=60)
    capture()

    assert read("SELECT state FROM scheduled_ends") == [("open",)]
    assert read("SELECT params ->> 'late' FROM mod_cases WHERE action = 'unban'") == [("1",)]
    assert Cases(web).row(odalys, 1).active


def test_what_was_before_guard_came_is_not_read(inbox, say):
    inbox.begin(say.MEADOW, 100)
    inbox.keep(say.MEADOW, [], 150)
    inbox.begin(say.MEADOW, 400)
    inbox.keep(say.MEADOW, [], 120)

    cursor = inbox.cursor(say.MEADOW)

    assert (cursor.since_id, cursor.last_id) == (100, 150)
