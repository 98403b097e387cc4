"""Channels and the server: what was so before comes back exactly, and what somebody else changed stays."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kovra.actions.request import Action, Source, State
from kovra.errors import DiscordLimited, DiscordRefused
from kovra.guard.endings import MAX_PAUSE, KeptEnd
from kovra.guard.held_places import LOCKED, REACT, SEND
from kovra.guard.outcome import FailureKind
from kovra.guard.restoring import Hold
from kovra.ids import new_request_id

VIEW, ATTACH, OTHER = 1 << 10, 1 << 15, 1 << 4


def held(row, kind):
    return Hold(kind=kind, request_id=new_request_id(), case_no=1, was=row.effect_before["was"])


@pytest.mark.parametrize("before", [None, (VIEW, OTHER), (LOCKED, 0), (0, LOCKED), (VIEW | SEND, OTHER | REACT)])
def test_unlocking_restores_exactly_what_was_there(stage, world, before):
    world.place["everyone"] = before

    row = stage.run(stage.ask(Action.LOCK))
    allow, deny = world.place["everyone"]
    assert (allow & LOCKED, deny & LOCKED) == (0, LOCKED)
    world.held = held(row, Action.LOCK)
    stage.run(stage.ask(Action.UNLOCK))

    assert world.place["everyone"] == before


def test_what_somebody_changed_while_it_was_locked_stays(stage, world):
    world.place["everyone"] = None
    world.held = held(stage.run(stage.ask(Action.LOCK)), Action.LOCK)
    allow, deny = world.place["everyone"]
    world.place["everyone"] = (allow, deny | ATTACH)

    stage.run(stage.ask(Action.UNLOCK))

    assert world.place["everyone"] == (0, ATTACH)


def test_slowmode_goes_back_to_what_it_was_before_the_first(stage, world):
    world.held = held(stage.run(stage.ask(Action.SLOWMODE, params={"slow_s": 30})), Action.SLOWMODE)
    stage.run(stage.ask(Action.SLOWMODE, params={"slow_s": 90}))
    assert world.place["slow_s"] == 90

    stage.run(stage.ask(Action.SLOWMODE_OFF))

    assert world.place["slow_s"] == 5


def test_a_lockdown_takes_the_highest_level_and_pauses_and_gives_all_back(stage, world):
    theirs = world.now + timedelta(hours=3)
    world.place["dms_until"] = theirs

    row = stage.run(stage.ask(Action.LOCKDOWN))
    assert (world.place["level"], world.place["invites_until"]) == (4, world.now + MAX_PAUSE)
    world.held = held(row, Action.LOCKDOWN)
    stage.run(stage.ask(Action.LOCKDOWN_OFF))

    assert world.place["level"] == 1
    assert (world.place["invites_until"], world.place["dms_until"]) == (None, theirs)


def test_a_second_lockdown_keeps_the_state_before_the_first(stage, world):
    world.held = held(stage.run(stage.ask(Action.LOCKDOWN)), Action.LOCKDOWN)

    again = stage.run(stage.ask(Action.LOCKDOWN))

    assert again.effect_before["was"]["level"] == 1


def test_a_lockdown_that_ends_sooner_pauses_no_longer(stage, world):
    row = stage.run(stage.ask(Action.LOCKDOWN, params={"duration_s": 3600}))

    assert world.place["invites_until"] == row.case.ends_at == world.now + timedelta(hours=1)


def test_a_long_lockdown_is_put_on_again_with_its_end(stage, world):
    world.held = held(stage.run(stage.ask(Action.LOCKDOWN, params={"duration_s": 3 * 86_400})), Action.LOCKDOWN)
    end = world.now + timedelta(days=3)
    world.kept = KeptEnd(request_id=new_request_id(), ends_at=end, before={})
    again = stage.ask(Action.LOCKDOWN, source=Source.SYSTEM, reason="", params={"for_case": 1})

    row = stage.run(again)

    assert (row.state, row.case.ends_at) == (State.DONE, end)


@pytest.mark.parametrize("way", ["limited", "lost", "silent"])
def test_the_second_half_of_a_lockdown_is_made_up_for_with_the_first_state_kept(stage, world, way):
    sealed = stage.ask(Action.LOCKDOWN)
    if way == "limited":
        world.fail["pause"] = DiscordLimited(2)
    else:
        getattr(world, way)["pause"] = 1
    waiting = stage.run(sealed)
    assert waiting.state is State.ACCEPTED
    world.fail.pop("pause", None)

    row = stage.run(sealed)

    assert (row.state, world.place["level"], world.place["invites_until"]) == (State.DONE, 4, world.now + MAX_PAUSE)
    assert row.effect_before["was"]["level"] == 1


def test_a_lockdown_of_which_discord_takes_half_says_so(stage, world):
    world.fail["pause"] = DiscordRefused(403, 50013, "Missing Permissions")

    row = stage.run(stage.ask(Action.LOCKDOWN))

    assert (row.state, row.end.kind) == (State.FAILED, FailureKind.HALF_DONE)
    assert "verification level" in row.end.sentence


@pytest.mark.parametrize(
    ("action", "verb"),
    [(Action.LOCK, "set_everyone"), (Action.SLOWMODE, "set_slowmode"), (Action.LOCKDOWN, "set_level")],
)
@pytest.mark.parametrize("way", ["lost", "silent"])
def test_an_unknown_answer_is_looked_up(stage, world, action, verb, way):
    getattr(world, way)[verb] = 1

    row = stage.run(stage.ask(action))

    assert (row.state, row.case.case_no) == (State.DONE, 1)


def test_a_state_that_cannot_be_set_goes_on_being_tried_until_it_is_too_late(stage, world):
    sealed = stage.ask(Action.LOCK)
    world.silent["set_everyone"] = 99

    assert [stage.run(sealed).state for _ in range(3)] == [State.ACCEPTED] * 3
    world.now = sealed.expires_at + timedelta(seconds=1)

    assert stage.run(sealed).state is State.EXPIRED
