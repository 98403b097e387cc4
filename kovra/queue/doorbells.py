"""Where there may be work: shards that ring, and those that had more when they were last asked."""

from __future__ import annotations

import logging
import math
import select
import time
from collections.abc import Sequence
from typing import Any

import redis

from kovra.queue.scripts import Scripts

INTERACTIVE_LEFT, BULK_LEFT = 1, 2

#: How long one BLPOP of a cluster waits: as long may a worker that has become busy keep a token from an idle one.
_BLOCK_S = 1.0

#: A worker with much to fill asks so often who rings anew, in seconds.
_GATHER_EVERY_S = 0.001

#: How many entries to ask of a shard that has more.
_AT_ONCE = 4

_log = logging.getLogger(__name__)


class Doorbells:
    """The bells of the shards that a consumer serves, for one Redis server.

    Shards take turns: the bells of a row are asked beginning after the one that rang last, and a shard that has more
    goes behind the others that have. Interactive work comes before bulk work, but for one round in ``bulk_turn``.

    Args:
        own_bell: rung by this process when a bulk slot became free.
    """

    def __init__(self, scripts: Scripts, *, prefixes: Sequence[str], own_bell: str, bulk_turn: int) -> None:
        self._scripts, self._own_bell, self._bulk_turn = scripts, own_bell, bulk_turn
        self._prefixes = list(prefixes)
        self._rows = [[f"{prefix}wake:{priority}" for prefix in prefixes] for priority in (0, 1)]
        self._places = {bell: (p, i) for p, row in enumerate(self._rows) for i, bell in enumerate(row)}
        self._after = [0, 0]  # by priority: the shard whose turn it is, the one after that which rang last
        self._gathered_at = -math.inf  # monotonic time
        self._left: dict[str, int] = {}  # what is left in a shard as far as we know, in the order of turns
        self.turn = 0  # rounds of listening so far

    def note_left(self, prefix: str, left: int) -> None:
        """Keep what a shard said that is left in it: 0, or 1 for interactive work, 2 for bulk, 3 for both."""
        if left:
            self._left[prefix] = left

    def listen(self, *, free: int, bulk: bool, nap_s: float | None) -> list[str]:
        """The shards to ask for work, at most ``free``; sleeps up to ``nap_s`` when none is known to have any.

        Args:
            bulk: whether there is room for bulk work.
            nap_s: None does not sleep.
        """
        self.turn += 1
        known, bells = self._known(bulk), self._bells(bulk)
        if known or nap_s is None:
            # Those that ring anew get half of the slots, of an odd number the larger half every other time.
            rung, most = [], (free + self.turn % 2) // 2
        else:
            rung = self._sleep(bells, bulk, nap_s)
            most = free - 1
        if (rung or known or nap_s is None) and most > 0 and self._time_to_gather(free):
            # Who took all free slots from one shard would let the others wait for its work.
            others = [bell for bell in bells if bell not in rung and self._prefix(bell) not in self._left]
            rung += self._more(others, most) if others else []
            self._gathered_at = time.monotonic()
        # A shard that has more gives several at once: each step in a shard has its price, that of an entry is small.
        known = known[: math.ceil(max(1, free - len(rung)) / _AT_ONCE)]
        chosen = list(dict.fromkeys([*map(self._note_rung, rung), *known]))[:free]
        for prefix in chosen:
            self._left.pop(prefix, None)
        return chosen

    def _time_to_gather(self, free: int) -> bool:
        """Who fills many slots in quick succession need not ask each time; who fills one lets nobody wait longer."""
        return free <= 2 or time.monotonic() - self._gathered_at > _GATHER_EVERY_S

    def _known(self, bulk: bool) -> list[str]:
        """The shards known to have work that there is room for, whose turn it is first."""
        left = list(self._left.items())
        interactive = [prefix for prefix, what in left if what & INTERACTIVE_LEFT]
        others = [prefix for prefix, what in left if what == BULK_LEFT] if bulk else []
        return others + interactive if self._bulk_first() else interactive + others

    def _bells(self, bulk: bool) -> list[str]:
        """The bells to ask, in this order: whichever is first and has a token is answered."""
        rows = [row[cut:] + row[:cut] for row, cut in zip(self._rows, self._after, strict=True)]
        if not bulk:
            return rows[0]
        return rows[1] + rows[0] if self._bulk_first() else rows[0] + rows[1]

    def _bulk_first(self) -> bool:
        return self.turn % self._bulk_turn == 0

    def _sleep(self, bells: list[str], bulk: bool, nap_s: float) -> list[str]:
        answer = self._scripts.lines.ask("BLPOP", *bells, *([] if bulk else [self._own_bell]), nap_s)
        bell = "" if answer is None else answer[0].decode()
        return [bell] if bell in self._places else []

    def _more(self, bells: list[str], most: int) -> list[str]:
        """Which of these ring too, up to so many."""
        return [bells[i] for i in self._scripts.gather(bells, most)]

    def give_back(self) -> None:
        """This worker is and stays busy: whoever is idle may have what rang."""

    def close(self) -> None:
        """Listen no more."""

    def _prefix(self, bell: str) -> str:
        return self._prefixes[self._places[bell][1]]

    def _note_rung(self, bell: str) -> str:
        priority, shard = self._places[bell]
        self._after[priority] = shard + 1
        return self._prefixes[shard]


class ClusterDoorbells(Doorbells):
    """The bells of shards that lie on several nodes.

    One command cannot listen at several slots. So each shard has a connection that waits in a BLPOP of its own, and one
    thread watches them all. A token that comes while this worker is busy is kept, and given back when it stays so.
    """

    def __init__(self, scripts: Scripts, *, prefixes: Sequence[str], own_bell: str, bulk_turn: int) -> None:
        super().__init__(scripts, prefixes=prefixes, own_bell=own_bell, bulk_turn=bulk_turn)
        self._lines: dict[str, Any] = {}  # a connection for each prefix
        self._waiting: set[str] = set()  # the prefixes whose connection waits for an answer
        self._taken: set[str] = set()  # bells whose token we took and whose shard we have not asked yet

    def listen(self, *, free: int, bulk: bool, nap_s: float | None) -> list[str]:
        chosen = super().listen(free=free, bulk=bulk, nap_s=nap_s)
        self._taken.difference_update(f"{prefix}wake:{priority}" for prefix in chosen for priority in (0, 1))
        return chosen

    def give_back(self) -> None:
        self._answers(0)
        while self._taken:
            bell = self._taken.pop()
            self._left.pop(self._prefix(bell), None)
            self._scripts.lines.ask("LPUSH", bell, 1)

    def close(self) -> None:
        for line in self._lines.values():
            line.disconnect()
        self._lines.clear()
        self._waiting.clear()

    def _sleep(self, bells: list[str], bulk: bool, nap_s: float) -> list[str]:
        for prefix in self._prefixes:
            if prefix not in self._waiting:
                self._wait_at(prefix)
        return self._answers(nap_s)

    def _more(self, bells: list[str], most: int) -> list[str]:
        return self._answers(0)

    def _wait_at(self, prefix: str) -> None:
        line = self._lines.get(prefix) or self._scripts.lines.line_of(prefix)
        self._lines[prefix] = line
        more = [self._own_bell] if prefix == self._prefixes[0] else []
        try:
            line.send_command("BLPOP", f"{prefix}wake:0", f"{prefix}wake:1", *more, _BLOCK_S)
        except redis.RedisError as error:
            self._give_up(prefix, error)
            return
        self._waiting.add(prefix)

    def _answers(self, timeout_s: float) -> list[str]:
        """The bells that rang. Their tokens are taken, so what is not asked at once is known to have work."""
        by_socket = {self._lines[prefix]._sock: prefix for prefix in self._waiting}
        readable, _, _ = select.select(list(by_socket), [], [], timeout_s)
        rung = [bell for socket in readable if (bell := self._answer(by_socket[socket])) in self._places]
        for bell in rung:
            priority, shard = self._places[bell]
            prefix = self._prefixes[shard]
            self._left[prefix] = self._left.get(prefix, 0) | 1 << priority
        self._taken.update(rung)
        return rung

    def _answer(self, prefix: str) -> str:
        self._waiting.discard(prefix)
        try:
            answer = self._lines[prefix].read_response()
        except redis.RedisError as error:
            self._give_up(prefix, error)
            return ""
        return "" if answer is None else answer[0].decode()

    def _give_up(self, prefix: str, error: Exception) -> None:
        """The slot moved or its node is gone. What rang meanwhile, the slow look finds."""
        _log.info("cannot hear the bell of %s: %s", prefix, error)
        self._lines.pop(prefix).disconnect()
        self._scripts.lines.look_again()
