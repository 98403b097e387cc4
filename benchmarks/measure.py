"""What every measuring command shares: percentiles, the host, and the form of the answer."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value below which this share (0 to 1) of the values lies; None when there are none."""
    if not values:
        return None
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, max(0, round(share * len(ranked) + 0.5) - 1))]


def host(**versions: str) -> dict[str, object]:
    """What machine this ran on: cores, memory in MB, and the versions of what was measured."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000
    return {"cores": os.cpu_count(), "memory_mb": memory, "python": platform.python_version(), **versions}


def sleep_until(moment: float) -> None:
    """Wait for a moment of ``time.monotonic``: whoever keeps a pace computes it from the start, so no delay adds up."""
    time.sleep(max(0.0, moment - time.monotonic()))  # the pace itself


def say(text: str) -> None:
    """Progress and tables go to standard error; standard output keeps the answer."""
    print(text, file=sys.stderr, flush=True)


@dataclass
class Report:
    """One run. A figure that could not be measured is None, and a note says why."""

    name: str
    quick: bool
    host: Mapping[str, object]
    figures: dict[str, float | int | None] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def add(self, key: str, value: float | None, *, digits: int = 2) -> None:
        """Keep one figure, rounded."""
        self.figures[key] = round(value, digits) if isinstance(value, float) else value

    def unmeasured(self, key: str, why: str) -> None:
        """Say that a figure is missing and why; it is never invented."""
        self.figures[key], self.notes[key] = None, why

    def print(self, *, as_json: bool) -> None:
        """The table on standard error, or one JSON object as the last line of standard output."""
        whole = {
            "name": self.name,
            "quick": self.quick,
            "seconds": round(time.monotonic() - self.started, 1),
            "host": dict(self.host),
            "figures": self.figures,
            "notes": self.notes,
        }
        if as_json:
            print(json.dumps(whole), flush=True)
            return
        print(f"{self.name}  ({whole['seconds']} s, {'quick' if self.quick else 'full'})")
        for key, value in self.figures.items():
            print(f"  {key:<28} {'–' if value is None else value}")
        for key, note in self.notes.items():
            print(f"  {key}: {note}")
