"""Acts that end by themselves, and those by which Guard keeps an end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kovra.actions.request import MAX_MUTE, Action, RefusalKind, Source, State
from kovra.errors import DiscordUnreached
from kovra.guard.case import NoticeStatus
from kovra.guard.endings import KeptEnd
from kovra.ids import audit_ref, new_request_id


@pytest.fixture
def kept(world):
    """The end of case #42, which still stands."""
    world.kept = KeptEnd(request_id=new_request_id(), ends_at=world.now + timedelta(days=40), before={})
    return world.kept


def keeps(stage, action):
    return stage.ask(action, source=Source.SYSTEM, reason="", params={"for_case": 42})


def test_a_temporary_ban_says_until_when_and_its_case_ends_then(stage, world):
    sealed = stage.ask(Action.BAN, params={"duration_s": 3600})

    row = stage.run(sealed)

    end = world.now + timedelta(hours=1)
    assert row.case.ends_at == end
    [notice] = [message for nonce, message in world.messages.items() if nonce.endswith("-d")]
    assert f"Until: <t:{int(end.timestamp())}:f>" in notice.content


def test_a_ban_without_a_duration_has_no_end(stage, world):
    row = stage.run(stage.ask(Action.BAN))

    assert row.case.ends_at is None


def test_a_long_mute_is_told_to_discord_as_far_as_it_goes(stage, world):
    row = stage.run(stage.ask(Action.MUTE, params={"duration_s": 40 * 86_400}))

    assert row.case.ends_at == world.now + timedelta(days=40)
    assert list(world.muted.values()) == [world.now + MAX_MUTE]


@pytest.mark.parametrize("action", [Action.BAN, Action.MUTE])
def test_the_end_stays_what_the_first_attempt_made_it(stage, world, action):
    sealed = stage.ask(action, params={"duration_s": 3600})
    assert stage.die_at(sealed, "after_effect_call")
    first = world.now + timedelta(hours=1)
    world.now += timedelta(minutes=5)

    row = stage.run(sealed)

    assert row.case.ends_at == first


def test_a_kept_end_lifts_the_ban_and_tells_nobody(stage, world, kept):
    sealed = keeps(stage, Action.UNBAN)
    world.bans[sealed.request.target_id] = f"odalys: spam {audit_ref(kept.request_id)}"

    row = stage.run(sealed)

    assert row.state is State.DONE
    assert world.bans == {}
    assert row.notice == NoticeStatus.NOT_NEEDED
    assert (row.case.for_case, row.case.ends_at) == (42, None)


def test_an_end_that_no_longer_stands_lifts_nothing(stage, world):
    sealed = keeps(stage, Action.UNBAN)
    world.bans[sealed.request.target_id] = "a newer one, for good"

    row = stage.run(sealed)

    assert (row.state, row.end.kind) == (State.REJECTED, RefusalKind.SUPERSEDED)
    assert world.deeds == []


def test_a_ban_that_somebody_made_in_discord_since_is_not_lifted(stage, world, kept):
    sealed = keeps(stage, Action.UNBAN)
    world.bans[sealed.request.target_id] = "by hand, just now"

    row = stage.run(sealed)

    assert (row.state, row.end.kind) == (State.REJECTED, RefusalKind.SUPERSEDED)
    assert world.deeds == []


def test_what_was_lifted_before_the_end_was_withdrawn_is_recorded(stage, world, kept):
    sealed = keeps(stage, Action.UNBAN)
    world.bans[sealed.request.target_id] = f"odalys: spam {audit_ref(kept.request_id)}"
    assert stage.die_at(sealed, "after_effect_call")
    world.kept = None

    row = stage.run(sealed)

    assert row.state is State.DONE
    assert row.case is not None


def test_a_mute_is_carried_on_to_the_end_of_its_case_and_no_further(stage, world, kept):
    sealed = keeps(stage, Action.MUTE)

    row = stage.run(sealed)

    assert list(world.muted.values()) == [world.now + MAX_MUTE]
    assert row.case.ends_at == kept.ends_at

    world.kept = KeptEnd(request_id=kept.request_id, ends_at=world.now + timedelta(days=2), before={})
    stage.run(keeps(stage, Action.MUTE))
    assert list(world.muted.values()) == [world.kept.ends_at]


def test_a_mute_that_was_lifted_is_not_carried_on(stage, world):
    row = stage.run(keeps(stage, Action.MUTE))

    assert (row.state, row.end.kind) == (State.REJECTED, RefusalKind.SUPERSEDED)
    assert world.muted == {}


def test_discord_away_leaves_a_kept_end_for_later(stage, world, kept):
    sealed = keeps(stage, Action.UNBAN)
    world.bans[sealed.request.target_id] = f"spam {audit_ref(kept.request_id)}"
    world.fail["unban"] = DiscordUnreached("away")

    row = stage.run(sealed)

    assert row.state is State.ACCEPTED
    assert row.due_in_s > 0
