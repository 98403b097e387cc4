"""Taking back, from submit to what Discord shows."""

from datetime import UTC, datetime

import pytest

from kovra import wiring
from kovra.actions.request import Action, Source, State
from kovra.actions.reverse import Wish
from kovra.ids import new_request_id


@pytest.fixture(scope="module")
def reverse(path):
    submit_many = wiring.build_submit_many(path.config, path.database, path.submit)
    return wiring.build_reverse(path.config, path.database, submit_many)


def wish(path, **what):
    return Wish(
        reversal_id=new_request_id(),
        guild_id=path.guild_id,
        asked_by=path.discord.people["tamsin_reed"],
        source=Source.DASHBOARD,
        reason="taken over",
        issued_at=datetime.now(UTC),
        **what,
    )


def test_what_a_moderator_did_is_taken_back_once_and_the_rest_is_listed(path, reverse):
    banned, muted, kicked = (path.discord.someone() for _ in range(3))
    by = path.discord.people["idris.vale"]
    for action, target in ((Action.BAN, banned), (Action.MUTE, muted), (Action.KICK, kicked)):
        path.run(path.a(action, target, by="idris.vale"))
    muted_now = "SELECT timed_out_until AS until FROM members WHERE user_id = :t AND timed_out_until > now()"
    path.until(lambda: path.first(muted_now, t=muted))

    came = reverse(wish(path, of_moderator=by, minutes=30))

    asked = [(undo, receipt) for undo, receipt in came.asked if undo.target_id in (banned, muted)]
    rows = [path.end_of(receipt.request_id) for _, receipt in asked]
    assert [row["state"] for row in rows] == [State.DONE, State.DONE]
    assert [undo.action for undo, _ in came.cannot if undo.target_id == kicked] == [Action.KICK]
    assert not path.discord.is_banned(banned)
    assert path.discord.member(muted)["communication_disabled_until"] is None
    cases = [path.case_of(row["request_id"]) for row in rows]
    assert [case["reverses"] for case in cases] == [undo.case_no for undo, _ in asked]

    again = reverse(wish(path, of_moderator=by, minutes=30))
    assert again.asked == []
    assert {banned, muted, kicked} <= {undo.target_id for undo, _ in again.cannot}


def test_a_batch_is_taken_back(path, reverse):
    targets = [path.discord.someone() for _ in range(3)]
    job = path.a_job(Action.MUTE, targets, params={"duration_s": 3600})
    path.submit_job(job)
    path.end_of_job(job)

    came = reverse(wish(path, batch_id=job.batch_id))

    assert {path.end_of(receipt.request_id)["state"] for _, receipt in came.asked} == {State.DONE}
    assert len(came.asked) == 3
    assert all(path.discord.member(target)["communication_disabled_until"] is None for target in targets)
