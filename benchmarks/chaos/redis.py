"""Valkey goes away for a minute, then is emptied ten times a second: every click is accepted, and everything runs.

``accepts_refused`` counts the clicks of both parts that were not answered with 202 at the first press; ``back_ms`` is
the time from the moment Valkey answers again to the next case, ``drained_ms`` to the end of all that had waited.
"""

from __future__ import annotations

import time
from collections import Counter

from benchmarks.chaos.rig import Rig, perform
from benchmarks.chaos.waiting import must, until
from benchmarks.measure import Report, say

#: How many clicks are answered before Valkey goes, and how long it is away, in seconds; then how many submits, how many
#: a second, and the time between two FLUSHALLs.
FIRST, LONG_S, QUICK_S = 5, 60.0, 8.0
FLUSHED, FLUSHED_QUICK, FLUSHED_RATE, FLUSH_EVERY_S = 300, 60, 20, 0.1


def main(quick: bool, json: bool) -> int:
    """Run and print; 1 when a promise was broken."""
    return perform("chaos redis", redis, quick=quick, json=json, guilds=4)


def redis(rig: Rig, report: Report) -> None:
    """Away, then forgetful."""
    away_s, submits = (QUICK_S, FLUSHED_QUICK) if report.quick else (LONG_S, FLUSHED)
    say(f"Valkey is away for {away_s:.0f} s")
    with rig.reviving(), rig.load(rate=10) as away:
        must(lambda: len(away.answered) >= FIRST, "the first clicks")
        rig.kill("valkey")
        time.sleep(away_s)  # the outage itself
        rig.stack.restart("valkey")
        back_ms = rig.next_case_ms()
        began = time.monotonic()
        waiting = {str(row.request_id) for row in rig.judge.unfinished()}
        until(lambda: not waiting & {str(row.request_id) for row in rig.judge.unfinished()}, 60)
        report.add("drained_ms", back_ms and back_ms + (time.monotonic() - began) * 1000)
    say(f"{submits} submits while it forgets everything every {FLUSH_EVERY_S} s")
    flushes = 0
    with rig.reviving(), rig.load(rate=FLUSHED_RATE) as flushed:
        while len(flushed.wishes) < submits:
            rig.flush()
            flushes += 1
            time.sleep(FLUSH_EVERY_S)  # the pace of the flushes
    rig.settle(report)
    wishes = [*away.wishes, *flushed.wishes]
    report.add("actions", len(wishes))
    report.add("flushes", flushes)
    refused = [wish for wish in wishes if not wish.accepted or wish.presses > 1]
    for answers, count in Counter(tuple(wish.answers) for wish in refused).items():
        say(f"{count} clicks were answered with {', then '.join(answers) or 'nothing'}")
    report.add("accepts_refused", len(refused))
    report.add("back_ms", back_ms)
