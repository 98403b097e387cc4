"""What would change nothing is refused at the door, and only when it is known."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kovra.actions import already
from kovra.actions.already import Held
from kovra.actions.capabilities import Person
from kovra.actions.request import BY_HAND, Action, Source
from kovra.actions.rights import Standing
from kovra.ids import UserId
from tests.wishes import ASKED

BANNED, FREE, UNKNOWN = (Held(banned=banned, muted=False) for banned in (True, False, None))


@pytest.fixture
def standing():
    def make(**target):
        person = Person(user_id=UserId(5), name="raider", **({"member": False} | target))
        guard = Person(user_id=UserId(2), name="Guard", member=True)
        return Standing(guild_id=1, owner_id=UserId(1), guard=guard, moderator=guard, target=person)

    return make


@pytest.mark.parametrize(
    ("action", "held", "words"),
    [
        (Action.BAN, BANNED, "raider is already banned, with no end"),
        (Action.BAN, FREE, None),
        (Action.BAN, UNKNOWN, None),
        (Action.UNBAN, FREE, "raider is not banned here"),
        (Action.UNBAN, BANNED, None),
        (Action.UNBAN, UNKNOWN, None),
        (Action.UNMUTE, FREE, "raider is not muted"),
        (Action.UNMUTE, Held(banned=None, muted=None), None),
        (Action.UNMUTE, Held(banned=False, muted=True), None),
        (Action.NOTE, BANNED, None),
    ],
)
def test_it_is_refused_only_when_it_is_known_to_change_nothing(a, action, held, words):
    refused = already.refusal(a(action), "raider", held)

    assert (refused is None) == (words is None)
    assert words is None or words in refused.sentence


def test_a_ban_that_ends_may_be_made_to_last_and_any_ban_may_be_given_an_end(a, noon):
    ends = Held(banned=True, muted=False, ban_ends_at=noon + timedelta(days=1))

    assert already.refusal(a(Action.BAN), "raider", ends) is None
    assert already.refusal(a(Action.BAN, params={"duration_s": 60}), "raider", ends) is None
    assert already.refusal(a(Action.BAN, params={"duration_s": 60}), "raider", BANNED) is None


def test_a_mute_that_is_renewed_may_be_lifted_between_two_renewals(a, noon):
    between = Held(banned=False, muted=False, mute_ends_at=noon)

    assert already.refusal(a(Action.UNMUTE), "raider", between) is None


def test_it_is_looked_up_only_when_it_may_matter(a, standing):
    asked = {
        (action, member, timed_out)
        for action in ASKED
        for member in (True, False)
        for timed_out in (True, False)
        if action not in (Action.WARN, Action.MUTE)
        and already.in_question(a(action), standing(member=member, timed_out=timed_out))
    }

    assert asked == {
        *((action, False, timed_out) for action in (Action.BAN, Action.UNBAN) for timed_out in (True, False)),
        (Action.UNMUTE, True, False),
        (Action.UNMUTE, False, False),
        *(
            (action, member, timed_out)
            for action in (Action.UNQUARANTINE, Action.UNLOCK, Action.SLOWMODE_OFF, Action.LOCKDOWN_OFF)
            for member in (True, False)
            for timed_out in (True, False)
        ),
    }


@pytest.mark.parametrize("source", [source for source in Source if source not in BY_HAND])
def test_what_no_person_asks_for_is_left_to_discord(a, standing, source):
    assert not already.in_question(a(Action.UNBAN, source=source), standing())


@pytest.mark.parametrize(
    ("holds", "refused"), [(None, False), (frozenset({"quarantine"}), False), (frozenset({"lock"}), True)]
)
def test_a_quarantine_is_ended_only_where_one_is_kept(a, holds, refused):
    found = already.refusal(a(Action.UNQUARANTINE), "raider", Held(banned=None, muted=None, holds=holds))

    assert (found is not None) is refused
    assert found is None or found.sentence == "raider is not in quarantine, so there is nothing to lift."
