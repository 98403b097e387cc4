"""Acts on a case, from submit to what Discord and the case show."""

import json
from datetime import timedelta

import pytest

from kovra.actions.request import Action, State


@pytest.fixture(scope="module")
def mute(path):
    """An hour's mute, and its case."""
    request = path.a(Action.MUTE, path.discord.someone(), params={"duration_s": 3600})
    path.run(request)
    return request


def about(path, request, action, by="tamsin_reed", reason="", **params):
    case_no = path.case_of(request.request_id)["case_no"]
    return path.a(action, request.target_id, by=by, reason=reason, params={"case_no": case_no, **params})


def test_another_reason_and_length_reach_the_case_discord_and_the_log_channel(path, mute):
    row = path.run(about(path, mute, Action.AMEND, reason="Scam, not spam", duration_s=7200))

    case = path.case_of(mute.request_id)
    assert row["state"] == State.DONE
    assert (case["reason"], case["ends_at"]) == ("Scam, not spam", row["applied_at"] and case["ends_at"])
    assert timedelta(hours=2) - timedelta(seconds=1) < case["ends_at"] - case["created_at"] <= timedelta(hours=2)
    until = path.discord.member(mute.target_id)["communication_disabled_until"]
    assert until.startswith(case["ends_at"].strftime("%Y-%m-%dT%H:%M:%S"))
    path.until(lambda: "Scam, not spam" in json.dumps(path.discord.log_posts(mute.request_id)[0]["embeds"]))
    [entry] = path.all("SELECT * FROM case_thread WHERE case_no = :no", no=case["case_no"])
    assert entry["before"]["reason"] == "spam"
    assert path.audit("case.amended", request_id=str(row["request_id"]))


def test_a_dm_is_sent_again_once(path, mute):
    before = len(path.discord.dms(mute.target_id))

    row = path.run(about(path, mute, Action.RESEND))

    assert row["state"] == State.DONE
    assert len(path.discord.dms(mute.target_id)) == before + 1


def test_a_voided_case_stays_and_takes_comments_alone(path, mute):
    assert path.run(about(path, mute, Action.VOID, reason="Wrong person"))["state"] == State.DONE
    assert path.case_of(mute.request_id)["voided_at"] is not None

    refused = path.submit(about(path, mute, Action.AMEND, reason="no"))
    commented = path.run(about(path, mute, Action.COMMENT, reason="They wrote to us"))

    assert not refused.accepted
    assert commented["state"] == State.DONE
    assert path.case_of(commented["request_id"]) is None
