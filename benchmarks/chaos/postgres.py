"""PostgreSQL is stopped in the mode *immediate* in the middle of a burst, again and again.

Nothing may be done on Discord whose intent was not committed (the judge counts calls against intents), and no case
number may be missing. ``back_ms`` is the longest time from the moment PostgreSQL answers again to the next case.
"""

from __future__ import annotations

import random
import time

from benchmarks.chaos.rig import Rig, perform
from benchmarks.measure import Report, say

#: How often it crashes, and between which seconds it stays away.
CRASHES, CRASHES_QUICK, AWAY_S = 12, 3, (0.2, 3.0)
SEED = 7


def main(quick: bool, json: bool) -> int:
    """Run and print; 1 when a promise was broken."""
    return perform("chaos postgres", postgres, quick=quick, json=json)


def postgres(rig: Rig, report: Report) -> None:
    """Crash, stay away, come back."""
    dice = random.Random(SEED)
    crashes = CRASHES_QUICK if report.quick else CRASHES
    backs: list[float | None] = []
    say(f"{crashes} crashes")
    with rig.reviving(), rig.load(rate=20) as load:
        for _ in range(crashes):
            time.sleep(dice.uniform(1.0, 2.0))  # crashes come at no particular moment
            rig.crash_postgres()
            time.sleep(dice.uniform(*AWAY_S))  # the outage itself
            rig.start_postgres()
            backs.append(rig.next_case_ms())
    rig.settle(report)
    report.add("actions", len(load.wishes))
    report.add("pressed_again", load.pressed_again)
    report.add("pg_crashes", crashes)
    report.add("back_ms", None if None in backs else max(back for back in backs if back is not None))
    if None in backs:
        report.unmeasured("back_ms", "after a crash no case came within a minute")
