"""Where there may be work: shards that ring, and those that had more when they were last asked."""

from __future__ import annotations

from collections.abc import Sequence

from kovra.queue.scripts import Scripts

INTERACTIVE_LEFT, BULK_LEFT = 1, 2


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
        if (rung or known or nap_s is None) and most > 0:
            # Who took all free slots from one shard would let the others wait for its work.
            others = [bell for bell in bells if bell not in rung and self._prefix(bell) not in self._left]
            rung += [others[i] for i in self._scripts.gather(others, most)] if others else []
        chosen = list(dict.fromkeys([*map(self._note_rung, rung), *known]))[:free]
        for prefix in chosen:
            self._left.pop(prefix, None)
        return chosen

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

    def _prefix(self, bell: str) -> str:
        return self._prefixes[self._places[bell][1]]

    def _note_rung(self, bell: str) -> str:
        priority, shard = self._places[bell]
        self._after[priority] = shard + 1
        return self._prefixes[shard]
