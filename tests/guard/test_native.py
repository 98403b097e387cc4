"""What an entry of Discord's audit log says, and whose it is."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from kovra.actions.request import MAX_REASON, Action, Source, State
from kovra.errors import Malformed
from kovra.guard import native
from kovra.guard.native import Intent, NativeEntry, Verdict
from kovra.ids import DISCORD_EPOCH_MS, GuildId, UserId, audit_ref

GUILD, MODERATOR, TARGET, GUARD = GuildId(11), UserId(12), UserId(13), UserId(14)
ASKED, JOB = UUID(int=7), UUID(int=8)
DONE_MS = 1_790_000_000_000


def an_entry(kind=native.BAN, **facts):
    known = {"actor_id": MODERATOR, "target_id": TARGET} | facts
    return NativeEntry(guild_id=GUILD, audit_id=DONE_MS - DISCORD_EPOCH_MS << 22, kind=kind, **known)


DONE_AT = an_entry().done_at


def an_intent(state=State.DONE, case_no=4, batch_id=None):
    return Intent(request_id=ASKED, batch_id=batch_id, state=state, case_no=case_no)


# What was done


def test_a_time_out_is_set_changed_and_lifted():
    until = DONE_AT + timedelta(minutes=10)

    set_ = native.deed_of(an_entry(native.MEMBER_UPDATE, until=until))
    changed = native.deed_of(an_entry(native.MEMBER_UPDATE, until=until, until_before=DONE_AT + timedelta(days=1)))
    lifted = native.deed_of(an_entry(native.MEMBER_UPDATE, until_before=until))

    assert (set_.action, set_.params, set_.ends_at) == (Action.MUTE, {"duration_s": 600}, until)
    assert (changed.action, changed.ends_at) == (Action.MUTE, until)
    assert lifted.action is Action.UNMUTE


def test_a_time_out_that_was_over_is_not_lifted_and_a_prune_of_nobody_is_none():
    over = an_entry(native.MEMBER_UPDATE, until_before=DONE_AT - timedelta(minutes=1))
    nobody = an_entry(native.PRUNE, target_id=None, options={"members_removed": "0"})

    assert native.deed_of(over) is None
    assert native.deed_of(nobody) is None


def test_automods_time_out_ends_when_the_mirror_says():
    entry = an_entry(native.AUTOMOD_TIME_OUT, actor_id=TARGET, options={"auto_moderation_rule_name": "Words"})
    until = DONE_AT + timedelta(hours=1)

    deed = native.deed_of(entry, until)

    assert (deed.action, deed.ends_at, deed.reason) == (
        Action.MUTE,
        until,
        "AutoMod rule “Words” timed this member out.",
    )
    request = native.request_for(entry, native.deed_of(entry), by_bot=False, late=False, now=DONE_AT)
    assert (request.moderator_id, request.params) == (native.NOBODY, {"audit_id": entry.audit_id})


def test_a_reason_that_no_case_could_keep_is_made_one():
    deed = native.deed_of(an_entry(reason="a\x00b\ud800" + "c" * 5000))

    assert deed.reason.startswith("abc")
    assert len(deed.reason) == MAX_REASON


def test_the_same_entry_is_always_the_same_request():
    entry = an_entry(reason="raid")

    first, second = (
        native.request_for(entry, native.deed_of(entry), by_bot=False, late=late, now=DONE_AT) for late in (False, True)
    )

    assert first.request_id == second.request_id == native.request_id_of(entry)
    assert (first.source, first.tells) == (Source.NATIVE, False)


def test_nobody_else_can_ask_for_what_only_discord_does(a):
    with pytest.raises(Malformed):
        a(Action.PRUNE)
    with pytest.raises(Malformed):
        a(Action.BAN, params={"audit_id": 5})


@pytest.fixture
def a():
    def make(action, **facts):
        entry = an_entry()
        known = native.request_for(entry, native.deed_of(entry), by_bot=False, late=False, now=DONE_AT)
        kept = {
            name: getattr(known, name) for name in ("request_id", "guild_id", "target_id", "moderator_id", "reason")
        }
        return type(known)(
            **(kept | {"issued_at": DONE_AT, "source": Source.DASHBOARD, "params": {}, "action": action} | facts)
        )

    return make


# Whose it is


@pytest.mark.parametrize("actor_id", [GUARD, None])
@pytest.mark.parametrize("mark", [ASKED, JOB])
def test_guards_own_deed_is_known_by_its_mark_and_its_intent(actor_id, mark):
    entry = an_entry(actor_id=actor_id, reason=f"juniper: spam {audit_ref(mark)}")

    assert native.whose(entry, GUARD, [an_intent(batch_id=JOB)]) is Verdict.OWN
    assert native.whose(entry, GUARD, []) is Verdict.FOREIGN


def test_a_mark_in_somebody_elses_reason_hides_nothing():
    entry = an_entry(reason=f"spam {audit_ref(ASKED)}")

    assert native.whose(entry, GUARD, [an_intent()]) is Verdict.FOREIGN


def test_what_becomes_of_guards_deed_is_waited_for():
    entry = an_entry(actor_id=GUARD, reason=audit_ref(ASKED))

    assert native.whose(entry, GUARD, [an_intent(State.EXECUTING, None)]) is Verdict.LATER
    assert native.whose(entry, GUARD, [an_intent(State.FAILED, None)]) is Verdict.LOST


def test_only_a_newer_act_of_the_same_kind_makes_one_late():
    entry, newer = an_entry(native.UNBAN), DONE_AT + timedelta(seconds=5)

    assert native.is_late(entry, Action.UNBAN, [(Action.BAN, newer)])
    assert not native.is_late(entry, Action.UNBAN, [(Action.MUTE, newer), (Action.BAN, DONE_AT)])
