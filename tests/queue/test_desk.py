"""A guild's lane and its dead letters, and what a person decides about them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kovra.actions.capabilities import Capability
from kovra.actions.lanes import TAKES_QUEUE_OPS
from kovra.errors import Unavailable
from kovra.ids import GuildId, UserId
from kovra.queue.broker import LanesBroker
from kovra.queue.client import connect
from kovra.queue.desk import LaneDesk
from kovra.queue.keys import BULK
from kovra.queue.outbox import QUEUE, chunk_message, lane_message
from kovra.queue.pauses import KeepPauses

HARBOUR, MEADOW, BOSS = GuildId(200_000_000_000_000_001), GuildId(200_000_000_000_000_002), UserId(7)


class Person:
    """Who looks, as a page's scope says it."""

    guild_id, viewer = HARBOUR, SimpleNamespace(user_id=BOSS)

    def __init__(self, *held):
        self.held = held

    def may(self, capability):
        return capability in self.held


BOSS_HERE = Person(Capability.QUEUE_OPS)


@pytest.fixture
def office(real):
    """A desk, the lanes behind it, and what it wrote down."""
    broker, written = LanesBroker(real, middleware=[]), []
    broker.declare_queue(QUEUE)
    desk = LaneDesk(broker=broker, audit=SimpleNamespace(append=written.append))
    yield SimpleNamespace(desk=desk, broker=broker, written=written)
    broker.close()


def an_entry(guild_id=HARBOUR, message_id="one", target_id=5):
    return lane_message(guild_id=guild_id, target_id=target_id, request_id=message_id, body=b"x", kid="k", sig="s")


def refuse(office, guild_id, message_id="one"):
    """An entry that is refused, for nobody here knows its actor: its letter."""
    consumer = office.broker.consume(QUEUE, prefetch=10, timeout=100)
    office.broker.offer(an_entry(guild_id, message_id))
    while not (letters := office.desk.letters(guild_id)):
        next(consumer)
    consumer.close()
    (letter,) = letters
    return letter


def test_a_letter_is_put_back_on_its_lane_on_record(office):
    letter = refuse(office, HARBOUR)

    refused = office.desk.retry(BOSS_HERE, letter.id)

    assert (letter.cause, letter.message_id, refused) == ("actor", "one", None)
    assert office.desk.letters(HARBOUR) == []
    (entry,) = office.written
    assert (entry.kind, entry.actor_id, entry.facts["message_id"]) == ("letter.retried", BOSS, "one")


def test_a_letter_is_thrown_away_on_record_and_once(office):
    letter = refuse(office, HARBOUR)

    first, second = [office.desk.discard(BOSS_HERE, letter.id) for _ in range(2)]

    assert first is None
    assert second.startswith("There is no such dead letter any more")
    assert office.desk.letters(HARBOUR) == []
    assert [entry.kind for entry in office.written] == ["letter.discarded"]


def test_what_cannot_be_read_is_not_put_back(office):
    office.broker.client.xadd(
        office.broker.keys.stream(QUEUE, office.broker.shard_of(str(HARBOUR)), str(HARBOUR), 0),
        {"d": b"no message", "o": b"", "k": b""},
    )
    office.broker.resume(QUEUE, str(HARBOUR))  # looks at the lane anew
    consumer = office.broker.consume(QUEUE, prefetch=10, timeout=100)
    while not (letters := office.desk.letters(HARBOUR)):
        next(consumer)
    consumer.close()

    refused = office.desk.retry(BOSS_HERE, letters[0].id)

    assert (letters[0].cause, letters[0].message_id) == ("undecodable", None)
    assert refused.startswith("Not put back: this entry cannot be read")
    assert office.written == []


def test_a_copy_of_what_lies_there_again_is_not_put_back(office):
    letter = refuse(office, HARBOUR)
    office.broker.offer(an_entry(), again=True)

    refused = office.desk.retry(BOSS_HERE, letter.id)

    assert refused.startswith("Not put back: the same request lies on the lane again")
    assert office.desk.lane(HARBOUR).interactive == 1


def test_the_letter_of_another_guild_is_not_reached(office):
    letter = refuse(office, MEADOW)

    assert office.desk.retry(BOSS_HERE, letter.id) is not None
    assert office.desk.discard(BOSS_HERE, letter.id) is not None
    assert [one.id for one in office.desk.letters(MEADOW)] == [letter.id]
    assert office.written == []


def test_who_may_not_decide_is_told_what_it_takes(office):
    letter, viewer = refuse(office, HARBOUR), Person(Capability.VIEW)

    assert office.desk.retry(viewer, letter.id) == TAKES_QUEUE_OPS
    assert office.desk.discard(viewer, letter.id) == TAKES_QUEUE_OPS
    assert len(office.desk.letters(HARBOUR)) == 1
    assert office.written == []


def test_a_lane_tells_what_is_on_it(office):
    empty = office.desk.lane(HARBOUR)
    for i in range(2):
        office.broker.offer(an_entry(message_id=f"m{i}"))
    office.broker.offer(chunk_message(guild_id=HARBOUR, batch_id="b", number=0, body=b"x", kid="k", sig="s"))
    office.broker.offer(an_entry(MEADOW))
    office.broker.actors["execute_action"] = office.broker.actors["execute_chunk"] = None
    consumer = office.broker.consume(QUEUE, prefetch=10, timeout=100)
    held = [entry for _ in range(20) if (entry := next(consumer)) is not None]

    lane = office.desk.lane(HARBOUR)

    assert (empty.interactive, empty.bulk, empty.in_flight, empty.oldest_s, empty.paused) == (0, 0, 0, 0, False)
    assert sorted(entry.priority for entry in held) == [0, 0, BULK]
    assert (lane.interactive, lane.bulk, lane.in_flight, lane.parked) == (2, 1, 2, 1)
    assert lane.oldest_s >= 0
    consumer.close()


def test_a_lane_is_paused_and_resumed(office):
    told = office.desk.pause(HARBOUR, True)
    paused = office.desk.lane(HARBOUR).paused
    office.desk.pause(HARBOUR, False)

    assert (told, paused, office.desk.lane(HARBOUR).paused) == (True, True, False)


def test_a_pause_that_redis_forgot_is_said_again_and_one_that_ended_is_lifted(office):
    keep = KeepPauses(decided=SimpleNamespace(everywhere=lambda: [HARBOUR]), broker=office.broker)
    office.broker.pause(QUEUE, str(HARBOUR))
    office.broker.client.flushall()
    office.broker.pause(QUEUE, str(MEADOW))

    mended = [keep.tick() for _ in range(2)]

    assert mended == [2, 0]
    assert office.broker.paused(QUEUE) == {str(HARBOUR)}


def test_without_redis_each_question_says_so():
    desk = LaneDesk(broker=LanesBroker(connect("redis://127.0.0.1:1"), middleware=[], serve=()), audit=None)

    with pytest.raises(Unavailable):
        desk.lane(HARBOUR)
    with pytest.raises(Unavailable):
        desk.letters(HARBOUR)
    with pytest.raises(Unavailable):
        desk.retry(BOSS_HERE, "guard:1:1-0")
    assert desk.pause(HARBOUR, True) is False
