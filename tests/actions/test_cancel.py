"""Who may take back a request that waits."""

from __future__ import annotations

import pytest

from kovra.actions import cancel
from kovra.actions.capabilities import Capability, Person
from kovra.actions.request import BY_HAND, Action, Source, State
from kovra.ids import UserId

OWNER = UserId(1)
ASKER = Person(user_id=UserId(2), name="pell", member=True, rank=5)
ABOVE = Person(user_id=UserId(3), name="odalys", member=True, rank=8)
LEVEL = Person(user_id=UserId(4), name="sorrel", member=True, rank=5)
LORD = Person(user_id=OWNER, name="rosalind", member=True, rank=0)


def refusal(canceller, *, held=(Capability.BAN,), source=Source.DASHBOARD, asker=ASKER):
    return cancel.refusal(
        action=Action.BAN, source=source, asker=asker, canceller=canceller, owner_id=OWNER, held=set(held)
    )


@pytest.mark.parametrize("source", BY_HAND)
def test_who_asked_may_whatever_has_become_of_their_rights(source):
    assert refusal(ASKER, held=(), source=source) is None


def test_someone_above_with_the_capability_may():
    assert refusal(ABOVE) is None
    assert "only pell, who asked for it, or someone above them with the capability “ban”" in refusal(ABOVE, held=())


def test_a_colleague_of_the_same_rank_may_not():
    assert "only pell" in refusal(LEVEL)


def test_the_owner_may_whatever_their_roles():
    assert refusal(LORD) is None


def test_who_asked_and_left_outranks_nobody():
    gone = Person(user_id=ASKER.user_id, name="pell", member=False, rank=9)

    assert refusal(LEVEL, asker=gone) is None


@pytest.mark.parametrize("source", [source for source in Source if source not in BY_HAND])
def test_what_no_person_asked_for_may_be_stopped_by_whoever_could_have_asked(source):
    guard = Person(user_id=UserId(9), name="guard", member=True, rank=9, bot=True)

    assert refusal(LEVEL, source=source, asker=guard) is None
    assert "only someone with the capability “ban”" in refusal(LEVEL, source=source, asker=guard, held=())


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.ACCEPTED, "it may have been done"),
        (State.EXECUTING, "already running"),
        (State.APPLIED, "already running"),
        (State.DONE, "already ended"),
        (State.DEAD, "already ended"),
    ],
)
def test_too_late_says_why(state, words):
    assert words in cancel.too_late(Action.BAN, state, "Quillon")
