"""The loop that posts what waits: each guild once at a time, and a quiet one is left alone for a moment."""

from __future__ import annotations

from dataclasses import dataclass, field

from kovra.errors import Unavailable
from kovra.queue.posting import QUIET_S, Posting


@dataclass
class Bench:
    """Three guilds in which something waits; ``done`` is what can be done in each."""

    done: dict = field(default_factory=dict)
    now: float = 0.0

    def waiting(self):
        return [1, 2, 3]

    def run(self, guild_id):
        found = self.done.get(guild_id, 0)
        if isinstance(found, Exception):
            raise found
        return found


def test_a_guild_in_which_nothing_could_be_done_is_left_alone_for_a_moment():
    bench = Bench({1: 3, 2: Unavailable("away"), 3: ValueError("broken")})
    posting = Posting(record=bench, post=bench.run, monotonic=lambda: bench.now)

    for guild_id in (1, 2, 3):
        posting.carry(guild_id)
    soon = posting.due()
    bench.now += QUIET_S

    assert (soon, posting.due()) == ([1], [1, 2, 3])


def test_a_guild_in_hand_is_not_taken_twice():
    bench = Bench()
    posting = Posting(record=bench, post=bench.run)
    posting._in_hand.add(2)

    assert posting.due() == [1, 3]
