"""The story of one action when processes die, databases go, and workers are replaced."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kovra.actions.request import Action, State
from kovra.errors import (
    ClaimLost,
)
from kovra.guard.case import NoticeStatus, PostStatus
from kovra.guard.notice_texts import TOLD_AFTER, TOLD_BEFORE
from kovra.guard.restoring import RESTORING
from tests.guard.cast import DEED, HOLD, TARGET
from tests.guard.ledger_side import CLAIM_S
from tests.wishes import MAKING, ROLE

POINTS = ["after_read", "after_verify", "after_claim", "after_authz", "after_notice_intent", "after_notice_post"]
POINTS += ["after_effect_intent", "after_effect_call", "before_finalise", "after_finalise", "after_log_intent"]
POINTS += ["after_log_post", "after_done", "before_ack"]
WRITES = [
    "claim",
    "intend_notice",
    "record_notice",
    "intend_effect",
    "finalise",
    "intend_post",
    "finish",
]


@pytest.mark.parametrize("action", MAKING)
@pytest.mark.parametrize("point", POINTS)
def test_whoever_dies_anywhere_nothing_is_done_or_said_twice(stage, world, action, point):
    if action is Action.UNBAN:
        world.bans[TARGET] = "an old ban"
    if action is Action.UNMUTE:
        world.muted[TARGET] = world.now + timedelta(hours=1)
    if action is Action.ROLE_REMOVE:
        world.roles[TARGET].add(ROLE)
    world.held = HOLD if action in RESTORING else None
    sealed = stage.ask(action)
    reached, deeds = stage.die_at(sealed, point), DEED.get(action, [])
    row = stage.run(sealed)

    assert row.state is State.DONE
    assert row.case.case_no == 1
    # Messages that were chosen to go may be told to go twice: no others go.
    assert list(dict.fromkeys(deed[0] for deed in world.deeds)) == deeds
    assert action is Action.PURGE or len(world.deeds) == len(deeds)
    # Between a message and its record lies one point each: it is sent again under its nonce, and is one message.
    told = action in TOLD_BEFORE | TOLD_AFTER
    assert world.story.count("dm") == told + (told and reached and point == "after_notice_post")
    assert world.story.count("log") == 1 + (reached and point == "after_log_post")
    assert len(world.messages) == told + 1
    assert reached or point in ("after_effect_intent", "after_effect_call", "after_notice_intent", "after_notice_post")


@pytest.mark.parametrize("action", MAKING)
@pytest.mark.parametrize("write", WRITES)
def test_a_database_that_goes_anywhere_leaves_the_request_where_it_stands(stage, world, action, write, away):
    if action is Action.UNBAN:
        world.bans[TARGET] = "an old ban"
    if action is Action.ROLE_REMOVE:
        world.roles[TARGET].add(ROLE)
    world.held = HOLD if action in RESTORING else None
    sealed = stage.ask(action)
    world.fail[write] = away
    stage.run(sealed)
    del world.fail[write]

    row = stage.run(sealed)

    assert row.state is State.DONE
    assert list(dict.fromkeys(deed[0] for deed in world.deeds)) == DEED.get(action, [])
    assert len(world.messages) <= 2


def test_a_claim_that_cannot_be_written_on_is_let_go(stage, world, away):
    sealed = stage.ask()
    world.fail["finalise"] = away

    stage.run(sealed)

    assert [claim.request_id for claim in world.left] == [sealed.request.request_id]


@pytest.mark.parametrize("write", WRITES[1:])
def test_who_was_replaced_writes_nothing_more(stage, world, write):
    world.fail[write] = ClaimLost()

    stage.run(stage.ask())

    after = {"intend_notice": [], "record_notice": ["intend_notice", "open_dm", "dm"]}
    assert write not in world.story
    assert world.story[-1] != "finish"
    if write in after:
        assert world.story == ["claim", *after[write]]


def test_a_claim_taken_over_in_the_middle_does_not_act(stage, world):
    sealed = stage.ask()

    def at(point):
        if point == "after_authz":
            world.rows[sealed.request.request_id].epoch += 1

    stage.run(sealed, at)

    assert world.deeds == []
    assert world.messages == {}


@pytest.mark.parametrize("action", [action for action in MAKING if DEED.get(action)])
def test_who_stood_still_until_the_claim_was_over_does_not_act(stage, world, action):
    """The other worker may be done, and what it did lifted again by people: once more would be once too often."""
    world.held = HOLD if action in RESTORING else None
    sealed = stage.ask(action)

    def at(point):
        if point == "after_effect_intent":
            world.now += timedelta(seconds=CLAIM_S)
            world.rows[sealed.request.request_id].epoch += 1

    row = stage.run(sealed, at)

    assert "intend_effect" in world.story
    assert world.deeds == []
    assert row.state is State.EXECUTING


def test_a_claim_that_is_over_and_nobodys_is_begun_again(stage, world):
    sealed = stage.ask()

    def at(point):
        if point == "after_effect_intent":
            world.now += timedelta(seconds=CLAIM_S)

    late = stage.run(sealed, at)

    assert (late.state, world.deeds) == (State.ACCEPTED, [])
    assert stage.run(sealed).state is State.DONE


@pytest.mark.parametrize("minutes", [0.9, 1.1])
def test_a_notice_that_may_have_been_sent_is_sent_under_its_nonce_or_looked_for_later(stage, world, died, minutes):
    sealed = stage.ask()
    world.fail["record_notice"] = died()
    with pytest.raises(died):
        stage.run(sealed)
    del world.fail["record_notice"]
    world.now += timedelta(minutes=minutes)
    world.forgotten = minutes > 1

    row = stage.run(sealed)

    assert (row.state, row.notice) == (State.DONE, NoticeStatus.SENT)
    assert world.story.count("dm") == (1 if world.forgotten else 2)


@pytest.mark.parametrize(("point", "status"), [("after_log_intent", "unknown"), ("after_log_post", "sent")])
def test_a_post_whose_nonce_is_too_old_is_found_or_unknown_and_never_repeated(stage, world, point, status):
    sealed = stage.ask()
    assert stage.die_at(sealed, point)
    world.now += timedelta(minutes=2)
    world.forgotten = True

    row = stage.run(sealed)

    assert (row.state, row.post) == (State.DONE, PostStatus(status))
    assert world.story.count("log") == (status == "sent")


def test_a_notice_of_a_dead_worker_to_someone_who_left_is_only_looked_for(stage, world):
    sealed = stage.ask()
    assert stage.die_at(sealed, "after_notice_post")
    world.target = replace(world.target, member=False)

    row = stage.run(sealed)

    assert (row.state, row.notice) == (State.DONE, NoticeStatus.SENT)
    assert world.story.count("dm") == 1


@pytest.mark.parametrize("what", ["dm", "log"])
def test_a_message_whose_answer_got_lost_is_sent_again_under_its_nonce(stage, world, what):
    world.lost[what] = 1

    row = stage.run(stage.ask())

    assert (row.notice, row.post) == (NoticeStatus.SENT, PostStatus.SENT)
    assert world.story.count(what) == 2


@pytest.mark.parametrize("what", ["dm", "log"])
def test_a_message_whose_answers_all_get_lost_is_found_in_the_history(stage, world, what):
    world.lost[what] = 2

    row = stage.run(stage.ask())

    assert (row.notice, row.post) == (NoticeStatus.SENT, PostStatus.SENT)
