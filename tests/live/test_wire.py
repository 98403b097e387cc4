"""Streams that the hub writes into sockets: whole frames in order, whatever the reader's pace."""

from __future__ import annotations

import selectors
import socket

import pytest

from kovra.live.events import BEAT
from kovra.live.hub import LONGEST_REPLAY
from kovra.live.wire import Wire
from kovra.live.wires import Wires

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


def all_of(event):
    return True


class Reader:
    """The browser's end."""

    def __init__(self, line):
        self.line, self.got = line, b""
        line.settimeout(30)

    def more(self, size=65536):
        """Read once; False at the end of the connection."""
        try:
            found = self.line.recv(size)
        except ConnectionResetError:
            found = b""
        self.got += found
        return found != b""

    def until(self, wanted):
        while wanted not in self.got:
            assert self.more(), self.got[-300:]
        return self

    def to_the_end(self):
        while self.more():
            pass
        return self

    @property
    def numbers(self):
        """Of all whole frames."""
        *frames, _ = self.got.removeprefix(HEAD).split(b"\n\n")
        return [int(frame.split(b"\n")[0][4:]) for frame in frames if frame.startswith(b"id: ")]


@pytest.fixture
def new_wires():
    made = []

    def make(heartbeat_s=60.0, longest_s=900.0):
        made.append(Wires(BEAT, heartbeat_s, longest_s, selectors.DefaultSelector()))
        return made[-1]

    yield make
    for wires in made:
        wires.close()


@pytest.fixture
def open_wire(guild):
    """``open_wire(hub, wires, after)`` gives the stream and the browser's end; the server's own copy is closed."""
    ends = []

    def make(hub, wires, after=None, visible=all_of, small=False):
        server, browser = socket.socketpair()
        if small:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        ends.append(browser)
        wire = hub.subscribe(guild, after, visible, Wire)
        wires.take(wire, server, HEAD)
        server.close()
        return wire, Reader(browser)

    yield make
    for browser in ends:
        browser.close()


def test_the_replay_comes_before_what_is_live_and_all_of_it_once(
    new_hub, new_wires, open_wire, history, bulletin, guild, heard
):
    history.write(3)
    _, reader = open_wire(new_hub(), new_wires(), after=0)
    heard()
    history.write(2)
    bulletin.ring(guild)

    reader.until(b"id: 5\n").until(b"}\n\n")

    assert reader.got.startswith(HEAD)
    assert reader.numbers == [1, 2, 3, 4, 5]


def test_events_before_the_connection_is_handed_over_wait_for_it(
    new_hub, new_wires, history, bulletin, guild, heard, wait_until
):
    hub = new_hub()
    history.write(2)
    wire = hub.subscribe(guild, 0, all_of, Wire)
    watcher = hub.subscribe(guild, None, all_of)
    heard()
    history.write(2)
    bulletin.ring(guild)
    assert watcher.next(30)
    assert watcher.next(30)
    server, browser = socket.socketpair()
    with server, browser:
        new_wires().take(wire, server, HEAD)

        reader = Reader(browser).until(b"id: 4\n")

        assert reader.got.startswith(HEAD)
        assert reader.numbers[:3] == [1, 2, 3]


def test_what_the_kernel_takes_in_parts_arrives_whole_and_in_order(
    new_hub, new_wires, open_wire, history, bulletin, guild, heard, wait_until
):
    wire, reader = open_wire(new_hub(), new_wires(), small=True)
    heard()

    while not wire.stuck:
        history.write(20)
        bulletin.ring(guild)
        wait_until(lambda: wire.shown == history.kept[guild][-1].seq)
    held = history.kept[guild][-1].seq
    while held not in reader.numbers:
        assert reader.more(size=777)
    wait_until(lambda: not wire.stuck)
    history.write()
    bulletin.ring(guild)
    reader.until(b"id: %d\n" % (held + 1)).until(b"%d}\n\n" % (held + 1))

    assert reader.numbers == list(range(1, held + 2))
    assert not wire.closed


def test_a_slow_reader_is_cut_and_resumes_without_a_gap(
    monkeypatch, new_hub, new_wires, open_wire, history, bulletin, guild, heard, wait_until
):
    monkeypatch.setattr("kovra.live.wire.BUFFER_BYTES", 16_384)  # less than what is too long for a replay
    hub, wires = new_hub(), new_wires()
    wire, reader = open_wire(hub, wires, small=True)
    quick = hub.subscribe(guild, None, all_of)
    heard()

    while not wire.closed:
        history.write(100)
        bulletin.ring(guild)
        newest = history.kept[guild][-1].seq
        wait_until(lambda newest=newest: wire.closed or wire.shown == newest)
        assert newest < 5_000, "nobody cut it"
        for _ in range(100):
            assert quick.next(30), "the others must go on"
    seen = reader.to_the_end().numbers
    _, again = open_wire(hub, wires, after=seen[-1])
    again.until(b"%d}\n\n" % history.kept[guild][-1].seq)

    assert wire.why == "overflow"
    assert hub.figures().overflowed == 1
    assert seen + again.numbers == list(range(1, history.kept[guild][-1].seq + 1))


def test_a_long_replay_is_not_its_readers_fault(new_hub, new_wires, open_wire, history, bulletin, guild, heard):
    history.write(LONGEST_REPLAY)
    wire, reader = open_wire(new_hub(), new_wires(), after=0, small=True)
    heard()
    history.write()
    bulletin.ring(guild)

    reader.until(b"id: %d\n" % (LONGEST_REPLAY + 1))

    assert not wire.closed
    assert reader.numbers[:LONGEST_REPLAY] == list(range(1, LONGEST_REPLAY + 1))


def test_a_stream_that_opens_while_events_are_handed_out_hears_them_once(
    new_hub, new_wires, open_wire, history, bulletin, guild, heard
):
    hub, opened = new_hub(), []

    def visible(event):
        if event.seq == 3:  # asked for the crowd, before those who stand alone get their turn
            opened.append(hub.subscribe(guild, 0, all_of))
        return True

    _, reader = open_wire(hub, new_wires(), visible=visible)
    heard()

    for number in (1, 2, 3, 4):
        history.write()
        bulletin.ring(guild)
        reader.until(b"id: %d\n" % number)

    assert [int(opened[0].next(30).split()[1]) for _ in range(4)] == [1, 2, 3, 4]
    assert opened[0].next(0.2) is None


def test_a_reader_who_leaves_is_noticed_at_once(new_hub, new_wires, open_wire, wait_until):
    hub, wires = new_hub(), new_wires(heartbeat_s=3600)
    wire, reader = open_wire(hub, wires)
    reader.until(HEAD)

    reader.line.close()

    wait_until(lambda: wire.closed and len(wires) == 0)
    assert wire.why == "left"
    assert hub.figures().clients == 0


def test_an_idle_wire_beats_and_ends_after_its_time(new_hub, new_wires, open_wire):
    wire, reader = open_wire(new_hub(), new_wires(heartbeat_s=0.05, longest_s=1.0))

    reader.to_the_end()

    assert reader.got.count(BEAT) >= 3
    assert wire.why == "over"


def test_wires_that_began_together_do_not_end_together(new_hub, new_wires, open_wire):
    hub, wires = new_hub(), new_wires(longest_s=900)

    ends = sorted(open_wire(hub, wires)[0].ends_at for _ in range(40))

    assert ends[-1] - ends[0] > 60


def test_who_may_see_no_more_is_told_so_and_cut(new_hub, new_wires, open_wire, history, bulletin, guild, heard):
    wire, reader = open_wire(new_hub(), new_wires())
    heard()
    reader.until(HEAD)

    wire.close("revoked")
    history.write()
    bulletin.ring(guild)
    reader.to_the_end()

    assert reader.got == HEAD + b"event: revoked\ndata: {}\n\n"


def test_a_viewer_hears_only_what_is_visible(new_hub, new_wires, open_wire, history, bulletin, guild, heard):
    _, reader = open_wire(new_hub(), new_wires(), visible=lambda event: event.seq % 2 == 0)
    heard()

    history.write(6)
    bulletin.ring(guild)

    assert reader.until(b"6}\n\n").numbers == [2, 4, 6]


def test_stopping_ends_every_wire_at_once(new_hub, new_wires, open_wire):
    hub, wires = new_hub(), new_wires()
    readers = [open_wire(hub, wires)[1] for _ in range(5)]

    hub.stop()

    for reader in readers:
        reader.to_the_end()
