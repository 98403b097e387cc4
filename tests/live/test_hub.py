"""The hub on a real Valkey: in order, nothing missing, nothing twice, whatever goes away."""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import pytest

from kovra.errors import Unavailable
from kovra.ids import GuildId
from kovra.launcher.valkey import EmbeddedValkey
from kovra.live.bulletin import Bulletin, connect
from kovra.live.events import Hint
from kovra.live.hub import LONGEST_REPLAY, PAGE
from kovra.live.subscription import BUFFER

OTHER = GuildId(110_000_000_000_000_009)


def all_of(event):
    return True


def number(frame: bytes) -> int:
    assert frame.startswith(b"id: "), frame
    return int(frame.split(b"\n")[0][4:])


def take(stream, count, within_s=30.0):
    """The next ``count`` frames."""
    frames = []
    while len(frames) < count:
        frame = stream.next(within_s)
        assert frame is not None, f"only {len(frames)} of {count} came"
        frames.append(frame)
    return frames


def numbers(stream, count):
    return [number(frame) for frame in take(stream, count)]


def nothing_more(stream):
    return stream.next(0.2) is None


# -- what a page sees ------------------------------------------------------------------------------------------------


def test_a_ring_brings_new_events_in_order(new_hub, history, bulletin, guild, heard):
    stream = new_hub().subscribe(guild, None, all_of)
    heard()

    history.write(3)
    bulletin.ring(guild)

    assert numbers(stream, 3) == [1, 2, 3]


def test_a_stream_without_a_number_starts_with_the_next_event(new_hub, history, bulletin, guild, heard):
    history.write(5)
    stream = new_hub().subscribe(guild, None, all_of)
    heard()

    history.write()
    bulletin.ring(guild)

    assert numbers(stream, 1) == [6]


def test_what_was_missed_is_replayed_before_what_is_live(new_hub, history, bulletin, guild, heard):
    history.write(5)
    stream = new_hub().subscribe(guild, 2, all_of)
    heard()
    history.write()
    bulletin.ring(guild)

    assert numbers(stream, 4) == [3, 4, 5, 6]
    assert nothing_more(stream)


def test_a_replay_may_be_longer_than_one_page_and_than_the_buffer(new_hub, history, guild):
    history.write(LONGEST_REPLAY)
    assert LONGEST_REPLAY > PAGE > BUFFER

    stream = new_hub().subscribe(guild, 0, all_of)

    assert numbers(stream, LONGEST_REPLAY) == list(range(1, LONGEST_REPLAY + 1))


def test_events_that_arrive_while_a_stream_opens_come_once(new_hub, history, bulletin, guild, heard):
    hub = new_hub()
    first = hub.subscribe(guild, None, all_of)
    heard()
    history.write(3)
    bulletin.ring(guild)
    take(first, 3)

    def one_more():
        history.before_read = lambda: None
        history.write(2)
        bulletin.ring(guild)
        take(first, 2)  # the hub has shown them before the newcomer has replayed anything

    history.before_read = one_more
    stream = hub.subscribe(guild, 1, all_of)

    assert numbers(stream, 4) == [2, 3, 4, 5]
    assert nothing_more(stream)


def test_a_reader_ahead_of_this_process_sees_nothing_twice(new_hub, history, bulletin, guild, heard):
    hub = new_hub()
    behind = hub.subscribe(guild, None, all_of)
    heard()
    history.write(3)  # committed, and not yet rung: this hub has shown nothing

    stream = hub.subscribe(guild, 2, all_of)
    bulletin.ring(guild)

    assert numbers(stream, 1) == [3]
    assert nothing_more(stream)
    assert numbers(behind, 3) == [1, 2, 3]


def test_every_stream_of_a_guild_gets_every_event_and_other_guilds_none(new_hub, history, bulletin, guild, heard):
    hub = new_hub()
    streams = [hub.subscribe(guild, None, all_of) for _ in range(20)]
    other = hub.subscribe(OTHER, None, all_of)
    heard()

    history.write(4)
    bulletin.ring(guild)

    assert [numbers(stream, 4) for stream in streams] == [[1, 2, 3, 4]] * 20
    assert nothing_more(other)
    assert hub.figures().sent == 80


def test_events_are_read_once_however_many_look(new_hub, history, bulletin, guild, heard):
    hub = new_hub()
    streams = [hub.subscribe(guild, None, all_of) for _ in range(50)]
    heard()
    history.asked.clear()

    history.write(4)
    bulletin.ring(guild)
    for stream in streams:
        take(stream, 4)

    assert history.asked.count(("after", guild)) <= 2


def test_a_viewer_gets_only_what_they_may_see_live_and_replayed(new_hub, history, bulletin, guild, heard):
    history.write(1, kind="audit.added")
    history.write(1, kind="case.created")
    hub = new_hub()
    stream = hub.subscribe(guild, 0, lambda event: event.kind != "audit.added")
    heard()

    history.write(1, kind="audit.added")
    history.write(1, kind="case.created")
    bulletin.ring(guild)

    assert numbers(stream, 2) == [2, 4]
    assert nothing_more(stream)


def test_a_filter_that_fails_closes_its_own_stream_only(new_hub, history, bulletin, guild, heard):
    def broken(event):
        raise RuntimeError("a broken filter")

    hub = new_hub()
    closed, open_ = hub.subscribe(guild, None, broken), hub.subscribe(guild, None, all_of)
    heard()

    history.write()
    bulletin.ring(guild)

    assert numbers(open_, 1) == [1]
    assert closed.next(30) is None
    assert closed.why == "filter"


def test_hints_reach_open_streams_without_a_number_and_through_the_filter(new_hub, bulletin, guild, heard):
    hub = new_hub()
    stream = hub.subscribe(guild, None, all_of)
    blind = hub.subscribe(guild, None, lambda event: not isinstance(event, Hint))
    other = hub.subscribe(OTHER, None, all_of)
    heard()

    bulletin.hint(guild, "member.joined", {"user_id": 110_000_000_000_000_003})

    assert take(stream, 1) == [b'event: member.joined\ndata: {"user_id":"110000000000000003"}\n\n']
    assert nothing_more(blind)
    assert nothing_more(other)


def test_an_event_that_cannot_be_written_holds_nothing_up(new_hub, history, bulletin, guild, heard):
    stream = new_hub().subscribe(guild, None, all_of)
    heard()

    history.write(1, kind="not a kind")
    history.write(1)
    bulletin.ring(guild)

    assert numbers(stream, 1) == [2]


def test_what_is_no_ring_is_passed_over(new_hub, history, bulletin, guild, heard, valkey_url):
    stream = new_hub().subscribe(guild, None, all_of)
    heard()

    with connect(valkey_url) as client:
        for noise in (
            b"",
            b"x",
            b"1 a b c",
            b"\xff\xfe",
            b"1 member.joined []",
            b"1 bad\xff {}",
            str(guild).encode() + b" A {}",
        ):
            client.publish("kovra:bulletin", noise)
    history.write()
    bulletin.ring(guild)

    assert numbers(stream, 1) == [1]


# -- bookmarks the history does not hold -----------------------------------------------------------------------------


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


# -- readers that are slow or gone -----------------------------------------------------------------------------------


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


# -- storms and outages ----------------------------------------------------------------------------------------------


def test_three_hundred_reconnects_while_events_flow_lose_and_double_nothing(new_hub, history, bulletin, guild, heard):
    """Ten readers on two hubs, each cut thirty times at a random frame, resume by number and by turns."""
    hubs = [new_hub(tick_s=0.2), new_hub(tick_s=0.2)]
    heard(2)
    total, readers, cuts = 1500, 10, 30
    history.write()
    seen: list[list[int]] = [[] for _ in range(readers)]
    reconnects = [0] * readers

    def write():
        dice = random.Random(1)
        while (written := len(history.kept[guild])) < total:
            history.write(min(dice.randint(1, 5), total - written))
            while written - max(map(len, seen)) > 10:  # a step ahead of the quickest reader, so that all see it live
                time.sleep(0.001)
            if dice.random() < 0.8:  # the others are lost on the way
                bulletin.ring(guild)
            time.sleep(0)

    def follow(reader: int):
        dice, last = random.Random(reader), 0
        while last < total:
            stream = hubs[reconnects[reader] % 2].subscribe(guild, last, all_of)
            for _ in range(dice.randint(1, total // cuts) if reconnects[reader] < cuts else total):
                frame = stream.next(30)
                if frame is None:
                    break
                if b"event: resync" in frame:
                    pytest.fail("a resync where the history reaches back")
                last = number(frame)
                seen[reader].append(last)
                if last == total:
                    break
            stream.close()
            reconnects[reader] += 1

    threads = [threading.Thread(target=follow, args=(reader,), daemon=True) for reader in range(readers)]
    threads.append(threading.Thread(target=write, daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)

    assert seen == [list(range(1, total + 1))] * readers
    assert sum(reconnects) >= readers * cuts


def test_lost_rings_cost_a_tick_and_nothing_else(new_hub, history, guild):
    stream = new_hub(tick_s=0.1).subscribe(guild, None, all_of)

    history.write(3)

    assert numbers(stream, 3) == [1, 2, 3]


def test_the_tick_asks_only_for_guilds_somebody_looks_at(new_hub, history, guild, wait_until):
    hub = new_hub(tick_s=0.02)
    stream = hub.subscribe(guild, None, all_of)
    history.write(1, OTHER)
    history.asked.clear()

    wait_until(lambda: len(history.asked) >= 3)
    asked = set(history.asked)
    stream.close()

    assert asked == {("newest", (guild,))}


def test_a_killed_redis_delays_by_a_tick_and_is_found_again(tmp_path, new_hub, history, guild, heard, caplog):
    with EmbeddedValkey(tmp_path, durable=False) as server:
        hub = new_hub(server.url, tick_s=0.1)
        stream = hub.subscribe(guild, None, all_of)
        heard(redis_url=server.url)
        with connect(server.url) as client:
            bulletin = Bulletin(client, monotonic=lambda: float("inf"))  # no quiet time: every ring is tried
            os.kill(server.pid, signal.SIGKILL)
            for _ in range(3):
                history.write()
                bulletin.ring(guild)
            assert numbers(stream, 3) == [1, 2, 3]

            server.restart()
            heard(redis_url=server.url)
            history.write()
            bulletin.ring(guild)

            assert numbers(stream, 1) == [4]
            assert nothing_more(stream)
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len([line for line in said if "takes no rings" in line]) == 1


def test_rings_alone_carry_again_once_redis_is_back(tmp_path, new_hub, history, guild, heard, caplog):
    """With a tick of an hour: what comes after the restart came by the bulletin."""
    with EmbeddedValkey(tmp_path, durable=False) as server:
        stream = new_hub(server.url, tick_s=3600).subscribe(guild, None, all_of)
        heard(redis_url=server.url)

        server.kill()
        server.restart()
        heard(redis_url=server.url)
        history.write()
        with connect(server.url) as client:
            Bulletin(client).ring(guild)

        assert numbers(stream, 1) == [1]
        away = [record for record in caplog.records if "the bulletin is away" in record.getMessage()]
        assert len(away) == 1


def test_a_hub_starts_without_redis(tmp_path, new_hub, history, guild):
    stream = new_hub(f"unix://{tmp_path}/nobody.sock", tick_s=0.1).subscribe(guild, None, all_of)

    history.write()

    assert numbers(stream, 1) == [1]


def test_a_history_that_is_away_is_asked_again_and_nothing_is_lost(
    new_hub, history, bulletin, guild, heard, wait_until, caplog
):
    hub = new_hub(tick_s=0.05)
    stream = hub.subscribe(guild, None, all_of)
    heard()
    history.away = True
    history.write(3)
    bulletin.ring(guild)
    history.asked.clear()
    wait_until(lambda: len(history.asked) >= 3)

    with pytest.raises(Unavailable):
        hub.subscribe(guild, 0, all_of)
    history.away = False

    assert numbers(stream, 3) == [1, 2, 3]
    assert len([record for record in caplog.records if "cannot be read" in record.getMessage()]) == 1
    assert hub.figures().clients == 1


def test_a_source_that_breaks_in_any_other_way_does_not_end_the_hub(new_hub, history, guild, caplog):
    stream = new_hub(tick_s=0.05).subscribe(guild, None, all_of)

    def break_once():
        history.before_read = lambda: None
        raise RuntimeError("a bug")

    history.before_read = break_once
    history.write()

    assert numbers(stream, 1) == [1]
    assert "handing out events failed" in caplog.text


def test_a_burst_in_one_guild_lets_another_through(new_hub, history, bulletin, guild, heard):
    """Pages go by turns: the other guild's event is out before the burst is read to its end."""
    hub = new_hub()
    burst = hub.subscribe(guild, None, lambda event: event.seq % 50 == 0)
    other = hub.subscribe(OTHER, None, all_of)
    heard()

    history.write(PAGE * 8)
    history.write(1, OTHER)
    history.asked.clear()
    go_on = threading.Event()
    history.before_read = lambda: go_on.wait(30)
    bulletin.ring(guild)
    bulletin.ring(OTHER)
    bulletin.hint(OTHER, "member.joined", {})
    assert b"member.joined" in take(other, 1)[0]  # so the rings before it have been heard
    go_on.set()
    take(other, 1)
    take(burst, PAGE * 8 // 50)

    reads = [about for what, about in history.asked if what == "after"]
    assert reads.index(OTHER) <= 2
    assert reads.count(guild) >= 8
