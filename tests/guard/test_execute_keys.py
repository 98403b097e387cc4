"""The story of one action under keys that come and go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kovra.actions.request import Action, RefusalKind, State
from kovra.errors import (
    EnvelopeRefused,
)
from tests.wishes import MAKING


def revoke(stage):
    stage.keys = {kid: replace(key, revoked=True) for kid, key in stage.keys.items()}


@pytest.mark.parametrize("action", MAKING)
def test_what_waits_under_a_revoked_key_is_rejected_and_nothing_is_done(stage, world, action):
    kept = stage.ask(action)
    revoke(stage)

    row = stage.run(kept)

    assert (row.state, row.end.kind) == (State.REJECTED, RefusalKind.KEY_REVOKED)
    assert world.story == ["claim", "reject"]
    assert world.quarantined == []


def test_what_was_done_under_a_key_revoked_since_is_recorded(stage, world):
    kept = stage.ask(Action.BAN)
    assert stage.die_at(kept, "after_effect_call")
    revoke(stage)

    row = stage.run(kept)

    assert row.state is State.DONE
    assert [deed[0] for deed in world.deeds] == ["ban"]


def test_what_was_begun_and_not_done_under_a_key_revoked_since_is_not_done(stage, world):
    kept = stage.ask(Action.BAN)
    assert stage.die_at(kept, "after_effect_intent")
    revoke(stage)

    row = stage.run(kept)

    assert (row.state, row.end.kind) == (State.REJECTED, RefusalKind.KEY_REVOKED)
    assert world.deeds == []


def test_a_case_under_a_key_revoked_since_is_told_to_its_end(stage, world):
    kept = stage.ask(Action.WARN)
    assert stage.die_at(kept, "after_finalise")
    revoke(stage)

    assert stage.run(kept).state is State.DONE


def test_a_request_whose_key_this_worker_does_not_know_waits(stage, world):
    kept = stage.ask(Action.BAN)
    stage.keys = {}

    row = stage.run(kept)

    assert row.state is State.ACCEPTED
    assert (world.quarantined, world.deeds) == ([], [])


@pytest.mark.parametrize("part", ["body", "kid", "sig"])
def test_what_is_no_true_copy_does_not_wait_for_a_key(stage, world, part):
    kept = stage.ask(Action.BAN)
    stage.keys = {}

    with pytest.raises(EnvelopeRefused, match="key"):
        stage.run(kept, **{part: b"{}" if part == "body" else "w\x00"})

    assert [cause for _, cause, _ in world.quarantined] == ["key"]


def test_an_unknown_key_while_the_database_is_away_is_left_to_the_relay(stage, world, away):
    kept = stage.ask(Action.BAN)
    stage.keys = {}
    world.fail["await_key"] = away

    assert stage.run(kept).state is State.ACCEPTED
    assert world.quarantined == []
