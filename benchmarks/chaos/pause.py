"""Two workers of the same lanes, and one of them stands still now and then: nobody may act for the other as well.

SIGSTOP is worse than death. The process holds its claims, its locks and its half-sent calls, others take over what its
claim's time allows, and then it goes on as if nothing had been. Claims last ``CLAIM_S`` here, a tenth of what they do.
"""

from __future__ import annotations

import random
import time

from benchmarks.chaos.rig import Rig, perform
from benchmarks.measure import Report, say

#: How often, and between which seconds a pause lasts: up to twice a claim.
PAUSES, PAUSES_QUICK, LASTS_S = 40, 6, (0.5, 6.0)
CLAIM_S = 3
#: How long Discord takes for each call: at any moment several actions are half way, so a pause finds some.
LATENCY_MS = 100
SEED = 7


def main(quick: bool, json: bool) -> int:
    """Run and print; 1 when a promise was broken."""
    return perform("chaos pause", pause, quick=quick, json=json, env=PROFILE)


PROFILE = {"KOVRA_CLAIM_S": str(CLAIM_S)}


def pause(rig: Rig, report: Report) -> None:
    """One worker after the other stands still; the load goes on."""
    dice = random.Random(SEED)
    pauses = PAUSES_QUICK if report.quick else PAUSES
    rig.discord("POST", "latency", {"ms": LATENCY_MS})
    say(f"{pauses} pauses")
    with rig.load(rate=10) as load:
        for number in range(pauses):
            name = ("worker", "worker-2")[number % 2]
            time.sleep(dice.uniform(0.1, 0.5))  # pauses come at no particular moment
            rig.pause(name)
            time.sleep(dice.uniform(*LASTS_S) if number % 3 else LASTS_S[1])  # the pause itself
            rig.resume(name)
    rig.settle(report)
    taken_over = sum(row.claim_epoch > 1 for row in rig.judge.requests())
    report.add("actions", len(load.wishes))
    report.add("pauses", pauses)
    report.add("taken_over", taken_over)
