"""Wires of one guild that stand at the same number and see the same: each frame goes to all of them in one tight loop.

With thousands of open pages the loop is what an event costs. So nothing is decided in it, and it touches nothing of a
wire but the send of its socket; whoever does not take a frame whole leaves the crowd and is looked after alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from socket import MSG_DONTWAIT, MSG_NOSIGNAL
from typing import Protocol

from kovra.live.stream import Visible
from kovra.live.turns import TURN, give_way

#: A write never waits, and a reader who has left is an error and no signal.
NOW = MSG_DONTWAIT | MSG_NOSIGNAL

Send = Callable[[bytes, int], int]


class Member(Protocol):
    """What a crowd knows of a wire."""

    place: int

    def left_by(self, error: OSError) -> None:
        """Its reader is gone."""

    def left_with(self, rest: bytes, offset: int, shown: int) -> None:
        """It took only a part. The caller holds the lock of all that write."""

    def told_of_change(self) -> None:
        """It got stuck; whoever writes rests may look at it."""


def _nowhere(data: bytes, _: int, /) -> int:
    """Where a wire was that has left: a list that is being gone through keeps its places."""
    return len(data)


class Crowd:
    """Written to by one thread; anybody may take a wire out.

    Args:
        visible: what its viewers may see.
        shown: the number that its wires stand at.
        writing: held by whoever writes into sockets, for one turn at most.

    Attributes:
        used_at: when something was written to all of it last, in monotonic seconds.
    """

    def __init__(self, visible: Visible, shown: int, writing: threading.Lock) -> None:
        self.visible = visible
        self.used_at = float("-inf")
        self._shown = self._next = shown
        self._writing = writing
        self._members: list[Member | None] = []
        self._sends: list[Send] = []
        self._gone = 0
        self._left: list[Member] = []
        self._reached = 0  # places below have been written what ``_next`` is the number of

    def __len__(self) -> int:
        return len(self._members) - self._gone

    def members(self) -> list[Member]:
        """All of it."""
        return [member for member in self._members if member is not None]

    def shown_to(self, member: Member) -> int:
        """The last number that this wire was written, or did not need to see."""
        return self._next if member.place < self._reached else self._shown

    def add(self, member: Member, send: Send) -> None:
        """Take in a wire that nothing waits for, between two writes; the caller holds the lock."""
        member.place = len(self._members)
        self._members.append(member)
        self._sends.append(send)

    def remove(self, member: Member, *, goes_on: bool) -> None:
        """Write to it no more, and name it in ``take_left`` when somebody else must; the caller holds the lock."""
        if goes_on:
            self._left.append(member)
        self._members[member.place], self._sends[member.place] = None, _nowhere
        self._gone += 1

    @property
    def over(self) -> bool:
        """Whether nobody is left, nor has left unnoticed."""
        return not len(self) and not self._left

    def take_left(self) -> list[Member]:
        """Who left and goes on alone."""
        with self._writing:
            left, self._left = self._left, []
        return left

    def write(self, data: bytes, shown: int | None = None) -> int:
        """Write to all of it; how many took it whole. ``shown`` is the number of its last event, None for a hint."""
        self._tidy()
        self._next = self._shown if shown is None else shown
        taken = 0
        if data:
            self.used_at = time.monotonic()
            for start in range(0, len(self._sends), TURN):
                if start:
                    give_way()  # however large the guild
                taken += self._turn(data, start)
        self._shown, self._reached = self._next, 0
        return taken

    def _turn(self, data: bytes, start: int) -> int:
        size, short, failed = len(data), [], []
        with self._writing:
            sends = self._sends[start : start + TURN]
            for place, send in enumerate(sends, start):
                try:
                    if (sent := send(data, NOW)) != size:
                        short.append((place, sent))
                except BlockingIOError:
                    short.append((place, 0))
                except OSError as error:
                    failed.append((place, error))
            self._reached = start + len(sends)
            stuck = [(self._members[place], sent) for place, sent in short]
            gone = [(self._members[place], error) for place, error in failed]
            for member, sent in stuck:
                if member is not None:
                    member.left_with(data, sent, self._next)
        # What follows may take other locks.
        for member, _ in stuck:
            if member is not None:
                member.told_of_change()
        for member, error in gone:
            if member is not None:
                member.left_by(error)
        return len(sends) - len(stuck) - len(gone)

    def _tidy(self) -> None:
        """Close the gaps of those who left."""
        if not self._gone:
            return
        with self._writing:
            kept = [(member, send) for member, send in zip(self._members, self._sends, strict=True) if member]
            self._members, self._sends, self._gone = [], [], 0
            for member, send in kept:
                self.add(member, send)
