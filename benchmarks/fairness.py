"""How long a single message waits beside a neighbour's burst, beside its own guild's, and beside slow work.

Each case runs on the lanes and on Dramatiq's own RedisBroker with one queue, in one worker process of 12 threads each,
as Kovra's worker has them. The wait is from the call that sends the message to the actor's first line.
"""

from __future__ import annotations

import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import redis

from benchmarks import carriers
from benchmarks.carriers import STOCK, STREAMS
from benchmarks.measure import Report, host, percentile, say
from kovra.launcher.valkey import EmbeddedValkey

GUILD_A, GUILD_B = 1, 2
THREADS = 12


@dataclass(frozen=True, kw_only=True)
class Case:
    """A burst of guild A, and single messages of ``lane`` that are sent while it lasts."""

    key: str
    burst: int
    ms: float
    priority: int
    lane: int


CASES = (
    Case(key="other_guild", burst=5_000, ms=5, priority=0, lane=GUILD_B),
    Case(key="own_interactive", burst=1_000, ms=50, priority=1, lane=GUILD_A),
    Case(key="slow_neighbour", burst=100, ms=1_000, priority=0, lane=GUILD_B),
)


def main(quick: bool, json: bool) -> int:
    """Run and print; 0 when the run was valid."""
    with tempfile.TemporaryDirectory(prefix="kovra-bench-") as folder:
        with EmbeddedValkey(Path(folder) / "valkey", durable=False, port=0) as server:
            with redis.Redis.from_url(server.url) as client:
                version = client.info("server")
                versions = {"redis": str(version.get("valkey_version") or version["redis_version"])}
                report = Report(name="fairness", quick=quick, host=host(**versions))
                for case in CASES:
                    for kind, prefix in ((STREAMS, ""), (STOCK, "stock_")):
                        say(f"{case.key}, {kind}")
                        client.flushall()
                        waits = _run(case, kind, server.url, 40 if quick else 100)
                        report.add(f"{prefix}{case.key}_p50_ms", percentile(waits, 0.5))
                        report.add(f"{prefix}{case.key}_p95_ms", percentile(waits, 0.95))
    report.print(as_json=json)
    return 0


def _run(case: Case, kind: str, url: str, singles: int) -> list[float]:
    """The waits of the singles. On the lanes they are sent over the middle of the burst, at odd moments.

    On stock the burst is before all of them, so that a few sent at once tell it all.
    """
    sender = carriers.Sender(kind, url)
    for _ in range(case.burst):
        sender.send(lane=GUILD_A, ms=case.ms, priority=case.priority)
    dice = random.Random(7)
    with carriers.Worker(kind, url, case.burst + singles, enough=singles, threads=THREADS) as worker:
        time.sleep(0.3)  # the burst is under way before the first single
        # The burst must outlast them, also where eight threads work at it as fast as they can.
        gap_s = 0.6 * case.burst * case.ms / 1000 / THREADS / singles
        for _ in range(singles):
            sender.send("single", lane=case.lane)
            # Spread over the burst, at no particular moment of its rhythm.
            time.sleep(gap_s * dice.uniform(0.5, 1.5) if kind == STREAMS else 0.002)  # until the next single
        return worker.results()["waits"]["single"]
