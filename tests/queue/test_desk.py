"""The dead letters of one guild, and what a person decides about them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kovra.ids import GuildId, UserId
from kovra.queue.broker import LanesBroker
from kovra.queue.desk import DeadLetterDesk
from kovra.queue.outbox import QUEUE, lane_message

HARBOUR, MEADOW, BOSS = GuildId(200_000_000_000_000_001), GuildId(200_000_000_000_000_002), UserId(7)


@pytest.fixture
def office(real):
    """A desk, the lanes behind it, and what it wrote down."""
    broker, written = LanesBroker(real, middleware=[]), []
    broker.declare_queue(QUEUE)
    desk = DeadLetterDesk(broker=broker, audit=SimpleNamespace(append=written.append))
    yield SimpleNamespace(desk=desk, broker=broker, written=written)
    broker.close()


def refuse(office, guild_id, message_id="one"):
    """An entry that is refused, for nobody here knows its actor: its letter."""
    consumer = office.broker.consume(QUEUE, prefetch=10, timeout=100)
    message = lane_message(guild_id=guild_id, target_id=5, request_id=message_id, body=b"x", kid="k", sig="s")
    office.broker.offer(message)
    while not (letters := office.desk.letters(guild_id)):
        next(consumer)
    consumer.close()
    (letter,) = letters
    return letter


def test_a_letter_is_put_back_on_its_lane_on_record(office):
    letter = refuse(office, HARBOUR)

    put_back = office.desk.retry(HARBOUR, BOSS, letter.id)

    assert put_back
    assert office.desk.letters(HARBOUR) == []
    (entry,) = office.written
    assert (entry.kind, entry.actor_id, entry.facts["message_id"]) == ("letter.retried", BOSS, "one")


def test_a_letter_is_thrown_away_on_record_and_once(office):
    letter = refuse(office, HARBOUR)

    gone = [office.desk.discard(HARBOUR, BOSS, letter.id) for _ in range(2)]

    assert gone == [True, False]
    assert office.desk.letters(HARBOUR) == []
    assert [entry.kind for entry in office.written] == ["letter.discarded"]


def test_the_letter_of_another_guild_is_not_reached(office):
    letter = refuse(office, MEADOW)

    assert not office.desk.retry(HARBOUR, BOSS, letter.id)
    assert not office.desk.discard(HARBOUR, BOSS, letter.id)
    assert [one.id for one in office.desk.letters(MEADOW)] == [letter.id]
    assert office.written == []
