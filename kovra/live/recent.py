"""The newest events of a guild with their frames: who comes back after a short break is no question to the database.

When a web process dies, everybody it served comes to another one within the same seconds.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice

from kovra.ids import GuildId
from kovra.live.events import frame
from kovra.live.ports import EventLike, EventSource

#: Events read from the source at once.
PAGE = 500

#: How long an event is remembered, in seconds; a guild in which nothing happens has nothing in memory.
KEPT_S = 60.0

#: Of one guild: nobody is replayed more.
MOST = 1000

#: An event and its bytes; none when it cannot be written.
Told = tuple[EventLike, bytes | None]

_log = logging.getLogger(__name__)


class Recent:
    """All events of a guild behind one number up to its newest here, without a gap.

    Args:
        last: the number of the newest event, which is not here itself.
        source: what lies before.
    """

    def __init__(self, guild_id: GuildId, last: int, source: EventSource) -> None:
        self._guild_id, self._last, self._source = guild_id, last, source
        self._lock = threading.Lock()  # guards _last and _kept
        self._reading = threading.Lock()  # held by whoever reads what lies before
        self._kept: deque[tuple[float, Told]] = deque()  # when it came, in monotonic seconds

    def between(self, after: int, last: int) -> list[Told] | None:
        """The events behind ``after`` up to ``last``, from the source when they are not here; None when they are no
        longer kept.

        Raises:
            Unavailable: the source did not answer.
        """
        if (here := self._here(after, last)) is not None:
            return here
        with self._reading:
            # Whoever read before us may have wanted the same.
            return self._read(after, last) if (here := self._here(after, last)) is None else here

    def add(self, told: Sequence[Told]) -> None:
        """Remember new events, lowest first."""
        now = time.monotonic()
        with self._lock:
            if not _joins(told, self._last):
                self._kept.clear()
            else:
                self._kept.extend((now, each) for each in told)
            self._last = told[-1][0].seq
            while len(self._kept) > MOST:
                self._kept.popleft()

    def forget(self, now: float) -> None:
        """Let go of what has been here long enough."""
        with self._lock:
            while self._kept and self._kept[0][0] < now - KEPT_S:
                self._kept.popleft()

    def _here(self, after: int, last: int) -> list[Told] | None:
        if after >= last:
            return []
        with self._lock:
            first = after - self._floor
            if first < 0 or last > self._last:
                return None
            return [told for _, told in islice(self._kept, first, first + last - after)]

    @property
    def _floor(self) -> int:
        """Everything behind this number is here."""
        return self._last - len(self._kept)

    def _read(self, after: int, last: int) -> list[Told] | None:
        found: list[Told] = []
        seen = after
        while seen < last and (page := self._source.after(self._guild_id, seen, min(PAGE, last - seen))):
            seen = page[-1].seq
            found += framed(page)
        # Numbers have no gaps: one that is missing was pruned, before we read or meanwhile.
        if seen < last or not _joins(found, after):
            return None
        now = time.monotonic()
        with self._lock:
            older = [told for told in found if told[0].seq <= self._floor]
            if older and older[-1][0].seq == self._floor and len(older) + len(self._kept) <= MOST:
                self._kept.extendleft((now, told) for told in reversed(older))
        return found


def framed(events: Iterable[EventLike]) -> list[Told]:
    """The events with their bytes."""
    return [(event, _frame(event)) for event in events]


def _frame(event: EventLike) -> bytes | None:
    try:
        return frame(event)
    except (ValueError, TypeError):
        # One event that cannot be written must not hold up all that come behind it.
        _log.exception("event %d of guild %d cannot be shown", event.seq, event.guild_id)
        return None


def _joins(told: Sequence[Told], after: int) -> bool:
    """Whether these are the very next events behind ``after``, without a gap."""
    return all(event.seq == number for number, (event, _) in enumerate(told, after + 1))
