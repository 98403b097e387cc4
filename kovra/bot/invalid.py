"""The tally of invalid requests of this process.

Discord blocks an address for a while after 10,000 answers of 401, 403 or 429 within ten minutes (API reference, Invalid
Request Limit). All processes count together in Redis; this count holds when Redis is away.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping

#: So many of one process are too many: four processes may speak from one address.
MOST = 2_500
WINDOW_S = 600.0

#: How long nothing goes out then, in seconds; should more follow, again.
REST_S = 60.0


def counts_as_invalid(status: int, headers: Mapping[str, str]) -> bool:
    """Whether Discord counts this answer: not when a limit was used up by others (scope ``shared``)."""
    return status in (401, 403) or (status == 429 and headers.get("X-RateLimit-Scope") != "shared")


class Tally:
    """Invalid requests within the last ten minutes."""

    def __init__(self, most: int = MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._at: deque[float] = deque()

    def note(self) -> bool:
        """Count one; True when there were too many."""
        now = self._clock()
        self._at.append(now)
        while self._at[0] <= now - WINDOW_S:
            self._at.popleft()
        return len(self._at) >= self._most
