"""Taking back: one case by its opposite, many at once by those who may decide over a colleague."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from uuid import UUID

import pytest

from kovra.actions.capabilities import Permission, Person
from kovra.actions.request import INVERSE, Action, Receipt, Refusal, RefusalKind, Source
from kovra.actions.reverse import Found, Reverse, Undo, Wish, not_reversible, opposite
from kovra.actions.rights import CaseSeen, Standing, check
from kovra.errors import Malformed
from kovra.ids import GuildId, UserId, new_request_id
from tests.wishes import MAKING, ROLE

GUILD, SENIOR, ROGUE = (
    GuildId(110_000_000_000_000_001),
    UserId(120_000_000_000_000_002),
    UserId(121_000_000_000_000_002),
)
TARGET = UserId(130_000_000_000_000_003)
EVERY = sum(permission.value for permission in Permission) & ~Permission.ADMINISTRATOR.value


def person(user_id, rank, permissions=0):
    return Person(user_id=user_id, name=f"user {rank}", member=True, rank=rank, permissions=permissions)


def undo(number, action=Action.BAN, **more):
    holds = None if action in (Action.ROLE_ADD, Action.ROLE_REMOVE) else True
    return Undo(case_no=number, action=action, target_id=TARGET, target_name="raider", **({"holds": holds} | more))


@dataclass
class World:
    found: Found = field(default_factory=Found)
    permissions: int = EVERY
    rogue_rank: int = 3
    asked: list = field(default_factory=list)
    cancelled: list = field(default_factory=list)
    entries: list = field(default_factory=list)
    refuse: set = field(default_factory=set)

    def standing(self, guild_id, moderator_id, target_id):
        return Standing(
            guild_id=guild_id,
            owner_id=UserId(1),
            guard=person(UserId(2), 9, EVERY),
            moderator=person(moderator_id, 5, self.permissions),
            target=person(target_id, self.rogue_rank),
        )

    def batch(self, guild_id, batch_id, most):
        return self.found

    def by_moderator(self, guild_id, moderator_id, minutes, most):
        return self.found

    def cancel(self, guild_id, request_ids, by_id):
        self.cancelled += request_ids
        return list(request_ids)

    def __call__(self, requests):
        return [self._ask(request) for request in requests]

    def _ask(self, request):
        self.asked.append(request)
        no = request.reverses in self.refuse
        refusal = Refusal(kind=RefusalKind.REVERSED, sentence="No.") if no else None
        return Receipt.of(request, refusal)

    def append(self, entry):
        self.entries.append(entry)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def reverse(world):
    return Reverse(roster=world, undoing=world, submit=world, audit=world, clock=SimpleNamespace(now=None))


@pytest.fixture
def wish(noon):
    return Wish(
        reversal_id=UUID("0192f5a0-0000-7000-8000-000000000009"),
        guild_id=GUILD,
        asked_by=SENIOR,
        source=Source.DASHBOARD,
        reason="account was taken over",
        issued_at=noon,
        of_moderator=ROGUE,
        minutes=30,
    )


def test_each_case_gets_its_opposite_newest_first_and_names_it(world, reverse, wish):
    world.found = Found(cases=[undo(9, Action.ROLE_ADD, role_id=ROLE), undo(8, Action.MUTE), undo(7)])

    came = reverse(wish)

    assert [(one.action, one.reverses) for one in world.asked] == [
        (Action.ROLE_REMOVE, 9),
        (Action.UNMUTE, 8),
        (Action.UNBAN, 7),
    ]
    assert world.asked[0].params["role_id"] == ROLE
    assert len(came.asked) == 3
    assert world.entries[0].facts["asked"] == 3


def test_what_waits_is_cancelled_and_what_cannot_be_taken_back_is_listed(world, reverse, wish):
    waiting = [new_request_id()]
    world.found = Found(
        cases=[undo(9, Action.KICK), undo(8, reversed_by=10), undo(7, holds=False), undo(6)], waiting=waiting
    )

    came = reverse(wish)

    assert (came.cancelled, world.cancelled) == (waiting, waiting)
    assert [one.case_no for one, _ in came.cannot] == [9, 8, 7]
    assert [request.reverses for request in world.asked] == [6]
    assert all(why.endswith(".") for _, why in came.cannot)


def test_looking_changes_nothing(world, reverse, wish):
    world.found = Found(cases=[undo(6), undo(5, Action.WARN)], waiting=[new_request_id()])

    plan = reverse.plan(wish)

    assert ([one.case_no for one in plan.takes_back], len(plan.cannot), len(plan.cancels)) == ([6], 1, 1)
    assert (world.asked, world.cancelled, world.entries) == ([], [], [])


def test_sent_twice_it_asks_for_the_same(world, reverse, wish):
    world.found = Found(cases=[undo(6)])

    reverse(wish)
    reverse(wish)

    assert world.asked[0] == world.asked[1]


def test_what_submit_refuses_is_told(world, reverse, wish):
    world.found, world.refuse = Found(cases=[undo(6), undo(5)]), {6}

    came = reverse(wish)

    assert [(one.case_no, why) for one, why in came.refused] == [(6, "No.")]
    assert len(came.asked) == 1


@pytest.mark.parametrize(
    ("permissions", "rank", "kind"),
    [
        (EVERY & ~Permission.MANAGE_GUILD.value, 3, RefusalKind.NO_CAPABILITY),
        (EVERY, 5, RefusalKind.OUTRANKED),
    ],
)
def test_deciding_over_a_colleague_takes_the_capability_and_a_higher_role(
    world, reverse, wish, permissions, rank, kind
):
    world.found, world.permissions, world.rogue_rank = Found(cases=[undo(6)]), permissions, rank

    came = reverse(wish)

    assert came.refusal.kind is kind
    assert came.refusal.sentence.endswith(".")
    assert world.asked == []
    assert "sentence" in world.entries[0].facts


def test_own_acts_take_no_higher_role_than_ones_own(world, reverse, wish):
    world.found, world.rogue_rank = Found(cases=[undo(6)]), 5

    assert reverse(replace(wish, of_moderator=SENIOR)).refusal is None


def test_what_the_owner_did_stays_whatever_role_they_wear(world, reverse, wish):
    world.found, world.rogue_rank = Found(cases=[undo(6)]), 0

    came = reverse(replace(wish, of_moderator=UserId(1)))

    assert came.refusal.kind is RefusalKind.OWNER
    assert world.asked == []


@pytest.mark.parametrize(
    "changed", [{"batch_id": new_request_id()}, {"of_moderator": None}, {"minutes": 0}, {"minutes": 9999}]
)
def test_a_wish_names_one_thing_and_not_too_far_back(wish, changed):
    with pytest.raises(Malformed):
        replace(wish, **changed)


@pytest.mark.parametrize("action", MAKING)
def test_every_action_has_an_opposite_or_a_reason_why_not(action):
    why = not_reversible(undo(1, action))

    assert (why is None) is (action in INVERSE)
    assert why is None or why.endswith(".")


# -- the rights of one opposite act


def seen(**changed):
    case = CaseSeen(case_no=7, action=Action.BAN, target_id=TARGET, moderator_id=ROGUE, age_s=9, holds=True)
    return replace(case, **changed)


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        (seen(), None),
        (None, RefusalKind.CASE_UNKNOWN),
        (seen(target_id=UserId(9)), RefusalKind.CASE_UNKNOWN),
        (seen(action=Action.MUTE), RefusalKind.CASE_UNKNOWN),
        (seen(reversed_by=8), RefusalKind.REVERSED),
        (seen(holds=False), RefusalKind.REVERSED),
    ],
)
def test_a_case_is_taken_back_once_by_its_opposite_while_it_holds(world, noon, case, kind):
    request = opposite(
        undo(7),
        request_id=new_request_id(),
        guild_id=GUILD,
        moderator_id=SENIOR,
        source=Source.DASHBOARD,
        reason="",
        issued_at=noon,
    )

    refusal = check(request, replace(world.standing(GUILD, SENIOR, TARGET), case=case))

    assert (refusal and refusal.kind) is kind


def test_what_cannot_be_taken_back_makes_no_request():
    with pytest.raises(Malformed, match="kick cannot"):
        opposite(undo(7, Action.KICK))
