"""The lanes against Dramatiq's own RedisBroker, bare Redis, and the queues a user would pick instead, in one run.

*Light* is one message per 1.5 s, from the call that sends it to the actor's first line. *Throughput* is messages sent
beforehand and run by one worker process of 8 threads, from the first actor's start to the last one's; rounds of all
brokers alternate, and each figure is the median of its rounds. The actor does nothing.
"""

from __future__ import annotations

import functools
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from benchmarks import carriers, peers
from benchmarks.carriers import STOCK, STREAMS
from benchmarks.measure import Report, host, percentile, say
from kovra.launcher.valkey import EmbeddedValkey

LIGHT_EVERY_S = 1.5

#: After so many seconds no other round of throughput is begun.
LONGEST_S = 180
GUILDS = (1, 1_000, 10_000)
FLOOR_BATCH = 16


def main(quick: bool, json: bool) -> int:
    """Run and print; 0 when the run was valid."""
    rounds, messages, light = (1, 3_000, 8) if quick else (3, 10_000, 40)
    with tempfile.TemporaryDirectory(prefix="kovra-bench-") as folder:
        with EmbeddedValkey(Path(folder) / "valkey", durable=False, port=0) as server:
            with redis.Redis.from_url(server.url) as client:
                version = client.info("server")
                report = Report(
                    name="queue",
                    quick=quick,
                    host=host(redis=str(version.get("valkey_version") or version["redis_version"])),
                )
                known = peers.prepare(report, install=not quick)
                say(f"light load: {light} messages, one per {LIGHT_EVERY_S} s")
                _light(report, server.url, known, light)
                _throughput(report, server.url, client, rounds, messages)
                _peers_throughput(report, server.url, client, known, 150 if quick else 2_000)
    report.print(as_json=json)
    return 0


def _light(report: Report, url: str, known: list[peers.Peer], count: int) -> None:
    """All queues at once, each on a database of its own: none of them is busy."""
    senders: dict[str, Callable[[], None]] = {}
    workers: dict[str, Any] = {}
    for number, kind in enumerate((STOCK, STREAMS)):
        senders[kind] = functools.partial(carriers.Sender(kind, _database(url, number)).send, "light")
        workers[kind] = carriers.Worker(kind, _database(url, number), count)
    for number, peer in enumerate(known, 2):
        senders[peer.name] = peer.sender(_database(url, number))
        workers[peer.name] = peer.worker(_database(url, number), count)
    try:
        time.sleep(2)  # let every worker go idle, which is where light load finds it
        ways = [threading.Thread(target=_drip, args=(send, count, n)) for n, send in enumerate(senders.values())]
        for way in ways:
            way.start()
        for way in ways:
            way.join()
        for kind, worker in workers.items():
            waits = worker.results()["waits"]["light"]
            report.add(f"{kind}_light_p50_ms", percentile(waits, 0.5))
            report.add(f"{kind}_light_p99_ms", percentile(waits, 0.99))
    finally:
        for worker in workers.values():
            worker.stop()
    for share in ("p50", "p99"):
        report.figures[f"light_{share}_ms"] = report.figures.pop(f"streams_light_{share}_ms")
    report.add("light_vs_stock_x", report.figures["stock_light_p50_ms"] / report.figures["light_p50_ms"], digits=1)


def _drip(send: Callable[[], None], count: int, number: int) -> None:
    time.sleep(number * 0.2)  # so that no two send at one moment
    for _ in range(count):
        time.sleep(LIGHT_EVERY_S)  # this is what light load means
        send()


def _throughput(report: Report, url: str, client: redis.Redis, rounds: int, messages: int) -> None:
    rates: dict[str, list[float]] = defaultdict(list)
    cpu: dict[str, list[float]] = defaultdict(list)
    sizes: dict[int, dict[str, Any]] = {}
    began = time.monotonic()
    for number in range(rounds):
        if time.monotonic() - began > LONGEST_S:
            report.notes["rounds"] = f"{number} of {rounds}: there was no time for more"
            break
        say(f"throughput, round {number + 1} of {rounds}")
        rates["floor"].append(_floor(client, messages))
        # Stock before and after ours: what else the machine does changes by the minute.
        for kind, guilds in ((STOCK, 1), *((STREAMS, guilds) for guilds in GUILDS), (STOCK, 1)):
            # Ten thousand guilds take ten thousand messages.
            sent, seen = _drain(url, client, kind, guilds, max(messages, guilds))
            rates[f"{kind}_enqueue"].append(sent)
            rates[f"{kind}_{guilds}"].append(seen["per_s"])
            cpu[f"{kind}_{guilds}"].append(seen["cpu_us"])
            if kind == STREAMS:
                sizes[guilds] = seen
        rates["streams_guard"].append(_drain(url, client, STREAMS, 1_000, messages, ordered=True)[1]["per_s"])
    middle = {name: statistics.median(values) for name, values in rates.items()}
    for name in ("stock_1", *(f"streams_{guilds}" for guilds in GUILDS), "floor"):
        report.add(f"{name}_per_s", round(middle[name]))
    streams = [middle[f"streams_{guilds}"] for guilds in GUILDS]
    report.add("vs_stock_x", min(streams) / middle["stock_1"])
    report.add("spread_x", max(streams) / min(streams))
    report.add("vs_floor_x", min(streams) / middle["floor"])
    for key, unit in (("threads", ""), ("rss_mb", "_mb")):
        for guilds in (1, 10_000):
            report.add(f"{key.removesuffix('_mb')}_{guilds}{unit}", sizes[guilds][key], digits=1)
    for name, values in cpu.items():
        report.add(f"{name}_cpu_us", round(statistics.median(values)))
    report.notes["stock_1_cpu_us"] = (
        "what a message costs worker and server together, to tell a slow queue from a busy machine"
    )
    report.add("streams_guard_per_s", round(middle["streams_guard"]))
    report.notes["streams_guard_per_s"] = "1,000 guilds, each message with a lock and an order key, as Guard's have"
    report.add("stock_enqueue_per_s", round(middle["stock_enqueue"]))
    report.add("streams_enqueue_per_s", round(middle["streams_enqueue"]))


def _drain(
    url: str, client: redis.Redis, kind: str, guilds: int, messages: int, *, ordered: bool = False
) -> tuple[float, dict[str, Any]]:
    """Messages enqueued a second, and what the worker saw, with ``per_s``."""
    client.flushall()
    sender = carriers.Sender(kind, url)
    began = time.monotonic()
    for number in range(messages):
        sender.send(lane=number % guilds, order_key=f"o{number}" if ordered else "")
    sent = messages / (time.monotonic() - began)
    before = _server_cpu_s(client)
    with carriers.Worker(kind, url, messages) as worker:
        seen = worker.results()
    seen["per_s"] = (messages - 1) / (seen["last_at"] - seen["first_at"])
    seen["cpu_us"] = (seen["cpu_s"] + _server_cpu_s(client) - before) / messages * 1_000_000
    return sent, seen


def _server_cpu_s(client: redis.Redis) -> float:
    used = client.info("cpu")
    return used["used_cpu_user"] + used["used_cpu_sys"]


def _floor(client: redis.Redis, messages: int) -> float:
    """Bare redis-py, no worker: XADD before, then XREADGROUP of 16 and XACK with XDEL, one after the other."""
    client.flushall()
    client.xgroup_create("floor", "all", mkstream=True)
    for start in range(0, messages, 500):
        pipe = client.pipeline(transaction=False)
        for _ in range(start, min(start + 500, messages)):
            pipe.xadd("floor", {"d": b"x" * 300})
        pipe.execute()
    began, done = time.monotonic(), 0
    while done < messages:
        ((_, entries),) = client.xreadgroup("all", "one", {"floor": ">"}, count=FLOOR_BATCH)
        for entry, _ in entries:
            client.pipeline(transaction=False).xack("floor", "all", entry).xdel("floor", entry).execute()
        done += len(entries)
    return messages / (time.monotonic() - began)


def _peers_throughput(report: Report, url: str, client: redis.Redis, known: list[peers.Peer], messages: int) -> None:
    for peer in known:
        say(f"throughput of {peer.name}")
        client.flushall()
        send = peer.sender(url)
        for _ in range(messages):
            send()
        with peer.worker(url, messages) as worker:
            seen = worker.results()
        report.add(f"{peer.name}_per_s", round((messages - 1) / (seen["last_at"] - seen["first_at"])))


def _database(url: str, number: int) -> str:
    """Another database of the same server."""
    return f"{url.removesuffix('/0')}/{number}"
