"""A softban is a ban and its end: whoever dies between the two, nobody stays banned and no case is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kovra.actions.request import Action, State
from kovra.errors import DiscordLimited, DiscordRefused, DiscordUnknown, DiscordUnreached
from kovra.guard.outcome import FailureKind
from kovra.ids import UserId
from tests.guard.ledger_side import CLAIM_S

TARGET = UserId(130_000_000_000_000_003)
REFUSED = DiscordRefused(403, 50013, "Missing Permissions")


def softban(stage):
    return stage.ask(Action.SOFTBAN, params={"delete_window_s": 3600})


def deeds(world):
    return [deed[0] for deed in world.deeds]


def test_a_softban_deletes_messages_lets_go_and_is_one_case(stage, world):
    row = stage.run(softban(stage))

    assert (row.state, row.case.case_no) == (State.DONE, 1)
    assert deeds(world) == ["ban", "unban"]
    assert world.deeds[0][3]["delete_window_s"] == 3600
    assert world.bans == {}


def test_who_stood_still_until_the_claim_was_over_lets_nobody_go(stage, world, monkeypatch):
    """They may have been banned anew meanwhile, and that ban is not ours to lift."""
    sealed, intend = softban(stage), world.intend_effect
    assert stage.die_at(sealed, "after_half")

    def intend_and_stand_still(claim, before):
        until = intend(claim, before)
        world.now += timedelta(seconds=CLAIM_S)
        return until

    monkeypatch.setattr(world, "intend_effect", intend_and_stand_still)
    late = stage.run(sealed)
    monkeypatch.undo()

    assert (late.state, deeds(world)) == (State.ACCEPTED, ["ban"])
    assert stage.run(sealed).state is State.DONE
    assert deeds(world) == ["ban", "unban"]


@pytest.mark.parametrize("error", [DiscordLimited(2), DiscordUnreached("away"), DiscordUnknown("reset")])
def test_who_cannot_be_let_go_now_is_let_go_later(stage, world, error):
    sealed = softban(stage)
    world.fail["unban"] = error
    waiting = stage.run(sealed)
    assert (waiting.state, waiting.effect_at is not None, TARGET in world.bans) == (State.ACCEPTED, True, True)
    del world.fail["unban"]

    row = stage.run(sealed)

    assert (row.state, row.case.case_no) == (State.DONE, 1)
    assert deeds(world) == ["ban", "unban"]
    assert world.story.count("dm") == 1


def test_a_half_is_finished_however_late_it_is_and_whoever_lost_which_right(stage, world):
    sealed = softban(stage)
    world.fail["unban"] = DiscordUnreached("away")
    stage.run(sealed)
    del world.fail["unban"]
    world.now = sealed.expires_at + timedelta(hours=5)
    world.moderator = replace(world.moderator, member=False)
    world.target = replace(world.target, member=False)
    stage.keys = {kid: replace(key, revoked=True) for kid, key in stage.keys.items()}

    row = stage.run(sealed)

    assert (row.state, world.bans) == (State.DONE, {})


def test_who_dies_between_the_halves_leaves_the_second_to_the_next(stage, world):
    sealed = softban(stage)
    assert stage.die_at(sealed, "after_half")
    assert TARGET in world.bans

    row = stage.run(sealed)

    assert (row.state, deeds(world), world.bans) == (State.DONE, ["ban", "unban"], {})
    assert world.story.count("dm") == 1


def test_a_ban_whose_answer_got_lost_is_lifted_all_the_same(stage, world):
    world.lost["ban"] = 1

    row = stage.run(softban(stage))

    assert row.state is State.DONE
    assert deeds(world) == ["ban", "unban"]
    assert world.bans == {}


def test_a_lost_answer_to_the_second_half_is_looked_up_and_not_repeated(stage, world):
    sealed = softban(stage)
    world.lost["unban"] = 1
    stage.run(sealed)

    row = stage.run(sealed)

    assert row.state is State.DONE
    assert deeds(world) == ["ban", "unban"]


def test_who_stays_banned_because_discord_refuses_is_said_to_be_so(stage, world):
    world.fail["unban"] = REFUSED

    row = stage.run(softban(stage))

    assert (row.state, row.end.kind) == (State.FAILED, FailureKind.HALF_DONE)
    assert "still banned" in row.end.sentence
    assert TARGET in world.bans


def test_who_was_let_go_by_somebody_else_in_between_is_let_go(stage, world):
    world.fail["unban"] = DiscordRefused(404, 10026, "Unknown Ban")

    assert stage.run(softban(stage)).state is State.DONE


def test_a_ban_of_somebody_else_is_not_lifted(stage, world):
    sealed = softban(stage)
    assert stage.die_at(sealed, "after_effect_intent")
    world.bans[TARGET] = "by hand, for good"
    world.joined.pop(TARGET)

    row = stage.run(sealed)

    assert (row.state, row.end.kind) == (State.FAILED, FailureKind.TARGET_GONE)
    assert world.bans == {TARGET: "by hand, for good"}


def test_who_came_back_after_it_is_not_softbanned_again(stage, world):
    sealed = softban(stage)
    assert stage.die_at(sealed, "after_effect_call")
    world.joined[TARGET] = world.now

    row = stage.run(sealed)

    assert (row.state, deeds(world)) == (State.DONE, ["ban", "unban"])
    assert TARGET in world.joined
