"""A deploy in the middle of the day: every process is stopped in order and started again, one after the other.

``p99_ms`` runs from the first press of a button to the case.
"""

from __future__ import annotations

import time

from benchmarks.chaos.rig import Rig, perform
from benchmarks.measure import Report, percentile, say

RATE, ROUNDS, ROUNDS_QUICK, PAUSE_S = 20, 4, 1, 1.0


def main(quick: bool, json: bool) -> int:
    """Run and print; 1 when a promise was broken."""
    return perform("chaos rolling", rolling, quick=quick, json=json)


def rolling(rig: Rig, report: Report) -> None:
    """SIGTERM, wait, start, wait until it is ready; the next."""
    restarts = 0
    with rig.load(rate=RATE) as load:
        for _ in range(ROUNDS_QUICK if report.quick else ROUNDS):
            for name in list(rig.stack.processes):
                time.sleep(PAUSE_S)  # a deploy takes one after the other
                began = time.monotonic()
                rig.stack.restart(name)
                restarts += 1
                say(f"{name} is back after {time.monotonic() - began:.1f} s")
        time.sleep(PAUSE_S)  # clicks after the last one too
    rig.settle(report)
    rows = {str(row.request_id): row for row in rig.judge.requests()}
    trips = [
        (row.applied_at.timestamp() - wish.pressed_at) * 1000
        for wish in load.wishes
        if (row := rows.get(wish.request_id)) and row.applied_at
    ]
    report.add("actions", len(load.wishes))
    report.add("accepted", len(load.answered))
    report.add("restarts", restarts)
    report.add("pressed_again", load.pressed_again)
    report.add("p50_ms", percentile(trips, 0.5))
    report.add("p99_ms", percentile(trips, 0.99))
