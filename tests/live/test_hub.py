"""The hub on a real Valkey: what a page sees, in order, nothing missing, nothing twice."""

from __future__ import annotations

import json

from kovra.live.bulletin import connect
from kovra.live.events import Hint
from kovra.live.hub import LONGEST_REPLAY, PAGE
from kovra.live.subscription import BUFFER
from tests.live.frames import OTHER, all_of, nothing_more, numbers, take


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
    history.write(3)
    first = hub.subscribe(guild, None, all_of)
    heard()

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

    assert take(stream, 1) == [b'event: member.joined\ndata: {"count":1,"user_ids":["110000000000000003"]}\n\n']
    assert nothing_more(blind)
    assert nothing_more(other)


def test_a_storm_of_hints_is_few_frames_and_counts_them_all(new_hub, bulletin, guild, heard):
    stream = new_hub().subscribe(guild, None, all_of)
    heard()

    for number_of in range(300):
        bulletin.hint(guild, "member.joined", {"user_id": number_of})
    counts = []
    while sum(counts) < 300:
        (frame,) = take(stream, 1)
        counts.append(json.loads(frame.split(b"data: ")[1])["count"])

    assert counts[0] == 1
    # Together at the end of a second, then of two; three when writing 300 of them took longer than the first.
    assert len(counts) <= 4
    assert nothing_more(stream)


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
