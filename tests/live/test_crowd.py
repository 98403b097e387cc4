"""Wires that are written to together: each gets each frame once, and nobody is passed over for another who leaves."""

from __future__ import annotations

import threading

import pytest

from kovra.live.crowd import Crowd
from kovra.live.turns import TURN
from kovra.live.wire import Wire

FRAME = b"id: 8\nevent: case.created\ndata: {}\n\n"
SIZE = 2 * TURN + 10


class Line:
    """A socket that takes what it is told to take, and does something meanwhile."""

    def __init__(self):
        self.got, self.takes, self.meanwhile = b"", len(FRAME), lambda: None

    def send(self, data, flags):
        self.meanwhile()
        if self.takes is None:
            raise ConnectionResetError
        if self.takes == 0:
            raise BlockingIOError
        self.got += bytes(data[: self.takes])
        return min(self.takes, len(data))


def all_of(event):
    return True


@pytest.fixture
def writing():
    return threading.RLock()  # what happens meanwhile happens in the same thread here


@pytest.fixture
def crowd(writing):
    return Crowd(all_of, 7, writing)


@pytest.fixture
def wires(crowd, writing, guild):
    """Enough for three turns, all in the crowd, each with its line and a list of how it changed."""
    made = []
    for _ in range(SIZE):
        wire, line = Wire(guild, 7, all_of, lambda stream: None, writing), Line()
        wire.open(line, b"", lambda wire: None)
        assert wire.join(crowd, 7)
        made.append((wire, line))
    return made


def test_each_of_many_gets_each_frame_once(crowd, wires):
    taken = crowd.write(FRAME, 8)

    assert taken == SIZE
    assert {line.got for _, line in wires} == {FRAME}
    assert {wire.shown for wire, _ in wires} == {8}


def test_a_hint_moves_no_number(crowd, wires):
    crowd.write(FRAME)

    assert {wire.shown for wire, _ in wires} == {7}


def test_who_is_closed_before_its_turn_hears_nothing_and_nobody_is_passed_over(crowd, wires):
    closed = [wires[0][0], wires[TURN + 5][0], wires[-1][0]]
    wires[3][1].meanwhile = lambda: [wire.close("left") for wire in closed]

    crowd.write(FRAME, 8)
    crowd.write(FRAME, 9)

    heard = [line.got.count(FRAME) for _, line in wires]
    assert (heard[0], heard[TURN + 5], heard[-1]) == (1, 0, 0)
    assert heard.count(2) == SIZE - 3
    assert len(crowd) == SIZE - 3


def test_who_is_revoked_meanwhile_is_told_so_and_no_more(crowd, wires):
    wire, line = wires[-1]
    wires[0][1].meanwhile = lambda: wire.close("revoked")

    crowd.write(FRAME, 8)

    assert line.got == b"event: revoked\ndata: {}\n\n"


@pytest.mark.parametrize("takes", [0, 5])
def test_who_does_not_take_it_whole_goes_on_alone_with_the_rest(crowd, wires, takes):
    wire, line = wires[TURN + 1]
    line.takes = takes

    crowd.write(FRAME, 8)
    assert (wire.stuck, wire.shown, crowd.take_left()) == (True, 8, [wire])
    line.takes = len(FRAME)
    crowd.write(b"another", 9)
    wire.flush()

    assert line.got == FRAME
    assert not wire.join(crowd, 9)  # what it did not hear comes first


def test_who_leaves_before_its_turn_has_not_been_shown_the_frame(crowd, wires):
    early, late = wires[1], wires[-1]
    early[1].takes = late[1].takes = 3

    def beat():
        early[0].beat(b"event: beat\ndata: {}\n\n", since=float("inf"))
        late[0].beat(b"event: beat\ndata: {}\n\n", since=float("inf"))

    wires[TURN + 1][1].meanwhile = beat
    crowd.write(FRAME, 8)

    assert (early[0].shown, late[0].shown) == (8, 7)
    assert set(crowd.take_left()) == {early[0], late[0]}


def test_whose_reader_is_gone_is_closed(crowd, wires):
    wire, line = wires[5]
    line.takes = None

    taken = crowd.write(FRAME, 8)

    assert (taken, wire.why, len(crowd)) == (SIZE - 1, "left", SIZE - 1)


def test_only_who_stands_at_the_same_number_and_waits_for_nothing_may_join(crowd, writing, guild):
    behind, unopened = (Wire(guild, shown, all_of, lambda stream: None, writing) for shown in (6, 7))
    behind.open(Line(), b"", lambda wire: None)

    assert not behind.join(crowd, 7)
    assert not unopened.join(crowd, 7)
