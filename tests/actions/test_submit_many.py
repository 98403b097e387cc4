"""Many single actions at once, with a world in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from kovra.actions.already import Held
from kovra.actions.capabilities import Person
from kovra.actions.request import Action, Receipt, RefusalKind, Source
from kovra.actions.rights import CaseSeen, Standing
from kovra.actions.submit_many import MOST, SubmitMany
from kovra.ids import UserId, new_request_id

EVERY = (1 << 41) - 1 & ~(1 << 3)
FIRST = 700_000_000_000_000_000


@dataclass
class World:
    """All ports. ``story`` keeps what was asked of it, in order; nobody whose number is in ``banned`` is not banned."""

    now_at: object
    banned: set = field(default_factory=set)
    story: list = field(default_factory=list)
    rows: dict = field(default_factory=dict)
    lane_takes: int = 1000
    carried: list = field(default_factory=list)
    marked: list = field(default_factory=list)

    def now(self):
        return self.now_at

    def standings(self, guild_id, moderator_id, target_ids):
        self.story.append("standings")
        assert len(set(target_ids)) == len(target_ids)
        return {
            target_id: Standing(
                guild_id=guild_id,
                owner_id=UserId(FIRST + 9),
                guard=Person(user_id=UserId(2), name="Guard", member=True, permissions=EVERY, rank=9, bot=True),
                moderator=Person(user_id=moderator_id, name="odalys", member=True, permissions=EVERY, rank=5),
                target=Person(user_id=target_id, name=f"raider {target_id - FIRST}", member=False),
            )
            for target_id in target_ids
        }

    def around_each(self, requests, standings):
        self.story.append("around")
        return {one.request_id: replace(standings[one.target_id], case=self._case(one)) for one in requests}

    @staticmethod
    def _case(request):
        seen = CaseSeen(
            case_no=request.case_no or request.reverses,
            action=Action.BAN,
            target_id=request.target_id,
            moderator_id=request.moderator_id,
            age_s=60,
            holds=True,
        )
        return replace(seen, voided=seen.case_no == 7)

    def held_among(self, guild_id, target_ids):
        self.story.append("held")
        return {one: Held(banned=one - FIRST in self.banned, muted=False) for one in target_ids}

    def accept(self, asked):
        self.story.append("accept")
        receipts = []
        for sealed, refusal in asked:
            request = sealed.request
            if request.request_id in self.rows:
                receipts.append(replace(self.rows[request.request_id], replay=True))
                continue
            receipts.append(Receipt.of(request, refusal))
            self.rows[request.request_id] = receipts[-1]
        return receipts

    def mark_enqueued(self, guild_id, request_ids):
        self.story.append("mark")
        self.marked += request_ids

    def put_each(self, sealed):
        self.story.append("put")
        put = sealed[: self.lane_takes]
        self.carried += [one.request.request_id for one in put]
        return put

    def ring(self, guild_id):
        self.story.append("ring")


@pytest.fixture
def world(noon):
    return World(noon)


@pytest.fixture
def submit_many(world, web_key):
    parts = dict.fromkeys(("roster", "requests", "outbox", "bulletin", "clock"), world)
    return SubmitMany(signing_key=web_key, **parts)


@pytest.fixture
def some(a):
    """``some(3, Action.UNBAN, …)``: so many requests, each about somebody else."""

    def make(count, action=Action.VOID, **more):
        params = {"case_no": 1} if action is Action.VOID else {}
        return [
            a(action, request_id=new_request_id(), target_id=UserId(FIRST + no), **({"params": params} | more))
            for no in range(count)
        ]

    return make


def test_all_of_them_are_kept_carried_and_rung_for_once(submit_many, world, some):
    asked = some(300)

    receipts = submit_many(asked)

    assert [receipt.request_id for receipt in receipts] == [one.request_id for one in asked] == world.carried
    assert world.story == ["standings", "around", "accept", "put", "mark", "ring"]


def test_each_is_judged_by_itself(submit_many, world, some):
    world.banned = {0, 1}
    unbans = some(4, Action.UNBAN)
    voids = [replace(some(1)[0], params={"case_no": no}) for no in (6, 7)]

    receipts = submit_many([*unbans, *voids])

    assert [receipt.refusal and receipt.refusal.kind for receipt in receipts] == [
        None, None, RefusalKind.ALREADY, RefusalKind.ALREADY, None, RefusalKind.CASE_STATE,
    ]  # fmt: skip
    assert "raider 2 is not banned here" in receipts[2].refusal.sentence
    assert world.carried == [unbans[0].request_id, unbans[1].request_id, voids[0].request_id]


def test_asked_again_only_what_is_new_is_carried(submit_many, world, some):
    asked = some(3)
    submit_many(asked[:2])

    receipts = submit_many(asked)

    assert [receipt.replay for receipt in receipts] == [True, True, False]
    assert world.carried == [one.request_id for one in asked]


def test_what_the_lane_did_not_take_is_left_to_the_relay(submit_many, world, some):
    world.lane_takes = 2
    asked = some(3)

    assert all(receipt.accepted for receipt in submit_many(asked))

    assert world.marked == [one.request_id for one in asked[:2]]


def test_nothing_is_asked_for_nothing(submit_many, world):
    assert submit_many([]) == []
    assert world.story == []


@pytest.mark.parametrize("change", [{"moderator_id": UserId(5)}, {"source": Source.AUTOMOD}])
def test_many_are_of_one_moderators_own_hand(submit_many, world, some, change):
    first, second = some(2)

    with pytest.raises(ValueError, match="one moderator"):
        submit_many([first, replace(second, **change)])
    with pytest.raises(ValueError, match=f"up to {MOST}"):
        submit_many(some(MOST + 1))

    assert world.story == []
