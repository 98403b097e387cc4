"""How late pages heard of events lately."""

from __future__ import annotations

from collections import deque

#: What "lately" is, in seconds: a few scrapes of a metrics page.
LATELY_S = 60.0


class Lag:
    """The worst of the last minute. The time is handed in; one thread adds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()  # each is worse than all that came after it

    def add(self, late_s: float, now: float) -> None:
        """Something was handed out this late."""
        while self._seen and self._seen[-1][1] <= late_s:
            self._seen.pop()
        while self._seen and self._seen[0][0] <= now - LATELY_S:
            self._seen.popleft()
        self._seen.append((now, late_s))

    def worst(self, now: float) -> float:
        """The worst of the last minute; 0 when nothing was handed out."""
        return max((late_s for at, late_s in tuple(self._seen) if at > now - LATELY_S), default=0.0)
