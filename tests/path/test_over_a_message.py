"""Acting over a message that is to go: whoever dies, it goes once and one case says so."""

from __future__ import annotations

from kovra.actions.request import Action, State


def changes(path, request):
    """How often the sandbox was changed for this request, by verb."""
    return {one["verb"]: one["changed"] for one in path.discord.deeds(request.request_id)["effects"]}


def test_whoever_dies_between_the_deletion_and_the_case_it_is_deleted_once_and_there_is_one_case(path):
    target, hall = path.discord.someone(), path.discord.world["channels"]["main-hall"]
    wrote = {"user_id": str(target), "channel_id": hall, "content": "free nitro"}
    message = path.discord.ask("POST", "messages", wrote)["id"]
    over = {"duration_s": 600, "delete_channel_id": int(hall), "delete_message_id": int(message)}
    request = path.a(Action.MUTE, target, by="maren.oake", params=over)

    with path.dying_worker("after_message_deleted") as worker:
        path.submit(request)
        path.until(lambda: worker.pid is None)
        assert changes(path, request)["delete_message"] == 1
        assert path.case_of(request) is None
    row = path.end_of(request.request_id)

    assert (row["state"], row["attempts"]) == (State.DONE, 2)
    assert changes(path, request)["delete_message"] == 1
    assert set(changes(path, request).values()) == {1}
    cases = path.all("SELECT result FROM mod_cases WHERE request_id = :id", id=request.request_id)
    assert [case["result"] for case in cases] == [{"message": "deleted"}]
    assert len(path.discord.dms(target)) == 1
    assert len(path.discord.log_posts(request.request_id)) == 1
