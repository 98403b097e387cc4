"""Purges: which messages go is chosen once, and no other is deleted however often it is begun."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kovra.actions.request import Action, State
from kovra.errors import DiscordLimited, DiscordRefused, DiscordUnknown
from kovra.guard.outcome import FailureKind
from kovra.ids import UserId
from tests.guard.cast import a_message

TARGET = UserId(130_000_000_000_000_003)
OTHER = 150_000_000_000_000_005


def purge(stage, count=5, **more):
    return stage.ask(Action.PURGE, params={"count": count, **more})


def deleted(world):
    return [message_id for deed in world.deeds for message_id in deed[2]]


def test_the_latest_messages_go_and_the_case_says_how_many_and_where(stage, world):
    newest = [one.message_id for one in world.written[TARGET]][-5:]

    row = stage.run(purge(stage))

    assert sorted(deleted(world)) == newest
    assert row.case.result == {"deleted": 5, "channels": [str(TARGET)]}


def test_pinned_and_old_messages_stay(stage, world):
    world.written[TARGET] = [
        a_message(1, pinned=True),
        a_message(2, age=timedelta(days=14)),
        a_message(3, age=timedelta(days=13, hours=22)),
    ]

    row = stage.run(purge(stage))

    assert row.case.result["deleted"] == 1
    assert len(world.written[TARGET]) == 2


def test_messages_of_a_person_go_in_every_channel_that_guard_may_read(stage, world):
    world.written = {
        21: [a_message(1), a_message(2, OTHER)],
        22: [a_message(3)],
        23: [a_message(4)],
    }
    world.closed = {22}

    row = stage.run(purge(stage, of_member=1))

    assert row.case.result == {"deleted": 2, "channels": ["21", "23"]}
    assert [one.author_id for one in world.written[21]] == [OTHER]


def test_the_latest_messages_of_a_person_go_whatever_the_channel(stage, world):
    world.written = {21: [a_message(5)], 22: [a_message(1), a_message(6), a_message(7)]}

    row = stage.run(purge(stage, 2, of_member=1))

    assert row.case.result == {"deleted": 2, "channels": ["22"]}
    assert sorted(deleted(world)) == [a_message(6).message_id, a_message(7).message_id]


def test_more_than_a_hundred_go_in_parts(stage, world):
    world.written[TARGET] = [a_message(number) for number in range(230)]

    row = stage.run(purge(stage, 230))

    assert [len(deed[2]) for deed in world.deeds] == [100, 100, 30]
    assert row.case.result["deleted"] == 230


@pytest.mark.parametrize("point", ["after_effect_intent", "after_half", "after_effect_call", "before_finalise"])
def test_whoever_dies_in_it_only_what_was_chosen_goes(stage, world, point):
    world.written[TARGET] = [a_message(number) for number in range(230)]
    sealed = purge(stage, 120)
    assert stage.die_at(sealed, point)
    world.written[TARGET].append(a_message(999))

    row = stage.run(sealed)

    assert (row.state, row.case.result["deleted"]) == (State.DONE, 120)
    assert len(world.written[TARGET]) == 231 - 120
    assert world.written[TARGET][-1].message_id == a_message(999).message_id


@pytest.mark.parametrize("error", [DiscordLimited(3), DiscordUnknown("reset")])
def test_what_discord_does_not_take_now_goes_later_however_late(stage, world, error):
    world.written[TARGET] = [a_message(number) for number in range(150)]
    sealed = purge(stage, 150)
    stage.die_at(sealed, "after_half")
    world.fail["delete_messages"] = error
    assert stage.run(sealed).state is State.ACCEPTED
    del world.fail["delete_messages"]
    world.now = sealed.expires_at + timedelta(hours=1)

    row = stage.run(sealed)

    assert (row.state, world.written[TARGET]) == (State.DONE, [])


def test_a_refusal_in_the_middle_says_how_many_are_gone(stage, world):
    world.written[TARGET] = [a_message(number) for number in range(150)]
    sealed = purge(stage, 150)
    stage.die_at(sealed, "after_half")
    world.fail["delete_messages"] = DiscordRefused(403, 50013, "Missing Permissions")

    row = stage.run(sealed)

    assert (row.state, row.end.kind) == (State.FAILED, FailureKind.HALF_DONE)
    assert row.end.sentence.startswith("100 messages were deleted")


def test_nothing_to_delete_makes_no_case(stage, world):
    world.written[TARGET] = []

    row = stage.run(purge(stage))

    assert (row.state, row.end.kind, row.case) == (State.FAILED, FailureKind.NOTHING_THERE, None)


def test_a_message_that_is_gone_already_is_as_it_was_wanted(stage, world):
    world.fail["delete_messages"] = DiscordRefused(404, 10008, "Unknown Message")

    assert stage.run(purge(stage, 1)).state is State.DONE
