"""What is refused, where, and that the refusal is on record."""

import dataclasses

import pytest

from kovra.actions.request import Action, RefusalKind, State
from kovra.errors import Conflict
from kovra.ids import UserId, new_request_id


def target_of(path, who):
    notable = path.discord.world["notable"]
    return {
        "oneself": path.discord.people["juniperlock"],
        "someone above": path.discord.people["idris.vale"],
        "guard": UserId(int(path.discord.world["bot_id"])),
        "the owner": UserId(int(path.discord.world["owner_id"])),
        "an outsider": UserId(int(notable["outsider"])),
    }[who]


@pytest.mark.parametrize(
    ("action", "who", "kind"),
    [
        (Action.BAN, "oneself", RefusalKind.SELF),
        (Action.BAN, "someone above", RefusalKind.OUTRANKED),
        (Action.KICK, "guard", RefusalKind.GUARD),
        (Action.MUTE, "the owner", RefusalKind.OWNER),
        (Action.KICK, "an outsider", RefusalKind.NOT_A_MEMBER),
    ],
)
def test_refused_with_a_reason_enqueued_never_and_audited(path, action, who, kind):
    request = path.a(action, target_of(path, who))

    receipt = path.submit(request)

    assert receipt.state is State.REJECTED
    assert receipt.refusal.kind is kind
    assert receipt.refusal.sentence.endswith(".")
    row = path.row(request.request_id)
    assert (row["state"], row["enqueued_at"], row["attempts"]) == ("rejected", None, 0)
    assert path.audit("action.rejected", request_id=str(request.request_id))
    assert path.events_of(request.request_id) == ["action.rejected"]


def test_guard_below_the_target_is_said_before_discord_says_it(path):
    above = UserId(int(path.discord.world["notable"]["above_guard"]))

    receipt = path.submit(path.a(Action.BAN, above, by="maren.oake"))

    assert receipt.refusal.kind is RefusalKind.GUARD_OUTRANKED


def test_trainee_may_warn_and_may_not_ban(path):
    target = path.discord.someone()

    banned = path.submit(path.a(Action.BAN, target, by="pip.hollow"))
    warned = path.run(path.a(Action.WARN, target, by="pip.hollow"))

    assert banned.refusal.kind is RefusalKind.NO_CAPABILITY
    assert warned["state"] == State.DONE


def test_same_request_twice_bans_once(path):
    request = path.a(Action.BAN, path.discord.someone())

    first, second = path.submit(request), path.submit(request)
    path.end_of(request.request_id)

    assert (first.replay, second.replay) == (False, True)
    assert second.request_id == first.request_id
    assert len(path.all("SELECT 1 FROM mod_cases WHERE request_id = :id", id=request.request_id)) == 1
    assert len(path.discord.dms(request.target_id)) == 1


def test_refused_request_asked_again_gets_the_same_refusal(path):
    request = path.a(Action.BAN, target_of(path, "someone above"))

    first, second = path.submit(request), path.submit(request)

    assert second.replay
    assert second.refusal == first.refusal


def test_an_id_used_for_another_wish_is_a_conflict(path):
    request = path.a(Action.WARN, path.discord.someone())
    path.run(request)

    with pytest.raises(Conflict):
        path.submit(dataclasses.replace(request, reason="something else"))


def test_rights_that_go_between_accept_and_execute_reject_the_request(path):
    # The worker is held while the role is taken away; the mirror hears of it; then the worker goes on.
    path.stack.kill("worker")
    request = path.a(Action.BAN, path.discord.someone(), by="juniperlock")
    assert path.submit(request).accepted
    moderator, role = path.discord.people["juniperlock"], path.discord.world["roles"]["Moderator"]
    path.discord.ask("POST", "roles", {"user_id": str(moderator), "role_id": role, "give": False})
    path.until(lambda: path.submit(path.a(Action.BAN, path.discord.someone())).refusal)

    path.stack.restart("worker")
    row = path.end_of(request.request_id)

    path.discord.ask("POST", "roles", {"user_id": str(moderator), "role_id": role, "give": True})
    assert row["state"] == State.REJECTED
    assert not path.discord.is_banned(request.target_id)
    assert path.audit("action.rejected", request_id=str(request.request_id))
    path.until(lambda: path.submit(path.a(Action.NOTE, path.discord.someone(), by="juniperlock")).accepted)


def test_request_with_a_fresh_id_for_what_is_running_is_refused(path):
    path.stack.kill("worker")
    target = path.discord.someone()
    first = path.a(Action.BAN, target)
    path.submit(first)

    second = path.submit(dataclasses.replace(first, request_id=new_request_id()))

    assert second.refusal.kind is RefusalKind.RUNNING
    path.stack.restart("worker")
    assert path.end_of(first.request_id)["state"] == State.DONE
