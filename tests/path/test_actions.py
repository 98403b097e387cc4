"""Each action, from submit to the last event."""

import pytest

from kovra.actions.request import Action, Source, State
from kovra.ids import UserId

ALL_THE_WAY = ["action.queued", "action.running", "case.created", "action.done"]


def test_ban_is_told_done_recorded_and_posted(path):
    target = path.discord.someone()
    request = path.a(Action.BAN, target, reason="Scam links in three channels", params={"delete_window_s": 3600})

    row = path.run(request)

    assert row["state"] == State.DONE
    assert path.discord.is_banned(target)
    assert path.discord.member(target) is None
    case = path.case_of(request.request_id)
    assert case["action"] == "ban"
    assert case["target_id"] == target
    assert case["reason"] == "Scam links in three channels"
    assert case["notice_status"] == "sent"
    assert "Scam links in three channels" in path.discord.dms(target)[0]
    assert f"#{case['case_no']}" in path.discord.log_posts(request.request_id)[0]["embeds"][0]["title"]
    assert path.events_of(request.request_id) == ALL_THE_WAY


def test_notice_of_a_ban_goes_out_before_the_ban(path):
    row = path.run(path.a(Action.BAN, path.discord.someone()))

    assert row["notice_done_at"] <= row["effect_at"] <= row["effect_done_at"] <= row["applied_at"] <= row["post_at"]


def test_unban_lifts_the_ban(path):
    target = path.discord.someone()
    path.run(path.a(Action.BAN, target))

    row = path.run(path.a(Action.UNBAN, target, reason="appealed"))

    assert row["state"] == State.DONE
    assert not path.discord.is_banned(target)


def test_kick_removes_the_member(path):
    target = path.discord.someone()

    row = path.run(path.a(Action.KICK, target))

    assert row["state"] == State.DONE
    assert path.discord.member(target) is None
    assert not path.discord.is_banned(target)


def test_mute_lasts_until_the_moment_on_the_case(path):
    target = path.discord.someone()
    request = path.a(Action.MUTE, target, params={"duration_s": 3600})

    path.run(request)

    case = path.case_of(request.request_id)
    until = path.discord.member(target)["communication_disabled_until"]
    assert until.startswith(case["ends_at"].strftime("%Y-%m-%dT%H:%M:%S"))
    assert f"Case #{case['case_no']}" in path.discord.dms(target)[0]


def test_unmute_ends_the_mute(path):
    target = path.discord.someone()
    path.run(path.a(Action.MUTE, target))

    path.run(path.a(Action.UNMUTE, target))

    assert path.discord.member(target)["communication_disabled_until"] is None


def test_warn_is_a_case_and_a_dm(path):
    target = path.discord.someone()
    request = path.a(Action.WARN, target, reason="Please read the rules")

    row = path.run(request)

    assert row["state"] == State.DONE
    assert path.case_of(request.request_id)["notice_status"] == "sent"
    assert "Please read the rules" in path.discord.dms(target)[0]


def test_note_tells_nobody(path):
    target = path.discord.someone()
    request = path.a(Action.NOTE, target, reason="Friendly, asked about rules")

    path.run(request)

    assert path.case_of(request.request_id)["notice_status"] == "not_needed"
    assert path.discord.dms(target) == []


def test_case_numbers_have_no_gaps_whatever_failed_between(path):
    first = path.a(Action.WARN, path.discord.someone())
    path.run(first)
    path.run(path.a(Action.BAN, UserId(99_999_999_999_999_999)))
    second = path.a(Action.WARN, path.discord.someone())
    path.run(second)

    numbers = [row["case_no"] for row in path.all("SELECT case_no FROM mod_cases ORDER BY case_no")]

    assert path.case_of(second.request_id)["case_no"] == path.case_of(first.request_id)["case_no"] + 1
    assert numbers == list(range(1, len(numbers) + 1))


def test_ban_of_an_id_nobody_has_fails_as_unknown_user(path):
    request = path.a(Action.BAN, UserId(99_999_999_999_999_998))

    row = path.run(request)

    assert row["state"] == State.FAILED
    assert row["failure_sentence"].startswith("Unknown user")
    assert path.case_of(request.request_id) is None
    assert path.events_of(request.request_id)[-1] == "action.failed"
    assert path.audit("action.failed", request_id=str(request.request_id))


def test_closed_dms_do_not_stop_a_ban_and_are_knocked_at_once(path):
    target = UserId(int(path.discord.world["notable"]["closed_dms"][0]))
    request = path.a(Action.BAN, target)

    def refused():
        return sum(one["status"] == 403 for one in path.discord.ask("GET", "requests?limit=2000")["requests"])

    before = refused()
    warned = path.a(Action.WARN, target)
    path.run(warned)
    path.until(lambda: refused() == before + 1)
    row = path.run(request)

    assert row["state"] == State.DONE
    assert path.discord.is_banned(target)
    case = path.case_of(request.request_id)
    assert (case["notice_status"], case["notice_code"], case["notice_at"]) == ("not_tried", 50007, None)
    assert refused() == before + 1


def test_long_reason_is_whole_on_the_case_and_cut_for_discord(path):
    target, reason = path.discord.someone(), "very long " * 390
    request = path.a(Action.BAN, target, reason=reason)

    path.run(request)

    assert path.case_of(request.request_id)["reason"] == reason.strip()
    [ban] = [b for b in path.discord.ask("GET", f"guilds/{path.guild_id}/bans") if b["user"]["id"] == str(target)]
    assert len(ban["reason"]) <= 512
    assert ban["reason"].endswith("]")


def test_every_effect_happens_once(path):
    request = path.a(Action.BAN, path.discord.someone())

    path.run(request)

    assert path.discord.deeds(request.request_id), "the judge saw nothing"
    assert len(path.discord.log_posts(request.request_id)) == 1
    assert len(path.discord.dms(request.target_id)) == 1


def test_burst_of_cases_is_posted_as_the_log_channel_allows(path):
    # Discord takes about one message a second in a channel; none of these may be lost or doubled for it.
    path.discord.ask("POST", "limits", {"on": True})
    requests = [path.a(Action.NOTE, path.discord.someone()) for _ in range(24)]

    for request in requests:
        path.submit(request)
    rows = [path.end_of(request.request_id) for request in requests]

    path.discord.ask("POST", "limits", {"on": False})
    posts = [path.discord.log_posts(request.request_id) for request in requests]
    assert [row["post_status"] for row in rows] == ["sent"] * 24
    assert [len(one) for one in posts] == [1] * 24
    # Those that had to wait share their posts.
    assert len({one["id"] for [one] in posts}) <= 16


@pytest.mark.parametrize("source", [Source.DISCORD, Source.AUTOMOD, Source.SYSTEM])
def test_a_web_key_cannot_speak_as_guard(path, source):
    from kovra.errors import Malformed

    with pytest.raises(Malformed):
        path.submit(path.a(Action.WARN, path.discord.someone(), source=source))
