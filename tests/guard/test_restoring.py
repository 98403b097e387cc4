"""States that are set and taken back: what was so before comes back, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kovra.actions.request import Action, RefusalKind, Source, State
from kovra.guard.endings import KeptEnd
from kovra.guard.outcome import FailureKind
from kovra.guard.restoring import Hold
from kovra.ids import UserId, new_request_id
from tests.wishes import ROLE

TARGET = UserId(130_000_000_000_000_003)
BOOST, PLAIN, OTHER, ABOVE_GUARD = 15, 11, 13, 14


def hold(was):
    return Hold(kind=Action.QUARANTINE, request_id=new_request_id(), case_no=7, was=was)


def test_a_quarantine_takes_all_roles_but_those_of_discord_and_keeps_them_with_the_intent(stage, world):
    world.roles[TARGET] = {PLAIN, OTHER, BOOST}

    row = stage.run(stage.ask(Action.QUARANTINE, params={"role_id": ROLE}))

    assert world.roles[TARGET] == {BOOST, ROLE}
    assert row.effect_before["was"] == {"roles": [PLAIN, OTHER, BOOST], "meanwhile": [ROLE]}


def test_a_second_quarantine_keeps_what_was_before_the_first(stage, world):
    world.held = hold({"roles": [PLAIN], "meanwhile": []})
    world.roles[TARGET] = set()

    row = stage.run(stage.ask(Action.QUARANTINE))

    assert row.effect_before["was"] == {"roles": [PLAIN], "meanwhile": []}


def test_lifting_gives_back_what_was_and_leaves_what_came_since(stage, world):
    world.held = hold({"roles": [PLAIN, BOOST, 999, ABOVE_GUARD], "meanwhile": [ROLE]})
    world.roles[TARGET] = {BOOST, ROLE, OTHER}

    row = stage.run(stage.ask(Action.UNQUARANTINE))

    # 999 is deleted, another is above Guard: neither can be given.
    assert row.state is State.DONE
    assert world.roles[TARGET] == {PLAIN, BOOST, OTHER}


def test_lifting_without_a_hold_is_refused(stage, world):
    row = stage.run(stage.ask(Action.UNQUARANTINE))

    assert (row.state, row.end.kind) == (State.REJECTED, RefusalKind.ALREADY)
    assert world.deeds == []


def test_the_quarantine_of_who_left_is_forgotten_without_a_word_to_discord(stage, world):
    world.held = hold({"roles": [PLAIN], "meanwhile": []})
    world.joined.clear()
    world.target = replace(world.target, member=False)

    row = stage.run(stage.ask(Action.UNQUARANTINE))

    assert (row.state, row.case.case_no, world.deeds) == (State.DONE, 1, [])


@pytest.mark.parametrize("action", [Action.ROLE_ADD, Action.ROLE_REMOVE, Action.QUARANTINE, Action.UNQUARANTINE])
@pytest.mark.parametrize("way", ["lost", "silent"])
def test_an_unknown_answer_is_looked_up(stage, world, action, way):
    world.held = hold({"roles": [PLAIN, OTHER], "meanwhile": []}) if action is Action.UNQUARANTINE else None
    world.roles[TARGET] = {ROLE} if action is Action.ROLE_REMOVE else {PLAIN}
    verb = action.value if action.value.startswith("role") else "set_roles"
    getattr(world, way)[verb] = 1

    row = stage.run(stage.ask(action))

    assert (row.state, len(world.deeds)) == (State.DONE, 1)


@pytest.mark.parametrize("action", [Action.ROLE_ADD, Action.QUARANTINE])
def test_who_left_meanwhile_is_gone(stage, world, action):
    sealed = stage.ask(action)
    assert stage.die_at(sealed, "after_effect_intent")
    world.joined.clear()

    row = stage.run(sealed)

    assert (row.state, row.end.kind) == (State.FAILED, FailureKind.TARGET_GONE)


def test_a_quarantine_with_an_end_says_until_when(stage, world):
    row = stage.run(stage.ask(Action.QUARANTINE, params={"duration_s": 3600}))

    assert row.case.ends_at == world.now + timedelta(hours=1)


@pytest.mark.parametrize("ends", [True, False])
def test_one_put_on_again_ends_when_the_first_would_have_and_tells_nobody(stage, world, ends):
    end = world.now + timedelta(days=3) if ends else None
    world.kept = KeptEnd(request_id=new_request_id(), ends_at=end, before={})
    world.held = hold({"roles": [PLAIN], "meanwhile": []})
    again = stage.ask(Action.QUARANTINE, source=Source.SYSTEM, reason="", params={"for_case": 7, "notice": 0})

    row = stage.run(again)

    assert (row.state, row.case.ends_at, row.effect_before["was"]) == (State.DONE, end, world.held.was)
    assert "dm" not in world.story
