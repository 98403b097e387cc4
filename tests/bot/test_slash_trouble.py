"""What goes wrong with a command: words that cannot be read, trouble in Kovra or Discord, and a Guard that stops."""

from __future__ import annotations

import threading

import pytest

from kovra.actions.request import Source
from kovra.errors import Conflict, Unavailable
from kovra.sandbox.faults import When


@pytest.mark.parametrize("duration", ["soon", "10", "10x", "-5m", "0m", "3651d", "1h 30"])
def test_a_duration_that_cannot_be_read_is_said_and_recorded(
    start_bot, slash, submit, target, moderator, says, duration
):
    start_bot()

    interaction_id = slash("mute", user=str(target), duration=duration)
    says(interaction_id, "Not queued: ")

    assert submit.requests == []
    [attempt] = submit.malformed_attempts
    assert attempt["moderator_id"] == moderator
    assert attempt["source"] is Source.DISCORD
    assert attempt["attempt"] == {"command": "mod mute", "user": str(target), "duration": duration}
    assert duration in attempt["sentence"]


def test_an_id_that_is_none_is_said_and_recorded(start_bot, slash, submit, says):
    start_bot()

    says(slash("unban", user="that guy"), "Not queued: 'that guy' is not a Discord id")

    assert submit.malformed_attempts[0]["attempt"]["user"] == "that guy"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (Unavailable("away"), "Not queued: Kovra’s database does not answer. Nothing was done"),
        (Conflict("This id was used for something else."), "Not queued: This id was used"),
        (ZeroDivisionError(), "Something went wrong inside Kovra, and it is not known"),
    ],
    ids=["unavailable", "conflict", "a bug"],
)
def test_trouble_in_kovra_is_said_as_it_is(start_bot, slash, submit, target, says, error, shown):
    def fail(request):
        raise error

    submit.answer = fail
    start_bot()

    says(slash("ban", user=str(target)), shown)


def test_a_command_that_discord_has_given_up_on_asks_for_nothing(
    start_bot, slash, submit, sandbox, target, says, eventually, asked
):
    # The moderator has seen it fail and will ask again; acting all the same would do it twice.
    sandbox.call(
        lambda s: s.faults.arm(
            route="/interactions/{interaction_id}/{interaction_token}/callback", status=404, code=10062
        )
    )
    start_bot()

    slash("kick", user=str(target))
    eventually(lambda: [line for line in asked("/callback") if line[2] == 404])
    says(slash("kick", user=str(target)), "Queued")

    assert len(submit.requests) == 1


@pytest.mark.parametrize("trouble", [{"drop": True}, {"delay_ms": 20_000}], ids=["answer lost", "answer late"])
def test_a_promise_that_may_not_have_arrived_asks_for_nothing_and_says_so(
    start_bot, slash, submit, sandbox, target, says, trouble, eventually, asked
):
    callback = "/interactions/{interaction_id}/{interaction_token}/callback"
    sandbox.call(lambda s: s.faults.arm(route=callback, when=When.AFTER, **trouble))
    start_bot()

    interaction_id = slash("kick", user=str(target))
    eventually(lambda: asked("@original"))
    if "drop" in trouble:
        says(interaction_id, "Discord did not take Guard’s answer in time.")
    assert submit.requests == []


def test_while_guard_stops_nothing_is_asked(start_bot, slash, submit, target, says):
    bot = start_bot()
    bot.process._door._closing = True

    says(slash("kick", user=str(target)), "Guard is just restarting")

    assert submit.requests == []


def test_stopping_lets_the_submit_at_work_answer(start_bot, slash, submit, target, says, eventually, receipt_for):
    go = threading.Event()
    submit.answer = lambda request: go.wait(30) and receipt_for(request)
    bot = start_bot()
    interaction_id = slash("kick", user=str(target))
    eventually(lambda: submit.requests)

    bot.process.stop()
    go.set()
    bot.thread.join(15)

    says(interaction_id, "Queued")
