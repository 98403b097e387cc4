"""Hours of work in minutes: memory and open files stay, and nothing is left behind on the lanes.

After the warm-up each process is looked at, and again after the load; both times when everything has come to rest.
``rss_growth_pct`` and ``fds_growth`` are those of the process that grew most.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chaos.rig import SETTLE_S, Rig, perform
from benchmarks.chaos.waiting import until
from benchmarks.measure import Report, say
from kovra.launcher import children
from kovra.queue.broker import LanesBroker
from kovra.queue.client import connect
from kovra.queue.outbox import QUEUE

#: Seconds of load and of warm-up, and actions a second. The warm-up is busier: it fills every pool of connections.
LONG_S, QUICK_S, RATE = 300.0, 8.0, 10
WARM_LONG_S, WARM_QUICK_S, WARM_RATE, WARM_ROUNDS = 40.0, 6.0, 40, 4

#: How long a process rests before it is looked at, in seconds.
REST_S = 2.0


@dataclass(frozen=True)
class Size:
    """What a process and its children take."""

    rss_kb: int
    fds: int


def main(quick: bool, json: bool, seconds: float | None = None) -> int:
    """Run and print; 1 when a promise was broken."""
    lasts_s = seconds or (QUICK_S if quick else LONG_S)
    return perform(
        "chaos soak", lambda rig, report: soak(rig, report, lasts_s), quick=quick, json=json, members=600, banned=120
    )


def soak(rig: Rig, report: Report, lasts_s: float) -> None:
    """Warm up, look, work, look again."""
    warmed, before = _warm(rig, WARM_QUICK_S if report.quick else WARM_LONG_S)
    say(f"{lasts_s:.0f} s of work")
    with rig.load(rate=RATE, seed=WARM_ROUNDS + 1) as load:
        time.sleep(lasts_s)  # the work itself
    _rest(rig)
    after = sizes(rig)
    rig.settle(report)
    for name, size in after.items():
        say(
            f"{name}: {before[name].rss_kb // 1024} -> {size.rss_kb // 1024} MB, {before[name].fds} -> {size.fds} files"
        )
    broker = LanesBroker(connect(rig.stack.redis_url), serve=())
    lanes = broker.lanes(QUEUE)
    report.add("actions", warmed + len(load.wishes))
    report.add("rss_growth_pct", max((after[name].rss_kb / size.rss_kb - 1) * 100 for name, size in before.items()))
    report.add("fds_growth", max(0, *(after[name].fds - size.fds for name, size in before.items())))
    report.add("entries_left", sum(lane.depth for lane in lanes))
    report.add("pending_left", sum(lane.in_flight for lane in lanes))


def _warm(rig: Rig, lasts_s: float) -> tuple[int, dict[str, Size]]:
    """Work until no process opens another file, ``WARM_ROUNDS`` times at most: how many actions; every process then.

    How long a pool takes to fill hangs on the machine. What leaks is never done, and grows on in what is measured.
    """
    actions, before = 0, sizes(rig)
    for number in range(1, WARM_ROUNDS + 1):
        say(f"warming up, {number}")
        with rig.load(rate=WARM_RATE, seed=number) as warm:
            time.sleep(lasts_s)  # the load warms everything meanwhile
        _rest(rig)
        actions, last, before = actions + len(warm.wishes), before, sizes(rig)
        if all(size.fds <= last[name].fds for name, size in before.items()):
            break
    return actions, before


def sizes(rig: Rig) -> dict[str, Size]:
    """Every process as it is now."""
    found = {}
    for name, process in rig.stack.processes.items():
        assert process.pid is not None, f"{name} is gone"
        pids = [process.pid, *children.descendants(process.pid)]
        found[name] = Size(sum(map(_rss_kb, pids)), sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids))
    return found


def _rest(rig: Rig) -> None:
    # What is stuck for longer than this is found by the judge.
    until(lambda: not rig.judge.unfinished(), SETTLE_S)
    time.sleep(REST_S)  # pools and caches let go of what they no longer need


def _rss_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
