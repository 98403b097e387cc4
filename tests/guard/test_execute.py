"""The story of one action, with everything that can go wrong in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kovra.actions.request import Action, RefusalKind, State
from kovra.errors import (
    DiscordLimited,
    DiscordRefused,
    DiscordUnknown,
    DiscordUnreached,
    EnvelopeRefused,
)
from kovra.guard.case import NoticeStatus, PostStatus
from kovra.guard.claim import NotClaimed
from kovra.guard.log_channels import EventClass
from kovra.guard.outcome import FailureKind
from kovra.ids import ChannelId, GuildId, UserId
from tests.guard.cast import DEED, HOLD

REFUSED, LIMITED = DiscordRefused(403, 50013, "Missing Permissions"), DiscordLimited(3.5)
UNREACHED, UNKNOWN = DiscordUnreached("refused"), DiscordUnknown("reset")
TELL = ["intend_notice", "open_dm", "dm", "record_notice"]
POST = ["intend_post", "log", "finish"]


# -- what goes right -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "story"),
    [
        (Action.BAN, ["claim", *TELL, "intend_effect", "ban", "finalise", *POST]),
        (Action.KICK, ["claim", *TELL, "intend_effect", "kick", "finalise", *POST]),
        (Action.MUTE, ["claim", "intend_effect", "mute", "finalise", *TELL, *POST]),
        (Action.WARN, ["claim", "finalise", *TELL, *POST]),
        (Action.NOTE, ["claim", "finalise", *POST]),
        (Action.UNBAN, ["claim", "intend_effect", "unban", "finalise", *POST]),
        (Action.UNMUTE, ["claim", "intend_effect", "unmute", "finalise", *POST]),
        (Action.SOFTBAN, ["claim", *TELL, "intend_effect", "ban", "unban", "finalise", *POST]),
        (Action.ROLE_ADD, ["claim", "intend_effect", "role_add", "finalise", *POST]),
        (Action.ROLE_REMOVE, ["claim", "intend_effect", "role_remove", "finalise", *POST]),
        (Action.QUARANTINE, ["claim", "intend_effect", "set_roles", "finalise", *TELL, *POST]),
        (Action.UNQUARANTINE, ["claim", "intend_effect", "set_roles", "finalise", *POST]),
        (Action.LOCK, ["claim", "intend_effect", "set_everyone", "finalise", *POST]),
        (Action.LOCKDOWN_OFF, ["claim", "intend_effect", "set_level", "pause", "finalise", *POST]),
        (Action.PURGE, ["claim", "intend_effect", "delete_messages", "finalise", *POST]),
    ],
)
def test_every_action_has_its_order(stage, world, action, story):
    world.held = HOLD
    row = stage.run(stage.ask(action))

    assert world.story == story
    assert row.state is State.DONE
    assert row.case.case_no == 1


def test_pages_are_rung_when_it_starts_when_it_is_done_and_at_the_end(stage, world):
    stage.run(stage.ask())

    assert world.rings == 3


def test_a_mute_lasts_from_the_moment_of_the_claim_and_the_case_says_the_same(stage, world):
    world.now += timedelta(microseconds=123_456)

    row = stage.run(stage.ask(Action.MUTE))

    [(_, _, _, more)] = world.deeds
    assert more["until"] == row.case.ends_at == (world.now + timedelta(seconds=600)).replace(microsecond=123_000)


# -- what must not be executed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"sig": "0" * 64}, "signature"),
        ({"kid": "w2"}, "key"),
        ({"lane": GuildId(7)}, "lane"),
        ({"body": b"{}"}, "signature"),
    ],
)
def test_a_refused_entry_is_quarantined_and_never_reaches_the_ledger(stage, world, changed, cause):
    sealed = stage.ask()

    with pytest.raises(EnvelopeRefused):
        stage.run(sealed, **changed)

    [(lane, why, _)] = world.quarantined
    assert (lane, why) == (changed.get("lane", sealed.request.guild_id), cause)
    assert world.story == []
    assert stage.run(sealed).state is State.DONE


def test_a_good_signature_without_a_row_or_over_another_row_is_quarantined(stage, world):
    one, other = stage.ask(), stage.ask(target_id=UserId(131_000_000_000_000_000))
    rows = world.rows

    rows[other.request.request_id].sealed = one
    with pytest.raises(EnvelopeRefused, match="row_differs"):
        stage.run(other)
    del rows[one.request.request_id]
    with pytest.raises(EnvelopeRefused, match="unknown_request"):
        stage.run(one)

    assert world.deeds == []
    assert [cause for _, cause, _ in world.quarantined] == ["row_differs", "unknown_request"]


@pytest.mark.parametrize("why", list(NotClaimed))
def test_what_is_not_claimed_is_left_alone_and_copies_are_counted(stage, world, why):
    world.not_claimed = why

    stage.run(stage.ask())

    assert world.story == ["claim"]
    assert world.replays == (why in (NotClaimed.FINISHED, NotClaimed.RUNNING))


def test_the_same_entry_twice_acts_once(stage, world):
    sealed = stage.ask()

    stage.run(sealed)
    stage.run(sealed)

    assert len(world.deeds) == 1
    assert world.replays == 1


def test_a_request_whose_time_is_over_expires_without_a_deed_or_a_word(stage, world):
    sealed = stage.ask()
    world.now = sealed.expires_at + timedelta(milliseconds=1)

    assert stage.run(sealed).state is State.EXPIRED
    assert world.story == ["claim", "expire"]


def test_rights_that_have_gone_in_between_reject_it(stage, world):
    sealed = stage.ask()
    world.moderator = replace(world.moderator, permissions=0)

    row = stage.run(sealed)

    assert (row.state, row.end.kind) == (State.REJECTED, RefusalKind.NO_CAPABILITY)
    assert world.story == ["claim", "reject"]


def test_without_a_roster_it_waits(stage, world, away):
    world.fail["standing"] = away

    row = stage.run(stage.ask())

    assert (row.state, row.due_in_s) == (State.ACCEPTED, 5.0)
    assert world.story == ["claim", "give_back"]


# -- what Discord answers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", list(DEED))
@pytest.mark.parametrize(
    ("error", "state", "kind"),
    [
        (REFUSED, State.FAILED, FailureKind.FORBIDDEN),
        (LIMITED, State.ACCEPTED, None),
        (UNREACHED, State.ACCEPTED, None),
    ],
)
def test_a_deed_that_is_not_done_makes_no_case(stage, world, action, error, state, kind):
    world.held = HOLD
    world.fail[DEED[action][0]] = error

    row = stage.run(stage.ask(action))

    assert row.state is state
    assert row.case is None
    assert row.end is None if kind is None else row.end.kind is kind
    assert "log" not in world.story


STRANGERS = DiscordRefused(400, 30035, "Max number of bans for non-guild members have been exceeded.")


@pytest.mark.parametrize(("error", "delay_s"), [(LIMITED, 3.5), (UNREACHED, 5.0), (STRANGERS, 60.0)])
def test_what_certainly_was_not_done_is_done_later_and_told_once(stage, world, error, delay_s):
    sealed = stage.ask()
    world.fail["ban"] = error
    assert stage.run(sealed).due_in_s == delay_s
    del world.fail["ban"]

    row = stage.run(sealed)

    assert row.state is State.DONE
    assert world.story.count("dm") == 1
    assert len(world.deeds) == 1


@pytest.mark.parametrize("error", [LIMITED, UNREACHED, REFUSED])
@pytest.mark.parametrize("action", [Action.BAN, Action.WARN, Action.NOTE])
def test_a_post_that_was_certainly_not_sent_waits_to_be_posted_with_others(stage, world, action, error):
    world.fail["log"] = error

    row = stage.run(stage.ask(action))

    assert (row.state, row.post, row.post_at) == (State.DONE, PostStatus.WAITING, None)
    assert [deed[0] for deed in world.deeds] == DEED.get(action, [])


def test_while_a_channel_is_busy_its_cases_wait_and_those_of_others_do_not(stage, world):
    world.logs[EventClass.NOTES] = ChannelId(8)
    world.fail["log"] = LIMITED
    stage.run(stage.ask())
    del world.fail["log"]

    behind, elsewhere = stage.run(stage.ask(Action.WARN)), stage.run(stage.ask(Action.NOTE))

    assert (behind.post, elsewhere.post) == (PostStatus.WAITING, PostStatus.SENT)
    assert world.story.count("intend_post") == 2


def test_a_post_that_an_earlier_attempt_may_have_sent_never_joins_others(stage, world):
    sealed = stage.ask()
    assert stage.die_at(sealed, "after_log_post")
    world.fail["log"] = LIMITED
    waiting = stage.run(sealed)
    assert (waiting.state, waiting.due_in_s, waiting.post) == (State.APPLIED, 3.5, "sending")
    del world.fail["log"]

    row = stage.run(sealed)

    assert (row.state, row.post) == (State.DONE, PostStatus.SENT)
    assert len(world.messages) == 2


@pytest.mark.parametrize("action", [Action.BAN, Action.WARN])
def test_closed_dms_are_knocked_at_once_and_then_known(stage, world, action):
    world.fail["dm"] = DiscordRefused(403, 50007, "Cannot send messages to this user")
    stage.run(stage.ask(Action.WARN))
    assert "open_dm" in world.story
    world.story.clear()

    row = stage.run(stage.ask(action))

    assert (row.state, row.notice) == (State.DONE, NoticeStatus.NOT_TRIED)
    assert not {"open_dm", "dm", "intend_notice"} & set(world.story)


def test_a_refusal_of_another_kind_is_not_remembered(stage, world):
    world.fail["dm"] = REFUSED

    stage.run(stage.ask(Action.WARN))

    assert not world.target.dms_closed


@pytest.mark.parametrize("where", ["open_dm", "dm"])
@pytest.mark.parametrize("action", [Action.BAN, Action.KICK, Action.MUTE, Action.WARN])
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (REFUSED, NoticeStatus.REFUSED),
        (LIMITED, NoticeStatus.SKIPPED),
        (UNREACHED, NoticeStatus.SKIPPED),
        (UNKNOWN, NoticeStatus.UNKNOWN),
    ],
)
def test_a_failed_notice_never_stops_an_action(stage, world, where, action, error, status):
    world.fail[where] = error

    row = stage.run(stage.ask(action))

    assert (row.state, row.notice) == (State.DONE, status)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DiscordRefused(400, 200000, "Blocked by AutoMod"), PostStatus.REFUSED),
        (UNKNOWN, PostStatus.UNKNOWN),
    ],
)
def test_a_failed_post_never_stops_an_action(stage, world, error, status):
    world.fail["log"] = error

    row = stage.run(stage.ask())

    assert (row.state, row.post) == (State.DONE, status)


def test_without_a_log_channel_nothing_is_posted(stage, world):
    world.log_id = None

    row = stage.run(stage.ask())

    assert (row.state, row.post) == (State.DONE, PostStatus.NOT_NEEDED)


@pytest.mark.usefixtures("stranger")
def test_a_stranger_is_banned_without_a_word(stage, world):
    row = stage.run(stage.ask())

    assert (row.state, row.notice) == (State.DONE, NoticeStatus.NOT_TRIED)
    assert "open_dm" not in world.story


def test_a_bot_is_not_written_to(stage, world):
    world.target = replace(world.target, bot=True)

    row = stage.run(stage.ask(Action.KICK))

    assert (row.state, row.notice) == (State.DONE, NoticeStatus.NOT_NEEDED)
    assert "open_dm" not in world.story
