"""The door ``/mod``: commands of people in the sandbox, through real Pycord, to a request and back to an answer."""

from __future__ import annotations

import threading

import pytest

from kovra.actions.request import MAX_MUTE, Action, Refusal, RefusalKind, Source, State
from kovra.guard.case import NoticeStatus
from kovra.ids import derived_request_id, snowflake_ms

# What a command asks for

ROLE_OF_TARGET = {"user": "target", "role": "role"}


@pytest.mark.parametrize(
    ("name", "options", "params", "reason"),
    [
        ("ban", {"reason": "raid", "delete_messages": 86400}, {"delete_window_s": 86400}, "raid"),
        ("ban", {}, {"delete_window_s": 0}, ""),
        ("ban", {"duration": "7d"}, {"delete_window_s": 0, "duration_s": 604_800}, ""),
        ("mute", {"duration": "60d"}, {"duration_s": 60 * 86_400}, ""),
        ("kick", {"reason": "bye"}, {}, "bye"),
        ("mute", {"duration": "1h30m"}, {"duration_s": 5400}, ""),
        ("mute", {"duration": "28d", "reason": "long"}, {"duration_s": int(MAX_MUTE.total_seconds())}, "long"),
        ("unmute", {}, {}, ""),
        ("warn", {"reason": "be nice"}, {}, "be nice"),
        ("note", {"reason": "seen before"}, {}, "seen before"),
        ("unban", {"reason": "appeal"}, {}, "appeal"),
    ],
)
def test_each_command_makes_the_canonical_request(
    start_bot, slash, submit, target, moderator, sandbox, says, name, options, params, reason
):
    start_bot()

    interaction_id = slash(name, user=str(target), **options)
    says(interaction_id, f"Queued: {name} of ")

    [request] = submit.requests
    assert request.action is Action(name)
    assert request.guild_id == sandbox.call(lambda s: s.world.cast.guild_id)
    assert (request.target_id, request.moderator_id) == (target, moderator)
    assert request.source is Source.DISCORD
    assert (dict(request.params), request.reason) == (params, reason)
    assert request.request_id == derived_request_id(snowflake_ms(interaction_id), "slash", interaction_id)
    assert round(request.issued_at.timestamp() * 1000) == snowflake_ms(interaction_id)


@pytest.mark.parametrize(
    ("name", "options", "action", "params", "at"),
    [
        ("softban", {"user": "target"}, Action.SOFTBAN, {"delete_window_s": 86_400}, "target"),
        ("role", {"change": "give", "user": "target", "role": "role"}, Action.ROLE_ADD, {"role_id": "role"}, "target"),
        (
            "role",
            {"change": "take", "user": "target", "role": "role"},
            Action.ROLE_REMOVE,
            {"role_id": "role"},
            "target",
        ),
        (
            "quarantine",
            {"change": "begin", "user": "target", "duration": "2h", "role": "role"},
            Action.QUARANTINE,
            {"duration_s": 7200, "role_id": "role"},
            "target",
        ),
        ("quarantine", {"change": "end", "user": "target"}, Action.UNQUARANTINE, {}, "target"),
        ("purge", {"count": 7}, Action.PURGE, {"count": 7}, "here"),
        (
            "purge",
            {"count": 7, "user": "target", "channel": "hall"},
            Action.PURGE,
            {"count": 7, "of_member": 1, "channel_id": "hall"},
            "target",
        ),
        ("lock", {"duration": "1h", "channel": "hall"}, Action.LOCK, {"duration_s": 3600}, "hall"),
        ("unlock", {}, Action.UNLOCK, {}, "here"),
        ("slowmode", {"seconds": 30}, Action.SLOWMODE, {"slow_s": 30}, "here"),
        ("slowmode", {}, Action.SLOWMODE_OFF, {}, "here"),
        ("lockdown", {"change": "on", "duration": "1d"}, Action.LOCKDOWN, {"duration_s": 86_400}, "guild"),
        ("lockdown", {"change": "off"}, Action.LOCKDOWN_OFF, {}, "guild"),
    ],
)
def test_commands_about_roles_channels_and_the_server(
    start_bot, slash, submit, says, places, name, options, action, params, at
):
    start_bot()

    given = {option: str(places[value]) if value in places else value for option, value in options.items()}
    says(slash(name, **given), "Queued: ")

    [request] = submit.requests
    assert (request.action, request.target_id) == (action, places[at])
    assert dict(request.params) == {param: places.get(value, value) for param, value in params.items()}


def test_someone_who_is_no_member_can_be_banned(start_bot, slash, submit, sandbox, says):
    outsider = sandbox.call(lambda s: s.world.cast.outsider)
    start_bot()

    says(slash("ban", user=str(outsider)), "Queued")

    assert [request.target_id for request in submit.requests] == [outsider]


def test_an_interaction_that_comes_twice_asks_for_the_same_thing(start_bot, slash, submit, sandbox, target, eventually):
    start_bot()
    tell = sandbox.sandbox.stage.tell

    def tell_twice(name, guild, build, channel=None):
        payload = build()
        tell(name, guild, lambda: payload, channel)
        tell(name, guild, lambda: payload, channel)

    sandbox.call(lambda s: setattr(s.stage, "tell", tell_twice))

    slash("kick", user=str(target))
    eventually(lambda: len(submit.requests) == 2)

    first, second = submit.requests
    assert first.request_id == second.request_id
    assert first.fingerprint() == second.fingerprint()


# What the moderator sees


def test_the_answer_is_theirs_alone_and_ends_with_the_case(start_bot, slash, submit, ends, target, answer, says):
    start_bot()

    interaction_id = slash("warn", user=str(target), reason="be nice")
    says(interaction_id, "Queued")
    ends.end(submit.requests[0], State.DONE, case_no=42, notice=(NoticeStatus.NOT_TRIED, 50007))
    says(interaction_id, "Done · case #42 created")

    seen = answer(interaction_id)
    assert seen["ephemeral"]
    assert [step["what"] for step in seen["history"]] == ["callback", "edit", "edit"]
    # A name is shown as it is, whatever Discord would make of its letters.
    assert "Spammer\\_9" in seen["content"]
    assert "DM not tried. They did not accept DMs from this server within the last week" in seen["content"]


def test_the_case_is_shown_before_the_last_message_is_sent(start_bot, slash, submit, ends, target, says):
    start_bot()

    interaction_id = slash("kick", user=str(target))
    says(interaction_id, "Queued")
    ends.end(submit.requests[0], State.APPLIED, case_no=7)

    says(interaction_id, "Done · case #7 created")


@pytest.mark.parametrize(
    ("state", "sentence", "shown"),
    [
        (State.FAILED, "Discord refused the kick.", "Failed: Discord refused the kick."),
        (State.DEAD, "Gave up after ten attempts.", "Failed: Gave up after ten attempts."),
        (State.REJECTED, "You may not kick here.", "You may not kick here."),
        (State.CANCELLED, "Idris cancelled it.", "Cancelled: Idris cancelled it."),
        (State.EXPIRED, None, "Expired: the kick of Spammer"),
    ],
)
def test_what_did_not_happen_is_said_with_its_reason(
    start_bot, slash, submit, ends, target, says, state, sentence, shown
):
    start_bot()

    interaction_id = slash("kick", user=str(target))
    says(interaction_id, "Queued")
    ends.end(submit.requests[0], state, sentence=sentence)

    says(interaction_id, shown)


def test_a_refusal_is_shown_as_it_is(start_bot, slash, submit, target, says, receipt_for):
    no = Refusal(kind=RefusalKind.OUTRANKED, sentence="Tamsin is not below you.")
    submit.answer = lambda request: receipt_for(request, no)
    start_bot()

    says(slash("ban", user=str(target)), "Tamsin is not below you.")


def test_names_in_a_refusal_are_text(start_bot, slash, submit, ends, target, says, receipt_for):
    sentence = "*Ben* [a](https://kovra.example) left the server."
    submit.answer = lambda request: receipt_for(request, Refusal(kind=RefusalKind.OUTRANKED, sentence=sentence))
    start_bot()
    says(slash("ban", user=str(target)), "\\*Ben\\* \\[a](https")

    submit.answer = receipt_for
    interaction_id = slash("kick", user=str(target))
    says(interaction_id, "Queued")
    ends.end(submit.requests[-1], State.FAILED, sentence=sentence)

    says(interaction_id, "Failed: \\*Ben\\* \\[a](https")


def test_the_answer_is_promised_before_submit_has_ended(
    start_bot, slash, submit, target, answer, eventually, says, receipt_for
):
    go = threading.Event()
    submit.answer = lambda request: go.wait(30) and receipt_for(request)
    start_bot()

    interaction_id = slash("ban", user=str(target))
    eventually(lambda: answer(interaction_id)["deferred"])
    # Submit is still at work, so what keeps Discord's three seconds is the promise alone.
    eventually(lambda: submit.requests)
    assert answer(interaction_id)["loading"]
    go.set()

    says(interaction_id, "Queued")


def test_one_slow_submit_holds_up_no_other(start_bot, slash, submit, sandbox, answer, says, receipt_for):
    go, (first, second) = threading.Event(), sandbox.call(lambda s: s.world.cast.plain[:2])

    def slow_for_first(request):
        if request.target_id == first:
            go.wait(30)
        return receipt_for(request)

    submit.answer = slow_for_first
    start_bot()

    held = slash("kick", user=str(first))
    says(slash("kick", user=str(second)), "Queued")
    assert answer(held)["content"] == ""
    go.set()

    says(held, "Queued")


def test_an_outcome_that_takes_too_long_is_left_to_the_pages(start_bot, slash, target, says, monkeypatch):
    monkeypatch.setattr("kovra.bot.slash.ANSWERABLE_S", 0.2)
    start_bot()

    says(slash("kick", user=str(target)), "Still queued")
