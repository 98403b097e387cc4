"""Every fault at once, under a steady load: nothing lost, nothing doubled, nothing missing.

Processes die by SIGKILL at random, Valkey is emptied and killed, PostgreSQL is stopped in the mode *immediate*, and one
in ten of Discord's answers is bad: half of these before anything was done, half after.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable

from benchmarks.chaos.rig import Rig, perform
from benchmarks.chaos.weather import spoil
from benchmarks.measure import Report, say

#: Actions a second, and the share of Discord's answers that are bad.
RATE, BAD_SHARE = 10, 0.1
SEED = 7

#: How long the storm lasts, in seconds.
LONG_S, QUICK_S = 120.0, 20.0

#: Between two of a kind, in seconds. A killed process needs a moment to come back before it can be killed again.
KILL_EVERY_S, FLUSH_EVERY_S, VALKEY_EVERY_S, POSTGRES_EVERY_S = 1.8, 7.0, 22.0, 25.0

#: A mass ban every so many seconds, and of how many: the fewest are banned one by one, the others in one call.
MASS_EVERY_S, MASS_OF = 12.0, (5, 20, 35, 50)

#: Of ten kills.
VICTIMS = ["worker"] * 3 + ["worker-2"] * 3 + ["web", "web-2"] + ["bot"] * 2


def main(quick: bool, json: bool, seconds: float | None = None) -> int:
    """Run and print; 1 when a promise was broken."""
    lasts_s = seconds or (QUICK_S if quick else LONG_S)
    return perform("chaos storm", lambda rig, report: storm(rig, report, lasts_s), quick=quick, json=json)


def storm(rig: Rig, report: Report, lasts_s: float) -> None:
    """All of it at once for so long, then the calm in which everything must come to its end."""
    dice = random.Random(SEED)
    counts = {"flushes": 0, "valkey_kills": 0, "pg_crashes": 0}
    sizes = itertools.cycle(MASS_OF)
    killed_before = sum(rig.killed.values())

    def flush() -> None:
        rig.flush()
        counts["flushes"] += 1

    def kill_valkey() -> None:
        rig.kill("valkey")
        time.sleep(dice.uniform(0.1, 1.0))  # away for a moment
        rig.stack.restart("valkey")
        counts["valkey_kills"] += 1

    def crash_postgres() -> None:
        rig.crash_postgres()
        time.sleep(dice.uniform(0.1, 1.0))  # away for a moment
        rig.start_postgres()
        counts["pg_crashes"] += 1

    spoil(rig, BAD_SHARE)
    say(f"{lasts_s:.0f} s of storm")
    with rig.reviving(), rig.load(rate=RATE, seed=SEED) as load:
        # A quick storm has one of each of the rare ones too.
        rarely = min(1.0, lasts_s / 60)
        at_once(
            lasts_s,
            (KILL_EVERY_S, lambda: rig.kill(dice.choice(VICTIMS))),
            (FLUSH_EVERY_S, flush),
            (VALKEY_EVERY_S * rarely, kill_valkey),
            (POSTGRES_EVERY_S * rarely, crash_postgres),
            (MASS_EVERY_S * rarely, lambda: load.ask_for_many(next(sizes))),
        )
    rig.settle(report)
    report.add("actions", len(load.wishes))
    report.add("accepted", len(load.answered))
    report.add("pressed_again", load.pressed_again)
    kept = [rig.judge.job(wish.batch_id) for wish in load.mass_wishes]
    report.add("jobs", len(kept))
    report.add("job_requests", sum(map(len, kept)))
    report.add("kills", sum(rig.killed.values()) - killed_before - counts["valkey_kills"])
    for name, count in counts.items():
        report.add(name, count)


def at_once(lasts_s: float, *troubles: tuple[float, Callable[[], None]]) -> None:
    """Make each trouble every so many seconds, side by side, for so long."""
    failed: list[BaseException] = []
    ends = time.monotonic() + lasts_s

    def keep_making(every_s: float, make: Callable[[], None]) -> None:
        try:
            while time.monotonic() + every_s < ends:
                time.sleep(every_s)  # the pace of this trouble
                make()
        except BaseException as error:  # noqa: BLE001 - told to the caller below
            failed.append(error)

    threads = [threading.Thread(target=keep_making, args=trouble, daemon=True) for trouble in troubles]
    for thread in threads:
        thread.start()
    time.sleep(lasts_s)  # the storm itself
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
