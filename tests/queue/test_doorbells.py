"""Whose turn it is: shards that ring, shards that have more."""

from kovra.queue.doorbells import Doorbells
from kovra.queue.scripts import Scripts


def doorbells(client, shards=8, *, bulk_turn=100):
    prefixes = [f"kovra:{{s{shard}}}:work:" for shard in range(shards)]
    scripts = Scripts(client, in_flight=8, kept=1, longest=10)
    return prefixes, Doorbells(scripts, prefixes=prefixes, own_bell="bell", bulk_turn=bulk_turn)


def test_a_shard_that_has_more_is_asked_without_waiting_for_its_bell(client):
    prefixes, bells = doorbells(client)
    bells.note_left(prefixes[3], 1)

    assert bells.listen(free=4, bulk=True, nap_s=0.01) == [prefixes[3]]
    assert bells.listen(free=4, bulk=True, nap_s=0.01) == []


def test_shards_that_have_more_take_turns(client):
    prefixes, bells = doorbells(client)
    for shard in (5, 1, 2):
        bells.note_left(prefixes[shard], 1)

    asked = []
    for _ in range(6):
        asked += (turn := bells.listen(free=1, bulk=True, nap_s=0.01))
        bells.note_left(turn[0], 1)

    assert asked == [prefixes[shard] for shard in (5, 1, 2, 5, 1, 2)]


def test_a_shard_that_rings_anew_is_heard_beside_those_that_never_end(client):
    prefixes, bells = doorbells(client)
    for shard in range(7):
        bells.note_left(prefixes[shard], 1)
    client.lpush(f"{prefixes[7]}wake:0", 1)

    first = bells.listen(free=2, bulk=True, nap_s=0.01)

    assert first == [prefixes[7], prefixes[0]]


def test_with_one_free_slot_those_that_ring_and_those_that_have_more_alternate(client):
    prefixes, bells = doorbells(client)
    bells.note_left(prefixes[0], 1)

    asked = []
    for shard in range(1, 5):
        client.lpush(f"{prefixes[shard]}wake:0", 1)
        asked += (turn := bells.listen(free=1, bulk=True, nap_s=0.01))
        bells.note_left(turn[0], 1)

    assert {prefixes[0], prefixes[1]} <= set(asked)


def test_a_shard_with_bulk_work_left_waits_until_there_is_room_for_bulk(client):
    prefixes, bells = doorbells(client)
    bells.note_left(prefixes[3], 2)

    assert bells.listen(free=4, bulk=False, nap_s=0.01) == []
    assert bells.listen(free=4, bulk=True, nap_s=0.01) == [prefixes[3]]


def test_interactive_work_goes_first_but_for_one_turn_in_so_many(client):
    prefixes, bells = doorbells(client, bulk_turn=4)

    asked = []
    for _ in range(8):
        bells.note_left(prefixes[0], 2)
        bells.note_left(prefixes[1], 1)
        asked += bells.listen(free=1, bulk=True, nap_s=0.01)

    assert asked.count(prefixes[0]) == 2
