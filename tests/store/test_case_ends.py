"""What pages say of punishments that end by themselves."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kovra.actions.request import Action, Source
from kovra.store.cases import Cases


@pytest.fixture
def punish(accept, guard, clock):
    def carry(action, days=None, **more):
        end = clock.now() + timedelta(days=days) if days else None
        params = {"params": {"duration_s": int(days * 86_400)}} if days else {}
        kept, _ = accept(action=action, **(params | more))
        return guard.carry(kept, end)

    return carry


@pytest.fixture
def row(web, odalys):
    return lambda case: Cases(web).row(odalys, case.case_no)


def test_a_ban_whose_time_is_over_holds_and_is_overdue_until_it_is_lifted(punish, row, clock, web, odalys, say):
    ban = punish(Action.BAN, days=1)
    before = row(ban)
    clock.forward(days=1, minutes=1)
    late = row(ban)
    lifted = punish(Action.UNBAN, source=Source.SYSTEM, moderator_id=say.GUARD, params={"for_case": ban.case_no})

    after = row(ban)

    assert (before.active, before.overdue) == (True, False)
    assert (late.active, late.overdue) == (True, True)
    assert (after.active, after.overdue) == (False, False)
    assert row(lifted).for_case == ban.case_no
    assert Cases(web).detail(odalys, ban.case_no).ended_by == lifted.case_no


def test_a_mute_is_over_when_its_time_is(punish, row, clock):
    mute = punish(Action.MUTE, days=1)
    clock.forward(days=1)

    assert (row(mute).active, row(mute).overdue) == (False, False)


def test_a_renewal_does_not_end_what_it_carries_on(accept, guard, punish, row, clock, web, odalys, say):
    mute = punish(Action.MUTE, days=60)
    kept, _ = accept(
        action=Action.MUTE,
        source=Source.SYSTEM,
        moderator_id=say.GUARD,
        params={"for_case": mute.case_no, "notice": 0},
    )
    guard.carry(kept, mute.ends_at)

    assert row(mute).active
    assert Cases(web).detail(odalys, mute.case_no).ended_by is None
    unmuted = punish(Action.UNMUTE)
    assert not row(mute).active
    assert Cases(web).detail(odalys, mute.case_no).ended_by == unmuted.case_no
