"""Which workers live, as pages read it."""

from __future__ import annotations

import threading

import pytest

from kovra.errors import Unavailable
from kovra.ids import UserId
from kovra.store.liveness import new_claim_key
from kovra.store.workers import FORGOTTEN_AFTER, SILENT_AFTER, Presence, Workers


@pytest.fixture
def presence(worker):
    """``presence(unheard_s=…)``: a worker's own row, written once."""

    def make(unheard_s=0.0, claim_key=None, shards=(0, 1)):
        made = Presence(
            worker,
            owner="host:7",
            claim_key=claim_key or new_claim_key(),
            shards=shards,
            unheard_s=lambda: unheard_s,
        )
        made.beat()
        return made

    return make


@pytest.fixture
def workers(web, mirror):
    return Workers(web)


def test_a_worker_is_alive_while_it_beats_and_gone_when_it_leaves(presence, workers, clock):
    one = presence(shards=(5, 3))
    began = clock.now()
    clock.forward(seconds=60)
    one.beat()

    [found] = workers.now()
    one.leave()

    assert (found.owner, found.shards, found.alive, found.listening) == ("host:7", {3, 5}, True, True)
    assert (found.started_at, found.heard_at) == (began, clock.now())
    assert (found.serves(3), found.serves(4)) == (True, False)
    assert workers.now() == []


def test_who_is_silent_is_not_alive_and_forgotten_in_the_end(presence, workers, clock):
    presence(claim_key=1)
    other = presence(claim_key=2)
    clock.forward(seconds=SILENT_AFTER.total_seconds())
    other.beat()

    silent, alive = workers.now()
    clock.forward(seconds=FORGOTTEN_AFTER.total_seconds())
    other.beat()

    assert (silent.alive, alive.alive, silent.serves(0)) == (False, True, False)
    assert [found.key for found in workers.now()] == [alive.key]


@pytest.mark.parametrize("unheard_s", [None, SILENT_AFTER.total_seconds()])
def test_who_does_not_reach_redis_lives_and_serves_nothing(presence, workers, unheard_s):
    presence(unheard_s=unheard_s)

    [found] = workers.now()

    assert (found.alive, found.listening, found.serves(0)) == (True, False, False)


def test_of_what_it_has_in_hand_only_this_server_s_is_told(presence, workers, guard, accept, odalys, say):
    presence(claim_key=guard.claim_key)
    guard.take(accept()[0])
    guard.take(accept(target_id=UserId(77))[0])
    guard.take(accept(guild_id=say.MEADOW, moderator_id=say.PELL)[0])

    assert [found.in_hand for found in workers.of(odalys)] == [2]


def test_a_worker_that_is_told_to_stop_takes_its_row_away(presence, workers):
    one, stop = presence(), threading.Event()
    stop.set()

    one.run(stop)

    assert workers.now() == []


def test_a_database_that_is_away_ends_no_worker(worker, monkeypatch):
    monkeypatch.setattr("kovra.store.workers.BEAT_S", 0.01)
    stop, tries = threading.Event(), []

    class Away(Presence):
        def beat(self):
            tries.append("tried")
            if len(tries) == 2:
                stop.set()
            raise Unavailable("away")

    Away(worker, owner="host:7", claim_key=1, shards=(0,), unheard_s=lambda: 0.0).run(stop)

    assert len(tries) == 2
