"""A deploy in the middle of the day: every process is stopped in order and started again, one after the other.

``p99_ms`` runs from the first press of a button to the case; ``accept_…`` is its way to the row, ``carry_…`` the way
from there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.chaos.load import Wish
from benchmarks.chaos.rig import Rig, perform
from benchmarks.measure import Report, percentile, say

RATE, ROUNDS, ROUNDS_QUICK, PAUSE_S = 20, 4, 1, 1.0


#: How many of the slowest trips are told of.
SLOWEST = 8


@dataclass(frozen=True)
class Trip:
    """One click that became a case; Unix times."""

    wish: Wish
    accepted_at: float
    case_at: float

    @property
    def accept_ms(self) -> float:
        """From the first press to the row."""
        return (self.accepted_at - self.wish.pressed_at) * 1000

    @property
    def carry_ms(self) -> float:
        """From the row to the case."""
        return (self.case_at - self.accepted_at) * 1000

    @property
    def whole_ms(self) -> float:
        return self.accept_ms + self.carry_ms

    def __str__(self) -> str:
        answers = ", ".join(self.wish.answers)
        return f"{self.wish.action}: {self.accept_ms:.0f} ms to the row ({answers}), {self.carry_ms:.0f} to the case"


def main(quick: bool, json: bool) -> int:
    """Run and print; 1 when a promise was broken."""
    return perform("chaos rolling", rolling, quick=quick, json=json)


def rolling(rig: Rig, report: Report) -> None:
    """SIGTERM, wait, start, wait until it is ready; the next."""
    restarts: list[tuple[str, float, float]] = []
    with rig.load(rate=RATE) as load:
        for _ in range(ROUNDS_QUICK if report.quick else ROUNDS):
            for name in list(rig.stack.processes):
                time.sleep(PAUSE_S)  # a deploy takes one after the other
                began = time.time()
                rig.stack.restart(name)
                restarts.append((name, began, time.time()))
                say(f"{name} is back after {time.time() - began:.1f} s")
        time.sleep(PAUSE_S)  # clicks after the last one too
    rig.settle(report)
    rows = {str(row.request_id): row for row in rig.judge.requests()}
    trips = [
        Trip(wish, row.created_at.timestamp(), row.applied_at.timestamp())
        for wish in load.wishes
        if (row := rows.get(wish.request_id)) and row.applied_at
    ]
    report.add("actions", len(load.wishes))
    report.add("accepted", len(load.answered))
    report.add("restarts", len(restarts))
    report.add("pressed_again", load.pressed_again)
    for part in ("whole", "accept", "carry"):
        times = [getattr(trip, f"{part}_ms") for trip in trips]
        for share in (0.5, 0.99):
            name = f"p{share * 100:.0f}_ms"
            report.add(name if part == "whole" else f"{part}_{name}", percentile(times, share))
    for trip in sorted(trips, key=lambda trip: -trip.whole_ms)[:SLOWEST]:
        during = [name for name, began, ended in restarts if began <= trip.case_at and trip.wish.pressed_at <= ended]
        say(f"{trip} while {', '.join(during) or 'nothing'} was restarted")
