"""Discord as it is on a bad day: its rate limits, 80 ms away, and a twentieth, a fifth, then half of its answers bad.

The only scenario with Discord's buckets and Guard's own pacing on. ``invalid_requests`` is what Discord would have
counted within ten minutes (it blocks an address at 10,000), ``http_429`` what its limits refused.
"""

from __future__ import annotations

import time

from benchmarks.chaos.rig import Rig, perform
from benchmarks.chaos.weather import KINDS, spoil
from benchmarks.measure import Report, say

SHARES = (0.05, 0.2, 0.5)

#: How far away Discord is, in milliseconds; how long each share lasts, in seconds; actions a second. A single action is
#: up to four calls, and a log channel takes about one message a second.
LATENCY_MS, LONG_S, QUICK_S, RATE = 80, 30.0, 4.0, 3


def main(quick: bool, json: bool) -> int:
    """Run and print; 1 when a promise was broken."""
    return perform("chaos discord", discord, quick=quick, json=json, guilds=6, members=80, banned=20, env=PROFILE)


#: For every process: Guard keeps Discord's pace by itself.
PROFILE = {"KOVRA_PACING": "on"}


def discord(rig: Rig, report: Report) -> None:
    """Worse and worse, then good again."""
    rig.discord("POST", "limits", {"on": True})
    rig.discord("POST", "latency", {"ms": LATENCY_MS})
    wishes = 0
    with rig.reviving():
        for share in SHARES:
            say(f"{share:.0%} of the answers are bad: {', '.join(KINDS)}")
            spoil(rig, share)
            with rig.load(rate=RATE, seed=round(share * 100)) as load:
                time.sleep(QUICK_S if report.quick else LONG_S)  # the load goes on for so long under these answers
            wishes += len(load.wishes)
        rig.settle(report)
    limits = rig.discord("GET", "limits")
    report.add("actions", wishes)
    report.add("invalid_requests", limits["invalid_requests"])
    report.add("http_429", sum(limits["refused"].values()))
