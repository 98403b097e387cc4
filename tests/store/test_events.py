"""The numbered events of a guild."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy.exc import ProgrammingError

from kovra.ids import GuildId
from kovra.store.events import EventKind, Events, append_event


@pytest.fixture
def events(web):
    return Events(web)


def add(database, guild_id, count=1):
    for _ in range(count):
        with database.transaction(guild_id) as session:
            append_event(session, guild_id, EventKind.CASE_UPDATED, None, {"case_no": 1})


def test_events_come_in_order_after_a_number(events, web, say):
    add(web, say.HARBOUR, 4)

    found = events.after(say.HARBOUR, 1, limit=2)

    assert [event.seq for event in found] == [2, 3]
    assert (found[0].kind, found[0].facts, found[0].guild_id) == ("case.updated", {"case_no": 1}, say.HARBOUR)
    assert events.after(say.HARBOUR, 4) == []


def test_each_guild_has_its_own_numbers(events, web, say):
    add(web, say.HARBOUR, 2)
    add(web, say.MEADOW, 1)

    assert events.newest([say.HARBOUR, say.MEADOW, GuildId(7)]) == {say.HARBOUR: 2, say.MEADOW: 1, GuildId(7): 0}
    assert [event.seq for event in events.after(say.MEADOW, 0)] == [1]


def test_nobody_asked_for_nothing(events):
    assert events.newest([]) == {}


def test_an_event_becomes_visible_in_the_order_of_its_number(web, events, say):
    """A reader that resumes after the newest it saw misses nothing: 5 is never visible before 4."""
    with ThreadPoolExecutor(9) as pool:
        writers = [pool.submit(add, web, say.HARBOUR, 15) for _ in range(8)]
        seen: list[int] = []
        deadline = time.monotonic() + 60
        while len(seen) < 120 and time.monotonic() < deadline:
            seen += [event.seq for event in events.after(say.HARBOUR, seen[-1] if seen else 0)]
        for writer in writers:
            writer.result()

    assert seen == list(range(1, 121))


def test_a_rolled_back_event_gives_its_number_back(web, events, say):
    with web.transaction(say.HARBOUR) as session:
        taken = append_event(session, say.HARBOUR, EventKind.CASE_UPDATED, None, {})
        session.rollback()
    add(web, say.HARBOUR)

    assert taken == 1
    assert [event.seq for event in events.after(say.HARBOUR, 0)] == [1]


def test_old_events_of_every_guild_are_pruned(web, connect, say):
    worker = Events(connect("kovra_worker"))
    add(web, say.HARBOUR, 3)
    add(web, say.MEADOW, 2)

    kept = worker.prune_everywhere()
    removed = worker.prune_everywhere(kept_for=timedelta(0))

    assert (kept, removed) == (0, 5)
    assert worker.after(say.HARBOUR, 0) == worker.after(say.MEADOW, 0) == []


def test_nobody_but_a_worker_prunes(web, say):
    add(web, say.HARBOUR)

    with pytest.raises(ProgrammingError, match="permission denied"):
        Events(web).prune_everywhere()


def test_old_events_are_pruned_and_their_numbers_never_used_again(web, connect, say):
    later = connect("kovra_worker")
    add(web, say.HARBOUR, 3)
    add(web, say.MEADOW)

    kept = Events(later).prune(say.HARBOUR)
    removed = Events(later).prune(say.HARBOUR, kept_for=timedelta(0))
    add(web, say.HARBOUR)

    assert (kept, removed) == (0, 3)
    assert [event.seq for event in Events(later).after(say.HARBOUR, 0)] == [4]
    assert [event.seq for event in Events(later).after(say.MEADOW, 0)] == [1]
