"""Who comes back after a short break is replayed from memory, and nothing is missing for that."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kovra.live.recent import KEPT_S, MOST, Recent, framed
from tests.live.frames import all_of, numbers, take


@pytest.fixture
def show(history, guild):
    """``show(recent, count)``: so many new events happen and are shown."""

    def write(recent, count):
        history.write(count)
        recent.add(framed(history.kept[guild][-count:]))

    return write


@pytest.fixture
def recent(history, guild):
    history.write(5)
    return Recent(guild, 5, history)


def seqs(told):
    return [event.seq for event, _ in told]


def test_those_who_come_back_together_are_one_question(new_hub, history, guild):
    history.write(9)
    hub = new_hub()
    hub.subscribe(guild, None, all_of)
    history.asked.clear()

    with ThreadPoolExecutor(20) as pool:
        streams = list(pool.map(lambda _: hub.subscribe(guild, 4, all_of), range(20)))

    assert history.asked == [("after", guild)]
    assert [numbers(stream, 5) for stream in streams] == [[5, 6, 7, 8, 9]] * 20


def test_what_was_shown_lately_is_replayed_without_a_question_and_for_each_viewer(
    new_hub, history, bulletin, guild, heard
):
    hub = new_hub()
    first = hub.subscribe(guild, None, all_of)
    heard()
    history.write(6)
    bulletin.ring(guild)
    take(first, 6)
    history.asked.clear()

    everything = hub.subscribe(guild, 2, all_of)
    even = hub.subscribe(guild, 2, lambda event: event.seq % 2 == 0)

    assert history.asked == []
    assert (numbers(everything, 4), numbers(even, 2)) == ([3, 4, 5, 6], [4, 6])


def test_only_what_is_not_here_is_asked_for(recent, show, history):
    show(recent, 3)
    here, nothing = seqs(recent.between(6, 8)), recent.between(8, 8)
    asked_before = list(history.asked)

    assert (here, nothing, asked_before) == ([7, 8], [], [])
    assert seqs(recent.between(2, 8)) == [3, 4, 5, 6, 7, 8]
    assert seqs(recent.between(2, 8)) == [3, 4, 5, 6, 7, 8]
    assert len(history.asked) == 1


def test_events_are_forgotten_after_a_minute_and_read_again(recent, show, history):
    show(recent, 3)

    recent.forget(time.monotonic() + KEPT_S + 1)

    assert seqs(recent.between(6, 8)) == [7, 8]
    assert len(history.asked) == 1


def test_no_more_is_remembered_than_anybody_is_replayed(recent, show, history):
    show(recent, MOST)
    show(recent, 2)

    assert len(recent.between(7, MOST + 7)) == MOST
    assert history.asked == []
    assert len(recent.between(6, MOST + 7)) == MOST + 1
    assert len(history.asked) > 0


def test_what_does_not_follow_is_no_part_of_it(recent, history, guild):
    history.write(4)
    recent.add(framed(history.kept[guild][7:]))  # 8 and 9: 6 and 7 were never shown here

    assert seqs(recent.between(5, 9)) == [6, 7, 8, 9]


def test_what_was_pruned_is_not_made_up_for(recent, show, history):
    show(recent, 3)
    history.prune(keep=4)

    assert recent.between(2, 8) is None
    assert seqs(recent.between(5, 8)) == [6, 7, 8]
