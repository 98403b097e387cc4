"""The one way in, with a world in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from kovra.actions import envelope
from kovra.actions.audit import AuditKind
from kovra.actions.capabilities import Person
from kovra.actions.request import Action, Receipt, RefusalKind, Source, State
from kovra.actions.rights import Standing
from kovra.actions.submit import Submit
from kovra.errors import Conflict, Malformed, Unavailable
from kovra.ids import GuildId, UserId

EVERY = (1 << 41) - 1 & ~(1 << 3)


@dataclass
class World:
    """All ports of the room. ``story`` keeps what was asked of it, in order."""

    now_at: object
    story: list[str] = field(default_factory=list)
    rows: dict = field(default_factory=dict)
    lanes: list = field(default_factory=list)
    entries: list = field(default_factory=list)
    refuse: object = None
    away: set[str] = field(default_factory=set)
    redis: bool = True
    moderator_rank: int = 5

    def now(self):
        return self.now_at

    def standing(self, guild_id, moderator_id, target_id):
        self._tell("standing")
        return Standing(
            guild_id=guild_id,
            owner_id=UserId(1),
            guard=Person(user_id=UserId(2), name="Guard", member=True, permissions=EVERY, rank=9, bot=True),
            moderator=Person(
                user_id=moderator_id, name="odalys", member=True, permissions=EVERY, rank=self.moderator_rank
            ),
            target=Person(user_id=target_id, name="raider", member=True, rank=1),
        )

    def accept(self, sealed, refusal):
        self._tell("accept")
        request, refusal = sealed.request, refusal or self.refuse
        if request.request_id in self.rows:
            earlier, receipt = self.rows[request.request_id]
            if earlier.request.fingerprint() != request.fingerprint():
                raise Conflict("another wish")
            return replace(receipt, replay=True)
        receipt = Receipt.of(request, refusal)
        self.rows[request.request_id] = sealed, receipt
        return receipt

    def mark_enqueued(self, receipt):
        self._tell("mark_enqueued")

    def put(self, sealed):
        self._tell("put")
        if self.redis:
            self.lanes.append(sealed)
        return self.redis

    def ring(self, guild_id):
        self._tell("ring")

    def append(self, entry):
        self._tell("append")
        self.entries.append(entry)

    def _tell(self, what):
        if what in self.away:
            raise Unavailable(what)
        self.story.append(what)


@pytest.fixture
def world(noon):
    return World(noon)


@pytest.fixture
def submit(world, web_key):
    return Submit(
        roster=world,
        requests=world,
        outbox=world,
        bulletin=world,
        audit=world,
        clock=world,
        signing_key=web_key,
    )


def test_an_accepted_request_is_kept_then_enqueued_then_rung(submit, world, a):
    receipt = submit(a())

    assert (receipt.state, receipt.accepted, receipt.replay) == (State.ACCEPTED, True, False)
    assert world.story == ["standing", "accept", "put", "mark_enqueued", "ring"]


def test_what_is_kept_and_what_is_carried_are_the_same_sealed_bytes(submit, world, a, web_key, noon):
    submit(a())

    [(kept, _)] = world.rows.values()
    [carried] = world.lanes
    assert kept == carried
    opened = envelope.open_envelope(carried.body, carried.kid, carried.sig, keys={"w1": web_key}, lane=a().guild_id)
    assert opened.request == a()
    assert opened.expires_at == noon + timedelta(hours=1)


def test_a_kick_is_wanted_for_a_quarter_of_an_hour(submit, world, a, noon):
    submit(a(Action.KICK))

    assert world.lanes[0].expires_at == noon + timedelta(minutes=15)


def test_a_request_against_the_rights_is_kept_as_rejected_and_never_enqueued(submit, world, a):
    world.moderator_rank = 1

    receipt = submit(a())

    assert receipt.refusal.kind is RefusalKind.OUTRANKED
    assert world.story == ["standing", "accept", "ring"]
    assert world.lanes == []


def test_the_same_request_twice_gets_the_first_receipt_and_one_entry(submit, world, a):
    first, second = submit(a()), submit(a())

    assert second == replace(first, replay=True)
    assert len(world.lanes) == 1


def test_a_refused_request_asked_again_stays_refused_though_the_rights_have_come(submit, world, a):
    world.moderator_rank = 1
    first = submit(a())
    world.moderator_rank = 5

    assert submit(a()) == replace(first, replay=True)
    assert world.lanes == []


def test_a_twin_that_lost_the_race_to_be_kept_is_not_enqueued_again(submit, world, a):
    """Two clicks at once: the constraint decides, and the loser gets the replay."""
    kept = submit(a())
    world.accept = lambda sealed, refusal: replace(kept, replay=True)

    assert submit(a()).replay
    assert len(world.lanes) == 1


def test_an_id_used_for_another_wish_is_a_conflict(submit, world, a):
    submit(a())

    with pytest.raises(Conflict):
        submit(a(target_id=UserId(131_000_000_000_000_000)))
    assert len(world.lanes) == 1


def test_without_redis_the_request_is_accepted_all_the_same(submit, world, a):
    world.redis = False

    assert submit(a()).accepted
    assert "mark_enqueued" not in world.story


@pytest.mark.parametrize("away", ["standing", "accept"])
def test_without_postgres_nothing_is_accepted_nothing_enqueued_and_it_may_be_asked_again(submit, world, a, away):
    world.away = {away}
    with pytest.raises(Unavailable):
        submit(a())
    assert world.rows == {}
    assert world.lanes == []

    world.away = set()
    assert submit(a()).state is State.ACCEPTED


def test_a_door_cannot_speak_for_a_source_its_key_may_not_sign(submit, world, a):
    with pytest.raises(Malformed):
        submit(a(source=Source.NATIVE))

    assert world.rows == {}


def test_malformed_input_has_no_row_but_an_audit_entry_of_bounded_length(submit, world):
    submit.malformed(
        guild_id=GuildId(5),
        moderator_id=UserId(7),
        source=Source.DASHBOARD,
        attempt={"target_id": "not an id", "reason": "x" * 10_000},
        sentence="That is not an id.",
    )

    [entry] = world.entries
    assert (entry.kind, entry.guild_id, entry.actor_id) == (AuditKind.ACTION_MALFORMED, GuildId(5), UserId(7))
    assert entry.facts["attempt"] == {"target_id": "not an id", "reason": "x" * 200}
    assert world.rows == {}
