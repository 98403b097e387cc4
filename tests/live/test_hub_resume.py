"""Readers who come back, are behind, slow or gone: they resume by number, or are told to reload."""

from __future__ import annotations

import threading

import pytest

from kovra.errors import Unavailable
from kovra.live.hub import LONGEST_REPLAY
from kovra.live.subscription import BUFFER
from tests.live.frames import all_of, nothing_more, number, numbers, take


def test_a_number_older_than_the_kept_history_is_told_to_resync(new_hub, history, bulletin, guild, heard):
    history.write(10)
    history.prune(keep=3)
    hub = new_hub()
    stream = hub.subscribe(guild, 5, all_of)
    heard()
    history.write()
    bulletin.ring(guild)

    assert take(stream, 2)[0] == b"id: 10\nevent: resync\ndata: {}\n\n"
    assert hub.figures().resyncs == 1
    assert nothing_more(stream)


def test_the_oldest_number_that_misses_nothing_needs_no_resync(new_hub, history, guild):
    history.write(10)
    history.prune(keep=3)

    stream = new_hub().subscribe(guild, 7, all_of)

    assert numbers(stream, 3) == [8, 9, 10]


@pytest.mark.parametrize("unknown", [11, 10**18, -1])
def test_a_number_nobody_ever_gave_is_told_to_resync(new_hub, history, bulletin, guild, heard, unknown):
    history.write(10)
    stream = new_hub().subscribe(guild, unknown, all_of)
    heard()
    history.write()
    bulletin.ring(guild)

    resync, live = take(stream, 2)
    assert resync == b"id: 10\nevent: resync\ndata: {}\n\n"
    assert number(live) == 11


def test_a_reader_too_far_behind_is_told_to_resync(new_hub, history, guild):
    history.write(LONGEST_REPLAY + 1)

    stream = new_hub().subscribe(guild, 0, all_of)

    assert take(stream, 1) == [b"id: %d\nevent: resync\ndata: {}\n\n" % (LONGEST_REPLAY + 1)]
    assert nothing_more(stream)


def test_a_slow_reader_is_cut_off_and_resumes_without_a_loss(new_hub, history, bulletin, guild, heard, wait_until):
    hub = new_hub()
    slow, quick = hub.subscribe(guild, None, all_of), hub.subscribe(guild, None, all_of)
    heard()
    seen = 0

    for _ in range(3):
        history.write(BUFFER // 2)
        bulletin.ring(guild)
        seen += len(take(quick, BUFFER // 2))
    wait_until(lambda: slow.closed)

    assert slow.why == "overflow"
    assert slow.next(0) is None
    assert not quick.closed
    assert hub.figures().overflowed == 1
    assert numbers(hub.subscribe(guild, 0, all_of), seen) == list(range(1, seen + 1))


def test_a_closed_stream_leaves_nothing_behind(new_hub, history, guild):
    hub = new_hub(tick_s=0.05)
    streams = [hub.subscribe(guild, None, all_of) for _ in range(10)]
    assert (hub.figures().clients, hub.figures().guilds) == (10, 1)

    for stream in streams:
        stream.close()
        stream.close()

    assert (hub.figures().clients, hub.figures().guilds) == (0, 0)


def test_closing_wakes_a_waiting_reader(new_hub, guild):
    stream = new_hub().subscribe(guild, None, all_of)
    ended = threading.Event()
    reader = threading.Thread(target=lambda: (list(stream), ended.set()), daemon=True)
    reader.start()

    stream.close()

    assert ended.wait(30)


def test_next_gives_up_in_time_for_a_heartbeat_and_goes_on_afterwards(new_hub, history, bulletin, guild, heard):
    stream = new_hub().subscribe(guild, None, all_of)
    heard()

    assert stream.next(0.01) is None
    assert not stream.closed
    history.write()
    bulletin.ring(guild)
    assert numbers(stream, 1) == [1]


def test_stop_ends_every_stream_at_once_and_takes_no_new_one(new_hub, guild):
    hub = new_hub()
    streams = [hub.subscribe(guild, None, all_of) for _ in range(50)]
    ended = [threading.Thread(target=list, args=(stream,), daemon=True) for stream in streams]
    for reader in ended:
        reader.start()

    hub.stop()

    for reader in ended:
        reader.join(30)
    assert not any(reader.is_alive() for reader in ended)
    assert {stream.why for stream in streams} == {"stopped"}
    assert not any(thread.name.startswith("kovra-hub") for thread in threading.enumerate())
    with pytest.raises(Unavailable):
        hub.subscribe(guild, None, all_of)
