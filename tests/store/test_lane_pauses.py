"""Which lanes are paused: on record, once, and by whom."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import ProgrammingError

from kovra.actions.lanes import TAKES_QUEUE_OPS
from kovra.store.events import Events
from kovra.store.lane_pauses import LanePauses


@pytest.fixture
def pauses(web, say):
    return LanePauses(web, say.AUDIT_KEY)


@pytest.fixture
def boss(guilds, say, mirror):
    """The owner's scope: queue_ops among the rest."""
    return guilds.scope(say.OWNER, say.HARBOUR)


def test_a_lane_is_paused_and_resumed_on_record_and_live(pauses, boss, web, worker, audit_log, clock, say):
    told = [pauses.change(boss, paused) for paused in (True, True)]
    paused, everywhere = pauses.of(boss), LanePauses(worker, say.AUDIT_KEY).everywhere()
    told += [pauses.change(boss, paused) for paused in (False, False)]

    assert told == [None] * 4
    assert (paused.paused_at, paused.paused_by, paused.paused_by_name) == (clock.now(), say.OWNER, "rosalind")
    assert everywhere == [say.HARBOUR]
    assert pauses.of(boss) is None
    assert [(one.kind, one.actor_id) for one in audit_log.entries(boss)] == [
        ("lane.resumed", say.OWNER),
        ("lane.paused", say.OWNER),
    ]
    events = Events(web).after(say.HARBOUR, 0)
    assert [(one.kind, one.facts["state"]) for one in events] == [("lane.changed", "paused"), ("lane.changed", "open")]


def test_it_takes_queue_ops(pauses, odalys, worker, audit_log, say):
    refused = pauses.change(odalys, True)

    assert refused == TAKES_QUEUE_OPS
    assert LanePauses(worker, say.AUDIT_KEY).everywhere() == []
    assert audit_log.entries(odalys) == []


def test_another_guild_is_not_touched(pauses, boss, guilds, say):
    pauses.change(boss, True)

    assert pauses.of(guilds.scope(say.OWNER, say.MEADOW)) is None


@pytest.mark.parametrize("role", ["web", "bot"])
def test_only_the_worker_may_ask_over_all_guilds(role, request, say):
    pauses = LanePauses(request.getfixturevalue(role), say.AUDIT_KEY)

    with pytest.raises(ProgrammingError, match="permission denied"):
        pauses.everywhere()
