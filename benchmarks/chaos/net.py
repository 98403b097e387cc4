"""Each leg of the network goes bad in each way while actions are asked for: web to Redis, Guard to Redis, everybody to
PostgreSQL, Guard to Discord.

``back_ms`` is the longest time from the end of a trouble to the next case; ``accepts_refused`` counts the clicks that
had to be pressed again.
"""

from __future__ import annotations

import contextlib
import random
import time
from urllib.parse import urlsplit

from benchmarks.chaos.proxy import GIVE_UP_S, Proxy
from benchmarks.chaos.rig import Rig, perform
from benchmarks.measure import Report, say

#: What can happen, and for how many seconds.
TROUBLES = (
    ("blackhole", 1.0),
    ("blackhole", 5.0),
    ("blackhole", 30.0),
    ("reset", 1.0),
    ("half-open", GIVE_UP_S),
    ("slow", 5.0),
)
#: The quick form takes two short ones for each leg.
QUICK_TROUBLES = (("blackhole", 1.0), ("reset", 0.5), ("half-open", 1.0), ("slow", 1.0))
SEED, RATE, PAUSE_S = 7, 8, 0.5


def main(quick: bool, json: bool) -> int:
    """Run and print; 1 when a promise was broken."""
    return perform("chaos net", net, quick=quick, json=json)


def net(rig: Rig, report: Report) -> None:
    """One leg after the other, one trouble after the other."""
    dice = random.Random(SEED)
    backs: list[float | None] = []
    with contextlib.ExitStack() as open_legs:
        legs = _through_proxies(rig, open_legs)
        with rig.reviving(), rig.load(rate=RATE) as load:
            for leg, proxy in legs.items():
                for mode, lasts_s in dice.sample(QUICK_TROUBLES, 2) if report.quick else TROUBLES:
                    say(f"{leg}: {mode} for {lasts_s:.1f} s")
                    with proxy.toxic(mode):
                        time.sleep(lasts_s)  # the trouble itself
                    backs.append(rig.next_case_ms())
                    time.sleep(PAUSE_S)  # some quiet, so that the next trouble finds a whole Kovra
        rig.settle(report)
    report.add("actions", len(load.wishes))
    report.add("troubles", len(backs))
    report.add("accepts_refused", load.pressed_again)
    report.add("back_ms", None if None in backs else max(back for back in backs if back is not None))
    if None in backs:
        report.unmeasured("back_ms", "after a trouble no case came within a minute")


def _through_proxies(rig: Rig, opened: contextlib.ExitStack) -> dict[str, Proxy]:
    """Start every process anew with its lines leading through proxies."""
    stack = rig.stack
    legs = {
        "web to Redis": Proxy(stack.redis_url),
        "Guard to Redis": Proxy(stack.redis_url),
        "PostgreSQL": Proxy(stack.database_url),
        "Guard to Discord": Proxy(stack.sandbox_url),
    }
    owner, database = urlsplit(stack.database_url).username, urlsplit(stack.database_url).path
    for name, process in stack.processes.items():
        kind = name.split("-")[0]
        redis_leg = legs["web to Redis" if kind == "web" else "Guard to Redis"]
        process.env["REDIS_URL"] = f"redis://127.0.0.1:{redis_leg.port}/0"
        process.env["DATABASE_URL"] = f"postgresql://{owner}@127.0.0.1:{legs['PostgreSQL'].port}{database}"
        if kind == "worker":
            process.env["DISCORD_BASE_URL"] = f"http://127.0.0.1:{legs['Guard to Discord'].port}"
        process.stop()
    for proxy in legs.values():
        opened.callback(proxy.close)
    rig.revive()
    return legs
