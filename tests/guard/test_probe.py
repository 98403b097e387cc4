"""A deed whose answer never came: looked for first, then recorded, repeated once, or left as unconfirmed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kovra.actions.request import Action, State
from kovra.errors import DiscordLimited, DiscordRefused, DiscordUnknown, DiscordUnreached
from kovra.guard.outcome import FailureKind
from kovra.ids import UserId, audit_ref

TARGET = UserId(130_000_000_000_000_003)
DEEDS = [Action.BAN, Action.UNBAN, Action.KICK, Action.MUTE, Action.UNMUTE]
HIDDEN = DiscordRefused(403, 50013, "Missing Permissions")


@pytest.fixture(autouse=True)
def _somebody_to_lift_it_from(world):
    world.muted[TARGET] = world.now + timedelta(hours=1)


def ask(stage, world, action):
    if action is Action.UNBAN:
        world.bans[TARGET] = "an old ban"
    return stage.ask(action)


@pytest.mark.parametrize("action", DEEDS)
def test_a_deed_whose_answer_got_lost_is_found_and_recorded(stage, world, action):
    world.lost[action.value] = 1

    row = stage.run(ask(stage, world, action))

    assert (row.state, row.case.case_no) == (State.DONE, 1)
    assert len(world.deeds) == 1


@pytest.mark.parametrize("action", DEEDS)
def test_a_deed_that_never_arrived_is_repeated_once(stage, world, action):
    world.silent[action.value] = 1

    row = stage.run(ask(stage, world, action))

    assert row.state is State.DONE
    assert world.story.count(action.value) == 2
    assert len(world.deeds) == 1


@pytest.mark.parametrize("action", DEEDS)
def test_a_deed_that_never_arrives_is_given_up_as_unconfirmed(stage, world, action):
    world.silent[action.value] = 9

    row = stage.run(ask(stage, world, action))

    assert (row.state, row.end.kind) == (State.FAILED, FailureKind.UNCONFIRMED)
    assert world.story.count(action.value) == 2
    assert row.case is None


@pytest.mark.parametrize("action", DEEDS)
@pytest.mark.parametrize("error", [DiscordLimited(1), DiscordUnreached("away"), DiscordUnknown("reset")])
def test_while_nobody_can_look_nothing_is_repeated(stage, world, action, error):
    sealed = ask(stage, world, action)
    assert stage.die_at(sealed, "after_effect_call")
    world.fail["look"] = error

    waiting = stage.run(sealed)
    assert (waiting.state, waiting.effect_at is not None) == (State.ACCEPTED, True)
    del world.fail["look"]

    assert stage.run(sealed).state is State.DONE
    assert len(world.deeds) == 1


def test_looking_ends_with_the_time_of_the_request(stage, world):
    sealed = stage.ask()
    assert stage.die_at(sealed, "after_effect_intent")
    world.fail["look"] = DiscordUnreached("away")
    world.now = sealed.expires_at + timedelta(seconds=1)

    row = stage.run(sealed)

    assert (row.state, row.end.kind) == (State.FAILED, FailureKind.UNCONFIRMED)


@pytest.mark.parametrize("action", DEEDS)
def test_what_was_done_is_recorded_even_when_its_time_or_its_right_is_gone(stage, world, action):
    sealed = ask(stage, world, action)
    assert stage.die_at(sealed, "after_effect_call")
    world.now = sealed.expires_at + timedelta(seconds=1)
    world.moderator = type(world.moderator)(user_id=world.moderator.user_id, name="odalys", member=False)

    row = stage.run(sealed)

    assert (row.state, row.case is not None) == (State.DONE, True)


def test_what_was_not_done_is_not_done_once_its_time_is_over(stage, world):
    sealed = stage.ask()
    assert stage.die_at(sealed, "after_effect_intent")
    world.now = sealed.expires_at + timedelta(seconds=1)

    assert stage.run(sealed).state is State.EXPIRED
    assert world.deeds == []


# -- kicks -----------------------------------------------------------------------------------------------------------


def test_someone_who_came_back_after_our_kick_is_not_kicked_again(stage, world):
    sealed = stage.ask(Action.KICK)
    assert stage.die_at(sealed, "after_effect_call")
    world.joined[TARGET] = world.now

    row = stage.run(sealed)

    assert (row.state, len(world.deeds)) == (State.DONE, 1)
    assert TARGET in world.joined


def test_someone_who_left_and_came_back_by_themselves_is_not_kicked_for_it(stage, world):
    sealed = stage.ask(Action.KICK)
    assert stage.die_at(sealed, "after_effect_intent")
    world.joined[TARGET] = world.now
    world.now += timedelta(seconds=6)

    row = stage.run(sealed)

    assert (row.state, row.end.kind) == (State.FAILED, FailureKind.TARGET_GONE)
    assert world.deeds == []


def test_an_audit_log_that_lags_is_waited_for(stage, world):
    world.audit_lags = True
    sealed = stage.ask(Action.KICK)
    assert stage.die_at(sealed, "after_effect_call")

    waiting = stage.run(sealed)
    assert (waiting.state, waiting.due_in_s) == (State.ACCEPTED, 1.0)
    world.audit += world.unwritten
    world.now += timedelta(seconds=1)

    assert stage.run(sealed).state is State.DONE
    assert len(world.deeds) == 1


def test_someone_who_left_before_the_kick_is_gone_and_makes_no_case(stage, world):
    sealed = stage.ask(Action.KICK)
    assert stage.die_at(sealed, "after_effect_intent")
    del world.joined[TARGET]
    world.now += timedelta(seconds=6)

    row = stage.run(sealed)

    assert (row.state, row.end.kind, row.case) == (State.FAILED, FailureKind.TARGET_GONE, None)


def test_without_the_audit_log_a_kick_that_may_have_happened_is_unconfirmed(stage, world):
    world.fail["audit"] = HIDDEN
    world.lost["kick"] = 1

    row = stage.run(stage.ask(Action.KICK))

    assert (row.state, row.end.kind) == (State.FAILED, FailureKind.UNCONFIRMED)
    assert len(world.deeds) == 1


def test_a_kick_that_arrived_late_after_all_is_found_when_its_repeat_is_refused(stage, world):
    sealed = stage.ask(Action.KICK)
    assert stage.die_at(sealed, "after_effect_intent")

    def at(point):
        if point == "after_effect_intent":
            # The first call lands between the look and the repeat.
            world.kick(0, TARGET, reason=f"x {audit_ref(sealed.request.request_id)}")

    row = stage.run(sealed, at)

    assert (row.state, len(world.deeds)) == (State.DONE, 1)


# -- bans and mutes --------------------------------------------------------------------------------------------------


def test_our_ban_that_somebody_lifted_since_does_not_come_back(stage, world):
    sealed = stage.ask()
    assert stage.die_at(sealed, "after_effect_call")
    del world.bans[TARGET]

    assert stage.run(sealed).state is State.DONE
    assert world.bans == {}


def test_a_new_ban_is_not_lifted_by_an_old_unban(stage, world):
    sealed = ask(stage, world, Action.UNBAN)
    assert stage.die_at(sealed, "after_effect_call")
    world.bans[TARGET] = "back at it"

    assert stage.run(sealed).state is State.DONE
    assert world.bans == {TARGET: "back at it"}


def test_a_repeated_mute_ends_when_the_first_would_have(stage, world):
    sealed = stage.ask(Action.MUTE)
    assert stage.die_at(sealed, "after_effect_intent")
    first = world.now
    world.now += timedelta(seconds=100)

    row = stage.run(sealed)

    assert world.muted[TARGET] == row.case.ends_at == first + timedelta(seconds=600)
