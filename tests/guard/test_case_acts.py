"""Acts on a case that exists: each once, whoever dies, and no case more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kovra.actions.request import CASE_ACTS, Action, RefusalKind, Source, State
from kovra.errors import DiscordLimited, DiscordRefused, DiscordUnknown
from kovra.guard.case import Case, NoticeStatus
from kovra.guard.outcome import FailureKind
from kovra.ids import GuildId, UserId, new_request_id
from tests.guard.ledger_side import CLAIM_S

TARGET = UserId(130_000_000_000_000_003)
POINTS = ["after_claim", "after_authz", "before_finalise", "after_finalise", "after_done", "before_ack"]


@pytest.fixture(autouse=True)
def a_mute(world):
    """Case #1: an hour's mute by somebody else."""
    world.old_case = Case(
        guild_id=GuildId(110_000_000_000_000_001),
        case_no=1,
        request_id=new_request_id(),
        action=Action.MUTE,
        target_id=TARGET,
        target_name="raider",
        moderator_id=UserId(150_000_000_000_000_005),
        moderator_name="pell",
        source=Source.DASHBOARD,
        reason="spam",
        created_at=world.now,
        ends_at=world.now + timedelta(hours=1),
    )
    world.muted[TARGET] = world.old_case.ends_at
    return world.old_case


def ask(stage, action, reason="because", **params):
    return stage.ask(action, reason=reason, params={"case_no": 1, **params})


@pytest.mark.parametrize(
    ("action", "story"),
    [
        (Action.COMMENT, ["claim", "amend", "close"]),
        (Action.VOID, ["claim", "amend", "close"]),
        (Action.AMEND, ["claim", "amend", "close"]),
        (Action.RESEND, ["claim", "intend_notice", "open_dm", "dm", "record_notice", "amend", "close"]),
    ],
)
def test_every_act_has_its_order(stage, world, action, story):
    row = stage.run(ask(stage, action))

    assert (row.state, world.story) == (State.DONE, story)


@pytest.mark.parametrize("action", sorted(CASE_ACTS))
@pytest.mark.parametrize("point", POINTS)
def test_whoever_dies_anywhere_the_case_is_changed_once(stage, world, action, point):
    sealed = ask(stage, action)
    assert stage.die_at(sealed, point)

    row = stage.run(sealed)

    assert (row.state, len(world.changes)) == (State.DONE, 1)
    assert len(world.messages) == (action is Action.RESEND)


def test_another_end_of_a_mute_is_told_to_discord_and_counts_from_the_beginning(stage, world, a_mute):
    world.now += timedelta(minutes=10)

    stage.run(ask(stage, Action.AMEND, duration_s=7200))

    end = a_mute.created_at + timedelta(hours=2)
    assert world.muted[TARGET] == world.old_case.ends_at == end
    assert world.story == ["claim", "intend_effect", "mute", "amend", "close"]


def test_who_is_away_is_muted_until_then_when_they_come_back(stage, world, stranger):
    stage.run(ask(stage, Action.AMEND, duration_s=7200))

    assert "mute" not in world.story
    assert world.changes[0].lasting


@pytest.mark.parametrize(
    ("error", "state", "kind"),
    [
        (DiscordRefused(403, 50013, "Missing Permissions"), State.FAILED, FailureKind.FORBIDDEN),
        (DiscordLimited(2), State.ACCEPTED, None),
        (DiscordUnknown("reset"), State.ACCEPTED, None),
    ],
)
def test_what_discord_does_not_take_changes_no_case(stage, world, error, state, kind):
    world.fail["mute"] = error

    row = stage.run(ask(stage, Action.AMEND, duration_s=7200))

    assert (row.state, world.changes) == (state, [])
    assert row.end is None if kind is None else row.end.kind is kind


def test_who_stood_still_until_the_claim_was_over_sets_no_end(stage, world):
    def at(point):
        if point == "after_effect_intent":
            world.now += timedelta(seconds=CLAIM_S)

    stage.run(ask(stage, Action.AMEND, duration_s=7200), at)

    assert "intend_effect" in world.story
    assert (world.deeds, world.changes) == ([], [])


def test_an_unknown_answer_is_asked_for_again(stage, world):
    sealed = ask(stage, Action.AMEND, duration_s=7200)
    world.lost["mute"] = 1
    stage.run(sealed)

    row = stage.run(sealed)

    assert (row.state, len(world.changes)) == (State.DONE, 1)
    assert {deed[3]["until"] for deed in world.deeds} == {world.old_case.ends_at}


def test_a_dm_that_is_wanted_again_knocks_at_closed_dms_and_finds_them_open(stage, world):
    world.target = replace(world.target, dms_closed=True)

    stage.run(ask(stage, Action.RESEND, reason=""))

    assert len(world.messages) == 1
    assert not world.target.dms_closed


def test_a_dm_sent_again_names_the_case_and_reads_as_it_does_now(stage, world):
    row = stage.run(ask(stage, Action.RESEND, reason=""))

    [message] = world.messages.values()
    assert "muted" in message.content
    assert "Case #1" in message.content
    assert row.notice is NoticeStatus.SENT


def test_rights_are_asked_again(stage, world):
    world.moderator = type(world.moderator)(user_id=world.moderator.user_id, name="odalys", member=False)

    row = stage.run(ask(stage, Action.VOID))

    assert (row.state, row.end.kind, world.changes) == (State.REJECTED, RefusalKind.NO_LONGER_MEMBER, [])


def test_a_case_that_is_not_there_is_refused(stage, world):
    world.old_case = None

    row = stage.run(ask(stage, Action.COMMENT))

    assert (row.state, row.end.kind) == (State.REJECTED, RefusalKind.CASE_UNKNOWN)


def test_what_waits_under_a_revoked_key_is_not_done(stage, world):
    from dataclasses import replace

    sealed = ask(stage, Action.VOID)
    stage.keys = {kid: replace(key, revoked=True) for kid, key in stage.keys.items()}

    assert stage.run(sealed).end.kind is RefusalKind.KEY_REVOKED
    assert world.changes == []


def test_what_waited_too_long_expires(stage, world):
    sealed = ask(stage, Action.VOID)
    world.now = sealed.expires_at + timedelta(seconds=1)

    assert stage.run(sealed).state is State.EXPIRED
