"""Storms, and what stands behind the hub going away: pages are late, and miss nothing."""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import pytest

from kovra.errors import Unavailable
from kovra.launcher.valkey import EmbeddedValkey
from kovra.live.bulletin import Bulletin, connect
from kovra.live.hub import PAGE
from tests.live.frames import OTHER, all_of, nothing_more, number, numbers, take


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
                time.sleep(0.001)  # between two looks
            if dice.random() < 0.8:  # the others are lost on the way
                bulletin.ring(guild)
            time.sleep(0)  # the readers get their turn

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


def test_a_guild_that_was_read_is_not_asked_about_before_a_tick_has_passed(new_hub, history, guild):
    hub = new_hub(tick_s=3600)
    with hub.subscribe(guild, None, all_of), hub.subscribe(OTHER, None, all_of):
        read, quiet = hub._feeds[guild], hub._feeds[OTHER]
        quiet.looked_at -= 2000
        history.asked.clear()

        due_at = hub._find_behind(read.looked_at)

        assert history.asked == [("newest", (OTHER,))]
        assert due_at == read.looked_at + 3600
        assert quiet.looked_at == read.looked_at


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
        hub.subscribe(guild, None, all_of)
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


def test_a_listener_that_breaks_does_not_end_the_hearing(new_hub, history, bulletin, guild, heard, caplog, wait_until):
    hub = new_hub(tick_s=3600)
    stream = hub.subscribe(guild, None, all_of)
    heard()
    hub.on_hint(lambda hint: 1 / 0)

    bulletin.hint(guild, "guild.updated", {})
    wait_until(lambda: "hearing the bulletin failed" in caplog.text)
    heard()

    def rung():
        history.write()
        bulletin.ring(guild)
        return stream.next(0.1)

    wait_until(rung)


def test_a_burst_in_one_guild_lets_another_through(new_hub, history, bulletin, guild, heard):
    """Pages go by turns: the other guild's event is out before the burst is read to its end."""
    hub, heard_hint = new_hub(), threading.Event()
    hub.on_hint(lambda hint: heard_hint.set())
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
    assert heard_hint.wait(30)  # so the rings before it have been heard
    go_on.set()
    take(other, 2)
    take(burst, PAGE * 8 // 50)

    reads = [about for what, about in history.asked if what == "after"]
    assert reads.index(OTHER) <= 2
    assert reads.count(guild) >= 8
